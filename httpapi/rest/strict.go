package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// WithoutMark returns a body without the mark (BOM) that some editors and languages put before UTF-8. RFC 8259 lets
// parsers ignore it, and Go's does not.
func WithoutMark(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// StrictJSON refuses JSON that Go's decoder would accept and change.
func StrictJSON(body []byte) error {
	if !utf8.Valid(body) {
		// Go's decoder would replace invalid UTF-8.
		return BadField("body", "expected JSON in UTF-8")
	}
	if at := HalfCharacter(body); at >= 0 {
		return BadField("body", fmt.Sprintf("expected whole characters; at byte %d a \\u escape has half of one", at))
	}
	return wellFormed(body)
}

// HalfCharacter returns the position of the first escaped surrogate without its other half, or -1. Go's decoder would
// replace such a surrogate.
func HalfCharacter(body []byte) int {
	escaped := func(at int) (rune, bool) {
		if at+6 > len(body) || body[at] != '\\' || body[at+1] != 'u' {
			return 0, false
		}
		code, err := strconv.ParseUint(string(body[at+2:at+6]), 16, 16)
		return rune(code), err == nil
	}
	for at := 0; at < len(body); at++ {
		if body[at] != '\\' { // backslashes only occur in strings
			continue
		}
		first, ok := escaped(at)
		switch second, _ := escaped(at + 6); {
		case !ok || !utf16.IsSurrogate(first):
			at++
		case utf16.DecodeRune(first, second) == utf8.RuneError:
			return at
		default:
			at += 11
		}
	}
	return -1
}

// StrictText refuses a text that is not UTF-8, which Go's encoder would change.
func StrictText(field, text string) error {
	if !utf8.ValidString(text) {
		return BadField(field, "expected UTF-8")
	}
	return nil
}

// MaxDepth is how deep JSON may be nested. No valid body needs that much.
const MaxDepth = 32

// wellFormed refuses invalid JSON, and an object that has a name twice. Go takes the last of two values, and other
// decoders take the first, so a proxy that checks bodies could see another request than wasup.
func wellFormed(body []byte) error {
	type level struct {
		names map[string]bool // nil: an array
		name  bool            // a name is next
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var stack []level
	value := func() {
		if n := len(stack); n > 0 && stack[n-1].names != nil {
			stack[n-1].name = true
		}
	}
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && len(stack) == 0:
			return nil
		case err != nil:
			return BadField("body", fmt.Sprintf("expected JSON; it breaks at byte %d", decoder.InputOffset()))
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			next := level{}
			if token == json.Delim('{') {
				next = level{names: make(map[string]bool), name: true}
			}
			if stack = append(stack, next); len(stack) > MaxDepth {
				return BadField("body", fmt.Sprintf("expected JSON that is nested at most %d deep", MaxDepth))
			}
			continue
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
			value()
			continue
		}
		if n := len(stack); n > 0 && stack[n-1].name {
			name, _ := token.(string)
			if stack[n-1].names[name] {
				return BadField(Clipped(name), "expected once")
			}
			stack[n-1].names[name], stack[n-1].name = true, false
			continue
		}
		value()
	}
}

// Clipped shortens a text of the request for use in an answer.
func Clipped(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

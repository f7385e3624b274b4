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

// StrictJSON refuses what Go's decoder would take and change.
func StrictJSON(body []byte) error {
	if !utf8.Valid(body) {
		// Go's decoder would replace what it cannot read.
		return BadField("body", "expected JSON in UTF-8")
	}
	if at := HalfCharacter(body); at >= 0 {
		return BadField("body", fmt.Sprintf("expected whole characters; at byte %d a \\u escape has half of one", at))
	}
	return wellFormed(body)
}

// HalfCharacter finds an escaped surrogate without its other half, which Go's decoder would replace; -1: there is none.
func HalfCharacter(body []byte) int {
	escaped := func(at int) (rune, bool) {
		if at+6 > len(body) || body[at] != '\\' || body[at+1] != 'u' {
			return 0, false
		}
		code, err := strconv.ParseUint(string(body[at+2:at+6]), 16, 16)
		return rune(code), err == nil
	}
	for at := 0; at < len(body); at++ {
		if body[at] != '\\' { // backslashes stand in strings only
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

// StrictText refuses what Go would change.
func StrictText(field, text string) error {
	if !utf8.ValidString(text) {
		return BadField(field, "expected UTF-8")
	}
	return nil
}

// MaxDepth of nested JSON is far beyond what any body needs.
const MaxDepth = 32

// wellFormed refuses what is no JSON, and an object that has a name twice: Go takes the last one of two, others the
// first, and a proxy in between that checks bodies would have seen another request.
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

// Clipped bounds what is repeated of a request.
func Clipped(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

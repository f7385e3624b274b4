package messages

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// lifter copies a JSON body and replaces the string at media.base64 by "". It passes that string, which may be far
// larger than the memory for a body, to take. The copy is valid JSON if the body is.
type lifter struct {
	in    *bufio.Reader
	limit int                   // the most bytes of the copy
	take  func(io.Reader) error // reads the file
	out   bytes.Buffer
	path  []step
	taken bool
}

// step is an open object or array.
type step struct {
	object bool
	key    string
	named  bool // the key was read and its value follows
}

// lift copies to the end of the body. It does not check that the body is JSON; the caller does.
func (l *lifter) lift() ([]byte, error) {
	for {
		b, err := l.in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return l.out.Bytes(), nil
		case err != nil:
			return nil, err
		case b == '"':
			err = l.text()
		default:
			l.follow(b)
			err = l.write(b)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (l *lifter) follow(b byte) {
	n := len(l.path)
	switch b {
	case '{', '[':
		if n <= rest.MaxDepth { // one level more than allowed: rest.StrictJSON refuses such a body
			l.path = append(l.path, step{object: b == '{'})
		}
	case '}', ']':
		if n > 0 {
			l.path = l.path[:n-1]
		}
	case ',':
		if n > 0 {
			l.path[n-1].named = false
		}
	}
}

func (l *lifter) write(p ...byte) error {
	if l.out.Len()+len(p) > l.limit {
		return fiber.ErrRequestEntityTooLarge
	}
	_, err := l.out.Write(p)
	return err
}

// text copies a string whose opening quote has been read. If it is the file, text passes it to take.
func (l *lifter) text() error {
	if l.isFile() {
		return l.file()
	}
	begin := l.out.Len()
	if err := l.write('"'); err != nil {
		return err
	}
	for {
		b, err := l.in.ReadByte()
		if err != nil {
			return broken(err)
		}
		if err := l.write(b); err != nil {
			return err
		}
		switch b {
		case '"':
			l.name(l.out.Bytes()[begin:])
			return nil
		case '\\':
			escaped, err := l.in.ReadByte()
			if err != nil {
				return broken(err)
			}
			if err := l.write(escaped); err != nil {
				return err
			}
		}
	}
}

// name remembers a string that is the key of the next value.
func (l *lifter) name(quoted []byte) {
	n := len(l.path)
	if n == 0 || !l.path[n-1].object || l.path[n-1].named {
		return
	}
	top := &l.path[n-1]
	top.named = true
	if json.Unmarshal(quoted, &top.key) != nil {
		top.key = ""
	}
}

func (l *lifter) isFile() bool {
	return len(l.path) == 2 && l.path[0].object && l.path[0].named && l.path[0].key == "media" &&
		l.path[1].object && l.path[1].named && l.path[1].key == "base64"
}

func (l *lifter) file() error {
	if l.taken {
		return rest.BadField("media.base64", "expected once")
	}
	value := &jsonText{in: l.in}
	first, err := l.in.Peek(1)
	if err != nil {
		return broken(err)
	}
	if first[0] == '"' { // an empty string is no file
		_, _ = l.in.Discard(1)
		return l.write('"', '"')
	}
	l.taken = true
	if err := l.take(fileIn(value)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, value); err != nil {
		return err
	}
	return l.write('"', '"')
}

func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return rest.BadField("body", "expected JSON; a string has no end")
	}
	return err
}

// jsonText reads a JSON string, whose opening quote has been read, up to its closing quote. The string may only have
// characters of base64 and data: URLs, escaped or not.
type jsonText struct {
	in   *bufio.Reader
	done bool
	err  error
}

func (t *jsonText) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.read(p)
	t.err = err // a reader on top of this one may read again after an error
	return n, err
}

func (t *jsonText) read(p []byte) (int, error) {
	n := 0
	for n < len(p) && !t.done {
		if t.in.Buffered() == 0 {
			if n > 0 {
				break // return the buffered bytes before waiting for more
			}
			if _, err := t.in.Peek(1); err != nil {
				return 0, broken(err)
			}
		}
		there, _ := t.in.Peek(min(t.in.Buffered(), len(p)-n))
		usual := bytes.IndexFunc(there, func(r rune) bool { return r == '"' || r == '\\' || r < ' ' || r >= utf8.RuneSelf })
		if usual < 0 {
			usual = len(there)
		}
		n += copy(p[n:], there[:usual])
		_, _ = t.in.Discard(usual) // does not fail: that many bytes are buffered
		if usual == len(there) {
			continue
		}
		b, err := t.in.ReadByte()
		if err != nil {
			return n, broken(err)
		}
		switch {
		case b == '"':
			t.done = true
			continue
		case b == '\\':
			if b, err = t.escaped(); err != nil {
				return n, err
			}
		case b < ' ' || b >= utf8.RuneSelf:
			return n, errNoBase64
		}
		p[n] = b
		n++
	}
	if n == 0 && t.done && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (t *jsonText) escaped() (byte, error) {
	b, err := t.in.ReadByte()
	if err != nil {
		return 0, broken(err)
	}
	switch b {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case '/', '\\', '"':
		return b, nil
	case 'u':
		var digits [4]byte
		if _, err := io.ReadFull(t.in, digits[:]); err != nil {
			return 0, broken(err)
		}
		if code, err := strconv.ParseUint(string(digits[:]), 16, 16); err == nil && code < utf8.RuneSelf {
			return byte(code), nil
		}
	}
	return 0, errNoBase64
}

var errNoBase64 = errors.New("no base64")

// fileIn decodes base64: in the standard or the URL alphabet, with or without padding and line breaks, alone or in a
// data: URL.
func fileIn(text io.Reader) io.Reader {
	in := bufio.NewReader(text)
	if scheme, _ := in.Peek(5); string(scheme) == "data:" {
		if head, err := in.ReadSlice(','); err != nil || !bytes.HasSuffix(head, []byte(";base64,")) {
			return unreadable{errNoBase64}
		}
	}
	return base64.NewDecoder(base64.RawStdEncoding, &alphabet{in: in})
}

// alphabet converts the URL alphabet to the standard one. It removes line breaks, and the padding, which may only be at
// the end.
type alphabet struct {
	in     io.Reader
	padded int
}

func (a *alphabet) Read(p []byte) (int, error) {
	n, err := a.in.Read(p)
	kept := 0
	for _, b := range p[:n] {
		switch b {
		case '\r', '\n':
			continue
		case '=':
			if a.padded++; a.padded > 2 {
				return 0, errNoBase64
			}
			continue
		case '-':
			b = '+'
		case '_':
			b = '/'
		}
		if a.padded > 0 {
			return 0, errNoBase64
		}
		p[kept] = b
		kept++
	}
	return kept, err
}

type unreadable struct{ err error }

func (f unreadable) Read([]byte) (int, error) { return 0, f.err }

// errorRecorder records the error of a reader, to tell a failure of the upload from a failure of the disk.
type errorRecorder struct {
	from io.Reader
	err  error
}

func (n *errorRecorder) Read(p []byte) (int, error) {
	read, err := n.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return read, err
}

// refusalOf returns the caller's error if the file could not be read from base64. nil: reading did not fail.
func (n *errorRecorder) refusalOf(field string) error {
	var corrupt base64.CorruptInputError
	var p *rest.Problem
	switch {
	case n.err == nil:
		return nil
	case errors.As(n.err, &p):
		return p
	case errors.As(n.err, &corrupt), errors.Is(n.err, errNoBase64), errors.Is(n.err, io.ErrUnexpectedEOF):
		return rest.BadField(field, "expected base64")
	default:
		return fmt.Errorf("read %s: %w", field, n.err)
	}
}

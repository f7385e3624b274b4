package messages

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/message"
	"wasup/internal/session"
)

const (
	contentBinary = "application/octet-stream"
	// maxParts is how many parts a form may have. It is more than the number of names.
	maxParts = 16
)

// incoming is a request that may have a file, while its body is read. The reader calls removeFile at the end. If a
// message uses the file, file is set to nil before.
type incoming struct {
	of   *Resource
	ctx  context.Context
	call *rest.Call
	body *upload
	file *message.Media // the stored file; nil: there is none, or it is in use
}

func (r *Resource) receive(k *rest.Call) *incoming {
	return &incoming{of: r, ctx: r.host.Life.Work(), call: k, body: newUpload(k.Ctx)}
}

// removeFile deletes the file if no message uses it.
func (in *incoming) removeFile() {
	if in.file == nil {
		return
	}
	if err := in.of.files.Remove(in.file.File); err != nil {
		in.of.host.Log.Warn("an unused file could not be deleted", "code", session.CodeOf(err), "err", err)
	}
	in.file = nil
}

// put stores a file that is part of the body. field is the file's name in errors.
func (in *incoming) put(from io.Reader, hint message.FileHint, field string) error {
	source := &errorRecorder{from: from}
	media, err := in.of.files.Put(in.ctx, source, hint)
	if err != nil {
		if refused := in.body.refusal(); refused != nil {
			return refused
		}
		if refused := source.refusalOf(field); refused != nil {
			return refused
		}
		return aboutFile(err, field)
	}
	in.file = &media
	return nil
}

// message reads a message from a JSON body or from a form.
func (in *incoming) message(c *fiber.Ctx) (v1MessageNew, error) {
	var msg v1MessageNew
	if encoding := c.Get(fiber.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return msg, rest.HTTPProblem(rest.CodeMediaType, "Content-Encoding: expected none")
	}
	var body []byte
	var err error
	kind, parameters, _ := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	switch kind {
	case "", rest.ContentJSON:
		body, err = in.json()
	case rest.ContentForm:
		body, err = in.form(parameters["boundary"])
	default:
		return msg, rest.HTTPProblem(rest.CodeMediaType, "Content-Type: expected "+rest.ContentJSON+" or "+rest.ContentForm)
	}
	if err != nil {
		if refused := in.body.refusal(); refused != nil {
			return msg, refused
		}
		return msg, err
	}
	if err := in.call.Fit(body); err != nil {
		return msg, err
	}
	if err := json.Unmarshal(body, &msg); err != nil {
		return msg, rest.BadField("body", "expected what the schema says")
	}
	return msg, nil
}

func (in *incoming) json() ([]byte, error) {
	l := &lifter{in: bufio.NewReaderSize(in.body, 32<<10), limit: in.of.host.BodyLimit}
	l.take = func(file io.Reader) error { return in.put(file, message.FileHint{}, "media.base64") }
	body, err := l.lift()
	return rest.WithoutMark(body), err
}

// plainFields are the parts of a form that are plain text and not JSON.
func plainFields() map[string]bool {
	return map[string]bool{"to": true, "kind": true, "text": true, "send_at": true, "expires_in": true}
}

// form reads a form and returns the message as JSON. The form may have the part file, the part message in JSON, and
// plain parts for some fields of the message.
func (in *incoming) form(boundary string) ([]byte, error) {
	if boundary == "" {
		return nil, rest.HTTPProblem(rest.CodeMediaType, "Content-Type: expected a boundary")
	}
	reader := multipart.NewReader(in.body, boundary)
	msg := make(map[string]json.RawMessage)
	seen := make(map[string]bool)
	left := in.of.host.BodyLimit
	for range maxParts {
		part, err := reader.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			in.body.drain()
			return json.Marshal(msg)
		case err != nil:
			return nil, badForm(err)
		}
		name := nameOfPart(part)
		if name == "" {
			return nil, errNoPartName()
		}
		if seen[name] {
			return nil, rest.BadField(rest.Clipped(name), "expected once")
		}
		seen[name] = true
		if name == "file" {
			err = in.put(part, hintOf(part), "file")
		} else {
			err = addPart(msg, name, part, &left)
		}
		if err != nil {
			return nil, badForm(err)
		}
	}
	return nil, rest.BadField("body", "expected at most "+strconv.Itoa(maxParts)+" parts")
}

// badForm turns an error of the form's reader into an error about the body. Other errors stay as they are.
func badForm(err error) error {
	var p *rest.Problem
	var e *session.Error
	var f *fiber.Error
	if errors.As(err, &p) || errors.As(err, &e) || errors.As(err, &f) {
		return err
	}
	return rest.BadField("body", "expected "+rest.ContentForm+" with the boundary of its Content-Type")
}

// nameOfPart returns the name of a part, also where the Content-Disposition breaks the rules, as with a file name that has
// spaces but no quotes.
func nameOfPart(part *multipart.Part) string {
	return message.FormNameIn(part.Header.Get(fiber.HeaderContentDisposition))
}

func errNoPartName() error {
	return rest.BadField("body", "expected that each part has one name in its Content-Disposition")
}

func hintOf(part *multipart.Part) message.FileHint {
	name := message.FileNameIn(part.Header.Get(fiber.HeaderContentDisposition))
	// Some browsers send the path and not only the name.
	hint := message.FileHint{Name: name[strings.LastIndexAny(name, `/\`)+1:]}
	kind, _, err := mime.ParseMediaType(part.Header.Get(fiber.HeaderContentType))
	if (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter)) && kind != contentBinary {
		hint.Mime = kind
	}
	return hint
}

// addPart adds a part to the message. left is how many bytes the remaining parts may have together.
func addPart(msg map[string]json.RawMessage, name string, part io.Reader, left *int) error {
	if name != "message" && !plainFields()[name] {
		return rest.BadField(rest.Clipped(name), "unknown part; expected file, message, to, kind, text, send_at or expires_in")
	}
	var text bytes.Buffer
	n, err := text.ReadFrom(io.LimitReader(part, int64(*left)+1))
	if err != nil {
		return err
	}
	if *left -= int(n); *left < 0 {
		return fiber.ErrRequestEntityTooLarge
	}
	add := func(field string, value json.RawMessage) error {
		if _, twice := msg[field]; twice {
			return rest.BadField(rest.Clipped(field), "expected once")
		}
		msg[field] = value
		return nil
	}
	if name == "message" {
		var fields map[string]json.RawMessage
		object := rest.WithoutMark(text.Bytes())
		if err := rest.StrictJSON(object); err != nil {
			return err
		}
		if json.Unmarshal(object, &fields) != nil {
			return rest.BadField("message", "expected a JSON object")
		}
		for field, value := range fields {
			if err := add(field, value); err != nil {
				return err
			}
		}
		return nil
	}
	return plainPart(name, text.String(), add)
}

func plainPart(name, text string, add func(string, json.RawMessage) error) error {
	if name == "expires_in" {
		seconds, err := strconv.Atoi(text)
		if err != nil {
			return rest.BadField(name, "expected seconds, such as 600")
		}
		return add(name, json.RawMessage(strconv.Itoa(seconds))) // +60 and 060 are not valid JSON
	}
	if err := rest.StrictText(name, text); err != nil {
		return err
	}
	if name == "to" && strings.HasPrefix(text, "{") { // an event's chat
		if err := rest.StrictJSON([]byte(text)); err != nil {
			return rest.BadField(name, "expected a text, or one JSON object as events have it")
		}
		return add(name, json.RawMessage(text))
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return err
	}
	return add(name, quoted)
}

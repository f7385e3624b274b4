package messages

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/message"
)

// upload is POST /v1/media. The body is the file, or a form with the part file.
func (r *Resource) upload(k *rest.Call) error {
	in := r.receive(k)
	defer in.removeFile()
	if encoding := k.Get(fiber.HeaderContentEncoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return rest.HTTPProblem(rest.CodeMediaType, "Content-Encoding: expected none")
	}
	kind, parameters, _ := mime.ParseMediaType(k.Get(fiber.HeaderContentType))
	name := k.Query["name"]
	var err error
	if kind == rest.ContentForm {
		err = in.onlyFile(parameters["boundary"], name)
	} else {
		hint := message.FileHint{Name: name}
		if kind != contentBinary {
			hint.Mime = kind
		}
		err = in.put(in.body, hint, "body")
	}
	if err != nil {
		if refused := in.body.refusal(); refused != nil {
			return refused
		}
		return err
	}
	stored := *in.file
	if stored.Size == 0 {
		return rest.BadField("body", "expected a file that is not empty")
	}
	in.file = nil // removeFile must not delete it
	k.Render(fiber.StatusCreated, v1Upload{
		ID: stored.File, Mime: stored.Mime, Size: stored.Size, SHA256: stored.SHA256,
		Width: stored.Width, Height: stored.Height, Seconds: stored.Seconds, ExpiresAt: wire.Stamp(r.host.Now().Add(r.keep)),
	})
	return nil
}

// onlyFile reads a form whose only part is the file.
func (in *incoming) onlyFile(boundary, name string) error {
	if boundary == "" {
		return rest.HTTPProblem(rest.CodeMediaType, "Content-Type: expected a boundary")
	}
	reader := multipart.NewReader(in.body, boundary)
	for {
		part, err := reader.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && in.file == nil:
			return rest.BadField("file", "is missing")
		case errors.Is(err, io.EOF):
			in.body.drain()
			return nil
		case err != nil:
			return badForm(err)
		case nameOfPart(part) == "":
			return errNoPartName()
		case nameOfPart(part) != "file":
			return rest.BadField(rest.Clipped(nameOfPart(part)), "unknown part; expected file")
		case in.file != nil:
			return rest.BadField("file", "expected once")
		}
		hint := hintOf(part)
		if name != "" {
			hint.Name = name
		}
		if err := in.put(part, hint, "file"); err != nil {
			return badForm(err)
		}
	}
}

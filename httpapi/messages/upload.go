package messages

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// The time limits of an upload: each read must return bytes within uploadPause, and the whole upload must end within
// uploadTime.
const (
	uploadPause = 15 * time.Second
	uploadTime  = 15 * time.Minute
)

// errBodyCut means that a body ended before its Content-Length or before its last chunk.
var errBodyCut = errors.New("the body ended early")

// upload reads the body of a request as it arrives. Its error is errBodyCut if the caller broke off, and a timeout if
// the caller was too slow.
type upload struct {
	ctx      *fiber.Ctx
	from     io.Reader
	missing  int64 // bytes of Content-Length that have not arrived yet; -1: there is no Content-Length
	deadline time.Time
	err      error // the first error, or io.EOF
}

func newUpload(c *fiber.Ctx) *upload {
	u := &upload{ctx: c, from: c.Request().BodyStream(), missing: -1, deadline: time.Now().Add(uploadTime)}
	if u.from == nil {
		u.from = bytes.NewReader(nil)
	}
	if length := c.Request().Header.ContentLength(); length >= 0 {
		u.missing = int64(length)
	}
	return u
}

func (u *upload) Read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	pause := time.Now().Add(uploadPause)
	if pause.After(u.deadline) {
		pause = u.deadline
	}
	if err := u.ctx.Context().SetReadDeadline(pause); err != nil {
		u.err = err
		return 0, err
	}
	n, err := u.from.Read(p)
	if u.missing >= 0 {
		u.missing -= int64(n)
	}
	switch {
	case errors.Is(err, io.EOF) && u.missing > 0:
		u.err = errBodyCut
		return n, errBodyCut
	case errors.Is(err, io.EOF):
		u.err = io.EOF
		_ = u.ctx.Request().CloseBodyStream() // the body was read to its end
	case err != nil && rest.TimedOut(err):
		u.err = err
	case err != nil:
		u.err = errBodyCut // the connection has failed
		return n, errBodyCut
	}
	return n, err
}

// refusal returns the caller's error if the upload failed, nil if it did not.
func (u *upload) refusal() error {
	switch {
	case u.err == nil || errors.Is(u.err, io.EOF):
		return nil
	case rest.TimedOut(u.err):
		return rest.HTTPProblem(rest.CodeTooSlow, "")
	default:
		return rest.BadField("body", "expected all of it; it broke off")
	}
}

// drain reads up to 64 KiB that may follow the last part of a form, so that the connection can be used again.
func (u *upload) drain() {
	const rest = 64 << 10
	_, _ = io.CopyN(io.Discard, u, rest)
}

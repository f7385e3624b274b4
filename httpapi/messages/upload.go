package messages

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// What a slow upload may cost: each read must bring something within uploadPause, the whole within uploadTime.
const (
	uploadPause = 15 * time.Second
	uploadTime  = 15 * time.Minute
)

// errBodyCut is a body that ended before its own Content-Length or its last chunk.
var errBodyCut = errors.New("the body ended early")

// upload is the body of a request as it arrives. It ends with errBodyCut where the caller broke off, and with a timeout
// where the caller was too slow.
type upload struct {
	ctx      *fiber.Ctx
	from     io.Reader
	missing  int64 // bytes that Content-Length promises and that have not come; -1: there is no such promise
	deadline time.Time
	err      error // of the connection, once it failed
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
		_ = u.ctx.Request().CloseBodyStream() // it only says that the body was read to its end
	case err != nil && rest.TimedOut(err):
		u.err = err
	case err != nil:
		u.err = errBodyCut // whatever the connection says, there is nobody left to hear it
		return n, errBodyCut
	}
	return n, err
}

// refusal is what the caller hears of an upload that failed; nil: it did not.
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

// drain reads the little that may follow after what was wanted, so that the connection can be used again.
func (u *upload) drain() {
	const rest = 64 << 10
	_, _ = io.CopyN(io.Discard, u, rest)
}

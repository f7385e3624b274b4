package httpapi

import (
	"bytes"
	"io"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// readBody reads the whole body into memory. It runs before all handlers except those that read the body as a stream. It
// enforces the body limit, because a server that streams does not refuse larger bodies.
func (s *Server) readBody(c *fiber.Ctx) error {
	request := c.Request()
	if !request.IsBodyStream() {
		return nil
	}
	limit := s.host.BodyLimit
	length := request.Header.ContentLength()
	if length > limit {
		return fiber.ErrRequestEntityTooLarge
	}
	var body bytes.Buffer
	// Content-Length is only trusted up to the size of a usual body.
	body.Grow(min(max(length, 0), 16<<10) + bytes.MinRead)
	_, err := body.ReadFrom(io.LimitReader(request.BodyStream(), int64(limit)+1))
	switch {
	case err != nil && rest.TimedOut(err):
		return fiber.ErrRequestTimeout
	case err != nil, length >= 0 && body.Len() < length:
		return fiber.ErrBadRequest
	case body.Len() > limit:
		return fiber.ErrRequestEntityTooLarge
	}
	request.SetBodyRaw(body.Bytes())
	return nil
}

// closeUnread closes the connection after the answer if the body was not read to its end. The rest of the body must not
// be read as the next request, and a caller in the middle of an upload must still get the answer.
func closeUnread(c *fiber.Ctx) {
	if !c.Request().IsBodyStream() {
		return
	}
	if tracked, ok := c.Context().Conn().(*conn); ok {
		tracked.lingers.Store(true)
	}
	c.Context().SetConnectionClose()
}

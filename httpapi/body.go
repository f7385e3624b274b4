package httpapi

import (
	"bytes"
	"io"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// takeBody reads the whole body into memory, as all routes want it but those that stream. The limit is held here,
// because a server that streams hands larger bodies on.
func (s *Server) takeBody(c *fiber.Ctx) error {
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
	// No more than a usual body is trusted to come.
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

// leaveBody closes the connection after the answer where the body was not read to its end: what is left of it must not
// be taken for the next request, and a sender in the middle of an upload must still get the answer.
func leaveBody(c *fiber.Ctx) {
	if !c.Request().IsBodyStream() {
		return
	}
	if tracked, ok := c.Context().Conn().(*conn); ok {
		tracked.lingers.Store(true)
	}
	c.Context().SetConnectionClose()
}

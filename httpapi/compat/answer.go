package compat

import (
	"bytes"

	"github.com/gofiber/fiber/v2"
)

// render writes v as JSON without the newline that ends the answers of /v1: the old service wrote none.
func (r *Routes) render(c *fiber.Ctx, status int, v any) {
	r.host.Render(c, status, v)
	response := c.Response()
	response.SetBodyRaw(bytes.TrimSuffix(response.Body(), []byte("\n")))
}

// ok writes a 200. It returns nil, so that a handler can end with it.
func (r *Routes) ok(c *fiber.Ctx, v any) error {
	r.render(c, fiber.StatusOK, v)
	return nil
}

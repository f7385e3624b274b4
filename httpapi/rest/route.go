package rest

import "github.com/gofiber/fiber/v2"

// RenderError writes an error as a route's callers expect it, and logs what they may not see. label is the route's.
type RenderError func(c *fiber.Ctx, label string, err error)

// Route is one row of the table that everything about routing is derived from.
type Route struct {
	Method string // a GET route answers HEAD too
	Path   string // Fiber's pattern, also the metric label
	Errors RenderError
	Probe  bool // goes on answering while the server drains
	Doc    string
	Handle fiber.Handler
	Stream bool // the handler reads the body as it arrives
}

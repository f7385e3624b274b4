package rest

import "github.com/gofiber/fiber/v2"

// RenderError writes an error in the route's form, and logs the parts that callers may not see. label is the route's
// metric label.
type RenderError func(c *fiber.Ctx, label string, err error)

// Route is one row of the route table. All of routing is derived from the table.
type Route struct {
	Method string // a GET route answers HEAD too, unless Starts
	Path   string // Fiber's pattern, also the metric label
	Errors RenderError
	Probe  bool // the route also answers while the server drains
	Doc    string
	Handle fiber.Handler
	Stream bool // the handler reads the body as it arrives

	Starts  bool // a GET may start something
	Page    bool // a page for people, to which pages of other sites may link
	Monitor bool // for probes and scrapers, which call a machine by any of its addresses
}

// Head reports whether the route answers HEAD. A HEAD never starts anything.
func (r *Route) Head() bool { return r.Method == fiber.MethodGet && !r.Starts }

package rest

import (
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// CrossOrigin reports a request that a page of another origin made in somebody's browser. Such a page cannot read an
// answer, but without this it could stop and delete what listens on the loopback of whoever looks at it: a request
// without a body needs nobody's leave. Browsers say where a request comes from, and pages cannot change what they say;
// callers that are no browsers say nothing and are let through.
func CrossOrigin(c *fiber.Ctx) bool {
	switch c.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	origin := c.Get(fiber.HeaderOrigin)
	if origin == "" {
		return false
	}
	from, err := url.Parse(origin)
	if err != nil || from.Host == "" {
		return true // "null" too: a page that hides where it comes from
	}
	// A proxy may have replaced the host; only a proxy sends the other header, as pages may not without being asked.
	return !strings.EqualFold(from.Host, string(c.Request().Host())) && !strings.EqualFold(from.Host, c.Get(fiber.HeaderXForwardedHost))
}

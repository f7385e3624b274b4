package rest

import (
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// CrossOrigin reports whether a page of another origin made the request in a browser. Such a page cannot read the
// answer, but it can send requests to the loopback address of the machine that shows it, for example to stop or delete
// sessions: a browser sends a request without a body without asking first. Browsers name the origin of a request, and
// pages cannot change that. Callers that are not browsers do not name one, and are allowed.
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
		return true // also for "null", which hides the origin
	}
	// A proxy may have replaced the Host header. Only a proxy sends X-Forwarded-Host: a page cannot send it to another
	// origin unless the server allows that.
	return !strings.EqualFold(from.Host, string(c.Request().Host())) && !strings.EqualFold(from.Host, c.Get(fiber.HeaderXForwardedHost))
}

package httpapi

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/access"
)

// The headers of CORS that Fiber has no names for.
const (
	headerSite           = "Sec-Fetch-Site"
	headerMode           = "Sec-Fetch-Mode"
	headerDest           = "Sec-Fetch-Dest"
	headerResourcePolicy = "Cross-Origin-Resource-Policy"
)

// preflightAge is how long a browser may remember the answer to a preflight, in seconds.
const preflightAge = "600"

// exposed are the headers of answers that pages of listed origins may read, besides those that every page may.
const exposed = "Accept-Ranges, Allow, Content-Disposition, Content-Range, ETag, Location, Retry-After"

// mark sets the headers of every answer. Answers must not be cached: codes and states change, and codes are secrets. No
// page of another origin may embed an answer, and no browser may guess another type.
func (s *Server) mark(c *fiber.Ctx) {
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(headerResourcePolicy, "same-origin")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	if !s.access.HasOrigins() {
		return
	}
	c.Append(fiber.HeaderVary, fiber.HeaderOrigin)
	if origin := c.Get(fiber.HeaderOrigin); s.access.Listed(origin) {
		c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
		c.Set(fiber.HeaderAccessControlExposeHeaders, exposed)
	}
}

// admit refuses requests that name a foreign host or come from a page of another origin. It comes before everything else
// that looks at a request, on every path and for every method.
func (s *Server) admit(c *fiber.Ctx, r *place) error {
	asked := access.Request{
		Method: c.Method(), Host: string(c.Request().URI().Host()),
		Origin: c.Get(fiber.HeaderOrigin), Site: c.Get(headerSite), Mode: c.Get(headerMode), Dest: c.Get(headerDest),
		Page: r != nil && r.page, Monitor: r != nil && r.monitor,
	}
	if c.IsProxyTrusted() && c.Get(fiber.HeaderXForwardedHost) != "" {
		asked.Forwarded = c.Hostname()
	}
	verdict := s.access.Check(&asked)
	// An absolute request target has a host too. Both must be allowed.
	if header := string(c.Request().Header.Host()); verdict == access.Allowed && !strings.EqualFold(header, asked.Host) {
		asked.Host = header
		verdict = s.access.Check(&asked)
	}
	switch verdict {
	case access.WrongHost:
		return &rest.Refusal{Reason: rest.WrongHost, Status: fiber.StatusMisdirectedRequest}
	case access.OtherPage:
		return &rest.Refusal{Reason: rest.OtherPage, Status: fiber.StatusForbidden}
	case access.Allowed:
	}
	return nil
}

// preflight answers a browser that asks whether a page of a listed origin may send a request. It returns false for any
// other request.
func (s *Server) preflight(c *fiber.Ctx, r *place) bool {
	if r == nil || c.Method() != fiber.MethodOptions || c.Get(fiber.HeaderAccessControlRequestMethod) == "" || !s.access.Listed(c.Get(fiber.HeaderOrigin)) {
		return false
	}
	c.Set(fiber.HeaderAccessControlAllowMethods, r.allow())
	if headers := c.Get(fiber.HeaderAccessControlRequestHeaders); headers != "" {
		c.Set(fiber.HeaderAccessControlAllowHeaders, headers)
	}
	c.Set(fiber.HeaderAccessControlMaxAge, preflightAge)
	c.Status(fiber.StatusNoContent)
	return true
}

package compat

import (
	"cmp"
	"log/slog"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// shape is the form of a route's errors.
type shape int

const (
	flagged shape = iota // {"error":true,"code":CODE,"message":…}
	coded                // {"error":CODE,"message":…}
)

// Flagged writes an error in the form of most routes, which is also the form for paths without a route.
func (r *Routes) Flagged(c *fiber.Ctx, label string, err error) {
	r.renderError(c, flagged, label, err)
}

// Coded writes an error in the form of /qr-code and of the hub's routes.
func (r *Routes) Coded(c *fiber.Ctx, label string, err error) { r.renderError(c, coded, label, err) }

// headerLastError says why the last attempt of a session failed that came to no code.
const headerLastError = "X-Last-Error"

// renderError writes an error in the route's form, and logs the cause of a server error.
func (r *Routes) renderError(c *fiber.Ctx, shape shape, label string, err error) {
	f := faultOf(err)
	if f.status >= fiber.StatusInternalServerError && f.cause != nil {
		r.host.Log.Warn("request failed", slog.String("route", label), slog.Int("status", f.status),
			slog.String("code", f.code), slog.Any("err", f.cause))
	}
	if seconds := cmp.Or(rest.Seconds(f.retryAfter), retryAfter(f.code)); seconds > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(seconds))
	}
	if f.reason != "" {
		c.Set(headerLastError, f.reason)
	}
	message := f.message
	if message == "" {
		message = sentence(f.code, shape)
	}
	if shape == flagged {
		r.render(c, f.status, flaggedError{Error: true, Code: f.code, Message: message})
		return
	}
	r.render(c, f.status, codedError{Error: f.code, Message: message, CurrentState: f.state, WaitTimeMS: f.waitMS})
}

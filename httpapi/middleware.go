package httpapi

import (
	"bytes"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"wasup/httpapi/rest"
)

// unmatched is the metric label of paths without a route. The paths themselves would be too many labels.
const unmatched = "unmatched"

// install adds the routes to Fiber, behind the middleware that observes, guards and renders errors.
func (s *Server) install() {
	s.app.Use(s.guard)
	for i := range s.routes.rows {
		row := &s.routes.rows[i]
		s.app.Add(row.Method, row.Path, row.Handle)
		if row.Head() {
			s.app.Add(fiber.MethodHead, row.Path, row.Handle)
		}
	}
	// Fiber answers an unknown method in plain text, before any middleware. So the handler here catches it first.
	server := s.app.Server()
	inner := server.Handler
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		s.host.Life.Enter()
		defer s.host.Life.Leave()
		if slices.Contains(fiber.DefaultMethods, string(ctx.Method())) {
			inner(ctx)
			return
		}
		c := s.app.AcquireCtx(ctx)
		defer s.app.ReleaseCtx(c)
		_ = s.guardWith(c, func() error { return fiber.ErrMethodNotAllowed }) // guardWith renders every error
	}
}

func (s *Server) guard(c *fiber.Ctx) error { return s.guardWith(c, c.Next) }

// guardWith runs a handler and reports the answer to the observer. A panic becomes a 500 instead of ending the process.
// An error becomes an error body in the route's form. It always returns nil.
func (s *Server) guardWith(c *fiber.Ctx, next func() error) error {
	began := s.host.Now()
	path := c.Path()
	r := s.routes.find(path)
	label := unmatched
	if r != nil {
		label = r.path
	}
	s.mark(c)
	err := s.admit(c, r)
	switch {
	case err != nil, s.preflight(c, r):
	case r != nil && !r.probe && s.host.Life.Draining():
		err = rest.ShuttingDown()
	case r == nil || !r.streams(c.Method()):
		if err = s.readBody(c); err == nil {
			err = s.recovered(label, next)
		}
	default:
		err = s.recovered(label, next)
	}
	closeUnread(c)
	if err != nil {
		s.errorsOf(path)(c, label, s.routed(c, r, err))
	}
	if s.host.Life.Draining() {
		c.Context().SetConnectionClose()
	}
	s.host.Observer.HTTPRequest(label, methodLabel(c.Method()), c.Response().StatusCode(), s.host.Now().Sub(began))
	return nil
}

func (s *Server) recovered(label string, next func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			s.host.Log.Error("a handler panicked", slog.String("route", label),
				slog.Any("err", reason), slog.String("stack", string(debug.Stack())))
			// The panic is logged here, with its stack. The refusal has no cause, so that it is not logged twice.
			err = &rest.Refusal{Reason: rest.Bug, Status: fiber.StatusInternalServerError}
		}
	}()
	return next()
}

// routed turns Fiber's own errors into refusals. For a 405 it sets the Allow header.
func (s *Server) routed(c *fiber.Ctx, r *place, err error) error {
	var e *fiber.Error
	if !errors.As(err, &e) {
		return err
	}
	refusal := rest.RefusalOf(e)
	if refusal.Status == fiber.StatusMethodNotAllowed && r != nil {
		c.Set(fiber.HeaderAllow, r.allow())
	}
	return refusal
}

// beforeRouting answers requests that the server refuses before routing: a body over the limit, headers that are too
// large, a request that is not HTTP.
func (s *Server) beforeRouting(c *fiber.Ctx, err error) error {
	path := c.Path()
	label := unmatched
	if r := s.routes.find(path); r != nil {
		label = r.path
	}
	s.mark(c)
	var e *fiber.Error
	if !errors.As(err, &e) {
		e = fiber.ErrInternalServerError
	}
	refusal := rest.RefusalOf(e)
	if refusal.Status == fiber.StatusRequestEntityTooLarge {
		if tracked, ok := c.Context().Conn().(*conn); ok {
			tracked.lingers.Store(true)
		}
	}
	s.errorsOf(path)(c, label, refusal)
	s.host.Observer.HTTPRequest(label, methodLabel(c.Method()), c.Response().StatusCode(), 0)
	return nil
}

// tooMany is the whole answer to a connection beyond the limit. It has the form of paths without a route, because no
// request was read.
func (s *Server) tooMany() []byte {
	c := s.app.AcquireCtx(&fasthttp.RequestCtx{})
	defer s.app.ReleaseCtx(c)
	// No header of a request is known here, so the answer names no origin.
	s.compat.Flagged(c, unmatched, rest.TooManyConnections())
	s.mark(c)
	c.Response().SetConnectionClose()
	var answer bytes.Buffer
	if _, err := c.Response().WriteTo(&answer); err != nil {
		return nil // a buffer takes everything
	}
	return answer.Bytes()
}

func methodLabel(method string) string {
	if i := slices.Index(fiber.DefaultMethods, method); i >= 0 {
		return fiber.DefaultMethods[i]
	}
	return "OTHER"
}

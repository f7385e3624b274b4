package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/valyala/fasthttp"
)

// unmatched is the metric label of paths that no route has; their own text would be unbounded.
const unmatched = "unmatched"

// install puts the routes behind the one middleware that observes, guards and renders errors.
func (s *Server) install() {
	s.routes = newRouteTable(s.table())
	s.app.Use(s.guard)
	for _, r := range s.routes.rows {
		s.app.Add(r.method, r.path, r.handle)
		if r.method == fiber.MethodGet {
			s.app.Add(fiber.MethodHead, r.path, r.handle)
		}
	}
	// Fiber answers a method it does not know in plain text, before any middleware.
	server := s.app.Server()
	inner := server.Handler
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		s.handlers.begin()
		defer s.handlers.end()
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

// guardWith runs a handler: its panic becomes a 500 instead of the end of the process, its error becomes the route's
// error body, and every answer is observed. It returns nil.
func (s *Server) guardWith(c *fiber.Ctx, next func() error) error {
	began := s.cfg.Now()
	path := c.Path()
	r := s.routes.find(path)
	label := unmatched
	if r != nil {
		label = r.path
	}
	// Codes and states are of this moment; codes are secrets too.
	c.Set(fiber.HeaderCacheControl, "no-store")
	var err error
	switch {
	case r != nil && !r.probe && s.draining.Load():
		err = shuttingDown()
	case r == nil || !r.streams(c.Method()):
		if err = s.takeBody(c); err == nil {
			err = s.recovered(label, next)
		}
	default:
		err = s.recovered(label, next)
	}
	leaveBody(c)
	if err != nil {
		s.renderError(c, s.routes.shape(path), label, s.routed(c, r, err))
	}
	if s.draining.Load() {
		c.Context().SetConnectionClose()
	}
	s.deps.Observer.HTTPRequest(label, methodLabel(c.Method()), c.Response().StatusCode(), s.cfg.Now().Sub(began))
	return nil
}

func (s *Server) recovered(label string, next func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			s.deps.Log.Error("a handler panicked", slog.String("route", label),
				slog.Any("err", reason), slog.String("stack", string(debug.Stack())))
			// Logged here, with its stack; the fault carries no cause, so that it is not logged twice.
			err = &fault{code: codeInternal, status: fiber.StatusInternalServerError}
		}
	}()
	return next()
}

// routed turns Fiber's own errors into faults and names the methods that a path has.
func (s *Server) routed(c *fiber.Ctx, r *place, err error) error {
	var e *fiber.Error
	if !errors.As(err, &e) {
		return err
	}
	f := faultOfFiber(e)
	if f.status == fiber.StatusMethodNotAllowed && r != nil {
		c.Set(fiber.HeaderAllow, r.allow())
	}
	return f
}

// beforeRouting answers what the server refuses before a handler runs: a body over the limit, headers that do not fit,
// a request that is not HTTP.
func (s *Server) beforeRouting(c *fiber.Ctx, err error) error {
	path := c.Path()
	label := unmatched
	if r := s.routes.find(path); r != nil {
		label = r.path
	}
	var e *fiber.Error
	if !errors.As(err, &e) {
		e = fiber.ErrInternalServerError
	}
	f := faultOfFiber(e)
	if f.status == fiber.StatusRequestEntityTooLarge {
		if tracked, ok := c.Context().Conn().(*conn); ok {
			tracked.lingers.Store(true)
		}
	}
	s.renderError(c, s.routes.shape(path), label, f)
	s.deps.Observer.HTTPRequest(label, methodLabel(c.Method()), c.Response().StatusCode(), 0)
	return nil
}

func methodLabel(method string) string {
	if i := slices.Index(fiber.DefaultMethods, method); i >= 0 {
		return fiber.DefaultMethods[i]
	}
	return "OTHER"
}

// metricsHandler serves the given handler. It recovers here too, because the adaptor may run it on a goroutine that the
// guard does not see.
func (s *Server) metricsHandler() fiber.Handler {
	return adaptor.HTTPHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if reason := recover(); reason != nil {
				s.deps.Log.Error("the metrics handler panicked", slog.Any("err", reason), slog.String("stack", string(debug.Stack())))
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		s.deps.Metrics.ServeHTTP(w, r)
	}))
}

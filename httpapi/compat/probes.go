package compat

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"wasup/internal/session"
)

const (
	// service is the name of this service in the hub.
	service = "session-manager"
	// healthTimeout bounds the database's answer, because most probes give up after a few seconds.
	healthTimeout = 2 * time.Second
)

// getHealth is GET /health.
func (r *Routes) getHealth(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), healthTimeout)
	defer cancel()
	if err := r.deps.Health.Healthy(ctx); err != nil {
		r.host.Log.Warn("not healthy", slog.Any("err", err))
		answer := healthError{Status: "error", Service: service, Error: sentence(codeInternal, flagged)}
		var e *session.Error
		if errors.As(err, &e) && e.Code != session.CodeInternal {
			answer.Error = e.Public()
		}
		r.render(c, fiber.StatusServiceUnavailable, answer)
		return nil
	}
	return r.ok(c, healthAnswer{
		Status: "ok", Service: service, Version: r.cfg.Version,
		UptimeSeconds: int64(r.host.Now().Sub(r.started) / time.Second),
	})
}

// getHealthz is GET /healthz. It does not check the database: an unavailable database is no reason to restart the
// process.
func (r *Routes) getHealthz(c *fiber.Ctx) error {
	return r.ok(c, livenessAnswer{Status: "ok"})
}

// getReadyz is GET /readyz.
func (r *Routes) getReadyz(c *fiber.Ctx) error {
	ready, restored, wanted, reason := r.deps.Health.Ready()
	if r.host.Life.Draining() {
		ready, reason = false, "draining"
	}
	answer := readinessAnswer{Status: "ready", Restored: restored, Wanted: wanted}
	if ready {
		return r.ok(c, answer)
	}
	answer.Status, answer.Reason = "not_ready", reason
	r.render(c, fiber.StatusServiceUnavailable, answer)
	return nil
}

// metricsHandler is GET /metrics. It recovers from panics itself, because the adaptor may run the handler on another
// goroutine than the guard's.
func (r *Routes) metricsHandler() fiber.Handler {
	return adaptor.HTTPHandler(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		defer func() {
			if reason := recover(); reason != nil {
				r.host.Log.Error("the metrics handler panicked", slog.Any("err", reason), slog.String("stack", string(debug.Stack())))
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		r.deps.Metrics.ServeHTTP(w, q)
	}))
}

package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

const (
	// service is what the hub knows this service as.
	service = "session-manager"
	// healthTimeout bounds the database's answer; probes commonly give up after a few seconds.
	healthTimeout = 2 * time.Second
)

// getIndex is GET /.
func (s *Server) getIndex(c *fiber.Ctx) error {
	answer := indexAnswer{Service: "wasup", Version: s.deps.Version, Routes: make([]indexRoute, 0, len(s.routes.rows))}
	for _, r := range s.routes.rows {
		answer.Routes = append(answer.Routes, indexRoute{Method: r.method, Path: r.path, What: r.doc})
	}
	return s.ok(c, answer)
}

// getHealth is GET /health.
func (s *Server) getHealth(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(s.work, healthTimeout)
	defer cancel()
	if err := s.deps.Health.Healthy(ctx); err != nil {
		s.deps.Log.Warn("not healthy", slog.Any("err", err))
		answer := healthError{Status: "error", Service: service, Error: sentence(codeInternal, flagged)}
		var e *session.Error
		if errors.As(err, &e) && e.Code != session.CodeInternal {
			answer.Error = e.Public()
		}
		s.render(c, fiber.StatusServiceUnavailable, answer)
		return nil
	}
	return s.ok(c, healthAnswer{
		Status: "ok", Service: service, Version: s.deps.Version,
		UptimeSeconds: int64(s.cfg.Now().Sub(s.started) / time.Second),
	})
}

// getHealthz is GET /healthz. It asks nobody: a database that is down is no reason to restart the process.
func (s *Server) getHealthz(c *fiber.Ctx) error {
	return s.ok(c, livenessAnswer{Status: "ok"})
}

// getReadyz is GET /readyz.
func (s *Server) getReadyz(c *fiber.Ctx) error {
	ready, restored, wanted, reason := s.deps.Health.Ready()
	if s.draining.Load() {
		ready, reason = false, "draining"
	}
	answer := readinessAnswer{Status: "ready", Restored: restored, Wanted: wanted}
	if ready {
		return s.ok(c, answer)
	}
	answer.Status, answer.Reason = "not_ready", reason
	s.render(c, fiber.StatusServiceUnavailable, answer)
	return nil
}

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wasup/internal/sandbox/observe"
)

// ErrNotRunning means that a server is not started, or closed, or restarting already.
var ErrNotRunning = errors.New("the sandbox server is not running")

// Restart takes the server away: connections break and nobody listens for the time of down. Then it is back on the
// same addresses. With keepState it knows everything that it knew. Without, it has forgotten the linked devices with
// their keys and queues: logins are refused with 401, as for devices that were unlinked. Phones keep their keys and
// messages either way, as they are not part of the server; faults and counters stay too.
//
// When ctx ends early the server is back at once, and the error is that of ctx.
func (s *Server) Restart(ctx context.Context, down time.Duration, keepState bool) error {
	select {
	case s.endpoint.restarting <- struct{}{}:
		defer func() { <-s.endpoint.restarting }()
	default:
		return fmt.Errorf("%w: it is restarting", ErrNotRunning)
	}
	if !s.net.Tasks.Begin() {
		return ErrNotRunning
	}
	defer s.net.Tasks.Done()
	if !s.goDown() {
		return ErrNotRunning
	}
	s.net.Observer.Emit(observe.Event{Kind: observe.EventServerDown})
	if !keepState {
		s.net.Links.ForgetAll()
	}
	timer := time.NewTimer(down)
	defer timer.Stop()
	var early error
	select {
	case <-timer.C:
	case <-ctx.Done():
		early = fmt.Errorf("sandbox: restart: %w", ctx.Err())
	case <-s.net.Tasks.Closing:
		return ErrNotRunning
	}
	if err := s.endpoint.comeBack(s.conns.admit); err != nil {
		return err
	}
	s.net.Observer.Emit(observe.Event{Kind: observe.EventServerUp})
	return early
}

// goDown stops listening and breaks every connection; it returns when they have ended. False: the server is not
// running.
func (s *Server) goDown() bool {
	var conns []*conn
	var drained <-chan struct{}
	if !s.endpoint.goDown(func() { conns, drained = s.conns.drain() }) {
		return false
	}
	for _, c := range conns {
		c.kill("server restarted")
	}
	if drained != nil {
		<-drained
	}
	return true
}

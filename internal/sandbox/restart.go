package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wasup/internal/sandbox/observe"
)

// ErrNotRunning means that the server is not started, closed, or restarting.
var ErrNotRunning = errors.New("the sandbox server is not running")

// Restart resets all connections and stops listening for the time down. Then the server listens on the same addresses
// again. Without keepState it loses the linked devices with their keys and queues: their logins are refused with 401,
// as for unlinked devices. Phones always keep their keys and messages, because a phone is not part of the server.
// Faults and counters stay as well.
//
// If ctx ends early, the server listens again at once, and Restart returns the error of ctx.
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

// goDown stops listening, resets every connection and waits until all have ended. It returns false if the server is not
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

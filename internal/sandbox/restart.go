package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// What subscribers hear of a restart.
const (
	EventServerDown EventKind = "server_down"
	EventServerUp   EventKind = "server_up"
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
	case s.restarting <- struct{}{}:
		defer func() { <-s.restarting }()
	default:
		return fmt.Errorf("%w: it is restarting", ErrNotRunning)
	}
	if !s.begin() {
		return ErrNotRunning
	}
	defer s.work.Done()
	if !s.goDown() {
		return ErrNotRunning
	}
	s.emit(Event{Kind: EventServerDown})
	if !keepState {
		s.forget()
	}
	timer := time.NewTimer(down)
	defer timer.Stop()
	var early error
	select {
	case <-timer.C:
	case <-ctx.Done():
		early = fmt.Errorf("sandbox: restart: %w", ctx.Err())
	case <-s.closing:
		return ErrNotRunning
	}
	if err := s.comeBack(); err != nil {
		return err
	}
	s.emit(Event{Kind: EventServerUp})
	return early
}

// goDown stops listening and breaks every connection; it returns when they have ended. False: the server is not
// running.
func (s *Server) goDown() bool {
	s.mu.Lock()
	if !s.started || s.closed {
		s.mu.Unlock()
		return false
	}
	s.down = true
	server, listeners := s.http, []net.Listener{s.listener, s.secureListener}
	var drained chan struct{}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	if len(conns) > 0 {
		drained = make(chan struct{})
		s.drained = drained
	}
	s.mu.Unlock()
	// Errors of closing sockets that go away anyway tell nothing.
	_ = server.Close()
	for _, listener := range listeners {
		// The server closes them too, but does not know them yet when it was started a moment ago.
		if listener != nil {
			_ = listener.Close()
		}
	}
	for _, c := range conns {
		c.kill("server restarted")
	}
	if drained != nil {
		<-drained
	}
	return true
}

// comeBack listens where the server listened before.
func (s *Server) comeBack() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrNotRunning
	}
	s.http = s.newHTTP()
	s.down = false
	return s.listen(addressOf(s.listener), addressOf(s.secureListener))
}

func addressOf(listener net.Listener) string {
	if listener == nil {
		return ""
	}
	return listener.Addr().String()
}

// forget drops every linked device.
func (s *Server) forget() {
	for _, phone := range s.Phones() {
		for _, dev := range s.dir.devicesOf(phone.account) {
			if s.dir.unlink(dev) {
				s.emit(Event{Kind: EventUnlinked, Account: phone.Number(), Device: phone.account.jid(dev.id).String(), Detail: "forgotten by the server"})
			}
		}
	}
}

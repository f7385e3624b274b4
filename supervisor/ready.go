package supervisor

import (
	"context"
	"sync"
	"time"

	"wasup/internal/session"
)

// Returns reports whether a session is READY, or tries to connect again by itself before a time. It does not block.
func (d *Door) Returns(id session.ID, before time.Time) bool {
	if d.of.env.Draining.Load() {
		return false
	}
	switch status, _ := d.of.Status(id); status.State {
	case session.Ready, session.Reconnecting:
		return true
	case session.DisconnectedRecoverable:
		return !status.RetryAt.IsZero() && status.RetryAt.Before(before)
	default: // it waits for a person, for WhatsApp, or for longer than a caller does
		return false
	}
}

// AwaitReady waits for a session that is not READY but connects again by itself, for Config.ReadyWait at most. It reports
// whether the session is READY, and starts nothing.
func (d *Door) AwaitReady(ctx context.Context, id session.ID) bool {
	if d.of.Ready(id) {
		return true
	}
	deadline := time.Now().Add(d.of.cfg.ReadyWait)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	changed, leave := d.of.lobby.enter(id)
	defer leave()
	for d.Returns(id, deadline) {
		if d.of.Ready(id) {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return d.of.Ready(id)
		}
	}
	return false
}

// lobby wakes those who wait for a session to be READY. It is a Follower.
type lobby struct {
	mu      sync.Mutex
	waiting map[session.ID]map[chan struct{}]struct{}
}

// enter returns a channel that gets a token at every change of the session, until leave is called.
func (l *lobby) enter(id session.ID) (changed <-chan struct{}, leave func()) {
	own := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = map[session.ID]map[chan struct{}]struct{}{}
	}
	if l.waiting[id] == nil {
		l.waiting[id] = map[chan struct{}]struct{}{}
	}
	l.waiting[id][own] = struct{}{}
	return own, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting[id], own)
		if len(l.waiting[id]) == 0 {
			delete(l.waiting, id)
		}
	}
}

// SessionChanged implements Follower.
func (l *lobby) SessionChanged(id session.ID, _ session.State, _ session.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake(id)
}

// SessionRemoved implements Follower.
func (l *lobby) SessionRemoved(id session.ID) {
	l.SessionChanged(id, session.NotInitialized, session.CauseNone)
}

// wakeAll wakes those who wait for any session.
func (l *lobby) wakeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.waiting {
		l.wake(id)
	}
}

// wake wakes those who wait for a session. The caller holds the lock.
func (l *lobby) wake(id session.ID) {
	for own := range l.waiting[id] {
		select {
		case own <- struct{}{}:
		default:
		}
	}
}

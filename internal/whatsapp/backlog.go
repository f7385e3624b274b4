package whatsapp

import (
	"context"
	"sync"
	"time"

	"wasup/internal/session"
)

// backlogPatience is how long after the login messages wait for the backlog at most. WhatsApp Web waits until no stanza
// has come for 60 s. But a caller may be waiting for the message.
const backlogPatience = 10 * time.Second

// backlog is what has waited at WhatsApp while the session was not connected. WhatsApp delivers it after the login, in
// order, and then says that this was all. It says so at once if nothing has waited. No message leaves before: a phone,
// too, first reads what it has missed, such as the disappearing timer that somebody has set.
type backlog struct {
	run *run

	mu    sync.Mutex
	ended bool          // the backlog has been handled, or has taken too long
	over  chan struct{} // closed then; nil if nobody has waited
	late  *time.Timer
}

// begin starts to wait for the backlog. It is called at the login, before the session is READY. The end may have come
// before.
func (b *backlog) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.late = time.AfterFunc(backlogPatience, b.giveUp)
	}
}

// end is called when WhatsApp has said that this was all. That is a stanza, too, so those before it have been handled.
func (b *backlog) end() (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	b.ended = true
	if b.over != nil {
		close(b.over)
	}
	if b.late != nil {
		b.late.Stop()
		b.late = nil // most clients are idle from now on
	}
	return true
}

// stop ends the time limit when the run is taken down. Whoever waits learns it from the run.
func (b *backlog) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.late != nil {
		b.late.Stop()
	}
}

func (b *backlog) giveUp() {
	select {
	case <-b.run.closing:
		return
	default:
	}
	if b.end() {
		b.run.log.Warn("messages leave before everything was received that has waited at WhatsApp", "after", backlogPatience)
	}
}

// wait returns when messages may leave. If the caller or the run ends first, the error says that nothing has left.
func (b *backlog) wait(ctx context.Context) error {
	b.mu.Lock()
	if b.ended || b.late == nil { // over, or before the login, when nothing leaves anyway
		b.mu.Unlock()
		return nil
	}
	if b.over == nil {
		b.over = make(chan struct{})
	}
	over := b.over
	b.mu.Unlock()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
	case <-b.run.closing:
	}
	return &session.Error{Code: session.CodeNotReady, Op: opSend, Session: b.run.Session, Err: ctx.Err()}
}

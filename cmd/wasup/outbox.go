package main

import (
	"context"
	"sync/atomic"
	"time"

	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/metrics"
	"wasup/supervisor"
)

// outlet is the sessions as the outbox wants them.
type outlet struct{ *supervisor.Supervisor }

func (o outlet) Ready(id session.ID) bool {
	status, _ := o.Status(id)
	return status.CanSend()
}

// sender is the outbox as the compatible API wants it.
type sender struct{ box *outbox.Outbox }

func (s sender) Send(ctx context.Context, id session.ID, to session.Recipient, body, key string) (string, error) {
	result, err := s.box.SendText(ctx, session.MessageRequest{Session: id, To: to, Content: session.TextOf(body), Key: key})
	return result.MessageID, err
}

// queued tells the outbox what the supervisor's observer hears. The outbox is made after the supervisor, and before any
// session runs.
type queued struct {
	supervisor.Observer
	box *atomic.Pointer[outbox.Outbox]
}

func (q queued) SessionChanged(id session.ID, state session.State, cause session.Cause) {
	// The outbox first: whoever hears of READY may send at once.
	if box := q.box.Load(); box != nil {
		box.SessionChanged(id, state)
	}
	q.Observer.SessionChanged(id, state, cause)
}

func (q queued) SessionRemoved(id session.ID) {
	if box := q.box.Load(); box != nil {
		box.SessionRemoved(id)
	}
	q.Observer.SessionRemoved(id)
}

func (a *App) outboxOptions() outbox.Options {
	cfg := a.cfg.Send
	return outbox.Options{
		AttemptTimeout: cfg.Timeout + sendMargin, MaxOpen: cfg.Queue, MaxAttempts: unlimited(cfg.MaxAttempts), Window: cfg.Window,
		RetryMin: cfg.RetryMin, RetryMax: cfg.RetryMax,
		Rate: cfg.Rate, Jitter: cfg.Jitter, DailyCap: cfg.DailyCap,
		KeyRetention: cfg.KeyRetention, Retention: cfg.Retention, RetentionCount: unlimited(cfg.RetentionCount),
		Observer: a.metrics, Logger: a.log,
	}
}

// unlimited makes a configured 0, which is no limit, what the outbox takes for none: its own 0 is its default.
func unlimited(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// backlog are the outbox's figures as metrics wants them.
func backlog(box *outbox.Outbox) func() metrics.Backlog {
	return func() metrics.Backlog {
		s := box.Stats()
		return metrics.Backlog{Messages: s.Open, Sessions: s.Lanes, Oldest: s.Oldest}
	}
}

var _ outbox.Observer = (*metrics.Metrics)(nil)

// sendMargin is what is waited beyond a send's own limit, so that the answer has the sender's cause.
const sendMargin = 15 * time.Second

// actorSends bounds the messages that wait in a session's actor. The outbox hands over one at a time.
const actorSends = 16

package webhooks

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

// maxTests is the maximum number of tests at the same time.
const maxTests = 16

// Test sends an event of the type webhook.test, also if the webhook is not active, and returns the result. If it is
// delivered, waiting events are tried at once. CodeRateLimited if too many tests run.
func (w *Webhooks) Test(ctx context.Context, id string) (Delivery, error) {
	hook, err := w.Get(id)
	if err != nil {
		return Delivery{}, err
	}
	select {
	case w.tests <- struct{}{}:
		defer func() { <-w.tests }()
	default:
		return Delivery{}, &session.Error{Code: session.CodeRateLimited, Op: "test webhook"}
	}
	now := w.opts.Now()
	body, err := bodyOf(&events.Event{
		Session: hook.Session, At: now, Type: events.TypeTest, Data: json.RawMessage(`{"webhook_id":"` + hook.ID + `"}`),
	})
	if err != nil {
		return Delivery{}, &session.Error{Code: session.CodeInternal, Op: "test webhook", Err: err}
	}
	var random [10]byte
	_, _ = rand.Read(random[:]) // it never fails
	r := w.sender.post(ctx, &hook, "msg_test_"+strings.ToLower(base32.StdEncoding.EncodeToString(random[:])), body)
	if r.cut {
		return Delivery{}, &session.Error{Code: session.CodeTimeout, Op: "test webhook", Err: ctx.Err()}
	}
	w.opts.Observer.WebhookAttempted(r.outcome, r.took)
	d := Delivery{
		Session: hook.Session, Type: events.TypeTest, At: now, Attempt: 1, Outcome: r.outcome, Status: r.status, Took: r.took, Error: r.line,
	}
	if err := w.store.Note(ctx, id, d); err != nil {
		w.opts.Log.Warn("webhook: cannot store the result of a test", "webhook", id, "err", err)
	}
	if d.Outcome == Delivered {
		w.post(func(l *loop) { l.retryNow(id) })
	}
	return d, nil
}

// Status returns the state of a webhook's deliveries.
func (w *Webhooks) Status(ctx context.Context, id string) (Status, error) {
	hook, err := w.Get(id)
	if err != nil {
		return Status{}, err
	}
	var s Status
	w.postAndWait(func(l *loop) {
		if r := l.receivers[id]; r != nil {
			s = r.status()
		}
	})
	if s.Backlog, s.Oldest, err = w.store.Backlog(ctx, hook); err != nil {
		return s, err
	}
	if s.Dead, err = w.store.CountDead(ctx, id); err != nil {
		return s, err
	}
	if s.Missed, s.Gaps, err = w.store.Gaps(ctx, id, shownGaps); err != nil {
		return s, err
	}
	behind, err := w.store.Behind(ctx, hook)
	s.Sessions = len(behind)
	if s.Backlog == 0 {
		s.Sessions = 0 // these sessions have only events that the webhook does not want
	}
	return s, err
}

// status returns the part of the status that the loop knows.
func (r *receiver) status() Status {
	s := Status{Failing: r.failing, Failures: r.failures, Last: r.last}
	if !r.hook.Active || r.turns > 0 {
		return s
	}
	held := later(r.downUntil, r.pauseUntil)
	if len(r.ready) > 0 {
		s.Retry = held
		return s
	}
	for _, ln := range r.lanes {
		if ln.state == waiting && (s.Retry.IsZero() || ln.until.Before(s.Retry)) {
			s.Retry = ln.until
		}
	}
	if !s.Retry.IsZero() {
		s.Retry = later(s.Retry, held)
	}
	return s
}

// Deliveries lists the latest attempts, newest first. If before is not 0, it lists those before the attempt with this
// number.
func (w *Webhooks) Deliveries(ctx context.Context, id string, before uint64, limit int) ([]Delivery, error) {
	if _, err := w.Get(id); err != nil {
		return nil, err
	}
	return w.store.Deliveries(ctx, id, before, limit)
}

// DeadLetters lists dead letters after a position of the log, oldest first, of one session, or of all sessions if of is
// empty.
func (w *Webhooks) DeadLetters(ctx context.Context, id string, of session.ID, after uint64, limit int) ([]DeadLetter, error) {
	if _, err := w.Get(id); err != nil {
		return nil, err
	}
	return w.store.DeadLetters(ctx, id, of, after, limit)
}

// Requeue lets dead letters be tried once more: all, those of a session, or the one at a position. It returns their
// number.
func (w *Webhooks) Requeue(ctx context.Context, id string, of session.ID, pos uint64) (int, error) {
	if _, err := w.Get(id); err != nil {
		return 0, err
	}
	n, err := w.store.Requeue(ctx, id, of, pos)
	if err == nil && n > 0 {
		w.post(func(l *loop) {
			if r := l.receivers[id]; r != nil {
				l.wakeLane(r, deadLane)
			}
		})
	}
	return n, err
}

// Discard deletes dead letters: all, those of a session, or the one at a position. It returns their number.
func (w *Webhooks) Discard(ctx context.Context, id string, of session.ID, pos uint64) (int, error) {
	if _, err := w.Get(id); err != nil {
		return 0, err
	}
	return w.store.Discard(ctx, id, of, pos)
}

// Replay delivers events of the log again, from a number or a time on. It never skips events that were not delivered
// yet. It returns the sessions with events to deliver again.
func (w *Webhooks) Replay(ctx context.Context, id string, replay Replay) ([]session.ID, error) {
	hook, err := w.Get(id)
	if err != nil {
		return nil, err
	}
	if hook.Session != "" {
		if replay.Session != "" && replay.Session != hook.Session {
			return nil, badField("session_id", "this webhook belongs to another session")
		}
		replay.Session = hook.Session
	}
	switch {
	case replay.Seq > 0 && !replay.Since.IsZero():
		return nil, badField("since", "expected a number or a time, not both")
	case replay.Seq > 0 && replay.Session == "":
		return nil, badField("session_id", "is missing: a number needs a session")
	}
	// Store the newest deliveries first, so that Rewind sees the cursors where they really are.
	if err := w.notes.waitStored(ctx, id, ""); err != nil {
		return nil, err
	}
	moved, err := w.store.Rewind(ctx, hook, replay)
	if err != nil {
		return nil, err
	}
	w.post(func(l *loop) { l.replay(id, moved) })
	return moved, nil
}

// Figures are the numbers for the metrics. They are counted at most once in figuresAge, after somebody has read them.
type Figures struct {
	Backlog  int            // events that wait for delivery
	Oldest   time.Duration  // the age of the oldest of them
	Webhooks map[string]int // number of webhooks by state
}

// The keys of Figures.Webhooks.
const (
	StateDelivering = "delivering"
	StateFailing    = "failing" // the last attempt failed
	StatePaused     = "paused"
	StateDisabled   = "disabled" // switched off because the receiver answered 410
)

// States lists the keys of Figures.Webhooks.
func States() []string { return []string{StateDelivering, StateFailing, StatePaused, StateDisabled} }

// figuresAge is the minimum time between two counts of the figures.
const figuresAge = 10 * time.Second

type figures struct {
	mu      sync.Mutex
	last    Figures
	at      time.Time
	oldest  time.Time
	pending bool // a count runs
}

// Figures returns the last figures without waiting. If they are old, it starts a count for the next call. Nothing is
// counted while nobody calls it.
func (w *Webhooks) Figures() Figures {
	f := &w.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.pending && w.opts.Now().Sub(f.at) >= figuresAge {
		f.pending = w.spawn(w.count)
	}
	out := f.last
	if !f.oldest.IsZero() {
		out.Oldest = max(0, w.opts.Now().Sub(f.oldest))
	}
	return out
}

func (w *Webhooks) count() {
	counted := Figures{Webhooks: make(map[string]int)}
	var oldest time.Time
	failing := make(map[string]bool)
	w.postAndWait(func(l *loop) {
		for id, r := range l.receivers {
			failing[id] = !r.failing.IsZero()
		}
	})
	for _, hook := range w.List() {
		switch {
		case hook.Disabled != "":
			counted.Webhooks[StateDisabled]++
		case !hook.Active:
			counted.Webhooks[StatePaused]++
		case failing[hook.ID]:
			counted.Webhooks[StateFailing]++
		default:
			counted.Webhooks[StateDelivering]++
		}
		n, first, err := w.store.Backlog(w.life, hook)
		if err != nil {
			continue // the figure leaves this webhook out
		}
		counted.Backlog += n
		if !first.IsZero() && (oldest.IsZero() || first.Before(oldest)) {
			oldest = first
		}
	}
	f := &w.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.oldest, f.at, f.pending = counted, oldest, w.opts.Now(), false
}

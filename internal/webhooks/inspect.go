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

// maxTests is how many tests run at the same time.
const maxTests = 16

// Test sends an event of the type webhook.test and says what became of it, whether the webhook is active or not. A
// receiver that takes it is tried at once with what waits for it.
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
		w.opts.Log.Warn("a test of a webhook was not noted", "webhook", id, "err", err)
	}
	if d.Outcome == Delivered {
		w.tell(func(l *loop) { l.try(id) })
	}
	return d, nil
}

// Status says how far a webhook's deliveries have come.
func (w *Webhooks) Status(ctx context.Context, id string) (Status, error) {
	hook, err := w.Get(id)
	if err != nil {
		return Status{}, err
	}
	var s Status
	w.ask(func(l *loop) {
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
		s.Sessions = 0 // they have only what the webhook does not want
	}
	return s, err
}

// status is the part that the loop knows.
func (r *receiver) status() Status {
	s := Status{Failing: r.failing, Failures: r.failures, Last: r.last}
	if !r.hook.Active || r.turns > 0 {
		return s
	}
	held := later(r.shut, r.rest)
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

// Deliveries lists the last attempts, newest first: those before the attempt with a number, where it is not 0.
func (w *Webhooks) Deliveries(ctx context.Context, id string, before uint64, limit int) ([]Delivery, error) {
	if _, err := w.Get(id); err != nil {
		return nil, err
	}
	return w.store.Deliveries(ctx, id, before, limit)
}

// DeadLetters lists what could not be delivered, oldest first: those after a position of the log; of one session, or of
// all with the empty id.
func (w *Webhooks) DeadLetters(ctx context.Context, id string, of session.ID, after uint64, limit int) ([]DeadLetter, error) {
	if _, err := w.Get(id); err != nil {
		return nil, err
	}
	return w.store.DeadLetters(ctx, id, of, after, limit)
}

// Requeue lets dead letters be tried once more: all, those of a session, or the one at a position. It says how many.
func (w *Webhooks) Requeue(ctx context.Context, id string, of session.ID, pos uint64) (int, error) {
	if _, err := w.Get(id); err != nil {
		return 0, err
	}
	n, err := w.store.Requeue(ctx, id, of, pos)
	if err == nil && n > 0 {
		w.tell(func(l *loop) {
			if r := l.receivers[id]; r != nil {
				l.wakeLane(r, deadLane)
			}
		})
	}
	return n, err
}

// Discard deletes dead letters, chosen as Requeue does. It says how many.
func (w *Webhooks) Discard(ctx context.Context, id string, of session.ID, pos uint64) (int, error) {
	if _, err := w.Get(id); err != nil {
		return 0, err
	}
	return w.store.Discard(ctx, id, of, pos)
}

// Replay delivers events once more, from a number or a time on, as far as the log has them. It never leaves out what was
// not delivered yet. It lists the sessions that begin again.
func (w *Webhooks) Replay(ctx context.Context, id string, replay Replay) ([]session.ID, error) {
	hook, err := w.Get(id)
	if err != nil {
		return nil, err
	}
	if hook.Session != "" {
		if replay.Session != "" && replay.Session != hook.Session {
			return nil, badField("session_id", "this webhook is of another session")
		}
		replay.Session = hook.Session
	}
	switch {
	case replay.Seq > 0 && !replay.Since.IsZero():
		return nil, badField("since", "expected a number or a time, and not both")
	case replay.Seq > 0 && replay.Session == "":
		return nil, badField("session_id", "is missing: a number is one session's")
	}
	// What a receiver has taken a moment ago counts as taken.
	if err := w.notes.settle(ctx, id, ""); err != nil {
		return nil, err
	}
	moved, err := w.store.Rewind(ctx, hook, replay)
	if err != nil {
		return nil, err
	}
	w.tell(func(l *loop) { l.replay(id, moved) })
	return moved, nil
}

// Figures are what the metrics show. They are as old as figuresAge at most, when somebody reads them that often.
type Figures struct {
	Backlog  int           // events that wait
	Oldest   time.Duration // the age of the oldest of them
	Webhooks map[string]int
}

// The keys of Figures.Webhooks.
const (
	StateDelivering = "delivering"
	StateFailing    = "failing" // no attempt has succeeded lately
	StatePaused     = "paused"
	StateDisabled   = "disabled" // by itself
)

// States lists the keys of Figures.Webhooks.
func States() []string { return []string{StateDelivering, StateFailing, StatePaused, StateDisabled} }

// figuresAge is how often the figures are counted, at most.
const figuresAge = 10 * time.Second

type figures struct {
	mu      sync.Mutex
	last    Figures
	at      time.Time
	oldest  time.Time
	pending bool
}

// Figures gives the figures without waiting for anything: nobody who reads them means nobody counts them.
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
	w.ask(func(l *loop) {
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
			continue // the figures of before are as good
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

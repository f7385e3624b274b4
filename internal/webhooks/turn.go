package webhooks

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

const (
	// batch is how many events a turn delivers before the receiver's other lanes come.
	batch = 32
	// slowAfter is when a request counts as slow.
	slowAfter = time.Second
	// storePause is how long a lane waits where the database fails; a shorter RetryMin wins.
	storePause = 5 * time.Second
	// farAhead is how many events that a webhook does not want may lie behind its cursor before that is moved over them, so
	// that they need not be passed over again after the next start.
	farAhead = 500
)

// turn delivers what one lane has, one event after the other.
type turn struct {
	*Webhooks
	lane     *lane     // for the loop only
	of       *receiver // for the loop only
	slowLane bool      // for the loop only
	over     bool      // for the loop only

	hook    Webhook
	session session.ID
	halt    *atomic.Bool
	cursor  Cursor
	known   bool // the cursor is
	seen    uint64
	force   bool
	age     uint64
	retry   schedule
}

// ending is what the loop learns from a turn.
type ending struct {
	cursor    *Cursor // as it is stored; nil: it has to be read again
	seen      uint64
	more      bool      // there is more to deliver
	until     time.Time // not before; zero: at any time
	last      *Delivery
	delivered int
	asked     time.Duration // the receiver's Retry-After
	slow      bool
	gone      bool // it was switched off
}

func (t *turn) run(ctx context.Context) (end ending) {
	defer func() {
		if reason := recover(); reason != nil {
			// A bug that meets one webhook must not end the others, nor the sessions.
			t.opts.Log.Error("a webhook's delivery crashed", "webhook", t.hook.ID, "session", t.session,
				"reason", fmt.Sprint(reason), "stack", string(debug.Stack()))
			end = ending{until: t.opts.Now().Add(min(storePause, t.opts.RetryMin))}
		}
	}()
	if t.session == deadLane {
		t.redeliver(ctx, &end)
		return end
	}
	if !t.known {
		var c Cursor
		err := t.settle(ctx)
		if err == nil {
			c, err = t.store.Cursor(ctx, t.hook, t.session)
		}
		if err != nil {
			t.storeFailed(ctx, &end, err)
			return end
		}
		t.cursor, t.known = c, true
	}
	if t.cursor.Missed && !t.tellGap(ctx, &end) {
		if t.known {
			end.cursor = &t.cursor
		}
		return end
	}
	events, seen, err := t.store.ReadLog(ctx, t.session, max(t.cursor.Seq, t.seen), t.hook.Events, batch)
	if err != nil {
		t.storeFailed(ctx, &end, err)
		return end
	}
	for i := range events {
		if t.halt.Load() || ctx.Err() != nil {
			end.more = true
			break
		}
		if !t.deliver(ctx, &events[i], &end) {
			break
		}
		if i == len(events)-1 {
			end.seen = seen
			end.more = len(events) == batch
		}
	}
	if len(events) == 0 {
		end.seen = seen
		t.skip(ctx, seen, &end)
	}
	if t.known {
		end.cursor = &t.cursor
	}
	return end
}

// skip moves the cursor over events that the webhook does not want, where they are many.
func (t *turn) skip(ctx context.Context, seen uint64, end *ending) {
	if seen < t.cursor.Seq+farAhead {
		return
	}
	var moved bool
	err := t.settle(ctx)
	if err == nil {
		moved, err = t.store.Advance(ctx, t.cursor, seen)
	}
	switch {
	case err != nil:
		t.storeFailed(ctx, end, err)
	case moved:
		t.cursor = Cursor{Webhook: t.cursor.Webhook, Session: t.cursor.Session, Seq: seen}
	default:
		t.elsewhere(end)
	}
}

// elsewhere is what to do where the cursor has been moved by somebody else.
func (t *turn) elsewhere(end *ending) {
	t.known, end.seen, end.more = false, 0, true
}

// storeFailed waits for the database. It is not the receiver's failure.
func (t *turn) storeFailed(ctx context.Context, end *ending, err error) {
	t.known, end.seen, end.more = false, 0, true
	if ctx.Err() != nil || session.CodeOf(err) == session.CodeUnknownWebhook {
		end.more = false // the process ends, or the webhook was deleted
		return
	}
	end.until = t.opts.Now().Add(min(storePause, t.opts.RetryMin))
	t.opts.Log.Warn("webhooks wait for the database", "webhook", t.hook.ID, "session", t.session, "err", err)
}

// deliver makes one attempt. It is false where the turn is over.
func (t *turn) deliver(ctx context.Context, event *events.Event, end *ending) bool {
	c := &t.cursor
	if c.AttemptSeq != event.Seq {
		c.AttemptSeq, c.Attempts, c.FirstFailed, c.NextAt = event.Seq, 0, time.Time{}, time.Time{}
	}
	if !t.force && t.opts.Now().Before(c.NextAt) {
		end.until = c.NextAt
		return false
	}
	t.force = false
	d, r := t.attempt(ctx, event, c.Attempts+1, end)
	switch {
	case r.cut:
		end.more = true
		return false
	case d.Outcome == Delivered:
		return t.delivered(ctx, event, d, end)
	case d.Outcome == Gone:
		t.switchOff(ctx, d, end)
		return false
	default:
		t.failed(ctx, event, d, r, end)
		return false
	}
}

// attempt sends an event and counts the outcome.
func (t *turn) attempt(ctx context.Context, event *events.Event, n int, end *ending) (Delivery, result) {
	began := t.opts.Now()
	var r result
	body, err := bodyOf(event)
	if err != nil {
		r = result{outcome: Refused, line: "the event is no JSON"}
	} else {
		slow := time.AfterFunc(slowAfter, func() { t.tell(func(l *loop) { l.slow(t) }) })
		r = t.sender.post(ctx, &t.hook, messageID(t.hook.ID, event), body)
		slow.Stop()
	}
	d := Delivery{
		Session: event.Session, Seq: event.Seq, Pos: event.Pos, Type: event.Type, At: began, Attempt: n,
		Outcome: r.outcome, Status: r.status, Took: r.took, Error: r.line,
	}
	if r.cut {
		return d, r
	}
	end.last, end.asked, end.slow = &d, r.asked, end.slow || r.took >= slowAfter
	t.opts.Observer.WebhookAttempted(d.Outcome, d.Took)
	if d.Outcome == Delivered {
		end.delivered++
		t.opts.Observer.WebhookDelivered(max(0, t.opts.Now().Sub(event.At)))
	}
	return d, r
}

// settle waits until the stored cursor is the turn's.
func (t *turn) settle(ctx context.Context) error { return t.notes.settle(ctx, t.hook.ID, t.session) }

// delivered goes on with the next event while this one is being noted.
func (t *turn) delivered(ctx context.Context, event *events.Event, d Delivery, end *ending) bool {
	wait := t.notes.add(t.cursor, d)
	t.cursor = Cursor{Webhook: t.cursor.Webhook, Session: t.cursor.Session, Seq: event.Seq}
	if !wait {
		return true
	}
	if err := t.settle(ctx); err != nil {
		t.storeFailed(ctx, end, err)
		return false
	}
	return true
}

// failed stores when the event is tried again, or gives it up.
func (t *turn) failed(ctx context.Context, event *events.Event, d Delivery, r result, end *ending) {
	c, now := t.cursor, t.opts.Now()
	c.Attempts++
	if c.FirstFailed.IsZero() {
		c.FirstFailed = now
	}
	c.NextAt = now.Add(t.retry.later(c.Attempts, r.asked))
	over := event.Type != events.TypeGap && t.retry.over(c.FirstFailed, now)
	var stored bool
	err := t.settle(ctx)
	switch {
	case err != nil:
	case over:
		letter := DeadLetter{Event: *event, Attempts: c.Attempts, Status: d.Status, Error: d.Error, DiedAt: now}
		stored, err = t.store.DeadLetter(ctx, t.cursor, letter, d, now.Add(-t.opts.KeepDead))
	default:
		stored, err = t.store.Postpone(ctx, c, d)
	}
	switch {
	case err != nil:
		t.storeFailed(ctx, end, err)
	case !stored:
		t.elsewhere(end)
	case over:
		t.cursor = Cursor{Webhook: c.Webhook, Session: c.Session, Seq: event.Seq}
		end.more = true
		t.opts.Observer.WebhookDeadLettered()
		t.opts.Log.Warn("an event could not be delivered and is a dead letter", "webhook", t.hook.ID, "session", t.session,
			"seq", event.Seq, "attempts", c.Attempts, "status", d.Status)
	default:
		t.cursor = c
		end.until = c.NextAt
	}
}

// switchOff is the answer to 410.
func (t *turn) switchOff(ctx context.Context, d Delivery, end *ending) {
	err := t.store.Note(ctx, t.hook.ID, d)
	if err == nil {
		err = t.disable(ctx, &t.hook)
	}
	if err != nil {
		t.storeFailed(ctx, end, err)
		return
	}
	end.gone = true
}

// redeliver tries dead letters once more, each once. What fails stays dead.
func (t *turn) redeliver(ctx context.Context, end *ending) {
	letters, err := t.store.Requeued(ctx, t.hook.ID, batch)
	if err != nil {
		t.storeFailed(ctx, end, err)
		return
	}
	end.more = len(letters) == batch
	for i := range letters {
		if t.halt.Load() || ctx.Err() != nil {
			end.more = true
			return
		}
		event := &letters[i].Event
		d, r := t.attempt(ctx, event, letters[i].Attempts+1, end)
		if r.cut {
			end.more = true
			return
		}
		if err := t.store.Settle(ctx, t.hook.ID, event.Pos, d); err != nil {
			t.storeFailed(ctx, end, err)
			return
		}
		if d.Outcome == Gone {
			t.switchOff(ctx, d, end)
			return
		}
		if d.Outcome != Delivered {
			end.more = true // the next one when the receiver may be tried again
			return
		}
	}
}

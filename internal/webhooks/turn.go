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
	// batch is the maximum number of events that a turn delivers. Then the receiver's other lanes have their turns.
	batch = 32
	// slowAfter is the time after which a request counts as slow.
	slowAfter = time.Second
	// storePause is the wait of a lane when the database fails. If RetryMin is shorter, it applies instead.
	storePause = 5 * time.Second
	// farAhead is the number of unwanted events after which a cursor is moved over them. Without that they would be
	// read again after the next start.
	farAhead = 500
)

// turn delivers the events of one lane, one after the other.
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
	known   bool // cursor holds the stored cursor
	seen    uint64
	force   bool
	age     uint64
	retry   schedule
}

// ending is the result of a turn, for the loop.
type ending struct {
	cursor    *Cursor // the stored cursor; nil: it has to be read again
	seen      uint64
	more      bool      // there are more events to deliver
	until     time.Time // no further turn before this time; zero: at any time
	last      *Delivery // the last attempt; nil: there was none
	delivered int
	asked     time.Duration // the receiver's Retry-After
	slow      bool
	gone      bool // the receiver answered 410 and the webhook was switched off
}

// run delivers at most one batch of events.
func (t *turn) run(ctx context.Context) (end ending) {
	defer func() {
		if reason := recover(); reason != nil {
			// A panic in the delivery to one webhook must not end the process.
			t.opts.Log.Error("webhook: delivery crashed", "webhook", t.hook.ID, "session", t.session,
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
		err := t.waitStored(ctx)
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
	found, seen, err := t.store.ReadLog(ctx, t.session, max(t.cursor.Seq, t.seen), t.hook.Events, batch)
	if err != nil {
		t.storeFailed(ctx, &end, err)
		return end
	}
	for i := range found {
		if t.halt.Load() || ctx.Err() != nil {
			end.more = true
			break
		}
		if !t.deliver(ctx, &found[i], &end) {
			break
		}
		if i == len(found)-1 {
			end.seen = seen
			end.more = events.Query{Limit: batch}.Full(found)
		}
	}
	if len(found) == 0 {
		end.seen = seen
		t.skip(ctx, seen, &end)
	}
	if t.known {
		end.cursor = &t.cursor
	}
	return end
}

// skip moves the cursor over events that the webhook does not want, if they are many.
func (t *turn) skip(ctx context.Context, seen uint64, end *ending) {
	if seen < t.cursor.Seq+farAhead {
		return
	}
	var moved bool
	err := t.waitStored(ctx)
	if err == nil {
		moved, err = t.store.Advance(ctx, t.cursor, seen)
	}
	switch {
	case err != nil:
		t.storeFailed(ctx, end, err)
	case moved:
		t.cursor = Cursor{Webhook: t.cursor.Webhook, Session: t.cursor.Session, Seq: seen}
	default:
		t.cursorMoved(end)
	}
}

// cursorMoved ends the turn after somebody else has moved the cursor: the next turn reads it again.
func (t *turn) cursorMoved(end *ending) {
	t.known, end.seen, end.more = false, 0, true
}

// storeFailed ends the turn after an error of the database. The lane tries again after a pause, and the receiver's
// count of failures does not change.
func (t *turn) storeFailed(ctx context.Context, end *ending, err error) {
	t.known, end.seen, end.more = false, 0, true
	if ctx.Err() != nil || session.CodeOf(err) == session.CodeUnknownWebhook {
		end.more = false // the process ends, or the webhook was deleted
		return
	}
	end.until = t.opts.Now().Add(min(storePause, t.opts.RetryMin))
	t.opts.Log.Warn("webhook: database failed; retrying", "webhook", t.hook.ID, "session", t.session, "err", err)
}

// deliver makes one attempt to deliver an event. It returns false if the turn is over.
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
		return t.noteDelivered(ctx, event, d, end)
	case d.Outcome == Gone:
		t.switchOff(ctx, d, end)
		return false
	default:
		t.noteFailed(ctx, event, d, r, end)
		return false
	}
}

// attempt sends an event and counts the outcome.
func (t *turn) attempt(ctx context.Context, event *events.Event, n int, end *ending) (Delivery, result) {
	began := t.opts.Now()
	var r result
	body, err := bodyOf(event)
	if err != nil {
		r = result{outcome: Refused, line: "the event is not valid JSON"}
	} else {
		slow := time.AfterFunc(slowAfter, func() { t.post(func(l *loop) { l.markSlow(t) }) })
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

// waitStored waits until all deliveries of the lane are stored, so that the stored cursor is the turn's cursor.
func (t *turn) waitStored(ctx context.Context) error {
	return t.notes.waitStored(ctx, t.hook.ID, t.session)
}

// noteDelivered moves the turn's cursor over a delivered event. It does not wait for the commit, unless too many
// deliveries of the lane are not stored yet. It returns false if the turn is over.
func (t *turn) noteDelivered(ctx context.Context, event *events.Event, d Delivery, end *ending) bool {
	wait := t.notes.add(t.cursor, d)
	t.cursor = Cursor{Webhook: t.cursor.Webhook, Session: t.cursor.Session, Seq: event.Seq}
	if !wait {
		return true
	}
	if err := t.waitStored(ctx); err != nil {
		t.storeFailed(ctx, end, err)
		return false
	}
	return true
}

// noteFailed stores when the event is tried again, or makes it a dead letter if its time is over.
func (t *turn) noteFailed(ctx context.Context, event *events.Event, d Delivery, r result, end *ending) {
	c, now := t.cursor, t.opts.Now()
	c.Attempts++
	if c.FirstFailed.IsZero() {
		c.FirstFailed = now
	}
	c.NextAt = now.Add(t.retry.later(c.Attempts, r.asked))
	over := event.Type != events.TypeGap && t.retry.over(c.FirstFailed, now)
	var stored bool
	err := t.waitStored(ctx)
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
		t.cursorMoved(end)
	case over:
		t.cursor = Cursor{Webhook: c.Webhook, Session: c.Session, Seq: event.Seq}
		end.more = true
		t.opts.Observer.WebhookDeadLettered()
		t.opts.Log.Warn("webhook: event given up, now a dead letter", "webhook", t.hook.ID, "session", t.session,
			"seq", event.Seq, "attempts", c.Attempts, "status", d.Status)
	default:
		t.cursor = c
		end.until = c.NextAt
	}
}

// switchOff disables the webhook after its receiver has answered 410.
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

// redeliver makes one attempt for each requeued dead letter. One that fails again stays a dead letter.
func (t *turn) redeliver(ctx context.Context, end *ending) {
	letters, err := t.store.Requeued(ctx, t.hook.ID, batch)
	if err != nil {
		t.storeFailed(ctx, end, err)
		return
	}
	end.more = Full(letters, batch)
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
			end.more = true // the next dead letter is tried when the receiver may be tried again
			return
		}
	}
}

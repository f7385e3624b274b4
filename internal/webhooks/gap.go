package webhooks

import (
	"context"
	"encoding/json"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

// shownGaps is the maximum number of gaps in the status of a webhook.
const shownGaps = 20

// Missed takes the gaps that retention made: events that it deleted before their delivery. A receiver gets a notice of
// its gap before the next event of the session.
func (w *Webhooks) Missed(gaps []events.Gap) {
	for i := range gaps {
		g := &gaps[i]
		w.opts.Observer.WebhookMissed(g.Count)
		w.opts.Log.Warn("webhook: retention deleted events before their delivery", "webhook", g.Webhook, "session", g.Session,
			"events", g.Count, "first_seq", g.First, "last_seq", g.Last)
		w.reloadLane(g.Webhook, g.Session)
	}
}

// tellGap sends the notice of a gap. It returns false if the turn is over.
func (t *turn) tellGap(ctx context.Context, end *ending) bool {
	if t.halt.Load() || ctx.Err() != nil {
		end.more = true
		return false
	}
	gap, err := t.store.Gap(ctx, t.hook.ID, t.session)
	if session.CodeOf(err) == session.CodeNotFound { // the session was deleted
		t.cursorMoved(end)
		return false
	}
	if err != nil {
		t.storeFailed(ctx, end, err)
		return false
	}
	event := gapEvent(&gap)
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
	case d.Outcome == Gone:
		t.switchOff(ctx, d, end)
		return false
	case d.Outcome == Delivered:
		gap.State = events.GapTold
	case !c.FirstFailed.IsZero() && t.retry.over(c.FirstFailed, t.opts.Now()):
		gap.State = events.GapGivenUp
	default:
		t.noteFailed(ctx, event, d, r, end)
		return false
	}
	return t.endGap(ctx, gap, d, end)
}

// gapEvent makes the notice of a gap. It has the number of the last missing event, so a receiver that counts the
// numbers can continue after it.
func gapEvent(gap *events.Gap) *events.Event {
	data, err := json.Marshal(events.GapData{Count: gap.Count, First: gap.First, Last: gap.Last, From: gap.From, To: gap.To})
	if err != nil { // a time beyond the year 9999
		data = json.RawMessage(`{}`)
	}
	return &events.Event{Session: gap.Session, Seq: gap.Last, Pos: gap.Pos, At: gap.At, Type: events.TypeGap, Data: data}
}

// endGap stores that the notice was delivered or given up. It returns false if the turn is over.
func (t *turn) endGap(ctx context.Context, gap events.Gap, d Delivery, end *ending) bool {
	ended, err := t.store.EndGap(ctx, t.cursor, gap, d)
	switch {
	case err != nil:
		t.storeFailed(ctx, end, err)
		return false
	case !ended: // the gap has grown meanwhile
		t.cursorMoved(end)
		return false
	default:
		t.cursor = Cursor{Webhook: t.cursor.Webhook, Session: t.cursor.Session, Seq: t.cursor.Seq}
		if gap.State == events.GapGivenUp {
			end.more = true // the next event gets its own turn, when the receiver may be tried again
			return false
		}
		return true
	}
}

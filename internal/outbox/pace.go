package outbox

import (
	"context"
	"math/rand/v2"
	"time"

	"wasup/internal/session"
)

// pace is how fast a session may send. It outlives the lane, and exists only where there is a limit.
type pace struct {
	next    time.Time // no message may leave before
	day     time.Time // the day that sent counts, its beginning in UTC
	sent    int
	counted bool // sent holds what the ledger had for the day
}

func (o *Outbox) paced() bool {
	return o.options.Rate > 0 || o.options.Jitter > 0 || o.options.DailyCap > 0
}

// hold is how long the lane has to wait before its first message may leave; 0: it may.
func (o *Outbox) hold(l *lane, first *Entry) time.Duration {
	now := time.Now()
	if first.ID == l.head && l.notBefore.After(now) {
		return l.notBefore.Sub(now)
	}
	if !o.paced() {
		return 0
	}
	day := now.UTC().Truncate(24 * time.Hour)
	p := o.paceOf(l.id, day)
	if o.options.DailyCap > 0 {
		if !p.counted && !o.count(l.id, p) {
			return time.Second
		}
		if p.sent >= o.options.DailyCap {
			return day.Add(24 * time.Hour).Sub(now)
		}
	}
	if p.next.After(now) {
		return p.next.Sub(now)
	}
	step := time.Duration(0)
	if o.options.Rate > 0 {
		step = time.Duration(float64(time.Second) / o.options.Rate)
	}
	if o.options.Jitter > 0 {
		step += rand.N(o.options.Jitter + 1)
	}
	p.next = now.Add(step)
	return 0
}

// paceOf gives a session's pace. Only the lane's goroutine and its successors use what is in it.
func (o *Outbox) paceOf(id session.ID, day time.Time) *pace {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.paces[id]
	if p == nil {
		p = &pace{}
		o.paces[id] = p
	}
	if !p.day.Equal(day) {
		p.day, p.sent, p.counted = day, 0, false
	}
	return p
}

// count asks the ledger how many messages left today, which an earlier process may have sent.
func (o *Outbox) count(id session.ID, p *pace) bool {
	ctx, cancel := context.WithTimeout(o.base, o.options.StoreTimeout)
	defer cancel()
	sent, err := o.ledger.Sent(ctx, id, p.day)
	if err != nil {
		o.options.Logger.Warn("the messages of the day could not be counted", "session", id, "code", session.CodeOf(err), "err", err)
		return false
	}
	p.sent, p.counted = sent, true
	return true
}

// countSent notes a message that WhatsApp took.
func (o *Outbox) countSent(id session.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.paces[id]; p != nil {
		p.sent++
	}
}

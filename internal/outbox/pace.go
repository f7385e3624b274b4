package outbox

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"wasup/internal/session"
)

// pacer says when a session may send its next message, by rate, jitter and daily cap. Without a limit it stores
// nothing.
type pacer struct {
	ledger  Ledger
	options *Options
	base    context.Context // parent of the contexts of ledger reads

	mu    sync.Mutex
	paces map[session.ID]*pace
}

// pace is the pacing state of one session. It outlives the lane and exists only if there is a limit. Only the lane's
// goroutine and its successors use its fields, except sent, which the pacer's lock guards.
type pace struct {
	next    time.Time // no message may leave before this time
	before  time.Time // next without the last message that was counted as leaving
	day     time.Time // start of the day (UTC) that sent counts
	sent    int       // messages acknowledged on that day
	counted bool      // sent includes the messages that the ledger had for the day
}

func newPacer(base context.Context, ledger Ledger, options *Options) *pacer {
	return &pacer{ledger: ledger, options: options, base: base, paces: make(map[session.ID]*pace)}
}

// limited reports whether there is a limit.
func (p *pacer) limited() bool {
	return p.options.Rate > 0 || p.options.Jitter > 0 || p.options.DailyCap > 0
}

// wait returns how long a session must wait before its next message may leave. 0 means that it may leave now, and wait
// counts it as leaving now.
func (p *pacer) wait(id session.ID) time.Duration {
	if !p.limited() {
		return 0
	}
	now := time.Now()
	day := now.UTC().Truncate(24 * time.Hour)
	own := p.paceOf(id, day)
	if p.options.DailyCap > 0 {
		if !own.counted && !p.count(id, own) {
			return time.Second
		}
		if p.sentToday(own) >= p.options.DailyCap {
			return day.Add(24 * time.Hour).Sub(now)
		}
	}
	if own.next.After(now) {
		return own.next.Sub(now)
	}
	step := time.Duration(0)
	if p.options.Rate > 0 {
		step = time.Duration(float64(time.Second) / p.options.Rate)
	}
	if p.options.Jitter > 0 {
		step += rand.N(p.options.Jitter + 1)
	}
	own.before, own.next = own.next, now.Add(step)
	return 0
}

// notSent takes back that a message was counted as leaving: another caller had cancelled or settled it.
func (p *pacer) notSent(id session.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if own := p.paces[id]; own != nil {
		own.next = own.before
	}
}

// paceOf returns a session's pace and resets its count when a new day has begun.
func (p *pacer) paceOf(id session.ID, day time.Time) *pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.paces[id]
	if own == nil {
		own = &pace{}
		p.paces[id] = own
	}
	if !own.day.Equal(day) {
		own.day, own.sent, own.counted = day, 0, false
	}
	return own
}

func (p *pacer) sentToday(own *pace) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return own.sent
}

// count reads from the ledger how many messages were acknowledged today: an earlier process may have sent some. It
// returns false if the ledger fails.
func (p *pacer) count(id session.ID, own *pace) bool {
	ctx, cancel := context.WithTimeout(p.base, p.options.StoreTimeout)
	defer cancel()
	sent, err := p.ledger.Sent(ctx, id, own.day)
	if err != nil {
		p.options.Logger.Warn("the messages of the day could not be counted", "session", id, "code", session.CodeOf(err), "err", err)
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	own.sent, own.counted = sent, true
	return true
}

// countSent counts a message that WhatsApp acknowledged.
func (p *pacer) countSent(id session.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if own := p.paces[id]; own != nil {
		own.sent++
	}
}

// remove deletes the pace of a deleted session.
func (p *pacer) remove(id session.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.paces, id)
}

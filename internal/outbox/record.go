package outbox

import (
	"context"
	"time"

	"wasup/internal/message"
	"wasup/internal/pause"
	"wasup/internal/session"
)

// recorder stores what has become of messages and tells it to the metrics, to the counts of the outbox and to those who
// wait.
type recorder struct {
	ledger  Queue
	options *Options
	base    context.Context // parent of the contexts of the writes
	waiters *waiters
	count   func(list []outcome, carried []bool) // takes the changes that were carried out from the counts
}

// store writes pending outcomes and reports whether they are stored.
func (r *recorder) store(pending []outcome) bool {
	if len(pending) == 0 {
		return true
	}
	_, ok := r.commit(pending)
	return ok
}

// commit writes outcomes and repeats the write until it succeeds or Stop no longer waits. carried says which changes
// were carried out. If the first write fails, the waiters get WhatsApp's answer all the same: it is true, and at worst
// the message is sent again under the same id.
func (r *recorder) commit(list []outcome) (carried []bool, ok bool) {
	changes := make([]Change, len(list))
	for i := range list {
		changes[i] = list[i].change
	}
	for failures := 1; ; failures++ {
		// The write has its own context: a shutdown must not lose an answer that has arrived.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.base), r.options.StoreTimeout)
		carried, err := r.ledger.Advance(ctx, changes...)
		cancel()
		if err == nil {
			r.announce(list, carried)
			return carried, true
		}
		if failures == 1 {
			r.options.Logger.Error("the state of messages could not be stored", "session", list[0].change.Session,
				"code", session.CodeOf(err), "err", err)
			r.announceUnstored(list)
		}
		if r.base.Err() != nil {
			return nil, false
		}
		pause.Sleep(r.base.Done(), storePause(failures))
	}
}

// announce reports the changes that were carried out to the observer, the lanes and the waiters.
func (r *recorder) announce(list []outcome, carried []bool) {
	for i := range list {
		c := &list[i].change
		if !carried[i] {
			continue
		}
		if c.To != message.Sending && (c.To != message.Queued || c.Anew || len(c.Events) > 0) {
			r.options.Observer.MessageChanged(c.To, c.Failure.Code)
		}
		if c.To == message.ServerAck {
			r.options.Observer.MessageAcked(max(0, time.Since(list[i].since)))
		}
	}
	r.count(list, carried)
	for i := range list {
		if carried[i] {
			r.tell(&list[i])
		}
	}
}

func (r *recorder) tell(o *outcome) {
	c := &o.change
	r.waiters.post(c.Session, c.ID, news{state: c.To, ackedAt: c.AckedAt, failure: c.Failure, err: o.err, attempts: o.attempts})
}

// announceUnstored reports final outcomes that cannot be stored now to the waiters.
func (r *recorder) announceUnstored(list []outcome) {
	for i := range list {
		if list[i].change.To.Settled() {
			r.tell(&list[i])
		}
	}
}

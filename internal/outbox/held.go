package outbox

import (
	"context"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// heldBatch is the number of held messages that one commit changes.
const heldBatch = 200

// Claim must be called at each login of a session, before the session is READY. account is the account that is linked.
// If another one was linked before, the messages that were accepted for it are held: they do not leave until a person
// requeues them. Errors are those of the ledger; then the session must not become READY.
func (o *Outbox) Claim(ctx context.Context, id session.ID, account session.Account) error {
	done, err := o.ledger.Claim(ctx, id, account)
	if err != nil || !done.Changed {
		return err
	}
	o.options.Logger.Warn("the session is linked to another account than before; the messages that were accepted for that one are held",
		"session", id, "held", done.Held)
	for range done.Held {
		o.options.Observer.MessageChanged(message.Held, "")
	}
	o.mu.Lock()
	if done.Held > 0 {
		o.held[id] += done.Held
	}
	if l := o.lanes[id]; l != nil {
		l.open, l.oldest, l.onlyEntry = max(0, l.open-done.Held), time.Time{}, nil
		l.paused = time.Time{} // it was for a message that is held now
		l.collect()
	}
	o.mu.Unlock()
	o.waiters.update(id, func(n *news) { n.handedOver = true })
	return nil
}

// Held returns the number of a session's messages that wait for a person. It does not read the ledger.
func (o *Outbox) Held(id session.ID) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held[id]
}

// countHeld changes a session's number of held messages. The caller holds the lock.
func (o *Outbox) countHeld(id session.ID, by int) {
	if o.held[id] += by; o.held[id] <= 0 {
		delete(o.held, id)
	}
}

// RequeueHeld queues all held messages of a session again, in the order of their acceptance, so that they leave from the
// account that is linked now. It returns how many. Their ids and time limits stay. CodeQueueFull: the queue has no room
// for the rest.
func (o *Outbox) RequeueHeld(ctx context.Context, id session.ID) (int, error) {
	defer o.wake(id)
	return o.eachHeld(ctx, id, message.Queued)
}

// CancelHeld cancels all held messages of a session and returns how many.
func (o *Outbox) CancelHeld(ctx context.Context, id session.ID) (int, error) {
	return o.eachHeld(ctx, id, message.Cancelled)
}

// eachHeld moves all held messages of a session to a state, in batches. Whoever calls it again continues.
func (o *Outbox) eachHeld(ctx context.Context, id session.ID, to message.State) (total int, err error) {
	for {
		page, err := o.ledger.Held(ctx, id, heldBatch)
		if err != nil || len(page) == 0 {
			return total, err
		}
		n, err := o.moveHeld(ctx, page, to)
		total += n
		if err != nil || n == 0 { // none: another caller moves them
			return total, err
		}
	}
}

// moveHeld moves held messages to QUEUED or CANCELLED in one commit and returns how many it has moved.
func (o *Outbox) moveHeld(ctx context.Context, page []Entry, to message.State) (n int, err error) {
	var list []outcome
	var changes []Change
	var full error
	for i := range page {
		e := &page[i]
		if to == message.Queued {
			if full = o.reserve(e.Session); full != nil {
				break
			}
		}
		change := Change{Session: e.Session, ID: e.ID, From: []message.State{message.Held}, To: to}
		if to == message.Queued {
			change.Failure = e.Failure
		}
		change.Events = statusEvents(&change, e.To, time.Now())
		list, changes = append(list, outcome{change: change, attempts: countless}), append(changes, change)
	}
	if len(changes) == 0 {
		return 0, full
	}
	carried, err := o.ledger.Advance(ctx, changes...)
	for i := range changes {
		switch {
		case err != nil || !carried[i]:
			if to == message.Queued {
				o.unreserve(changes[i].Session, session.CodeOf(err) == session.CodeStoreUnavailable)
			}
		default:
			n++
		}
	}
	if err != nil {
		return n, err
	}
	o.records.announce(list, carried)
	return n, full
}

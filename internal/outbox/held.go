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
// account that is linked now. It returns how many. Their ids and time limits stay. A message about another one that only
// the account before can change or quote fails with CodeInvalidRequest instead. CodeQueueFull: the queue has no room for
// the rest.
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
		moved, failed, err := o.moveHeld(ctx, page, to)
		total += moved
		if err != nil || moved+failed == 0 { // none: another caller moves them
			return total, err
		}
	}
}

// moveHeld moves held messages to QUEUED or CANCELLED in one commit. It returns how many it has moved, and how many have
// failed because they cannot leave from this account.
func (o *Outbox) moveHeld(ctx context.Context, page []Entry, to message.State) (moved, failed int, err error) {
	var list []outcome
	var changes []Change
	var full error
	leaving := make(map[string]bool, len(page))
	for i := range page {
		change, err := o.fromHeld(ctx, &page[i].Message, to, leaving)
		if err != nil {
			o.unreserveAll(changes, false)
			return 0, 0, err
		}
		if change.To == message.Queued {
			if full = o.reserve(change.Session); full != nil {
				break
			}
			leaving[change.ID] = true
		}
		list, changes = append(list, outcome{change: change, attempts: countless}), append(changes, change)
	}
	if len(changes) == 0 {
		return 0, 0, full
	}
	carried, err := o.ledger.Advance(ctx, changes...)
	if err != nil {
		o.unreserveAll(changes, session.CodeOf(err) == session.CodeStoreUnavailable)
		return 0, 0, err
	}
	for i := range changes {
		switch {
		case !carried[i]:
			o.unreserveAll(changes[i:i+1], false)
		case changes[i].To == to:
			moved++
		default:
			failed++
		}
	}
	o.records.announce(list, carried)
	return moved, failed, full
}

// fromHeld returns the change of a held message to a state, or to FAILED if it was to leave and cannot. leaving has the
// messages that leave before it: what is about one of those can leave, too.
func (o *Outbox) fromHeld(ctx context.Context, m *message.Message, to message.State, leaving map[string]bool) (Change, error) {
	change := Change{Session: m.Session, ID: m.ID, From: []message.State{message.Held}, To: to}
	if to == message.Queued {
		change.Failure = m.Failure
	}
	if to == message.Queued && !isAbout(m, leaving) {
		switch err := o.targets.checkAgain(ctx, m); {
		case session.CodeOf(err) == session.CodeInvalidRequest:
			change.To, change.Failure = message.Failed, message.FailureOf(err)
		case err != nil:
			return change, err
		}
	}
	change.Events = statusEvents(&change, m.To, time.Now())
	return change, nil
}

// isAbout reports whether a message changes or quotes one of these.
func isAbout(m *message.Message, these map[string]bool) bool {
	target, quote := m.Content.Target, m.Content.Quote
	return target != nil && these[target.ID] || quote != nil && these[quote.ID]
}

// unreserveAll gives back the places of the changes that queue a message. unsure says that they may have been stored.
func (o *Outbox) unreserveAll(changes []Change, unsure bool) {
	for i := range changes {
		if changes[i].To == message.Queued {
			o.unreserve(changes[i].Session, unsure)
		}
	}
}

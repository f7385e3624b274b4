package outbox

import (
	"context"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Wait returns the message once it has reached the state, can come no further by itself, or ctx has ended; the last is
// no error: the state says how far it is, and so it is when the process ends and the message is not on its way. The wait is
// woken by what happens and asks nobody again and again. CodeUnknownMessage where the session has none with this id.
func (o *Outbox) Wait(ctx context.Context, id session.ID, messageID string, until message.State) (message.Message, error) {
	w := o.waiters.add(id, messageID)
	defer o.waiters.remove(w)
	for {
		// A wait that is over is answered all the same, so the question has a bound of its own.
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.options.StoreTimeout)
		msg, err := o.ledger.Message(asking, id, messageID)
		cancel()
		if err != nil || msg.State.Reached(until) || ctx.Err() != nil {
			return msg, err
		}
		o.waiters.take(w)
		if o.isHalted() && !o.sending(id, messageID) {
			return msg, nil // nothing more will happen to it in this process
		}
		select {
		case <-w.signal:
		case <-ctx.Done():
		}
	}
}

// Message gives one message with its receipts. CodeUnknownMessage where the session has none with this id.
func (o *Outbox) Message(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	return o.ledger.Message(ctx, id, messageID)
}

// List gives a page of a session's messages without their receipts, newest first, and the cursor of the next page, "" on
// the last. CodeInvalidRequest with field cursor for a cursor that is none.
func (o *Outbox) List(ctx context.Context, id session.ID, filter message.Filter) (page []message.Message, next string, err error) {
	return o.ledger.List(ctx, id, filter)
}

// Cancel takes back a message that is still queued: it will not be sent. Cancelled already is no error. CodeWrongState
// where it has begun to be sent, or is settled; CodeUnknownMessage.
func (o *Outbox) Cancel(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	msg, err := o.ledger.Message(ctx, id, messageID)
	if err != nil || msg.State == message.Cancelled {
		return msg, err
	}
	change := Change{
		Session: id, ID: messageID, From: []message.State{message.Queued}, To: message.Cancelled,
	}
	change.Events = tell(&change, msg.To, time.Now())
	return o.decide(ctx, "cancel message", change, "only a message that is still queued can be cancelled")
}

// Requeue queues a message that failed once more, under the same id and without a time limit: a person asked for it.
// CodeWrongState where it did not fail, WhatsApp had taken it, or its content is gone; CodeQueueFull, CodeUnknownMessage.
func (o *Outbox) Requeue(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	msg, err := o.ledger.Message(ctx, id, messageID)
	if err != nil {
		return msg, err
	}
	if err := o.reserve(id); err != nil {
		return msg, err
	}
	change := Change{
		Session: id, ID: messageID, From: []message.State{message.Failed}, To: message.Queued, Anew: true,
	}
	change.Events = tell(&change, msg.To, time.Now())
	msg, err = o.decide(ctx, "requeue message", change, "only a message that failed, and that WhatsApp never took, can be queued again")
	if err != nil {
		o.unreserve(id, session.CodeOf(err) == session.CodeStoreUnavailable)
		return msg, err
	}
	o.wake(id)
	return msg, nil
}

// decide carries out what a person decided, and says where the message is then.
func (o *Outbox) decide(ctx context.Context, op string, change Change, otherwise string) (message.Message, error) {
	carried, err := o.ledger.Advance(ctx, change)
	if err != nil {
		return message.Message{}, err
	}
	o.moved([]outcome{{change: change}}, carried)
	msg, err := o.ledger.Message(ctx, change.Session, change.ID)
	if err != nil || carried[0] {
		return msg, err
	}
	return msg, &session.Error{
		Code: session.CodeWrongState, Op: op, Session: change.Session,
		Message: "the message is " + string(msg.State) + ": " + otherwise,
	}
}

// Receipt notes how far messages have come with somebody's device. Messages only ever come further; what is said twice,
// or of messages that the outbox did not send, changes nothing. A receipt that comes before WhatsApp's own
// acknowledgement implies it. told are events about the receipt itself: they are in the log once Receipt has returned, in
// the same commit as the messages' new states. It must not be called within a work of the ledger.
func (o *Outbox) Receipt(ctx context.Context, id session.ID, data events.ReceiptData, told ...events.Event) error {
	steps, err := o.ledger.Receipt(ctx, id, data, told...)
	if err != nil || len(steps) == 0 {
		return err
	}
	for i := range steps {
		o.options.Observer.MessageChanged(steps[i].To, "")
		if !steps[i].From.Settled() {
			o.options.Observer.MessageAcked(max(0, time.Since(steps[i].Since)))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range steps {
		if !steps[i].From.Settled() {
			o.closeOne(id, steps[i].ID)
		}
		o.waiters.post(id, steps[i].ID, news{state: steps[i].To, ackedAt: steps[i].Acked})
	}
	return nil
}

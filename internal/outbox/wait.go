package outbox

import (
	"context"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Wait returns the message when it has reached the state until or can no longer reach it, when ctx ends, when it is held, or when the
// process stops sending and the message is not being sent. The end of ctx is no error: the state says how far the
// message is. Wait does not poll; changes of the message wake it. CodeUnknownMessage: the session has no message with
// this id.
func (o *Outbox) Wait(ctx context.Context, id session.ID, messageID string, until message.State) (message.Message, error) {
	w := o.waiters.add(id, messageID)
	defer o.waiters.remove(w)
	for {
		// The read has its own time limit, because the message is also returned after ctx has ended.
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.options.StoreTimeout)
		msg, err := o.ledger.Message(asking, id, messageID)
		cancel()
		if err != nil || msg.State.Reached(until) || msg.State == message.Held || ctx.Err() != nil {
			return msg, err
		}
		o.waiters.takeNews(w)
		if o.isHalted() && !o.sending(id, messageID) {
			return msg, nil // nothing more will happen to it in this process
		}
		select {
		case <-w.signal:
		case <-ctx.Done():
		}
	}
}

// Message returns one message with its receipts. CodeUnknownMessage: the session has no message with this id.
func (o *Outbox) Message(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	return o.ledger.Message(ctx, id, messageID)
}

// List returns a page of a session's messages, newest first and without receipts, and the cursor of the next page,
// which is "" on the last one. CodeInvalidRequest with field cursor: the cursor is malformed.
func (o *Outbox) List(ctx context.Context, id session.ID, filter message.Filter) (page []message.Message, next string, err error) {
	return o.ledger.List(ctx, id, filter)
}

// Cancel cancels a message that is still queued, or held, so that it is not sent. To cancel a cancelled message is no error.
// CodeWrongState: the message is being sent or is settled. CodeUnknownMessage: the session has no message with this id.
func (o *Outbox) Cancel(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	for {
		msg, err := o.ledger.Message(ctx, id, messageID)
		if err != nil || msg.State == message.Cancelled {
			return msg, err
		}
		from := message.Queued
		if msg.State == message.Held {
			from = message.Held
		}
		change := Change{
			Session: id, ID: messageID, From: []message.State{from}, To: message.Cancelled,
		}
		change.Events = statusEvents(&change, msg.To, time.Now())
		msg, err = o.changeState(ctx, "cancel message", change, "only a message that is still queued, or held, can be cancelled")
		if session.CodeOf(err) != session.CodeWrongState || msg.State == from || !isWaiting(msg.State) && msg.State != message.Cancelled {
			return msg, err
		}
		// Another caller has just requeued or cancelled it.
	}
}

// isWaiting reports whether a message in this state has no attempt, and can be cancelled.
func isWaiting(s message.State) bool { return s == message.Queued || s == message.Held }

// Requeue queues a failed message again, under the same id and without a time limit, or a held one with its limit. A held
// message then leaves from the account that is linked now. To requeue a queued message is no error. CodeWrongState: the message did
// not fail, WhatsApp had acknowledged it, or its content is deleted. CodeInvalidRequest: it is about a message that this
// account cannot change or quote any more. Other errors: CodeQueueFull, CodeShuttingDown, CodeUnknownMessage and those of
// the ledger.
func (o *Outbox) Requeue(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	msg, err := o.ledger.Message(ctx, id, messageID)
	if err != nil {
		return msg, err
	}
	if msg.State == message.Queued {
		return msg, nil
	}
	if err = o.targets.checkAgain(ctx, &msg); err != nil {
		return msg, err
	}
	switch msg.State {
	case message.Held:
		defer o.wake(id)
		moved, _, err := o.moveHeld(ctx, []Entry{{Message: msg}}, message.Queued)
		if err != nil {
			return msg, err
		}
		if msg, err = o.ledger.Message(ctx, id, messageID); moved == 0 && err == nil && msg.State == message.Cancelled {
			err = wrongState(&msg, "requeue message", notRequeuable)
		}
		return msg, err
	default:
		return o.requeueUntil(ctx, &msg, 0, time.Time{})
	}
}

const notRequeuable = "only a held message, or a failed one that WhatsApp never acknowledged, can be queued again"

func wrongState(m *message.Message, op, otherwise string) error {
	return &session.Error{
		Code: session.CodeWrongState, Op: op, Session: m.Session, Message: "the message is " + string(m.State) + ": " + otherwise,
	}
}

// requeueUntil is Requeue of a failed message, with the number of attempts that count and a time limit.
func (o *Outbox) requeueUntil(ctx context.Context, failed *message.Message, attempts int, limit time.Time) (message.Message, error) {
	id, messageID := failed.Session, failed.ID
	if err := o.reserve(id); err != nil {
		return *failed, err
	}
	change := Change{
		Session: id, ID: messageID, From: []message.State{message.Failed}, To: message.Queued,
		Anew: true, Begun: attempts, ExpiresAt: limit,
	}
	change.Events = statusEvents(&change, failed.To, time.Now())
	msg, err := o.changeState(ctx, "requeue message", change, notRequeuable)
	if err != nil {
		o.unreserve(id, session.CodeOf(err) == session.CodeStoreUnavailable)
		return msg, err
	}
	if !limit.IsZero() {
		o.retainer.noteExpiry(limit)
	}
	o.wake(id)
	return msg, nil
}

// changeState carries out a change that a person asked for and returns the message after it. CodeWrongState, with the
// sentence otherwise in its message: the message's state does not allow the change.
func (o *Outbox) changeState(ctx context.Context, op string, change Change, otherwise string) (message.Message, error) {
	carried, err := o.ledger.Advance(ctx, change)
	if err != nil {
		return message.Message{}, err
	}
	o.records.announce([]outcome{{change: change, attempts: countless}}, carried)
	msg, err := o.ledger.Message(ctx, change.Session, change.ID)
	if err != nil || carried[0] {
		return msg, err
	}
	return msg, wrongState(&msg, op, otherwise)
}

// Receipt stores what a device reported about messages: delivered, read or played. Messages only move forward; a
// repeated receipt changes no message, and neither does one about messages that the outbox did not send. A receipt that
// comes before WhatsApp's acknowledgement counts as the acknowledgement. told are events about the receipt itself. They
// are written to the log in the same commit as the messages' new states, before Receipt returns. Receipt must not be
// called inside a transaction of the ledger.
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
		switch {
		case steps[i].From == message.Held:
			o.countHeld(id, -1)
		case !steps[i].From.Settled():
			o.countSettled(id, steps[i].ID)
		}
		o.waiters.post(id, steps[i].ID, news{state: steps[i].To, ackedAt: steps[i].Acked})
	}
	return nil
}

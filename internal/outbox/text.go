package outbox

import (
	"context"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Result is the state of a message. MessageID is set once the message has an id, also next to an error.
type Result struct {
	MessageID string
	State     message.State
	At        time.Time // the server's time of the acknowledgement; zero before
}

// SendText accepts a message for a READY session and waits for WhatsApp's acknowledgement. It is Enqueue and Wait for
// callers that need the result in the same call.
//
// If the session is not READY, SendText stores nothing and returns CodeNotReady. If the session leaves READY before the
// first attempt, SendText deletes the message again and returns CodeNotReady. If an attempt ends without an outcome,
// SendText returns the attempt's error; if ctx ends, it returns CodeTimeout. In both cases the message stays in the
// ledger and is sent again under its id. If the session already has a message with the request's key, SendText returns
// the result of that message. Once that message is settled, the session need not be READY.
//
// Errors: those of Enqueue and of the attempt. A repeated request gets the same error for a refusal by WhatsApp.
func (o *Outbox) SendText(ctx context.Context, request message.Request) (Result, error) {
	if err := checkText(&request); err != nil {
		return Result{}, err
	}
	if err := check(&request, time.Now()); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, timeoutError(request.Session, err)
	}
	entry := draft(request)
	if !o.sender.Ready(request.Session) {
		return o.answerNotReady(ctx, &entry)
	}
	// Wait before the message is stored: its acknowledgement may come before Enqueue returns.
	w := o.waiters.add(entry.Session, entry.ID)
	defer func() { o.waiters.remove(w) }()
	if o.isHalted() {
		return Result{}, &session.Error{Code: session.CodeShuttingDown, Op: "send message", Session: request.Session}
	}
	stored, existed, err := o.enqueue(ctx, entry)
	if err != nil {
		return Result{}, err
	}
	if stored.ID != entry.ID {
		o.waiters.remove(w)
		w = o.waiters.add(stored.Session, stored.ID)
		if stored.Message, err = o.ledger.Message(ctx, stored.Session, stored.ID); err != nil {
			return Result{}, err
		}
	}
	if stored.State.Settled() {
		return settledResult(&stored.Message, nil)
	}
	return o.await(ctx, w, &stored, existed)
}

// answerNotReady answers a request for a session that cannot send. It returns the result of an earlier settled message
// with the same key, and CodeNotReady otherwise.
func (o *Outbox) answerNotReady(ctx context.Context, entry *Entry) (Result, error) {
	refusal := &session.Error{Code: session.CodeNotReady, Op: "send message", Session: entry.Session}
	if entry.Key == "" {
		return Result{}, refusal
	}
	stored, found, err := o.find(ctx, entry)
	switch {
	case err != nil:
		return Result{}, err
	case !found:
		return Result{}, refusal
	case stored.State.Settled():
		return settledResult(&stored.Message, nil)
	}
	return Result{MessageID: stored.ID, State: stored.State}, refusal
}

// await waits for the first outcome of a message. If existed, the message was accepted by an earlier call, so await
// does not delete it.
func (o *Outbox) await(ctx context.Context, w *waiter, stored *Entry, existed bool) (Result, error) {
	result := Result{MessageID: stored.ID, State: stored.State}
	for {
		select {
		case <-w.signal:
		case <-ctx.Done():
		}
		halted, n := o.isHalted(), o.waiters.takeNews(w)
		if n.state != "" {
			result.State = n.state
		}
		switch unbegun := verdictOf(n.err) == neverLeft; {
		case result.State.Settled():
			stored.State, stored.AckedAt, stored.Failure = n.state, n.ackedAt, n.failure
			return settledResult(&stored.Message, n.err)
		case n.removed:
			return result, &session.Error{Code: session.CodeNotFound, Op: "send message", Session: stored.Session}
		case n.err != nil && !unbegun:
			return result, n.err
		case ctx.Err() != nil:
			return result, timeoutError(stored.Session, ctx.Err())
		case n.err != nil, n.leftReady && !o.sender.Ready(stored.Session), halted && !o.sending(stored.Session, stored.ID):
			refusal := n.err
			if refusal == nil {
				refusal = &session.Error{Code: session.CodeNotReady, Op: "send message", Session: stored.Session}
			}
			if halted {
				refusal = &session.Error{Code: session.CodeShuttingDown, Op: "send message", Session: stored.Session}
			}
			// If an attempt has begun in between, the message is not deleted and the wait continues.
			if existed || o.discard(ctx, stored) {
				return result, refusal
			}
		}
	}
}

// sending reports whether a message is being sent now, or is sent next.
func (o *Outbox) sending(id session.ID, messageID string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lanes[id]
	if l == nil {
		return false
	}
	_, marked := l.marked[messageID]
	return marked
}

// discard deletes a message that has no attempt yet and reports whether it did. The caller gets an error for the
// message, so it must not be sent later.
func (o *Outbox) discard(ctx context.Context, e *Entry) bool {
	deleted, err := o.ledger.Discard(ctx, e.Session, e.ID)
	if err != nil {
		o.options.Logger.Warn("an unsent message could not be deleted", "session", e.Session, "code", session.CodeOf(err), "err", err)
		return false
	}
	if deleted {
		o.mu.Lock()
		o.countSettled(e.Session, e.ID)
		o.mu.Unlock()
	}
	return deleted
}

// settledResult returns the result of a settled message. For a failure, every caller gets the same error.
func settledResult(m *message.Message, cause error) (Result, error) {
	result := Result{MessageID: m.ID, State: m.State, At: m.AckedAt}
	switch m.State {
	case message.Failed:
		return result, &session.Error{
			Code: m.Failure.Code, Op: "send message", Session: m.Session, Status: m.Failure.Status, Message: m.Failure.Message, Err: cause,
		}
	case message.Cancelled:
		return result, &session.Error{
			Code: session.CodeWrongState, Op: "send message", Session: m.Session, Message: "the message was cancelled before it was sent",
		}
	default:
		return result, nil
	}
}

func timeoutError(id session.ID, err error) error {
	return &session.Error{
		Code: session.CodeTimeout, Op: "send message", Session: id,
		Message: "the wait ended before WhatsApp acknowledged the message", Err: err,
	}
}

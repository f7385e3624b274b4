package outbox

import (
	"context"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Result is where a message stands. MessageID is set as soon as it was chosen, beside an error too.
type Result struct {
	MessageID string
	State     message.State
	At        time.Time // the server's time of the acknowledgement; zero before it
}

// SendText accepts a message of a READY session and waits for WhatsApp's acknowledgement: it is Enqueue and Wait for
// callers who want an answer now.
//
// A message whose session is not READY is refused with CodeNotReady before anything is stored, and one that could not
// begin because the session left READY is forgotten again. An attempt that ended without an outcome is the caller's error,
// and the message stays and is sent again under its id; so it is when ctx ends, which is CodeTimeout. With a key, a
// message that was accepted before is answered from what became of it, whatever the session's state.
//
// Errors: those of Enqueue and of the attempt; a refusal by WhatsApp comes back as the same error every time.
func (o *Outbox) SendText(ctx context.Context, request message.Request) (Result, error) {
	if err := checkText(&request); err != nil {
		return Result{}, err
	}
	if err := check(&request, time.Now()); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, late(request.Session, err)
	}
	entry := draft(request)
	if !o.sender.Ready(request.Session) {
		return o.unready(ctx, &entry)
	}
	// Before it is stored: its acknowledgement may be faster than this caller.
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
		return settled(&stored.Message, nil)
	}
	return o.await(ctx, w, &stored, existed)
}

// unready answers a caller whose session cannot send: only a message that was accepted before has an answer.
func (o *Outbox) unready(ctx context.Context, entry *Entry) (Result, error) {
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
		return settled(&stored.Message, nil)
	}
	return Result{MessageID: stored.ID, State: stored.State}, refusal
}

// await waits for the first outcome of a message. existed: others may rely on it, so that it is not forgotten.
func (o *Outbox) await(ctx context.Context, w *waiter, stored *Entry, existed bool) (Result, error) {
	result := Result{MessageID: stored.ID, State: stored.State}
	for {
		select {
		case <-w.signal:
		case <-ctx.Done():
		}
		halted, n := o.isHalted(), o.waiters.take(w)
		if n.state != "" {
			result.State = n.state
		}
		switch unbegun := verdictOf(n.err) == neverLeft; {
		case result.State.Settled():
			stored.State, stored.AckedAt, stored.Failure = n.state, n.ackedAt, n.failure
			return settled(&stored.Message, n.err)
		case n.removed:
			return result, &session.Error{Code: session.CodeNotFound, Op: "send message", Session: stored.Session}
		case n.err != nil && !unbegun:
			return result, n.err
		case ctx.Err() != nil:
			return result, late(stored.Session, ctx.Err())
		case n.err != nil, n.unready && !o.sender.Ready(stored.Session), halted && !o.sending(stored.Session, stored.ID):
			refusal := n.err
			if refusal == nil {
				refusal = &session.Error{Code: session.CodeNotReady, Op: "send message", Session: stored.Session}
			}
			if halted {
				refusal = &session.Error{Code: session.CodeShuttingDown, Op: "send message", Session: stored.Session}
			}
			// Where it has begun again meanwhile, "not sent" would be a lie, and the wait goes on.
			if existed || o.forget(ctx, stored) {
				return result, refusal
			}
		}
	}
}

// sending reports that a message is on its way at this moment.
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

// forget discards a message that never left, so that nobody takes it for accepted.
func (o *Outbox) forget(ctx context.Context, e *Entry) bool {
	gone, err := o.ledger.Discard(ctx, e.Session, e.ID)
	if err != nil {
		o.options.Logger.Warn("unsent message was not forgotten", "session", e.Session, "code", session.CodeOf(err), "err", err)
		return false
	}
	if gone {
		o.mu.Lock()
		o.closeOne(e.Session, e.ID)
		o.mu.Unlock()
	}
	return gone
}

// settled is the answer of a message that is settled. A failure gives the first caller and every one after the same error.
func settled(m *message.Message, cause error) (Result, error) {
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

func late(id session.ID, err error) error {
	return &session.Error{
		Code: session.CodeTimeout, Op: "send message", Session: id,
		Message: "the wait ended before WhatsApp acknowledged the message", Err: err,
	}
}

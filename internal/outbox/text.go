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

// SendText accepts a message for a READY session and waits until ctx ends for WhatsApp's acknowledgement. What SendText
// answers as failed does not leave afterwards. So the end of ctx is also the message's time limit.
//
// SendText waits briefly for a session that is just connecting again. If it is not READY then, SendText stores nothing
// and returns CodeNotReady. If an attempt ends without an outcome, SendText waits for the next one. It gives up when ctx
// ends, when the process stops sending, and when the session does not come back by itself in time. A message without an
// attempt is deleted then: CodeTimeout, CodeShuttingDown or CodeNotReady. If an attempt has begun, WhatsApp may have the
// message: CodeOutcomeUnknown, and no further attempt begins.
//
// If the session already has a message with the request's key, SendText returns the result of that message, in every
// state of the session. A message whose outcome is unknown, or that expired, is sent again under its id. SendText does
// not delete a message that an earlier request has accepted.
//
// Other errors: those of Enqueue, and a refusal by WhatsApp. A repeated request gets the same error for a refusal.
func (o *Outbox) SendText(ctx context.Context, request message.Request) (Result, error) {
	return texts{o}.answer(ctx, request)
}

// texts answers the requests that wait for the outcome of a message.
type texts struct{ *Outbox }

// answer is Outbox.SendText.
func (o texts) answer(ctx context.Context, request message.Request) (Result, error) {
	if err := checkText(&request); err != nil {
		return Result{}, err
	}
	if err := check(&request, time.Now()); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, timeoutError(request.Session, err)
	}
	if limit, bounded := ctx.Deadline(); bounded && request.ExpiresAt.IsZero() {
		request.ExpiresAt = limit
	}
	entry := draft(request)
	if !o.sender.Ready(request.Session) {
		if result, done, err := o.answerEarlier(ctx, &entry); done {
			return result, err
		}
		ready := o.sender.AwaitReady(ctx, request.Session)
		if !ready && !o.isHalted() {
			return o.answerNotReady(ctx, &entry)
		}
	}
	if o.isHalted() {
		return Result{}, &session.Error{Code: session.CodeShuttingDown, Op: "send message", Session: request.Session}
	}
	return o.sendText(ctx, entry)
}

// sendText stores the message and waits for its outcome.
func (o texts) sendText(ctx context.Context, entry Entry) (Result, error) {
	// Wait before the message is stored: its acknowledgement may come before Enqueue returns.
	w := o.waiters.add(entry.Session, entry.ID)
	defer func() { o.waiters.remove(w) }()
	stored, existed, err := o.enqueue(ctx, entry)
	if session.CodeOf(err) == session.CodeStoreUnavailable && entry.Key == "" {
		stored, err = o.resolveUnsure(ctx, entry, err)
	}
	if err != nil {
		if session.CodeOf(err) == session.CodeOutcomeUnknown {
			return Result{MessageID: entry.ID}, err
		}
		return Result{}, err
	}
	if stored.ID != entry.ID {
		o.waiters.remove(w)
		w = o.waiters.add(stored.Session, stored.ID)
		if stored.Message, err = o.ledger.Message(ctx, stored.Session, stored.ID); err != nil {
			return Result{}, err
		}
	}
	by := acceptance{earlier: existed}
	if existed {
		if by.again, err = o.resend(ctx, &stored, entry.ExpiresAt); err != nil {
			return resultOf(&stored.Message), err
		}
	}
	switch {
	case stored.State.Settled():
		return settledResult(&stored.Message, nil)
	case stored.State == message.Held:
		return resultOf(&stored.Message), &session.Error{
			Code: session.CodeWrongState, Op: "send message", Session: stored.Session,
			Message: "the message is held: the session was linked to another account before it left. Requeue or cancel it",
		}
	}
	return o.await(ctx, w, &stored, by)
}

// acceptance says who has accepted a message that a request waits for.
type acceptance struct {
	earlier bool // an earlier request: this one does not delete the message
	again   bool // it had failed, and this request sends it again
}

// resend queues a failed message of an earlier request again, if it is resendable, and reports whether it did. The attempts
// still count: they may have brought the message to WhatsApp.
func (o texts) resend(ctx context.Context, e *Entry, limit time.Time) (bool, error) {
	if can, err := o.resendable(ctx, &e.Message); !can {
		return false, err
	}
	again, err := o.requeueUntil(ctx, &e.Message, e.Attempts, limit)
	lost := session.CodeOf(err) == session.CodeWrongState // another request has just done it
	if err != nil && !lost {
		return false, err
	}
	e.Message = again
	return !lost, nil
}

// resolveUnsure finds out whether a message was stored although the ledger failed. It deletes the message if no attempt
// has begun. It returns the message if one has. The error is failed if nothing is stored any more, and
// CodeOutcomeUnknown if the ledger does not say.
func (o texts) resolveUnsure(ctx context.Context, entry Entry, failed error) (Entry, error) {
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.options.StoreTimeout)
	defer cancel()
	gone, err := o.ledger.Discard(asking, entry.Session, entry.ID)
	if err == nil && !gone {
		entry.Message, err = o.ledger.Message(asking, entry.Session, entry.ID)
	}
	switch {
	case gone, session.CodeOf(err) == session.CodeUnknownMessage:
		return entry, failed
	case err != nil:
		return entry, outcomeUnknown(entry.Session, "the database failed: message "+entry.ID+" may be stored, and then it may still leave before "+
			entry.ExpiresAt.UTC().Format(time.RFC3339), failed)
	default:
		return entry, nil
	}
}

// resendable reports whether a repeated request sends a failed message again: it failed because an earlier request ended,
// and not because WhatsApp refused it, and the account that it was accepted for is still linked.
func (o texts) resendable(ctx context.Context, m *message.Message) (bool, error) {
	if m.State != message.Failed || !m.CanRequeue || verdictOf(m.Failure.Err(m.Session)) == refused {
		return false, nil
	}
	foreign, err := o.targets.isOfAnotherAccount(ctx, m)
	return err == nil && !foreign, err
}

// answerEarlier answers a request for a session that cannot send now with the result of an earlier settled message with
// the same key. done is false if there is none.
func (o texts) answerEarlier(ctx context.Context, entry *Entry) (result Result, done bool, err error) {
	if entry.Key == "" {
		return Result{}, false, nil
	}
	stored, found, err := o.find(ctx, entry)
	switch {
	case err != nil:
		return Result{}, true, err
	case !found, !stored.State.Settled():
		return Result{}, false, nil
	}
	if again, err := o.resendable(ctx, &stored.Message); again || err != nil {
		return Result{}, err != nil, err
	}
	result, err = settledResult(&stored.Message, nil)
	return result, true, err
}

// answerNotReady answers a request for a session that cannot send. MessageID is set if an earlier request with the same
// key has accepted the message.
func (o texts) answerNotReady(ctx context.Context, entry *Entry) (Result, error) {
	if result, done, err := o.answerEarlier(ctx, entry); done {
		return result, err
	}
	if stored, found, err := o.find(ctx, entry); entry.Key != "" && err == nil && found {
		return Result{MessageID: stored.ID, State: stored.State}, notReady(entry.Session)
	}
	return Result{}, notReady(entry.Session)
}

func notReady(id session.ID) error {
	return &session.Error{Code: session.CodeNotReady, Op: "send message", Session: id}
}

// await waits for the outcome of a message.
func (o texts) await(ctx context.Context, w *waiter, stored *Entry, by acceptance) (Result, error) {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		deadline = time.Now().Add(o.options.AttemptTimeout)
	}
	for {
		select {
		case <-w.signal:
		case <-ctx.Done():
		}
		halted, n := o.isHalted(), o.waiters.takeNews(w)
		if n.state != "" {
			stored.State, stored.AckedAt, stored.Failure = n.state, n.ackedAt, n.failure
			if n.attempts != countless {
				stored.Attempts = n.attempts
			}
		}
		var reason error
		switch {
		case hasExpiredHere(&stored.Message):
			return resultOf(&stored.Message), timeoutError(stored.Session, n.err) // its limit is the end of ctx
		case stored.State.Settled():
			return settledResult(&stored.Message, n.err)
		case n.withdrawn != nil:
			return resultOf(&stored.Message), n.withdrawn
		case n.removed && stored.Attempts > 0:
			return resultOf(&stored.Message), maybeSent(&stored.Message, nil)
		case n.removed:
			return resultOf(&stored.Message), &session.Error{Code: session.CodeNotFound, Op: "send message", Session: stored.Session}
		case n.handedOver && o.isHeld(ctx, stored):
			return o.giveUp(ctx, stored, by, &session.Error{
				Code: session.CodeWrongState, Op: "send message", Session: stored.Session,
				Message: "the session was linked to another account before the message left",
			})
		case ctx.Err() != nil:
			return o.giveUp(ctx, stored, by, timeoutError(stored.Session, ctx.Err()))
		case halted:
			reason = &session.Error{Code: session.CodeShuttingDown, Op: "send message", Session: stored.Session, Err: n.err}
		case !o.sender.Returns(stored.Session, deadline):
			reason = notReady(stored.Session)
		default:
			continue
		}
		if !o.sending(stored.Session, stored.ID) { // otherwise the end of the attempt wakes the waiter again
			return o.giveUp(ctx, stored, by, reason)
		}
	}
}

// isHeld reports whether a message is held, and puts its state into e.
func (o texts) isHeld(ctx context.Context, e *Entry) bool {
	m, err := o.ledger.Message(ctx, e.Session, e.ID)
	if err == nil {
		e.Message = m
	}
	return err == nil && m.State == message.Held
}

// giveUp ends the wait for a message. It deletes the message if no attempt has begun, and lets no further attempt begin
// otherwise. The result is the message's if it was settled in between.
func (o texts) giveUp(ctx context.Context, e *Entry, by acceptance, reason error) (Result, error) {
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.options.StoreTimeout)
	defer cancel()
	if !by.earlier && o.discard(asking, e, reason) {
		return resultOf(&e.Message), reason
	}
	m, err := o.ledger.Message(asking, e.Session, e.ID)
	switch shared := by.earlier && !by.again; {
	case session.CodeOf(err) == session.CodeUnknownMessage && e.Attempts == 0:
		return resultOf(&e.Message), reason // another caller has withdrawn it
	case err != nil:
		o.abandon(e)
		return resultOf(&e.Message), maybeSent(&e.Message, reason)
	case hasExpiredHere(&m):
		return resultOf(&m), reason // its limit is the end of ctx
	case m.State.Settled():
		return settledResult(&m, nil)
	case shared && m.Attempts == 0 && session.CodeOf(reason) != session.CodeTimeout:
		return resultOf(&m), reason
	case shared:
		return resultOf(&m), outcomeUnknown(m.Session, "message "+m.ID+", which an earlier request with this key has accepted, is not acknowledged yet", reason)
	case o.abandon(e):
		return resultOf(&m), outcomeUnknown(m.Session, "message "+m.ID+" is being sent: WhatsApp may have it, or get it from this attempt, which is the last one", reason)
	}
	// An attempt that begins at this moment changes the state or the number of attempts, and decides about the message.
	how := Change{From: []message.State{m.State}, Failure: message.Failure{Code: session.CodeExpired}}
	if m.Attempts > 0 {
		how.Attempts, how.Failure.Code = m.Attempts, session.CodeOutcomeUnknown
	}
	if o.failAbandoned(asking, e, how) && m.Attempts == 0 {
		return resultOf(&m), reason
	}
	return resultOf(&m), maybeSent(&m, reason)
}

// hasExpiredHere reports whether a message reached its time limit before it could have left.
func hasExpiredHere(m *message.Message) bool {
	return m.State == message.Failed && m.Failure.Code == session.CodeExpired && m.Attempts == 0
}

// abandon makes the attempt that runs the last one of its message. It returns false if none runs.
func (o texts) abandon(e *Entry) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lanes[e.Session]
	if l == nil {
		return false
	}
	if _, marked := l.marked[e.ID]; !marked {
		return false
	}
	if l.abandoned == nil {
		l.abandoned = map[string]message.Recipient{}
	}
	l.abandoned[e.ID] = e.To
	return true
}

// failAbandoned fails a message that nobody waits for any more, and reports whether it did. how has the states that the
// message may be in, a condition on its attempts, and the failure. If the write fails, the message's time limit ends it.
func (o texts) failAbandoned(ctx context.Context, e *Entry, how Change) bool {
	how.Session, how.ID, how.To = e.Session, e.ID, message.Failed
	how.Events = statusEvents(&how, e.To, time.Now())
	carried, err := o.ledger.Advance(ctx, how)
	if err != nil {
		o.options.Logger.Warn("a message could not be given up", "session", e.Session, "code", session.CodeOf(err), "err", err)
		return false
	}
	o.records.announce([]outcome{{change: how, attempts: countless}}, carried)
	return carried[0]
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

// discard deletes a message that has no attempt yet and reports whether it did. The caller gets the error reason for the
// message, so it must not be sent later. Whoever else waits for it gets the same error.
func (o texts) discard(ctx context.Context, e *Entry, reason error) bool {
	deleted, err := o.ledger.Discard(ctx, e.Session, e.ID)
	if err != nil {
		o.options.Logger.Warn("an unsent message could not be deleted", "session", e.Session, "code", session.CodeOf(err), "err", err)
		return false
	}
	if deleted {
		o.mu.Lock()
		if e.State == message.Held {
			o.countHeld(e.Session, -1)
		} else {
			o.countSettled(e.Session, e.ID)
		}
		o.mu.Unlock()
		o.waiters.post(e.Session, e.ID, news{withdrawn: reason})
	}
	return deleted
}

// settledResult returns the result of a settled message. For a failure, every caller gets the same error.
func settledResult(m *message.Message, cause error) (Result, error) {
	result := resultOf(m)
	switch m.State {
	case message.Failed:
		failed := &session.Error{
			Code: m.Failure.Code, Op: "send message", Session: m.Session, Status: m.Failure.Status, Message: m.Failure.Message, Err: cause,
		}
		if m.Attempts > 0 && verdictOf(failed) != refused {
			return result, maybeSent(m, failed)
		}
		return result, failed
	case message.Cancelled:
		return result, &session.Error{
			Code: session.CodeWrongState, Op: "send message", Session: m.Session, Message: "the message was cancelled before it was sent",
		}
	default:
		return result, nil
	}
}

func resultOf(m *message.Message) Result {
	return Result{MessageID: m.ID, State: m.State, At: m.AckedAt}
}

// maybeSent is the error of a message that an attempt may have brought to WhatsApp, and that is not sent again.
func maybeSent(m *message.Message, cause error) error {
	return outcomeUnknown(m.Session, "WhatsApp may have message "+m.ID+": an attempt to send it ended without an answer. It is not sent again by itself", cause)
}

func outcomeUnknown(id session.ID, text string, cause error) error {
	return &session.Error{Code: session.CodeOutcomeUnknown, Op: "send message", Session: id, Message: text, Err: cause}
}

func timeoutError(id session.ID, err error) error {
	return &session.Error{
		Code: session.CodeTimeout, Op: "send message", Session: id,
		Message: "the message could not leave in time, and it is not sent any more", Err: err,
	}
}

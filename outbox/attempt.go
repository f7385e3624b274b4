package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"wasup/session"
)

// attempt is one run of a message. entry.MessageID, BodyHash, Session and Key never change; result and err are written
// before done is closed.
type attempt struct {
	entry  Entry
	done   chan struct{}
	result Result
	err    error
}

// run carries an attempt out and hands its answer to everybody who waits for it.
func (o *Outbox) run(a *attempt, at attemptKey) {
	defer o.owned.Done()
	ctx, cancel := context.WithTimeout(o.base, o.options.AttemptTimeout)
	defer cancel()
	result, err := o.settle(ctx, a.entry)

	// Removed before the answer is given: a caller who retries after the answer must not find this attempt again.
	o.mu.Lock()
	o.running--
	if a.entry.Key != "" {
		delete(o.attempts, at)
	}
	o.mu.Unlock()
	a.result, a.err = result, err
	close(a.done)
}

// settle commits the entry, sends it unless it was answered before, and writes the outcome.
func (o *Outbox) settle(ctx context.Context, entry Entry) (result Result, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			// A panic here would end the process with every other session in it.
			crash := &session.Crash{Where: "outbox attempt", Reason: fmt.Sprint(reason), Stack: string(debug.Stack())}
			o.options.Logger.Error("attempt crashed", "session", entry.Session, "err", crash, "stack", crash.Stack)
			result = Result{MessageID: entry.MessageID, State: Sending}
			err = &session.Error{Code: session.CodeInternal, Op: "send text", Session: entry.Session, Err: crash}
		}
	}()
	stored, existed, err := o.ledger.Begin(ctx, entry)
	switch {
	case err != nil:
		return Result{MessageID: entry.MessageID}, err
	case stored.BodyHash != entry.BodyHash:
		return Result{}, reuse(entry.Session)
	case stored.State.Final():
		return answerOf(stored)
	}
	// The stored id is the message's: it may come from a version that derived ids another way.
	ack, err := o.sender.Send(ctx, entry.Session, session.Outgoing{ID: stored.MessageID, To: entry.To, Content: session.TextOf(entry.Text)})
	if err != nil {
		return o.failed(stored, existed, err)
	}
	outcome := Outcome{State: ServerAck, AckedAt: ack.At}
	if outcome.AckedAt.IsZero() {
		outcome.AckedAt = time.Now()
	}
	o.finish(stored, outcome)
	return Result{MessageID: stored.MessageID, State: ServerAck, At: outcome.AckedAt}, nil
}

// failed sorts the errors of a Sender: a refusal is stored; what never left is forgotten, so that it is not taken for
// accepted; after anything else the entry stays and a retry with the key sends it under the same id.
func (o *Outbox) failed(stored Entry, existed bool, err error) (Result, error) {
	code := session.CodeOf(err)
	switch {
	case refused(code):
		failure := failureOf(err)
		o.finish(stored, Outcome{State: Failed, Failure: failure})
		return Result{MessageID: stored.MessageID, State: Failed}, errorOf(stored.Session, failure, err)
	case neverLeft(code) && !existed:
		// An earlier attempt may have reached the server, so only an entry of this attempt's own is forgotten.
		ctx, cancel := o.finishing()
		defer cancel()
		if discardErr := o.ledger.Discard(ctx, stored.Session, stored.MessageID); discardErr != nil {
			o.options.Logger.Warn("unsent message was not forgotten", "session", stored.Session,
				"code", session.CodeOf(discardErr), "err", discardErr)
		}
		return Result{MessageID: stored.MessageID, State: Queued}, err
	default:
		return Result{MessageID: stored.MessageID, State: Sending}, err
	}
}

// finish writes the outcome. Where that fails, the caller still learns what WhatsApp said: it is the truth, and the worst
// that can follow is one more copy under the same id.
func (o *Outbox) finish(stored Entry, outcome Outcome) {
	ctx, cancel := o.finishing()
	defer cancel()
	if err := o.ledger.Finish(ctx, stored.Session, stored.MessageID, outcome); err != nil {
		o.options.Logger.Error("outcome of a message was not stored", "session", stored.Session,
			"state", outcome.State, "code", session.CodeOf(err), "err", err)
	}
}

// finishing is a context of its own: the answer has arrived, and neither the attempt's time nor a shutdown may lose it.
func (o *Outbox) finishing() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(o.base), o.options.FinishTimeout)
}

// answerOf is the stored answer of a message that is final.
func answerOf(stored Entry) (Result, error) {
	result := Result{MessageID: stored.MessageID, State: stored.State, At: stored.AckedAt}
	if stored.State == Failed {
		return result, errorOf(stored.Session, stored.Failure, nil)
	}
	return result, nil
}

func failureOf(err error) Failure {
	var e *session.Error
	if !errors.As(err, &e) {
		return Failure{Code: session.CodeInternal}
	}
	return Failure{Code: e.Code, Status: e.Status, Message: e.Message}
}

// errorOf makes the error of a refusal, the same for the first caller and for every one after.
func errorOf(id session.ID, failure Failure, cause error) error {
	return &session.Error{
		Code: failure.Code, Op: "send text", Session: id, Status: failure.Status, Message: failure.Message, Err: cause,
	}
}

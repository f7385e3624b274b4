package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// openStates returns the states of a message that a lane sends.
func openStates() []message.State {
	return []message.State{message.Queued, message.Sending}
}

// outcome is a change to store, with what the message's waiters and the metrics need to know.
type outcome struct {
	change   Change
	since    time.Time // when the message was accepted, or became due
	err      error     // error of the attempt; nil if WhatsApp acknowledged the message
	attempts int       // that may have brought the message to WhatsApp so far; countless: not known
}

// countless stands for a number of attempts that is not known.
const countless = -1

// begin returns the change of a message to SENDING. It is stored before the attempt. So a confirmed cancellation holds,
// and after a crash a message that may have left is sent again.
func begin(e *Entry) outcome {
	return outcome{since: later(e.CreatedAt, e.SendAt), attempts: e.Attempts + 1, change: Change{
		Session: e.Session, ID: e.ID, From: openStates(), To: message.Sending, Begun: 1, Failure: e.Failure,
	}}
}

// deliver stores the pending outcomes and marks a batch as being sent, in one commit, and then sends the batch. left
// are the new outcomes, which the caller must store. stop means that no further message may leave now: one must be
// tried again, the session cannot send, or the commit failed.
func (l *lane) deliver(batch []Entry, pending []outcome) (left []outcome, stop bool) {
	now := time.Now()
	first := len(pending)
	for i := range batch {
		if e := &batch[i]; hasExpired(e, now) {
			pending = append(pending, expired(e, now))
		} else {
			pending = append(pending, begin(e))
		}
	}
	carried, ok := l.box.records.commit(pending)
	if !ok {
		return nil, true
	}
	for i := range batch {
		e := &batch[i]
		if !carried[first+i] || pending[first+i].change.To != message.Sending {
			l.box.pacer.notSent(l.id)
			continue // the message was cancelled, settled by a receipt, or has expired
		}
		if stop || !l.canSend() {
			stop = true
			left = append(left, unsent(e, e.Attempts, e.Failure, nil))
			continue
		}
		// The commit may have taken long, and the caller of a marked message may have gone.
		if now := time.Now(); hasExpired(e, now) || l.isAbandoned(e.ID) {
			left = append(left, late(e, now))
			continue
		}
		e.Attempts++
		done := l.attempt(e)
		if done.change.Begun < 0 {
			l.noteUnsent(e.ID)
		}
		left = append(left, done)
		stop = !done.change.To.Settled()
	}
	return left, stop
}

// attempt sends one message and returns the outcome.
func (l *lane) attempt(e *Entry) outcome {
	l.box.mu.Lock()
	l.box.running++
	l.box.mu.Unlock()
	ack, err := l.send(e)
	l.box.mu.Lock()
	l.box.running--
	if session.CodeOf(err) == session.CodeShuttingDown {
		l.box.halt()
	}
	l.box.mu.Unlock()

	now := time.Now()
	change := Change{Session: e.Session, ID: e.ID, From: openStates(), Failure: message.FailureOf(err)}
	done := outcome{since: later(e.CreatedAt, e.SendAt), err: err, attempts: e.Attempts}
	switch v := verdictOf(err); {
	case v == accepted:
		change.To, change.AckedAt = message.ServerAck, ack.At
		if change.AckedAt.IsZero() {
			change.AckedAt = now
		}
		l.box.pacer.countSent(l.id)
	case v == notBegun:
		l.delay(e.ID, ownPause)
		return unsent(e, e.Attempts-1, e.Failure, err)
	case v == neverLeft && !l.isLast(e):
		l.delay(e.ID, l.box.options.RetryMax)
		l.counted++
		l.box.options.Observer.MessageRetried(change.Failure.Code)
		return unsent(e, e.Attempts-1, change.Failure, err)
	case v == refused, v == neverLeft, v == unknown && l.isLast(e):
		change.To = message.Failed
		if v == neverLeft {
			change.Begun, done.attempts = -1, e.Attempts-1
		}
		l.box.options.Logger.Warn("message failed", "session", e.Session, "kind", e.Content.Kind, "attempts", e.Attempts,
			"code", change.Failure.Code, "status", change.Failure.Status, "err", err)
	default:
		longest := l.box.options.RetryMax
		if v == unstored {
			longest = ownPause
		}
		l.delay(e.ID, longest)
		l.counted++
		change.From, change.To = []message.State{message.Sending}, message.Sending
		l.box.options.Observer.MessageRetried(change.Failure.Code)
	}
	change.Events = statusEvents(&change, e.To, now)
	done.change = change
	return done
}

// statusEvents returns the status event of a change; none for SENDING, which a message leaves again by itself.
func statusEvents(c *Change, to message.Recipient, now time.Time) []events.Event {
	if c.To == message.Sending {
		return nil
	}
	data := events.StatusData{ID: c.ID, To: to, State: string(c.To), At: now}
	if !c.AckedAt.IsZero() {
		data.At = c.AckedAt
	}
	if c.To == message.Failed {
		data.Cause = c.Failure.Code
		data.Error = (&session.Error{Code: c.Failure.Code, Message: c.Failure.Message}).Public()
	}
	return []events.Event{Status(c.Session, data)}
}

// isLast reports whether no attempt follows the one that has just ended without an outcome. Of attempts in which nothing has
// left, the ledger does not know. The lane knows those of the message that it tries.
func (l *lane) isLast(e *Entry) bool {
	most, tried := l.box.options.MaxAttempts, e.Attempts
	if l.retryID == e.ID {
		tried = max(tried, l.counted+1)
	}
	return most > 0 && tried >= most
}

// unsent returns the change of a message that was marked but did not leave: back to QUEUED, if no attempt before may have
// brought it to WhatsApp. before is the number of those attempts.
func unsent(e *Entry, before int, failure message.Failure, err error) outcome {
	to := message.Queued
	if before > 0 {
		to = message.Sending // an earlier attempt may have brought it to WhatsApp
	}
	return outcome{since: later(e.CreatedAt, e.SendAt), err: err, attempts: before, change: Change{
		Session: e.Session, ID: e.ID, From: []message.State{message.Sending}, To: to, Begun: -1, Failure: failure,
	}}
}

// expired returns the change to FAILED of a message that passed its time limit. It holds only if no attempt begins
// first.
func expired(e *Entry, now time.Time) outcome {
	failure := message.Failure{Code: session.CodeExpired}
	change := Change{
		Session: e.Session, ID: e.ID, From: []message.State{e.State}, Attempts: e.Attempts, To: message.Failed, Failure: failure,
	}
	change.Events = statusEvents(&change, e.To, now)
	return outcome{change: change, since: later(e.CreatedAt, e.SendAt), err: failure.Err(e.Session), attempts: e.Attempts}
}

// late returns the change to FAILED of a message that was marked, but passed its time limit before it left.
func late(e *Entry, now time.Time) outcome {
	done := expired(e, now)
	done.change.From, done.change.Attempts, done.change.Begun = []message.State{message.Sending}, 0, -1
	return done
}

func hasExpired(e *Entry, now time.Time) bool {
	return !e.ExpiresAt.IsZero() && !e.ExpiresAt.After(now)
}

// send calls the sender. It turns a panic into an error, because a panic would end the process and all its sessions.
func (l *lane) send(e *Entry) (ack message.Ack, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			crash := &session.Crash{Where: "outbox attempt", Reason: fmt.Sprint(reason), Stack: string(debug.Stack())}
			l.box.options.Logger.Error("attempt crashed", "session", e.Session, "err", crash, "stack", crash.Stack)
			err = &session.Error{Code: session.CodeInternal, Op: "send message", Session: e.Session, Err: crash}
		}
	}()
	msg := message.Outgoing{ID: e.ID, To: e.To, Content: e.Content}
	ctx, cancel := context.WithTimeout(l.box.base, l.box.options.AttemptTimeout+msg.UploadTime())
	defer cancel()
	return l.box.sender.Send(ctx, e.Session, msg)
}

// verdict says what an error of a Sender means for the message.
type verdict int

const (
	accepted  verdict = iota // WhatsApp has acknowledged the message
	refused                  // WhatsApp, or this process, will never accept the message
	notBegun                 // the session or the database did not let the attempt begin
	neverLeft                // the attempt ended before the message left
	unknown                  // WhatsApp may have the message
	unstored                 // the database failed during the attempt: WhatsApp may have the message, which is not at fault
)

// verdictOf classifies the errors of a Sender. Only a refusal fails the message. After any other error the message is
// sent again under the same id.
func verdictOf(err error) verdict {
	var unsent *message.UnsentError
	switch v := verdictOfCode(err); {
	case !errors.As(err, &unsent):
		return v
	case v == unknown:
		return neverLeft
	case v == unstored:
		return notBegun // the message is not at fault
	default:
		return v
	}
}

func verdictOfCode(err error) verdict {
	switch session.CodeOf(err) {
	case "":
		return accepted
	case session.CodeRestricted, session.CodeNotOnWhatsApp, session.CodeInvalidRequest, session.CodeUnsupported, session.CodeMediaTooLarge,
		session.CodeMediaGone, session.CodeFetchRefused:
		return refused
	case session.CodeSendFailed:
		if isTemporary(message.FailureOf(err).Status) {
			return unknown
		}
		return refused
	case session.CodeNotReady, session.CodeNotFound, session.CodeQueueFull, session.CodeShuttingDown, session.CodeQuarantined:
		return notBegun
	case session.CodeStoreFull, session.CodeStoreLocked, session.CodeStoreUnavailable:
		return unstored
	default:
		return unknown
	}
}

// isTemporary reports whether the status of a WhatsApp refusal is temporary: too many requests (429) or a server error
// (500 and above). 400 and 479, for example, mean that the message itself is wrong.
func isTemporary(status int) bool { return status == 429 || status >= 500 }

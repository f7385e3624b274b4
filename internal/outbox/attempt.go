package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/pause"
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
	carried, ok := l.box.commit(pending)
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
		if l.isAbandoned(e.ID) {
			continue // unmark fails it
		}
		if now := time.Now(); hasExpired(e, now) {
			left = append(left, late(e, now)) // the commit took so long
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
	ack, err := l.box.send(e)
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

// isLast reports whether no other attempt follows if the message's attempt, the last one so far, ended without an outcome.
// Attempts before which nothing left count as long as no other message was tried in between.
func (l *lane) isLast(e *Entry) bool {
	most, tried := l.box.options.MaxAttempts, e.Attempts
	if l.retryID == e.ID {
		tried = max(tried, l.fails+1)
	}
	return most > 0 && tried >= most
}

// unsent returns the change of a message that was marked but did not leave: back to QUEUED, if no earlier attempt may have
// brought it to WhatsApp.
// before is the number of its attempts before that.
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
func (o *Outbox) send(e *Entry) (ack message.Ack, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			crash := &session.Crash{Where: "outbox attempt", Reason: fmt.Sprint(reason), Stack: string(debug.Stack())}
			o.options.Logger.Error("attempt crashed", "session", e.Session, "err", crash, "stack", crash.Stack)
			err = &session.Error{Code: session.CodeInternal, Op: "send message", Session: e.Session, Err: crash}
		}
	}()
	msg := message.Outgoing{ID: e.ID, To: e.To, Content: e.Content}
	ctx, cancel := context.WithTimeout(o.base, o.options.AttemptTimeout+msg.UploadTime())
	defer cancel()
	return o.sender.Send(ctx, e.Session, msg)
}

// store writes pending outcomes and reports whether they are stored.
func (o *Outbox) store(pending []outcome) bool {
	if len(pending) == 0 {
		return true
	}
	_, ok := o.commit(pending)
	return ok
}

// commit writes outcomes and repeats the write until it succeeds or Stop no longer waits. carried says which changes
// were carried out. If the first write fails, the waiters get WhatsApp's answer all the same: it is true, and at worst
// the message is sent again under the same id.
func (o *Outbox) commit(list []outcome) (carried []bool, ok bool) {
	changes := make([]Change, len(list))
	for i := range list {
		changes[i] = list[i].change
	}
	for failures := 1; ; failures++ {
		// The write has its own context: a shutdown must not lose an answer that has arrived.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(o.base), o.options.StoreTimeout)
		carried, err := o.ledger.Advance(ctx, changes...)
		cancel()
		if err == nil {
			o.announce(list, carried)
			return carried, true
		}
		if failures == 1 {
			o.options.Logger.Error("the state of messages could not be stored", "session", list[0].change.Session,
				"code", session.CodeOf(err), "err", err)
			o.announceUnstored(list)
		}
		if o.base.Err() != nil {
			return nil, false
		}
		pause.Sleep(o.base.Done(), storePause(failures))
	}
}

// announce reports the changes that were carried out to the observer, the lanes and the waiters.
func (o *Outbox) announce(list []outcome, carried []bool) {
	for i := range list {
		c := &list[i].change
		if !carried[i] {
			continue
		}
		if c.To != message.Sending && (c.To != message.Queued || c.Anew || len(c.Events) > 0) {
			o.options.Observer.MessageChanged(c.To, c.Failure.Code)
		}
		if c.To == message.ServerAck {
			o.options.Observer.MessageAcked(max(0, time.Since(list[i].since)))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range list {
		if c := &list[i].change; carried[i] {
			switch wasHeld := len(c.From) == 1 && c.From[0] == message.Held; {
			case wasHeld:
				o.countHeld(c.Session, -1)
			case c.To.Settled():
				o.countSettled(c.Session, c.ID)
			}
			o.waiters.post(c.Session, c.ID, news{state: c.To, ackedAt: c.AckedAt, failure: c.Failure, err: list[i].err, attempts: list[i].attempts})
		}
	}
}

// countSettled lowers a session's number of open messages by one, for a message that was settled or discarded. If the
// lane's pause was for this message, the next one may leave at once. The caller holds the lock.
func (o *Outbox) countSettled(id session.ID, messageID string) {
	l := o.lanes[id]
	if l == nil {
		return
	}
	l.open = max(0, l.open-1)
	if l.retryID == messageID {
		l.paused = time.Time{}
		if !l.working {
			l.arm(time.Now())
		}
	}
	l.collect()
}

// announceUnstored reports final outcomes that cannot be stored now to the waiters.
func (o *Outbox) announceUnstored(list []outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range list {
		if c := &list[i].change; c.To.Settled() {
			o.waiters.post(c.Session, c.ID, news{state: c.To, ackedAt: c.AckedAt, failure: c.Failure, err: list[i].err, attempts: list[i].attempts})
		}
	}
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

package outbox

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/pause"
	"wasup/internal/session"
)

// open are the states in which a message is still to be sent.
func open() []message.State {
	return []message.State{message.Queued, message.Sending}
}

// outcome is a change that is to be stored, and what those who wait for the message are told.
type outcome struct {
	change Change
	since  time.Time // when the message was accepted, or became due
	err    error     // of the attempt; nil where WhatsApp took the message
}

// begin is the change that makes a message one that is being sent. It is on disk before the attempt: so a cancellation
// that was confirmed holds, and a message of which nobody knows whether it left is sent again.
func begin(e *Entry) outcome {
	return outcome{since: later(e.CreatedAt, e.SendAt), change: Change{
		Session: e.Session, ID: e.ID, From: open(), To: message.Sending, Begun: 1, Failure: e.Failure,
	}}
}

// deliver marks a batch as being sent, together with what is owed, and sends it. What it returns is owed now; stop: no
// message may pass the one that has to be tried again.
func (l *lane) deliver(batch []Entry, owed []outcome) (left []outcome, stop bool) {
	now := time.Now()
	first := len(owed)
	for i := range batch {
		if e := &batch[i]; !e.ExpiresAt.IsZero() && !e.ExpiresAt.After(now) {
			owed = append(owed, expired(e, now))
		} else {
			owed = append(owed, begin(e))
		}
	}
	carried, ok := l.box.commit(owed)
	if !ok {
		return nil, true
	}
	for i := range batch {
		e := &batch[i]
		if !carried[first+i] || owed[first+i].change.To != message.Sending {
			continue // cancelled, settled by a receipt, or run out
		}
		if stop || !l.maySend() {
			stop = true
			left = append(left, unsent(e, nil))
			continue
		}
		e.Attempts++
		done := l.attempt(e)
		left = append(left, done)
		stop = !done.change.To.Settled()
	}
	return left, stop
}

// attempt sends one message and says what became of it.
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
	change := Change{Session: e.Session, ID: e.ID, From: open(), Failure: message.FailureOf(err)}
	done := outcome{since: later(e.CreatedAt, e.SendAt), err: err}
	switch v := verdictOf(err); {
	case v == taken:
		change.To, change.AckedAt = message.ServerAck, ack.At
		if change.AckedAt.IsZero() {
			change.AckedAt = now
		}
		l.box.pacer.sent(l.id)
	case v == neverLeft:
		l.delay(e.ID, ownPause)
		return unsent(e, err)
	case v == refused, v == unknown && l.box.options.MaxAttempts > 0 && e.Attempts >= l.box.options.MaxAttempts:
		change.To = message.Failed
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
	change.Events = tell(&change, e.To, now)
	done.change = change
	return done
}

// tell is the event of a change to a state that does not pass by itself.
func tell(c *Change, to message.Recipient, now time.Time) []events.Event {
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

// unsent is the change of a message that was marked and never left the process.
func unsent(e *Entry, err error) outcome {
	return outcome{since: later(e.CreatedAt, e.SendAt), err: err, change: Change{
		Session: e.Session, ID: e.ID, From: []message.State{message.Sending}, To: message.Queued, Begun: -1,
		Failure: e.Failure,
	}}
}

// expired is the change of a message whose time ran out.
func expired(e *Entry, now time.Time) outcome {
	failure := message.Failure{Code: session.CodeExpired}
	change := Change{
		Session: e.Session, ID: e.ID, From: []message.State{e.State}, Attempts: e.Attempts, To: message.Failed, Failure: failure,
	}
	change.Events = tell(&change, e.To, now)
	return outcome{change: change, since: later(e.CreatedAt, e.SendAt), err: failure.Err(e.Session)}
}

// send makes the attempt. A panic in it would end the process with every other session in it.
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

// store writes what is owed.
func (o *Outbox) store(owed []outcome) bool {
	if len(owed) == 0 {
		return true
	}
	_, ok := o.commit(owed)
	return ok
}

// commit writes outcomes until they are stored, or the process cannot wait any longer. Those who wait for a message are
// told what WhatsApp said even where that cannot be stored: it is the truth, and the worst that can follow is one more
// copy under the same id.
func (o *Outbox) commit(list []outcome) (carried []bool, ok bool) {
	changes := make([]Change, len(list))
	for i := range list {
		changes[i] = list[i].change
	}
	for failures := 1; ; failures++ {
		// A context of its own: the answer has arrived, and a shutdown may not lose it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(o.base), o.options.StoreTimeout)
		carried, err := o.ledger.Advance(ctx, changes...)
		cancel()
		if err == nil {
			o.moved(list, carried)
			return carried, true
		}
		if failures == 1 {
			o.options.Logger.Error("the state of messages could not be stored", "session", list[0].change.Session,
				"code", session.CodeOf(err), "err", err)
			o.answer(list)
		}
		if o.base.Err() != nil {
			return nil, false
		}
		pause.Sleep(o.base.Done(), storePause(failures))
	}
}

// moved tells everybody of changes that were carried out.
func (o *Outbox) moved(list []outcome, carried []bool) {
	for i := range list {
		c := &list[i].change
		if !carried[i] {
			continue
		}
		if c.To != message.Sending && (c.To != message.Queued || c.Anew) {
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
			if c.To.Settled() {
				o.closeOne(c.Session, c.ID)
			}
			o.waiters.post(c.Session, c.ID, news{state: c.To, ackedAt: c.AckedAt, failure: c.Failure, err: list[i].err})
		}
	}
}

// closeOne counts a message that is settled; the lock is held.
func (o *Outbox) closeOne(id session.ID, messageID string) {
	l := o.lanes[id]
	if l == nil {
		return
	}
	l.open = max(0, l.open-1)
	if l.head == messageID {
		l.paused = time.Time{}
		if !l.working {
			l.arm(time.Now()) // the next one need not wait for the pause of this one
		}
	}
	l.collect()
}

// answer tells those who wait for a message what cannot be stored now.
func (o *Outbox) answer(list []outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range list {
		if c := &list[i].change; c.To.Settled() {
			o.waiters.post(c.Session, c.ID, news{state: c.To, ackedAt: c.AckedAt, failure: c.Failure, err: list[i].err})
		}
	}
}

// verdict is what an error of a Sender means for the message.
type verdict int

const (
	taken     verdict = iota // WhatsApp has it
	refused                  // WhatsApp, or this process, will never take it
	neverLeft                // nothing left the process
	unknown                  // WhatsApp may have it
	unstored                 // the database failed under the attempt: WhatsApp may have it, and the message is not at fault
)

// verdictOf sorts the errors of a Sender. A message is settled by a refusal only; after everything else it is sent again
// under the same id.
func verdictOf(err error) verdict {
	switch session.CodeOf(err) {
	case "":
		return taken
	case session.CodeRestricted, session.CodeNotOnWhatsApp, session.CodeInvalidRequest, session.CodeMediaTooLarge,
		session.CodeMediaGone, session.CodeFetchRefused:
		return refused
	case session.CodeSendFailed:
		if passing(message.FailureOf(err).Status) {
			return unknown
		}
		return refused
	case session.CodeNotReady, session.CodeNotFound, session.CodeQueueFull, session.CodeShuttingDown, session.CodeQuarantined:
		return neverLeft
	case session.CodeStoreFull, session.CodeStoreLocked, session.CodeStoreUnavailable:
		return unstored
	default:
		return unknown
	}
}

// passing are the numbers of WhatsApp's refusals that say "not now": too many requests, and faults of the server. 400 and
// 479 say that the message itself is wrong.
func passing(status int) bool { return status == 429 || status >= 500 }

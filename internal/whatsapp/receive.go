package whatsapp

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types/events"

	eventlog "wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/inbound"
	"wasup/internal/whatsapp/masking"
	"wasup/internal/whatsapp/stanzas"
	"wasup/internal/whatsapp/timers"
)

// receiving stores what WhatsApp delivers before it is acknowledged.
type receiving struct {
	run        *run
	wa         *whatsmeow.Client
	conn       *attempt
	sending    *sending         // gets the receipts
	journal    inbound.EventLog // nil: received events are not stored
	translator func() *inbound.Translator
	lines      inbound.LineLimit // of the translators
	timers     *timers.Keeper
	admins     *admins
	failures   *failures                // shared by all runs of the process
	stop       func()                   // drops the stanzas that wait to be handled
	current    atomic.Pointer[handling] // what the worker of the stanzas handles; nil between two stanzas
}

// handling is the handling of one stanza.
type handling struct {
	node   *waBinary.Node
	key    stanzaKey
	last   bool // it has failed so often that it is told as far as it can be
	failed atomic.Bool
}

// receive stores events about messages, calls and groups before they are acknowledged to WhatsApp. kept false: the
// event was not stored and must come again. ours false: the event is about something else.
//
// After a database failure this run neither stores nor acknowledges anything more. Otherwise, events that WhatsApp
// delivers again would be stored behind later ones. whatsmeow acknowledges two events before it reports them: messages
// that cannot be decrypted, and grouped receipts if a part other than the last one failed. No write follows a failure
// (storeFailed), so the acknowledgement of such a receipt does not leave.
func (r *receiving) receive(evt any) (kept, ours bool) {
	if r.journal == nil {
		return true, false
	}
	r.admins.forget(evt)
	r.sending.forgetGroup(evt)
	translator := r.translator()
	list, ours, err := translator.Translate(r.run.ctx, evt)
	if !ours {
		return true, false
	}
	changes, changed, timerErr := translator.Timers(r.run.ctx, evt)
	list, err = append(list, changed...), cmp.Or(err, timerErr)
	if len(list) == 0 && len(changes) == 0 && err == nil {
		return true, true
	}
	if !r.run.state().receives() {
		return false, true
	}
	if err != nil {
		err = codes.StoreError("receive", r.run.Session, err)
	} else {
		// The timers first: who reads of a change may answer at once.
		if err = r.keepTimers(changes); err == nil {
			err = r.append(list)
		}
	}
	if err != nil && (neverStored(err) || r.isLastAttempt()) {
		err = r.tellLess(evt, err)
	}
	if err != nil {
		r.storeFailed(err)
		return false, true
	}
	if receipt, is := evt.(*events.Receipt); is {
		r.sending.receiptKept(receipt)
	}
	return true, true
}

// keepTimers stores settings of disappearing timers.
func (r *receiving) keepTimers(changes []timers.Change) error {
	for _, change := range changes {
		ctx, cancel := context.WithTimeout(r.run.ctx, storeTimeout)
		err := r.timers.Set(ctx, change)
		cancel()
		if err != nil {
			return codes.StoreError("receive", r.run.Session, err)
		}
	}
	return nil
}

// append stores events, each within the time limit of a database operation. A panic is the run's crash, unless it has
// ended the runs before as well.
func (r *receiving) append(list []eventlog.Event) (err error) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		if now := r.current.Load(); now != nil {
			now.failed.Store(true)
		}
		if !r.isLastAttempt() {
			r.stop()      // later stanzas would be stored before this one
			panic(reason) //nolint:forbidigo // a bug, which the supervisor has to see
		}
		err = &session.Error{Code: session.CodeInternal, Op: "receive", Session: r.run.Session, Message: masking.CrashLine("store", reason)}
	}()
	for i := range list {
		ctx, cancel := context.WithTimeout(r.run.ctx, storeTimeout)
		err := r.journal.Append(ctx, list[i])
		cancel()
		if err != nil {
			return codes.StoreError("receive", r.run.Session, err)
		}
	}
	return nil
}

// neverStored reports whether another attempt would fail in the same way, forever: a bug.
func neverStored(err error) bool {
	switch session.CodeOf(err) {
	case session.CodeInternal, session.CodeInvalidRequest, session.CodeNotFound:
		return true
	default:
		return false
	}
}

// isLastAttempt reports whether the stanza that is handled has failed so often that it must not be left for another run.
func (r *receiving) isLastAttempt() bool {
	now := r.current.Load()
	return now != nil && now.last
}

// tellLess stores less about an event that could not be stored. That it is stored shows that the database works, and
// that the event was at fault. Otherwise the database fails, and the event has to come again.
func (r *receiving) tellLess(evt any, cause error) error {
	for _, list := range r.translator().Reduced(evt) {
		if err := r.append(list); err == nil {
			r.run.log.Error("a received event is told in part, because it could not be stored", "op", fmt.Sprintf("%T", evt), "err", cause)
			return nil
		}
	}
	if neverStored(cause) {
		r.run.log.Error("a received event could not be stored", "op", fmt.Sprintf("%T", evt), "err", cause)
		return nil
	}
	return cause
}

// counted wraps whatsmeow's handler of a stanza. It counts how often in a row the handling fails.
func (r *receiving) counted(tag string, handle stanzas.Handler) stanzas.Handler {
	switch tag {
	case "message", "receipt", "call", "notification":
	default: // WhatsApp does not deliver it again
		return handle
	}
	return func(ctx context.Context, node *waBinary.Node) {
		now := &handling{node: node, key: keyOf(r.run.Session, node)}
		now.last = r.failures.of(now.key) >= giveUpAfter-1
		r.current.Store(now)
		defer r.handled(ctx, now)
		handle(ctx, node)
	}
}

// handled counts the outcome of a stanza's handling. The last panic of a stanza in a row is logged, and the stanza is
// acknowledged; any other panic goes on.
func (r *receiving) handled(ctx context.Context, now *handling) {
	reason := recover()
	r.current.Store(nil)
	switch {
	case reason != nil && now.last:
		r.run.log.Error("a stanza is left out, because its handling panics each time", "op", now.node.Tag, "err", masking.CrashLine("handle", reason))
		r.failures.forget(now.key)
		internals(r.wa).SendAck(ctx, now.node, 0)
	case reason != nil:
		r.failures.add(now.key)
		panic(reason) //nolint:forbidigo // a bug, which the supervisor has to see
	case now.failed.Load():
		r.failures.add(now.key)
	case r.run.state().receives():
		r.failures.forget(now.key)
	}
}

// tolerates reports whether a run goes on although the keys of a message could not be stored. It does if that happened in
// the runs before as well, and the event that tells of the message can be stored: then the message is at fault, not the
// database. whatsmeow asks the sender for it again.
func (r *receiving) tolerates(cause error) bool {
	if r.journal == nil || !r.isLastAttempt() {
		return false
	}
	now := r.current.Load()
	if now == nil || now.node.Tag != "message" {
		return false
	}
	info, err := internals(r.wa).ParseMessageInfo(now.node)
	if err != nil {
		return false
	}
	for _, list := range r.translator().Reduced(&events.UndecryptableMessage{Info: *info}) {
		if r.append(list) == nil {
			r.run.log.Error("a received message is asked for again, because its keys could not be stored", "err", cause)
			return true
		}
	}
	return false
}

// storeFailed ends receiving for a run that cannot store what it receives. Nothing is stored or written any more, so no
// acknowledgement leaves, and WhatsApp delivers the messages again. That includes messages of which whatsmeow could not
// store a part, such as a group's key: whatsmeow only logs that and would acknowledge them.
func (r *receiving) storeFailed(err error) {
	if now := r.current.Load(); now != nil {
		now.failed.Store(true)
	}
	r.run.step(runInput{kind: inputStoreFailed, err: err})
	if l := r.conn.current(); l != nil {
		l.DropWrites()
	}
	failRequests(r.wa) // no answer to a request will come now
	if state := r.run.state(); state.deviceForgotten || !state.open() {
		// This is no database failure, and the run's last word is another input.
		r.run.log.Debug("the run receives nothing more", "err", err)
		return
	}
	r.run.log.Warn("the database failed, so the run receives nothing more", "err", err)
	r.run.post(session.Input{Kind: session.StoreFailed, Detail: "what was received could not be stored"})
}

package whatsapp

import (
	"context"
	"fmt"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/session"
	"wasup/internal/whatsapp/inbound"
)

// receiving stores what WhatsApp delivers before it is acknowledged.
type receiving struct {
	run        *run
	wa         *whatsmeow.Client
	conn       *attempt
	sending    *sending         // gets the receipts
	journal    inbound.EventLog // nil: received events are not stored
	translator inbound.Translator
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
	ctx, cancel := context.WithTimeout(r.run.ctx, storeTimeout)
	defer cancel()
	list, ours, err := r.translator.Translate(ctx, evt)
	if !ours || len(list) == 0 && err == nil {
		return true, ours
	}
	if !r.run.state().receives() {
		return false, true
	}
	if err == nil {
		err = r.journal.Append(ctx, list...)
	} else {
		err = storeError("receive", r.run.Session, err)
	}
	if err == nil {
		if receipt, is := evt.(*events.Receipt); is {
			r.sending.receiptKept(receipt)
		}
		return true, true
	}
	switch session.CodeOf(err) {
	case session.CodeInternal, session.CodeInvalidRequest, session.CodeNotFound:
		// A bug: another delivery would fail in the same way, forever.
		r.run.log.Error("a received event could not be stored", "op", fmt.Sprintf("%T", evt), "err", err)
		return true, true
	default:
		r.storeFailed(err)
		return false, true
	}
}

// storeFailed ends receiving for a run that cannot store what it receives. Nothing is stored or written any more, so no
// acknowledgement leaves, and WhatsApp delivers the messages again. That includes messages of which whatsmeow could not
// store a part, such as a group's key: whatsmeow only logs that and would acknowledge them.
func (r *receiving) storeFailed(err error) {
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

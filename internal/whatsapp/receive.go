package whatsapp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	eventlog "wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// EventLog is the part of the durable log of events that a client uses.
type EventLog interface {
	eventlog.Journal
	// Find returns an event of the session that was added under one of the keys.
	Find(ctx context.Context, id session.ID, keys ...string) (found eventlog.Event, is bool, err error)
}

// Sent returns the content of a message that the session sent itself, and false if it is no longer known.
type Sent func(ctx context.Context, id session.ID, messageID string) (content message.Content, is bool, err error)

// receiving stores what WhatsApp delivers before it is acknowledged.
type receiving struct {
	run     *run
	account *account
	wa      *whatsmeow.Client
	conn    *attempt
	log     *slog.Logger
	sending *sending // gets the receipts
	journal EventLog // nil: received events are not stored
	sent    Sent     // nil: sent messages are not known
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
	t := &translation{c: r, ctx: ctx}
	list, ours := t.translateGuarded(evt)
	if !ours || len(list) == 0 && t.err == nil {
		return true, ours
	}
	if !r.run.state().receives() {
		return false, true
	}
	if t.err == nil {
		t.err = r.journal.Append(ctx, list...)
	}
	if t.err == nil {
		if receipt, is := evt.(*events.Receipt); is {
			r.sending.receiptKept(receipt)
		}
		return true, true
	}
	switch session.CodeOf(t.err) {
	case session.CodeInternal, session.CodeInvalidRequest, session.CodeNotFound:
		// A bug: another delivery would fail in the same way, forever.
		r.log.Error("a received event could not be stored", "op", fmt.Sprintf("%T", evt), "err", t.err)
		return true, true
	default:
		r.storeFailed(t.err)
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
		r.log.Debug("the run receives nothing more", "err", err)
		return
	}
	r.log.Warn("the database failed, so the run receives nothing more", "err", err)
	r.run.post(session.Input{Kind: session.StoreFailed, Detail: "what was received could not be stored"})
}

// translation translates one of whatsmeow's events into entries of the log.
type translation struct {
	c   *receiving // the client's
	ctx context.Context
	err error // a database failure; the event cannot be translated now
}

// translateGuarded calls translate and recovers a panic. A message with an unexpected shape becomes a message of an
// unknown kind, because another delivery would have the same shape.
func (t *translation) translateGuarded(evt any) (list []eventlog.Event, ours bool) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		t.c.log.Error("a received event could not be translated", "op", fmt.Sprintf("%T", evt), "err", crashLine("read", reason), "stack", string(debug.Stack()))
		list = nil
		if msg, is := evt.(*events.Message); is {
			list, ours = t.messageEvent(&msg.Info, eventlog.TypeMessage, &message.Content{Kind: message.KindUnknown}), true
		}
	}()
	return t.translate(evt)
}

func (t *translation) translate(evt any) (list []eventlog.Event, ours bool) {
	switch e := evt.(type) {
	case *events.Message:
		return t.message(e), true
	case *events.UndecryptableMessage:
		return t.undecryptable(e), true
	case *events.Receipt:
		return t.receipt(e), true
	case *events.CallOffer:
		return t.call(&e.BasicCallMeta, callRinging, "", hasVideo(e.Data)), true
	case *events.CallOfferNotice:
		return t.call(&e.BasicCallMeta, callRinging, "", e.Media == "video"), true
	case *events.CallAccept:
		return t.call(&e.BasicCallMeta, callAccepted, "", hasVideo(e.Data)), true
	case *events.CallReject:
		return t.call(&e.BasicCallMeta, callRejected, "", false), true
	case *events.CallTerminate:
		return t.terminated(e), true
	case *events.JoinedGroup:
		return t.joined(e), true
	case *events.GroupInfo:
		return t.group(e), true
	case *events.Picture:
		return t.picture(e), true
	default:
		return nil, false
	}
}

// event makes one entry of the log. The log drops a second entry with the same key.
func (t *translation) event(of eventlog.Type, key string, data any, remote *message.Remote) eventlog.Event {
	text, err := json.Marshal(data)
	if err != nil {
		// JSON has no NaN, for example in a location. translateGuarded recovers this panic.
		panic(err) //nolint:forbidigo // not for the supervisor: the message itself is at fault
	}
	return eventlog.Event{Session: t.c.run.Session, Type: of, Key: keyOf(of, key), Data: text, Remote: remote}
}

func keyOf(of eventlog.Type, digest string) string { return string(of) + ":" + digest }

// digest returns a key of bounded length. parts must distinguish the event from all others.
func digest(parts ...any) string {
	var text strings.Builder
	for _, part := range parts {
		fmt.Fprintf(&text, "%v\x00", part)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:16])
}

// address returns a person's phone number and LID, if WhatsApp has told which belong together, or a group's address.
func (t *translation) address(jid types.JID, others ...types.JID) message.Address {
	var out message.Address
	for _, each := range append([]types.JID{jid}, others...) {
		switch each.Server {
		case types.HiddenUserServer, types.HostedLIDServer:
			out.LID = types.JID{User: each.User, Server: types.HiddenUserServer}.String()
		case types.DefaultUserServer, types.HostedServer, types.LegacyUserServer:
			out.PN = types.JID{User: each.User, Server: types.DefaultUserServer}.String()
		case "":
		default:
			out.Group = each.ToNonAD().String()
		}
	}
	if t.err != nil {
		return out
	}
	lids := t.c.wa.Store.LIDs
	switch {
	case out.Group != "":
	case out.LID != "" && out.PN == "":
		pn, err := lids.GetPNForLID(t.ctx, types.NewJID(jid.User, types.HiddenUserServer))
		if t.recordFailure(err); !pn.IsEmpty() {
			out.PN = pn.ToNonAD().String()
		}
	case out.PN != "" && out.LID == "":
		lid, err := lids.GetLIDForPN(t.ctx, types.NewJID(jid.User, types.DefaultUserServer))
		if t.recordFailure(err); !lid.IsEmpty() {
			out.LID = lid.ToNonAD().String()
		}
	}
	return out
}

// parseAddress parses an address. It returns the zero value for an invalid one.
func (t *translation) parseAddress(text string) message.Address {
	jid, err := types.ParseJID(text)
	if err != nil || jid.IsEmpty() {
		return message.Address{}
	}
	return t.address(jid)
}

func (t *translation) recordFailure(err error) {
	if err != nil && t.err == nil {
		t.err = storeError("receive", t.c.run.Session, err)
	}
}

// isOwn reports whether the address is one of the session's own account.
func (t *translation) isOwn(a message.Address) bool {
	pn, lid := t.c.account.addresses()
	return a.LID != "" && a.LID == lid.ToNonAD().String() || a.PN != "" && a.PN == pn.ToNonAD().String()
}

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

// EventLog is the durable log of events as a client needs it.
type EventLog interface {
	eventlog.Journal
	// Find gives an event of the session by one of the keys under which it was added.
	Find(ctx context.Context, id session.ID, keys ...string) (found eventlog.Event, is bool, err error)
}

// Sent gives what a message says that the session sent itself; false where that is not known any more.
type Sent func(ctx context.Context, id session.ID, messageID string) (content message.Content, is bool, err error)

// receiving keeps what WhatsApp tells, before WhatsApp is told that it arrived.
type receiving struct {
	run     *run
	account *account
	wa      *whatsmeow.Client
	conn    *attempt
	log     *slog.Logger
	sending *sending // is told of receipts
	journal EventLog // nil: nobody wants it
	sent    Sent     // nil: nobody knows
}

// receive keeps what is told about messages, calls and groups, before WhatsApp is told that it arrived. kept false: it
// was not, and must come again. ours false: the event is about something else.
//
// After a failure nothing more is kept nor acknowledged in this run: what WhatsApp delivers again would otherwise come
// behind what was sent after it. Two events are acknowledged by whatsmeow itself before it tells of them: messages that
// cannot be decrypted, and grouped receipts of which not the last part failed. Nothing is written after a failure
// (storeFailed), so the acknowledgement of the latter does not leave.
func (r *receiving) receive(evt any) (kept, ours bool) {
	if r.journal == nil {
		return true, false
	}
	ctx, cancel := context.WithTimeout(r.run.ctx, storeTimeout)
	defer cancel()
	t := &translation{c: r, ctx: ctx}
	list, ours := t.guarded(evt)
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
		// A bug, which another delivery would meet again, for ever.
		r.log.Error("something received could not be kept", "op", fmt.Sprintf("%T", evt), "err", t.err)
		return true, true
	default:
		r.storeFailed(t.err)
		return false, true
	}
}

// storeFailed ends receiving for a run that cannot keep what it receives: nothing is kept and nothing is written any more,
// acknowledgements least of all, and the messages that were not acknowledged come again. So do those whose parts whatsmeow
// could not store, such as a group's key: it only logs that and would acknowledge them.
func (r *receiving) storeFailed(err error) {
	r.run.step(runInput{kind: inputStoreFailed, err: err})
	if l := r.conn.current(); l != nil {
		l.DropWrites()
	}
	failRequests(r.wa) // nothing that is waited for comes now
	if state := r.run.state(); state.deviceForgotten || !state.open() {
		// It is no fault of the database, and the run's last word is another one.
		r.log.Debug("nothing more is received", "err", err)
		return
	}
	r.log.Warn("the database fails, so nothing more is received", "err", err)
	r.run.post(session.Input{Kind: session.StoreFailed, Detail: "what was received could not be stored"})
}

// translation makes events of the log of one of whatsmeow's events.
type translation struct {
	c   *receiving // of the client
	ctx context.Context
	err error // of the database: the event cannot be told now
}

// guarded contains a panic: something of a shape that nobody foresaw becomes a message of an unknown kind, because
// another delivery would have the same shape.
func (t *translation) guarded(evt any) (list []eventlog.Event, ours bool) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		t.c.log.Error("something received could not be read", "op", fmt.Sprintf("%T", evt), "err", crashLine("read", reason), "stack", string(debug.Stack()))
		list = nil
		if msg, is := evt.(*events.Message); is {
			list, ours = t.bare(&msg.Info, eventlog.TypeMessage, &message.Content{Kind: message.KindUnknown}), true
		}
	}()
	return t.of(evt)
}

func (t *translation) of(evt any) (list []eventlog.Event, ours bool) {
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

// event is one entry of the log. key drops repetitions.
func (t *translation) event(of eventlog.Type, key string, data any, remote *message.Remote) eventlog.Event {
	text, err := json.Marshal(data)
	if err != nil {
		// Numbers that are none, such as a place at NaN. guarded contains it.
		panic(err) //nolint:forbidigo // not for the supervisor: the message itself is at fault
	}
	return eventlog.Event{Session: t.c.run.Session, Type: of, Key: keyOf(of, key), Data: text, Remote: remote}
}

func keyOf(of eventlog.Type, digest string) string { return string(of) + ":" + digest }

// digest makes a key of bounded length of what tells an event from all others.
func digest(parts ...any) string {
	var text strings.Builder
	for _, part := range parts {
		fmt.Fprintf(&text, "%v\x00", part)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:16])
}

// address names somebody both ways where WhatsApp has told which LID belongs to which number.
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
		if t.failed(err); !pn.IsEmpty() {
			out.PN = pn.ToNonAD().String()
		}
	case out.PN != "" && out.LID == "":
		lid, err := lids.GetLIDForPN(t.ctx, types.NewJID(jid.User, types.DefaultUserServer))
		if t.failed(err); !lid.IsEmpty() {
			out.LID = lid.ToNonAD().String()
		}
	}
	return out
}

// named is an address that came as text; the zero value where it is none.
func (t *translation) named(text string) message.Address {
	jid, err := types.ParseJID(text)
	if err != nil || jid.IsEmpty() {
		return message.Address{}
	}
	return t.address(jid)
}

func (t *translation) failed(err error) {
	if err != nil && t.err == nil {
		t.err = storeError("receive", t.c.run.Session, err)
	}
}

// own reports an address of the session's own account.
func (t *translation) own(a message.Address) bool {
	pn, lid := t.c.account.addresses()
	return a.LID != "" && a.LID == lid.ToNonAD().String() || a.PN != "" && a.PN == pn.ToNonAD().String()
}

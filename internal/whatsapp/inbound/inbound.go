// Package inbound translates what WhatsApp delivers into entries of the event log.
//
// It owns which of whatsmeow's events become entries, what messages say, and the keys by which the log recognises a
// repeated delivery. It neither stores nor acknowledges anything, and knows no connection.
package inbound

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"wasup/internal/whatsapp/masking"
)

// EventLog is the part of the durable log of events that a client uses.
type EventLog interface {
	eventlog.Journal
	// Find returns an event of the session that was added under one of the keys.
	Find(ctx context.Context, id session.ID, keys ...string) (found eventlog.Event, is bool, err error)
}

// Sent returns a message that the session sent itself, and false if it is no longer known.
type Sent func(ctx context.Context, id session.ID, messageID string) (sent message.Message, is bool, err error)

// Translator translates what one linked device receives.
type Translator struct {
	Session session.ID
	Own     func() (jid, lid types.JID) // the addresses of the session's own account; each may be empty
	Client  *whatsmeow.Client           // decrypts votes, and knows which numbers and LIDs belong together
	Journal EventLog
	Sent    Sent // nil: sent messages are not known
	Log     *slog.Logger
}

// Translate returns the entries of the log for one of whatsmeow's events. ours false: the event is about something else
// than messages, calls and groups. An error is a failure of the database: the event cannot be translated now.
func (c *Translator) Translate(ctx context.Context, evt any) (list []eventlog.Event, ours bool, err error) {
	t := &translation{c: c, ctx: ctx}
	list, ours = t.translateGuarded(evt)
	return list, ours, t.err
}

// translation translates one of whatsmeow's events into entries of the log.
type translation struct {
	c   *Translator
	ctx context.Context
	err error // a database failure; the event cannot be translated now
	cut bool  // something of the event was left out because it was too large
}

// atMost returns at most so many items of a list. It is called before the database is asked about each of them.
func atMost[T any](t *translation, list []T, most int) []T {
	if len(list) <= most {
		return list
	}
	t.cut = true
	return list[:most]
}

// translateGuarded calls translate and recovers a panic. A message with an unexpected shape becomes a message of an
// unknown kind, because another delivery would have the same shape.
func (t *translation) translateGuarded(evt any) (list []eventlog.Event, ours bool) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		t.c.Log.Error("a received event could not be translated", "op", fmt.Sprintf("%T", evt), "err", masking.CrashLine("read", reason), "stack", string(debug.Stack()))
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

// event makes one entry of the log, of a bounded size. The log drops a second entry with the same key.
func (t *translation) event(of eventlog.Type, key string, data any, remote *message.Remote) eventlog.Event {
	text, err := eventlog.Encode(data)
	if err != nil {
		// JSON has no NaN, for example in a location. translateGuarded recovers this panic.
		panic(err) //nolint:forbidigo // not for the supervisor: the message itself is at fault
	}
	return eventlog.Event{Session: t.c.Session, Type: of, Key: keyOf(of, key), Data: text, Remote: remote}
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
	lids := t.c.Client.Store.LIDs
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
	if err != nil || jid.IsEmpty() || len(text) > message.MaxAddress {
		return message.Address{}
	}
	return t.address(jid)
}

func (t *translation) recordFailure(err error) {
	if err != nil && t.err == nil {
		t.err = err
	}
}

// isOwn reports whether the address is one of the session's own account.
func (t *translation) isOwn(a message.Address) bool {
	pn, lid := t.c.Own()
	return a.LID != "" && a.LID == lid.ToNonAD().String() || a.PN != "" && a.PN == pn.ToNonAD().String()
}

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
	"slices"
	"strings"
	"time"

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
	// At returns the position before the first event that was stored at this time or later.
	At(ctx context.Context, at time.Time) (uint64, error)
	// Read returns the next events, oldest first.
	Read(ctx context.Context, q eventlog.Query) (found []eventlog.Event, upTo uint64, err error)
}

// Sent returns a message that the session sent itself, and false if it is no longer known.
type Sent func(ctx context.Context, id session.ID, messageID string) (sent message.Message, is bool, err error)

// Revoked reports whether the session itself has deleted a message of its account for everyone.
type Revoked func(ctx context.Context, id session.ID, messageID string) (bool, error)

// Counterparts returns the other address of each person whose other address is known: the phone number of a LID, and the
// LID of a phone number. It takes one statement for many people and caches nothing, because strangers choose whom to ask
// about.
type Counterparts func(ctx context.Context, people []types.JID) (map[types.JID]types.JID, error)

// Translator translates what one linked device receives.
type Translator struct {
	Session session.ID
	Own     func() (jid, lid types.JID) // the addresses of the session's own account; each may be empty
	Client  *whatsmeow.Client           // decrypts votes, and knows which numbers and LIDs belong together
	Decrypt Decrypt                     // decrypts answers to events
	Journal EventLog
	Sent    Sent    // nil: sent messages are not known
	Revoked Revoked // nil: not known
	IsAdmin IsAdmin // nil: not known
	Timer   TimerOf // nil: timers are not known
	Others  Counterparts
	Timeout time.Duration // bounds each operation of the database
	Log     *slog.Logger
	Lines   *LineLimit // of lines about events that could not be translated
}

// Translate returns the entries of the log for one of whatsmeow's events. ours false: the event is about something else
// than messages, calls and groups. An error is a failure of the database: the event cannot be translated now.
func (c *Translator) Translate(ctx context.Context, evt any) (list []eventlog.Event, ours bool, err error) {
	t := &translation{c: c, ctx: ctx}
	list, ours = t.translateGuarded(evt)
	return list, ours, t.err
}

// Reduced returns entries that say less about the same event, under the same keys: first what can be told without the
// database, then only that there was such an event.
func (c *Translator) Reduced(evt any) (lists [][]eventlog.Event) {
	t := &translation{c: c, ctx: context.Background(), offline: true}
	list, _ := t.translateGuarded(evt)
	t.terse = true
	bare, _ := t.translateGuarded(evt)
	if msg, is := evt.(*events.Message); is {
		bare, _, _ = t.attempt(evt, func() ([]eventlog.Event, bool) { return t.bare(msg), true })
	}
	for i := range bare {
		bare[i].Receipt = nil // the state of the messages stays as it is
	}
	lists = [][]eventlog.Event{list, bare}
	return slices.DeleteFunc(lists, func(list []eventlog.Event) bool { return len(list) == 0 })
}

// translation translates one of whatsmeow's events into entries of the log.
type translation struct {
	c       *Translator
	ctx     context.Context
	offline bool                    // the database is not asked
	terse   bool                    // the texts and lists of calls and groups are left out
	others  map[types.JID]types.JID // the counterparts of people who were looked up; empty: unknown
	err     error                   // a database failure; the event cannot be translated now
	cut     bool                    // something of the event was left out because it was too large
}

// atMost returns at most so many items of a list. It is called before the database is asked about each of them.
func atMost[T any](t *translation, list []T, most int) []T {
	if len(list) <= most {
		return list
	}
	t.cut = true
	return list[:most]
}

// ask calls an operation of the database, within its time limit. After a failure it does nothing. The number of
// operations for an event is bounded, whatever its sender wrote.
func (t *translation) ask(operation func(ctx context.Context) error) {
	if t.err != nil || t.offline {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, t.c.Timeout)
	defer cancel()
	t.err = operation(ctx)
}

// translateGuarded calls translate and recovers a panic. A message with an unexpected shape becomes a message of an
// unknown kind, because another delivery would have the same shape.
func (t *translation) translateGuarded(evt any) (list []eventlog.Event, ours bool) {
	list, ours, whole := t.attempt(evt, func() ([]eventlog.Event, bool) { return t.translate(evt) })
	msg, is := evt.(*events.Message)
	if whole || !is {
		return list, ours
	}
	list, _, _ = t.attempt(evt, func() ([]eventlog.Event, bool) { return t.bare(msg), true })
	return list, true
}

// bare returns a message of an unknown kind.
func (t *translation) bare(msg *events.Message) []eventlog.Event {
	return t.messageEvent(&msg.Info, eventlog.TypeMessage, &message.Content{Kind: message.KindUnknown}, editOf(msg)...)
}

// attempt calls a translation. whole false: it panicked. A stranger may have caused that, so the log gets one line
// without a stack, and not more than linesPerMinute.
func (t *translation) attempt(evt any, translate func() ([]eventlog.Event, bool)) (list []eventlog.Event, ours, whole bool) {
	defer func() {
		if reason := recover(); reason != nil && t.c.Lines.allow(time.Now()) {
			t.c.Log.Error("a received event could not be translated", "op", fmt.Sprintf("%T", evt), "err", masking.CrashLine("read", reason))
		}
	}()
	list, ours = translate()
	return list, ours, true
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
		return t.call(&e.BasicCallMeta, callRinging, "", videoOf(e.Data)), true
	case *events.CallOfferNotice:
		return t.call(&e.BasicCallMeta, callRinging, "", new(e.Media == "video")), true
	case *events.CallAccept:
		return t.call(&e.BasicCallMeta, callAccepted, "", videoOf(e.Data)), true
	case *events.CallReject:
		return t.call(&e.BasicCallMeta, callRejected, "", nil), true
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
		// All numbers and times are in their bounds, so this is a bug. translateGuarded recovers the panic.
		panic(err) //nolint:forbidigo // not for the supervisor: another delivery would fail as well
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

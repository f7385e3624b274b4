// Package timers knows the disappearing timers of chats.
//
// In a chat with one person nobody but the two accounts knows the timer: it is learned from their messages and stored. The
// server keeps the timer of a group and tells it. The package owns which setting holds, what messages state of a setting,
// and how the session's messages are marked. It neither receives nor sends anything.
package timers

import (
	"context"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Table stores the timers of a session's chats, for each account that the session was linked with.
type Table interface {
	// Timer returns the newest setting of a chat under any of its addresses.
	Timer(ctx context.Context, id session.ID, account string, chat message.Address) (timer message.Timer, known bool, err error)
	// SetTimer stores a setting unless a newer one is stored, and reports whether it holds.
	SetTimer(ctx context.Context, id session.ID, account string, chat message.Address, timer message.Timer) (holds bool, err error)
}

// Change is a setting of a chat.
type Change struct {
	Chat  message.Address
	Timer message.Timer
}

// Keeper has the timers of the chats of a session's account.
type Keeper struct {
	Session session.ID
	Own     func() (jid, lid types.JID) // the addresses of the account; each may be empty
	LIDs    store.LIDStore
	Table   Table // nil: no timers are known

	mu     sync.Mutex
	recent map[string]setting // by the chat's address; what is stored
	writes int                // how often the table was written to
}

// setting is what is stored for a chat.
type setting struct {
	timer message.Timer
	known bool
}

// maxRecent bounds the chats whose timers are in memory.
const maxRecent = 256

// Of returns the timer of a chat. known is false if nobody has set one yet. Errors are the database's.
func (k *Keeper) Of(ctx context.Context, chat message.Address) (timer message.Timer, known bool, err error) {
	if k.Table == nil {
		return message.Timer{}, false, nil
	}
	name := chat.String()
	k.mu.Lock()
	found, is := k.recent[name]
	writes := k.writes
	k.mu.Unlock()
	if is {
		return found.timer, found.known, nil
	}
	if timer, known, err = k.Table.Timer(ctx, k.Session, k.account(), chat); err != nil {
		return message.Timer{}, false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if writes != k.writes {
		return timer, known, nil // it may be out of date
	}
	if k.recent == nil || len(k.recent) >= maxRecent {
		k.recent = make(map[string]setting)
	}
	k.recent[name] = setting{timer, known}
	return timer, known, nil
}

// Set stores a setting, unless a newer one is stored. Errors are the database's.
func (k *Keeper) Set(ctx context.Context, change Change) error {
	if k.Table == nil {
		return nil
	}
	k.forget(change.Chat)
	_, err := k.Table.SetTimer(ctx, k.Session, k.account(), change.Chat, change.Timer)
	k.forget(change.Chat)
	return err
}

// forget drops what is in memory of a chat that is written to, whatever its address.
func (k *Keeper) forget(chat message.Address) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes++
	for _, name := range []string{chat.Group, chat.LID, chat.PN} {
		delete(k.recent, name)
	}
}

// ChatOf returns the timer of a chat that is given by its current address.
func (k *Keeper) ChatOf(ctx context.Context, chat types.JID) (message.Timer, error) {
	address := message.Address{}
	switch chat.Server {
	case types.GroupServer:
		address.Group = chat.String()
	case types.HiddenUserServer:
		pn, err := k.LIDs.GetPNForLID(ctx, chat) // the timer may be stored under the number
		if err != nil {
			return message.Timer{}, err
		}
		if address.LID = chat.String(); !pn.IsEmpty() {
			address.PN = pn.ToNonAD().String()
		}
	default:
		address.PN = chat.String()
	}
	timer, _, err := k.Of(ctx, address)
	return timer, err
}

// SetGroup stores what the server says about a group when it is asked. The answer is as new as the last notification, and
// has no time of its own: so a later notification holds, whatever the clocks say.
func (k *Keeper) SetGroup(ctx context.Context, group types.JID, info types.GroupEphemeral) error {
	chat := message.Address{Group: group.String()}
	stored, known, err := k.Of(ctx, chat)
	if err != nil {
		return err
	}
	timer, valid := OfGroup(info, stored.SetAt)
	if !valid || timer.Seconds == stored.Seconds && (known || timer.Seconds == 0) {
		return nil
	}
	return k.Set(ctx, Change{chat, timer})
}

// account returns the address under which the account's timers are stored.
func (k *Keeper) account() string {
	jid, lid := k.Own()
	if lid.IsEmpty() {
		return jid.ToNonAD().String()
	}
	return lid.ToNonAD().String()
}

// OfGroup returns a group's timer. valid is false if it is no number that can be meant.
func OfGroup(info types.GroupEphemeral, at time.Time) (timer message.Timer, valid bool) {
	timer.SetAt = at
	if info.IsEphemeral {
		timer.Seconds = int(info.DisappearingTimer)
	}
	return timer, withinBounds(uint64(info.DisappearingTimer))
}

func withinBounds(seconds uint64) bool { return seconds <= uint64(message.MaxTimer/time.Second) }

// maxAhead is how far the time of a setting may be ahead of its message's: the clocks of phones are wrong.
const maxAhead = 7 * 24 * time.Hour

// Setting returns the timer that a message sets. at is the server's time of the message, byMe says that the account wrote
// it. valid is false if the message sets none, or one that cannot be meant.
func Setting(content *waE2E.Message, at time.Time, byMe bool) (timer message.Timer, valid bool) {
	setting := content.GetProtocolMessage()
	switch setting.GetType() {
	case waE2E.ProtocolMessage_EPHEMERAL_SETTING, waE2E.ProtocolMessage_EPHEMERAL_SYNC_RESPONSE:
	default:
		return message.Timer{}, false
	}
	timer = message.Timer{
		Seconds: int(setting.GetEphemeralExpiration()), SetAt: momentOf(setting.GetEphemeralSettingTimestamp(), at), ByMe: byMe,
		Trigger: int(waE2E.DisappearingMode_CHAT_SETTING),
	}
	if timer.SetAt.IsZero() {
		timer.SetAt = at.Truncate(time.Second)
	}
	if mode := setting.GetDisappearingMode(); mode != nil {
		timer.Initiator, timer.Trigger = initiatorOf(mode, byMe), int(mode.GetTrigger())
	}
	return timer, withinBounds(uint64(setting.GetEphemeralExpiration()))
}

// Stated returns the timer of its chat that a message states. valid is false if the message does not say when the timer was
// set: it may be from a client that knows no timers, or that makes single messages disappear. It is also false for a timer
// that cannot be meant.
func Stated(info *waE2E.ContextInfo, at time.Time, byMe bool) (timer message.Timer, valid bool) {
	timer = message.Timer{Seconds: int(info.GetExpiration()), SetAt: momentOf(info.GetEphemeralSettingTimestamp(), at)}
	if mode := info.GetDisappearingMode(); mode != nil {
		timer.Initiator, timer.Trigger = initiatorOf(mode, byMe), int(mode.GetTrigger())
		if mode.InitiatedByMe != nil {
			timer.ByMe = mode.GetInitiatedByMe() == byMe
		}
	}
	return timer, !timer.SetAt.IsZero() && withinBounds(uint64(info.GetExpiration()))
}

// momentOf returns the time of a setting, which the sender of a message has chosen; the zero time if it has none. One that
// is far ahead of the message is replaced by the message's: otherwise no later setting would ever hold.
func momentOf(seconds int64, message time.Time) time.Time {
	switch latest := message.Add(maxAhead).Unix(); {
	case seconds <= 0:
		return time.Time{}
	case seconds > latest:
		return message.Truncate(time.Second)
	default:
		return time.Unix(seconds, 0).UTC()
	}
}

// initiatorOf returns who brought a setting about, from the account's point of view. The message has it from its sender's.
func initiatorOf(mode *waE2E.DisappearingMode, byMe bool) int {
	switch initiator := mode.GetInitiator(); {
	case byMe:
		return int(initiator)
	case initiator == waE2E.DisappearingMode_INITIATED_BY_ME:
		return int(waE2E.DisappearingMode_INITIATED_BY_OTHER)
	case initiator == waE2E.DisappearingMode_INITIATED_BY_OTHER:
		return int(waE2E.DisappearingMode_INITIATED_BY_ME)
	default:
		return int(initiator)
	}
}

// Mark writes the timer of its chat into the context of an outgoing message, as the apps do, and returns the context. info
// may be nil, and stays nil without a timer. When the setting was made and how is known in chats with one person.
func Mark(info *waE2E.ContextInfo, timer message.Timer, group bool) *waE2E.ContextInfo {
	if timer.Seconds <= 0 {
		return info
	}
	if info == nil {
		info = &waE2E.ContextInfo{}
	}
	info.Expiration = proto.Uint32(uint32(timer.Seconds))
	if group || timer.SetAt.IsZero() {
		return info
	}
	info.EphemeralSettingTimestamp = proto.Int64(timer.SetAt.Unix())
	info.DisappearingMode = &waE2E.DisappearingMode{
		Initiator: waE2E.DisappearingMode_Initiator(timer.Initiator).Enum(), Trigger: waE2E.DisappearingMode_Trigger(timer.Trigger).Enum(),
		InitiatedByMe: proto.Bool(timer.ByMe),
	}
	return info
}

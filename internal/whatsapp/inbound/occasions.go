package inbound

import (
	"cmp"
	"context"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/message"
)

// This file translates what people send now and then: events with a date, pins, kept messages, comments, calls, sticker
// packs, phone numbers.

const (
	maxGuests   = 10_000          // whom somebody brings along
	maxStickers = 10_000          // of a pack
	lastSecond  = 253_402_300_799 // of the year 9999, the last that JSON can say
)

// Sealed is content that is encrypted with the secret of another message.
type Sealed interface {
	GetEncIV() []byte
	GetEncPayload() []byte
}

// Decrypt decrypts content that is encrypted with the secret of the message that the key names.
type Decrypt func(ctx context.Context, evt *events.Message, use whatsmeow.MsgSecretType, sealed Sealed, key *waCommon.MessageKey) ([]byte, error)

// occasional returns content of the kinds of this file that does not refer to another message.
func (r *reading) occasional(m *waE2E.Message) (message.Content, bool) {
	switch {
	case m.EventMessage != nil:
		return message.Content{Kind: message.KindEvent, Event: occasion(m.GetEventMessage())}, true
	case m.ScheduledCallCreationMessage != nil:
		call := m.GetScheduledCallCreationMessage()
		return message.Content{Kind: message.KindScheduledCall, Call: &message.Call{
			Title: call.GetTitle(), Start: dateOf(call.GetScheduledTimestampMS() / 1000), Video: call.GetCallType() == waE2E.ScheduledCallCreationMessage_VIDEO,
		}}, true
	case m.CallLogMesssage != nil:
		return message.Content{Kind: message.KindCallLog, Call: r.pastCall(m.GetCallLogMesssage())}, true
	case m.StickerPackMessage != nil:
		pack := m.GetStickerPackMessage()
		return message.Content{Kind: message.KindStickerPack, Text: pack.GetCaption(), StickerPack: &message.StickerPack{
			ID: idOf(pack.GetStickerPackID()), Name: pack.GetName(), Publisher: pack.GetPublisher(), Description: pack.GetPackDescription(),
			Stickers: int(within(uint64(len(pack.GetStickers())), maxStickers)),
		}}, true
	case m.RequestPhoneNumberMessage != nil:
		return message.Content{Kind: message.KindNumberRequest}, true
	case m.ProtocolMessage != nil && m.GetProtocolMessage().GetType() == waE2E.ProtocolMessage_SHARE_PHONE_NUMBER:
		return message.Content{Kind: message.KindNumberShared}, true
	default:
		return message.Content{}, false
	}
}

// about returns content of the kinds of this file that refers to another message.
func (r *reading) about(m *waE2E.Message) (message.Content, bool) {
	switch {
	case m.EncEventResponseMessage != nil:
		return r.response(m.GetEncEventResponseMessage()), true
	case m.PinInChatMessage != nil:
		return r.pin(m.GetPinInChatMessage()), true
	case m.KeepInChatMessage != nil:
		return r.keep(m.GetKeepInChatMessage()), true
	case m.CommentMessage != nil:
		return r.comment(m.GetCommentMessage().GetTargetMessageKey(), m.GetCommentMessage().GetMessage()), true
	case m.EncCommentMessage != nil:
		return r.encryptedComment(m), true
	case m.ScheduledCallEditMessage != nil:
		return r.calledOff(m.GetScheduledCallEditMessage()), true
	case m.GetSecretEncryptedMessage().GetSecretEncType() == waE2E.SecretEncryptedMessage_EVENT_EDIT:
		return r.eventEdit(m), true
	case m.GetProtocolMessage().GetType() == waE2E.ProtocolMessage_STATUS_MENTION_MESSAGE:
		return message.Content{Kind: message.KindStatusMention, Target: r.ref(m.GetProtocolMessage().GetKey())}, true
	default:
		return message.Content{}, false
	}
}

func occasion(m *waE2E.EventMessage) *message.Occasion {
	out := &message.Occasion{
		Name: m.GetName(), Description: m.GetDescription(), Start: dateOf(m.GetStartTime()), End: dateOf(m.GetEndTime()), Link: m.GetJoinLink(),
		Call: m.GetIsScheduleCall(), Cancelled: m.GetIsCanceled(), ExtraGuests: m.GetExtraGuestsAllowed(),
	}
	if m.GetHasReminder() && m.GetReminderOffsetSec() > 0 {
		out.Reminder = int(within(uint64(m.GetReminderOffsetSec()), maxExpiration))
	}
	out.Location = venueOf(m.GetLocation())
	return out
}

// venueOf returns the place of an event, or nil if nothing is said about it. Phones write the name of a place that has no
// coordinates as a place with the coordinates 0 and 0.
func venueOf(m *waE2E.LocationMessage) *message.Venue {
	out := message.Venue{Name: m.GetName(), Address: m.GetAddress(), URL: m.GetURL()}
	latitude, longitude := m.GetDegreesLatitude(), m.GetDegreesLongitude()
	given := m != nil && m.DegreesLatitude != nil && m.DegreesLongitude != nil && (latitude != 0 || longitude != 0)
	if given && onEarth(latitude, longitude) {
		out.Latitude, out.Longitude = &latitude, &longitude
	}
	if out == (message.Venue{}) {
		return nil
	}
	return &out
}

// dateOf returns the time of a number of seconds that a sender chose, or the zero time if it is no date of our time.
func dateOf(seconds int64) time.Time {
	if seconds <= 0 || seconds > lastSecond {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// response decrypts an answer to an invitation, as votes are decrypted.
func (r *reading) response(m *waE2E.EncEventResponseMessage) message.Content {
	key := m.GetEventCreationMessageKey()
	var opened waE2E.EventResponseMessage
	err := r.open(key, func(ctx context.Context) error {
		plain, err := r.t.c.Decrypt(ctx, r.eventWith(&waE2E.Message{EncEventResponseMessage: m}), whatsmeow.EncSecretEventResponse, m, key)
		if err != nil {
			return err
		}
		return proto.Unmarshal(plain, &opened)
	})
	if err != nil {
		return unreadable("encEventResponseMessage", r.ref(key))
	}
	out := message.Content{Kind: message.KindEventResponse, Target: r.ref(key), Response: &message.Response{}}
	switch opened.GetResponse() {
	case waE2E.EventResponseMessage_GOING, waE2E.EventResponseMessage_NOT_GOING, waE2E.EventResponseMessage_MAYBE:
		out.Response.Answer = strings.ToLower(opened.GetResponse().String())
	case waE2E.EventResponseMessage_UNKNOWN:
	}
	if guests := opened.GetExtraGuestCount(); guests > 0 {
		out.Response.ExtraGuests = int(within(uint64(guests), maxGuests))
	}
	return out
}

// eventEdit decrypts a change of an event. Only its author changes it.
func (r *reading) eventEdit(m *waE2E.Message) message.Content {
	const name = "secretEncryptedMessage/EVENT_EDIT"
	key := m.GetSecretEncryptedMessage().GetTargetMessageKey()
	target := r.ref(key)
	if !r.isAuthor(target) {
		return unauthorized(name, target)
	}
	var opened *waE2E.Message
	err := r.open(key, func(ctx context.Context) (err error) {
		opened, err = r.t.c.Client.DecryptSecretEncryptedMessage(ctx, r.eventWith(m))
		return err
	})
	if err != nil {
		return unreadable(name, target)
	}
	inner, _ := unwrapped(opened)
	inner = cmp.Or(inner.GetProtocolMessage().GetEditedMessage(), inner)
	if inner.GetEventMessage() == nil {
		return unreadable(name, target)
	}
	return message.Content{Kind: message.KindEdit, Target: target, Event: occasion(inner.GetEventMessage())}
}

func (r *reading) pin(m *waE2E.PinInChatMessage) message.Content {
	out := message.Content{Kind: message.KindPin, Target: r.ref(m.GetKey()), Pin: &message.Pin{}}
	switch m.GetType() {
	case waE2E.PinInChatMessage_PIN_FOR_ALL:
		out.Pin.Pinned = true
		for _, outer := range []*waE2E.Message{r.event.RawMessage, r.event.Message} {
			if seconds := outer.GetMessageContextInfo().GetMessageAddOnDurationInSecs(); seconds > 0 {
				out.Pin.Seconds = int(within(seconds, maxExpiration))
			}
		}
	case waE2E.PinInChatMessage_UNPIN_FOR_ALL:
	default:
		return unreadable("pinInChatMessage", out.Target)
	}
	return out
}

func (r *reading) keep(m *waE2E.KeepInChatMessage) message.Content {
	out := message.Content{Kind: message.KindKeep, Target: r.ref(m.GetKey()), Keep: &message.Keep{}}
	switch m.GetKeepType() {
	case waE2E.KeepType_KEEP_FOR_ALL:
		out.Keep.Kept = true
	case waE2E.KeepType_UNDO_KEEP_FOR_ALL:
	default:
		return unreadable("keepInChatMessage", out.Target)
	}
	return out
}

// comment returns a comment with its words and what goes with them.
func (r *reading) comment(key *waCommon.MessageKey, m *waE2E.Message) message.Content {
	out := message.Content{Kind: message.KindComment, Target: r.ref(key)}
	if m == nil {
		return out
	}
	inner, _ := unwrapped(m)
	said, _ := r.standalone(inner)
	r.addContext(contextOf(inner), &said)
	out.Text, out.Mentions, out.Media, out.Preview = said.Text, said.Mentions, said.Media, said.Preview
	return out
}

// encryptedComment decrypts a comment on an announcement of a community.
func (r *reading) encryptedComment(m *waE2E.Message) message.Content {
	key := m.GetEncCommentMessage().GetTargetMessageKey()
	var opened *waE2E.Message
	err := r.open(key, func(ctx context.Context) (err error) {
		opened, err = r.t.c.Client.DecryptComment(ctx, r.eventWith(m))
		return err
	})
	if err != nil {
		return unreadable("encCommentMessage", r.ref(key))
	}
	return r.comment(key, opened)
}

// calledOff returns a planned call that was called off. Only who planned it calls it off.
func (r *reading) calledOff(m *waE2E.ScheduledCallEditMessage) message.Content {
	target := r.ref(m.GetKey())
	if !r.isAuthor(target) {
		return unauthorized("scheduledCallEditMessage", target)
	}
	return message.Content{Kind: message.KindScheduledCall, Target: target, Call: &message.Call{
		Cancelled: m.GetEditType() == waE2E.ScheduledCallEditMessage_CANCEL,
	}}
}

func (r *reading) pastCall(m *waE2E.CallLogMessage) *message.Call {
	out := &message.Call{Video: m.GetIsVideo(), Type: strings.ToLower(m.GetCallType().String()), Outcome: strings.ToLower(m.GetCallOutcome().String())}
	if m.GetDurationSecs() > 0 {
		out.Seconds = int(within(uint64(m.GetDurationSecs()), maxSeconds))
	}
	var names []string
	people := atMost(r.t, m.GetParticipants(), message.MaxMentions)
	for _, each := range people {
		names = append(names, each.GetJID())
	}
	r.t.parseAddresses(names) // with one statement; below, the answers are remembered
	for _, each := range people {
		if who := r.t.parseAddress(each.GetJID()); !who.IsZero() {
			out.People = append(out.People, message.Participant{Address: who, Outcome: strings.ToLower(each.GetCallOutcome().String())})
		}
	}
	return out
}

// Package kinds has the contents of the kinds of messages that people send now and then: albums, events, pins, kept
// messages, comments, calls, sticker packs, shared numbers. It knows their encoding, and no phone.
package kinds

import (
	"crypto/rand"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// The kinds.
const (
	Album         = "album"
	Event         = "event"
	EventEdit     = "event_edit"     // changes an event
	EventAnswer   = "event_answer"   // answers an invitation to an event
	Pin           = "pin"            // pins a message, or unpins it
	Keep          = "keep"           // keeps a message that would disappear, or no longer keeps it
	Comment       = "comment"        // a comment on an announcement of a community, encrypted with its secret
	PlainComment  = "plain_comment"  // the same without the secret
	ScheduledCall = "scheduled_call" // or calls one off
	CallLog       = "call_log"
	StickerPack   = "sticker_pack"
	LiveLocation  = "live_location"
	AskNumber     = "ask_number"   // asks for the phone number
	ShareNumber   = "share_number" // shares the own phone number
)

// All lists the kinds.
func All() []string {
	return []string{
		Album, Event, EventEdit, EventAnswer, Pin, Keep, Comment, PlainComment, ScheduledCall, CallLog, StickerPack, LiveLocation, AskNumber, ShareNumber,
	}
}

// Details are the fields of the kinds. Each kind has some of them, see Check.
type Details struct {
	Images      uint32  `json:"images,omitempty" doc:"how many images of an album follow"`
	Videos      uint32  `json:"videos,omitempty" doc:"how many videos of an album follow"`
	Name        string  `json:"name,omitempty" doc:"name of an event or a sticker pack; title of a scheduled call"`
	Description string  `json:"description,omitempty" doc:"description of an event or a sticker pack"`
	Start       int64   `json:"start,omitempty" doc:"when an event or a scheduled call begins, in seconds since 1970"`
	End         int64   `json:"end,omitempty" doc:"when an event ends, in seconds since 1970"`
	Place       string  `json:"place,omitempty" doc:"name of the place of an event"`
	Latitude    float64 `json:"latitude,omitempty" doc:"-90 to 90"`
	Longitude   float64 `json:"longitude,omitempty" doc:"-180 to 180"`
	Link        string  `json:"link,omitempty" doc:"link to join an event"`
	Off         bool    `json:"off,omitempty" doc:"calls an event off, unpins, or no longer keeps"`
	Guests      bool    `json:"guests,omitempty" doc:"whether people who are invited to an event may bring others"`
	Answer      string  `json:"answer,omitempty" doc:"answer to an invitation: going, not_going or maybe"`
	Extra       int32   `json:"extra,omitempty" doc:"how many others come along"`
	Seconds     int64   `json:"seconds,omitempty" doc:"how long a message is pinned, or how long a call took"`
	Video       bool    `json:"video,omitempty" doc:"whether a call is with video"`
	Outcome     int32   `json:"outcome,omitempty" doc:"outcome of a call, by WhatsApp's number"`
	Publisher   string  `json:"publisher,omitempty" doc:"publisher of a sticker pack"`
	Stickers    int     `json:"stickers,omitempty" doc:"how many stickers a pack has"`
}

// Target is the message that a message is about.
type Target struct {
	Key    *waCommon.MessageKey
	ID     string
	Secret []byte
	// Author and Sender are the addresses of the target's author and of the sender.
	Author, Sender types.JID
}

// NeedsTarget reports whether a message of the kind is about another one.
func NeedsTarget(kind string) bool {
	switch kind {
	case EventEdit, EventAnswer, Pin, Keep, Comment, PlainComment:
		return true
	default:
		return false
	}
}

// Encode returns a message of a kind. The details were checked. target is nil unless the kind needs one, or calls a scheduled call off.
func Encode(kind, text string, d Details, target *Target) (*waE2E.Message, error) {
	now := time.Now()
	switch kind {
	case Album:
		return &waE2E.Message{AlbumMessage: &waE2E.AlbumMessage{ExpectedImageCount: &d.Images, ExpectedVideoCount: &d.Videos}}, nil
	case Event:
		secret := make([]byte, 32)
		_, _ = rand.Read(secret)
		return &waE2E.Message{EventMessage: d.event(), MessageContextInfo: &waE2E.MessageContextInfo{MessageSecret: secret}}, nil
	case EventEdit:
		return d.eventEdit(target)
	case EventAnswer:
		return d.eventAnswer(target, now)
	case Pin:
		pin := &waE2E.PinInChatMessage{Key: target.Key, Type: waE2E.PinInChatMessage_PIN_FOR_ALL.Enum(), SenderTimestampMS: proto.Int64(now.UnixMilli())}
		if d.Off {
			pin.Type = waE2E.PinInChatMessage_UNPIN_FOR_ALL.Enum()
		}
		return &waE2E.Message{PinInChatMessage: pin, MessageContextInfo: &waE2E.MessageContextInfo{MessageAddOnDurationInSecs: proto.Uint32(uint32(d.Seconds))}}, nil
	case Keep:
		keep := &waE2E.KeepInChatMessage{Key: target.Key, KeepType: waE2E.KeepType_KEEP_FOR_ALL.Enum(), TimestampMS: proto.Int64(now.UnixMilli())}
		if d.Off {
			keep.KeepType = waE2E.KeepType_UNDO_KEEP_FOR_ALL.Enum()
		}
		return &waE2E.Message{KeepInChatMessage: keep}, nil
	case Comment:
		sealed, nonce, err := target.seal("Enc Comment", &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: &text}}, false)
		return &waE2E.Message{EncCommentMessage: &waE2E.EncCommentMessage{TargetMessageKey: target.Key, EncPayload: sealed, EncIV: nonce}}, err
	case PlainComment:
		return &waE2E.Message{CommentMessage: &waE2E.CommentMessage{Message: &waE2E.Message{Conversation: &text}, TargetMessageKey: target.Key}}, nil
	default:
		return d.other(kind, text, target), nil
	}
}

func (d *Details) event() *waE2E.EventMessage {
	event := &waE2E.EventMessage{
		Name: &d.Name, Description: optional(d.Description), StartTime: &d.Start, JoinLink: optional(d.Link), IsCanceled: &d.Off, ExtraGuestsAllowed: &d.Guests,
	}
	if d.End != 0 {
		event.EndTime = &d.End
	}
	if d.Place != "" {
		event.Location = &waE2E.LocationMessage{DegreesLatitude: &d.Latitude, DegreesLongitude: &d.Longitude, Name: &d.Place}
	}
	return event
}

func (d *Details) eventEdit(target *Target) (*waE2E.Message, error) {
	sealed, nonce, err := target.seal("Event Edit", &waE2E.Message{EventMessage: d.event()}, false)
	return &waE2E.Message{SecretEncryptedMessage: &waE2E.SecretEncryptedMessage{
		TargetMessageKey: target.Key, EncPayload: sealed, EncIV: nonce, SecretEncType: waE2E.SecretEncryptedMessage_EVENT_EDIT.Enum(),
	}}, err
}

func (d *Details) eventAnswer(target *Target, now time.Time) (*waE2E.Message, error) {
	answer := &waE2E.EventResponseMessage{TimestampMS: proto.Int64(now.UnixMilli()), ExtraGuestCount: &d.Extra, Response: answers[d.Answer].Enum()}
	sealed, nonce, err := target.seal("Event Response", answer, true)
	return &waE2E.Message{EncEventResponseMessage: &waE2E.EncEventResponseMessage{EventCreationMessageKey: target.Key, EncPayload: sealed, EncIV: nonce}}, err
}

// other encodes the kinds that are about no other message.
func (d *Details) other(kind, text string, target *Target) *waE2E.Message {
	switch kind {
	case ScheduledCall:
		if target != nil {
			return &waE2E.Message{ScheduledCallEditMessage: &waE2E.ScheduledCallEditMessage{Key: target.Key, EditType: waE2E.ScheduledCallEditMessage_CANCEL.Enum()}}
		}
		call := &waE2E.ScheduledCallCreationMessage{ScheduledTimestampMS: proto.Int64(d.Start * 1000), CallType: waE2E.ScheduledCallCreationMessage_VOICE.Enum(), Title: &d.Name}
		if d.Video {
			call.CallType = waE2E.ScheduledCallCreationMessage_VIDEO.Enum()
		}
		return &waE2E.Message{ScheduledCallCreationMessage: call}
	case CallLog:
		return &waE2E.Message{CallLogMesssage: &waE2E.CallLogMessage{
			IsVideo: &d.Video, CallOutcome: waE2E.CallLogMessage_CallOutcome(d.Outcome).Enum(), DurationSecs: &d.Seconds, CallType: waE2E.CallLogMessage_REGULAR.Enum(),
		}}
	case StickerPack:
		pack := &waE2E.StickerPackMessage{StickerPackID: proto.String("pack"), Name: &d.Name, Publisher: &d.Publisher, Caption: optional(text), PackDescription: optional(d.Description)}
		for range d.Stickers {
			pack.Stickers = append(pack.Stickers, &waE2E.StickerPackMessage_Sticker{FileName: proto.String("sticker.webp"), Mimetype: proto.String("image/webp")})
		}
		return &waE2E.Message{StickerPackMessage: pack}
	case LiveLocation:
		return &waE2E.Message{LiveLocationMessage: &waE2E.LiveLocationMessage{DegreesLatitude: &d.Latitude, DegreesLongitude: &d.Longitude, Caption: optional(text)}}
	case AskNumber:
		return &waE2E.Message{RequestPhoneNumberMessage: &waE2E.RequestPhoneNumberMessage{}}
	default:
		return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_SHARE_PHONE_NUMBER.Enum()}}
	}
}

// seal encrypts content with the secret of the target. Votes and answers to events are bound to the target and the sender
// once more: additional.
func (t *Target) seal(use string, content proto.Message, additional bool) (sealed, nonce []byte, err error) {
	plain, err := proto.Marshal(content)
	if err != nil {
		return nil, nil, fmt.Errorf("encode: %w", err)
	}
	sealer, err := Cipher(use, t.Secret, t.ID, t.Author, t.Sender)
	if err != nil {
		return nil, nil, err
	}
	var data []byte
	if additional {
		data = []byte(t.ID + "\x00" + t.Sender.ToNonAD().String())
	}
	nonce = make([]byte, sealer.NonceSize())
	_, _ = rand.Read(nonce)
	return sealer.Seal(nil, nonce, plain, data), nonce, nil
}

// Of returns the kind of a message and the key of the message that it is about, or "" for the kind of another package.
func Of(m *waE2E.Message) (kind string, target *waCommon.MessageKey) {
	switch {
	case m.AlbumMessage != nil:
		return Album, nil
	case m.EventMessage != nil:
		return Event, nil
	case m.EncEventResponseMessage != nil:
		return EventAnswer, m.EncEventResponseMessage.GetEventCreationMessageKey()
	case m.GetSecretEncryptedMessage().GetSecretEncType() == waE2E.SecretEncryptedMessage_EVENT_EDIT:
		return EventEdit, m.SecretEncryptedMessage.GetTargetMessageKey()
	case m.PinInChatMessage != nil:
		return Pin, m.PinInChatMessage.GetKey()
	case m.KeepInChatMessage != nil:
		return Keep, m.KeepInChatMessage.GetKey()
	case m.EncCommentMessage != nil:
		return Comment, m.EncCommentMessage.GetTargetMessageKey()
	case m.CommentMessage != nil:
		return PlainComment, m.CommentMessage.GetTargetMessageKey()
	case m.ScheduledCallCreationMessage != nil, m.ScheduledCallEditMessage != nil:
		return ScheduledCall, nil
	case m.CallLogMesssage != nil:
		return CallLog, nil
	case m.StickerPackMessage != nil:
		return StickerPack, nil
	case m.LiveLocationMessage != nil:
		return LiveLocation, nil
	case m.RequestPhoneNumberMessage != nil:
		return AskNumber, nil
	default:
		return "", nil
	}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

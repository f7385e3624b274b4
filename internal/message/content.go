package message

import (
	"reflect"
	"strings"
	"time"

	"wasup/internal/session"
)

// Kind is the kind of a message. The names are public and stored.
type Kind string

// The kinds of messages. The kinds after the blank line are only received, never sent.
const (
	KindText     Kind = "text"
	KindImage    Kind = "image"
	KindVideo    Kind = "video"
	KindAudio    Kind = "audio" // an audio file
	KindVoice    Kind = "voice" // a voice note: ogg with opus
	KindDocument Kind = "document"
	KindSticker  Kind = "sticker"
	KindLocation Kind = "location"
	KindContact  Kind = "contact"
	KindPoll     Kind = "poll"
	KindReaction Kind = "reaction"
	KindEdit     Kind = "edit"
	KindRevoke   Kind = "revoke"

	KindPollVote Kind = "poll_vote"
	KindAlbum    Kind = "album" // announces photos and videos that follow

	KindEvent         Kind = "event"          // an invitation to an event with a date
	KindEventResponse Kind = "event_response" // an answer to an invitation
	KindPin           Kind = "pin"            // a message was pinned or unpinned
	KindKeep          Kind = "keep"           // a message that would disappear is kept, or no longer
	KindComment       Kind = "comment"        // on an announcement of a community
	KindScheduledCall Kind = "scheduled_call" // a planned call, or that it was called off
	KindCallLog       Kind = "call_log"       // a call that is over
	KindStickerPack   Kind = "sticker_pack"
	KindNumberRequest Kind = "phone_number_request" // somebody asks for the account's phone number
	KindNumberShared  Kind = "phone_number_shared"  // somebody shares theirs: from now on events have their pn
	KindStatusMention Kind = "status_mention"       // somebody mentions the account in a status

	KindUnknown Kind = "unknown" // a kind that this version does not know; there is an event for it all the same
)

// SendableKinds lists the kinds that can be sent.
func SendableKinds() []Kind {
	return []Kind{
		KindText, KindImage, KindVideo, KindAudio, KindVoice, KindDocument, KindSticker, KindLocation, KindContact,
		KindPoll, KindReaction, KindEdit, KindRevoke,
	}
}

// ReceivedKinds lists the kinds that are only received.
func ReceivedKinds() []Kind {
	return []Kind{
		KindPollVote, KindAlbum, KindEvent, KindEventResponse, KindPin, KindKeep, KindComment, KindScheduledCall, KindCallLog, KindStickerPack,
		KindNumberRequest, KindNumberShared, KindStatusMention, KindUnknown,
	}
}

// HasMedia reports whether messages of this kind carry a file.
func (k Kind) HasMedia() bool {
	switch k {
	case KindImage, KindVideo, KindAudio, KindVoice, KindDocument, KindSticker:
		return true
	default:
		return false
	}
}

// TextOf returns the content of a plain text message.
func TextOf(text string) Content { return Content{Kind: KindText, Text: text} }

// IsKindOnly reports whether nothing but the kind is left of the content, as of a message that WhatsApp has acknowledged.
func (c *Content) IsKindOnly() bool { return reflect.DeepEqual(*c, Content{Kind: c.Kind}) }

// IsZero reports whether the address names nobody.
func (a Address) IsZero() bool { return a == Address{} }

// String returns one form of the address: the group or another chat that is no person's, else the LID, else the phone
// number. A LID stays the same when the phone number changes.
func (a Address) String() string {
	switch {
	case a.place() != "":
		return a.place()
	case a.LID != "":
		return a.LID
	default:
		return a.PN
	}
}

// IsNot reports whether the address certainly belongs to somebody else than the account. It returns false for the zero
// address, and where the account's own phone number or LID is unknown although the address has one.
func (a Address) IsNot(account session.Account) bool {
	other := func(address, own string) bool {
		address, _, _ = strings.Cut(address, "@")
		own, _, _ = strings.Cut(own, "@")
		own, _, _ = strings.Cut(own, ":")
		return address == "" || (own != "" && address != own)
	}
	return !a.IsZero() && other(a.PN, account.JID) && other(a.LID, account.LID)
}

// Outgoing is one message to send.
type Outgoing struct {
	ID      string    // the WhatsApp message id, chosen before the first attempt and kept for all of them
	To      Recipient // one-to-one or a group
	Content Content
}

// UploadTime returns how much longer a send may take because of the message's file, before the acknowledgement is
// overdue: 30 seconds plus the time to upload the file at 256 KiB a second. It is 0 for a message without a file.
func (o Outgoing) UploadTime() time.Duration {
	const slowest = 256 << 10
	if o.Content.Media == nil {
		return 0
	}
	return 30*time.Second + time.Duration(max(0, o.Content.Media.Size)/slowest)*time.Second
}

// ChatState is what the recipient's chat shows: that the account is typing, recording, or has paused.
type ChatState string

// The chat states.
const (
	ChatTyping    ChatState = "typing"
	ChatRecording ChatState = "recording"
	ChatPaused    ChatState = "paused"
)

// ReadMark lists messages of one chat and one sender that have been read.
type ReadMark struct {
	Chat   Recipient
	Sender Address  // only in groups; the zero value in a chat with one person
	IDs    []string // WhatsApp message ids
	Played bool     // they were played, not only read (voice notes)
	At     time.Time
}

// Contact is WhatsApp's answer about a phone number.
type Contact struct {
	Query      string // the phone number as asked for
	OnWhatsApp bool
	Address    Address
	Business   string // the verified name of a business; "" if it is none
}

package message

import (
	"strings"
	"time"

	"wasup/internal/session"
)

// Kind names what a message is. The names are public and stored.
type Kind string

// The kinds of messages. Those after the blank line are only received.
const (
	KindText     Kind = "text"
	KindImage    Kind = "image"
	KindVideo    Kind = "video"
	KindAudio    Kind = "audio" // a file of sound
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
	KindUnknown  Kind = "unknown" // of a kind that this version does not know; the event says so rather than hide it
)

// SendableKinds lists what can be sent.
func SendableKinds() []Kind {
	return []Kind{
		KindText, KindImage, KindVideo, KindAudio, KindVoice, KindDocument, KindSticker, KindLocation, KindContact,
		KindPoll, KindReaction, KindEdit, KindRevoke,
	}
}

// HasMedia reports the kinds that carry a file.
func (k Kind) HasMedia() bool {
	switch k {
	case KindImage, KindVideo, KindAudio, KindVoice, KindDocument, KindSticker:
		return true
	default:
		return false
	}
}

// TextOf is a plain text message.
func TextOf(text string) Content { return Content{Kind: KindText, Text: text} }

// IsZero reports that nobody is named.
func (a Address) IsZero() bool { return a == Address{} }

// String is the address that stays the same longest: the group, else the LID, else the phone number.
func (a Address) String() string {
	switch {
	case a.Group != "":
		return a.Group
	case a.LID != "":
		return a.LID
	default:
		return a.PN
	}
}

// IsNot reports that the address is certainly that of somebody else than the account. An address that is zero, and parts
// that are not known on either side, say nothing.
func (a Address) IsNot(account session.Account) bool {
	other := func(address, own string) bool {
		address, _, _ = strings.Cut(address, "@")
		own, _, _ = strings.Cut(own, "@")
		own, _, _ = strings.Cut(own, ":")
		return address == "" || (own != "" && address != own)
	}
	return !a.IsZero() && other(a.PN, account.JID) && other(a.LID, account.LID)
}

// Outgoing is one message that leaves.
type Outgoing struct {
	ID      string    // the WhatsApp message id, chosen before the first attempt and kept for all of them
	To      Recipient // one-to-one or a group
	Content Content
}

// UploadTime is what the message's file may add to the time that a send takes, before WhatsApp's answer is overdue: half
// a minute, and what 256 KiB a second need. 0 for a message without a file.
func (o Outgoing) UploadTime() time.Duration {
	const slowest = 256 << 10
	if o.Content.Media == nil {
		return 0
	}
	return 30*time.Second + time.Duration(max(0, o.Content.Media.Size)/slowest)*time.Second
}

// ChatState is what a chat shows of the other side's typing.
type ChatState string

// The chat states.
const (
	ChatTyping    ChatState = "typing"
	ChatRecording ChatState = "recording"
	ChatPaused    ChatState = "paused"
)

// ReadMark says which messages of one chat and one sender have been read.
type ReadMark struct {
	Chat   Recipient
	Sender Address  // in groups; the zero value in a chat with one person
	IDs    []string // WhatsApp message ids
	Played bool     // a voice note was played
	At     time.Time
}

// Contact is what WhatsApp says about a phone number.
type Contact struct {
	Query      string // as it was asked for
	OnWhatsApp bool
	Address    Address
	Business   string // the verified name of a business, "" of others
}

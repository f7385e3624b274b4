package phones

import (
	"slices"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
)

// Status says how far a message has come.
type Status string

// The states of a message: one that the phone sent goes from sent to delivered to read, one that it received
// from received to read.
const (
	StatusSent      Status = "sent"
	StatusDelivered Status = "delivered"
	StatusReceived  Status = "received"
	StatusRead      Status = "read"
)

// Kind says what a message is.
type Kind string

// The kinds of messages.
const (
	KindText     Kind = "text"
	KindImage    Kind = "image"
	KindVideo    Kind = "video"
	KindAudio    Kind = "audio"
	KindDocument Kind = "document"
	KindSticker  Kind = "sticker"
	KindLocation Kind = "location"
	KindContact  Kind = "contact"
	KindPoll     Kind = "poll"
	// KindVote, KindReaction, KindEdit and KindRevoke are about another message, their Target, and change it.
	KindVote     Kind = "vote"
	KindReaction Kind = "reaction"
	KindEdit     Kind = "edit"
	KindRevoke   Kind = "revoke"
	// KindTimer sets how long the messages of a chat stay; Expiration says so in seconds, 0 meaning for ever.
	KindTimer Kind = "timer"
	// KindRaw is sent as the sender encoded it, for kinds that are none of these. It shows as what can be read in it.
	KindRaw Kind = "raw"
	// KindUnknown is what was decrypted and is none of these.
	KindUnknown Kind = "unknown"
)

// Kinds lists the kinds that a phone can send.
func Kinds() []Kind {
	return []Kind{
		KindText, KindImage, KindVideo, KindAudio, KindDocument, KindSticker, KindLocation, KindContact,
		KindPoll, KindVote, KindReaction, KindEdit, KindRevoke, KindTimer, KindRaw,
	}
}

// Message is a message as a phone sees it, decrypted.
type Message struct {
	Content
	Changes

	ID string
	// From is the account that sent it, Device the device of that account (0 is the phone), Chat the other
	// side of the conversation or the group, and To the receiver; accounts by phone number.
	From   types.JID
	Device uint16
	To     types.JID
	Chat   types.JID
	// FromMe says that the phone's own account sent it, from the phone or a linked device.
	FromMe bool
	// Name is what the sender goes by.
	Name string
	// Type is the type attribute of the stanza: text, media, reaction, poll and so on.
	Type   string
	Time   time.Time
	Status Status
	// Copies counts how often the message arrived: more than one means that it was received twice.
	Copies int

	// sender is where receipts go, in a group together with the group.
	sender types.JID
	author *accounts.Account
	chat   groups.Chat
	// secret is what votes on this message are encrypted with.
	secret []byte
	// raw is the content as it was sent, without what encloses copies for own devices.
	raw []byte
	// about is whom the message that Target names was sent by.
	about *accounts.Account
}

// Content is what a message says.
type Content struct {
	Kind Kind
	// Text is the text, the caption, the emoji of a reaction (empty takes it back), the question of a poll or
	// the new text of an edit.
	Text string
	// Target is the id of the message that a vote, reaction, edit or revocation is about.
	Target   string
	Mentions []types.JID
	Quote    *Quote
	Preview  *LinkPreview
	Media    *Media
	Location *Location
	Contact  *Contact
	// Contacts are those of a message that passes on several; Contact is the first of them.
	Contacts []Contact
	// Poll has the options of a poll and who chose what so far; of a vote, the options chosen.
	Poll *Poll
	// ViewOnce marks a message that may be looked at once, Expiration after how many seconds it disappears.
	ViewOnce   bool
	Expiration uint32
}

// Changes are what came of a message since.
type Changes struct {
	// Reactions are those of the moment, at most one an account, in the order in which they came.
	Reactions []Reaction
	// Edited and Revoked say that the sender changed the text or took the message back; a revoked message has
	// no content any more.
	Edited  bool
	Revoked bool
}

// Quote is the message that another one answers.
type Quote struct {
	ID   string    `json:"id"`
	From types.JID `json:"from"`
	Text string    `json:"text"`
}

// LinkPreview is what is shown of a link in a text.
type LinkPreview struct {
	URL         string `json:"url"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

// Location is a place, in degrees.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name"`
	Address   string  `json:"address"`
}

// Contact is a card of somebody.
type Contact struct {
	Name  string `json:"name"`
	VCard string `json:"vcard"`
}

// Poll is a question with options.
type Poll struct {
	Options []PollOption `json:"options"`
	// Selectable is how many options one may choose, 0 meaning any number.
	Selectable int `json:"selectable"`
}

// PollOption is one answer and who chose it.
type PollOption struct {
	Name   string      `json:"name"`
	Voters []types.JID `json:"voters"`
}

// Reaction is one account's reaction to a message.
type Reaction struct {
	From  types.JID `json:"from"`
	Emoji string    `json:"emoji"`
	Time  time.Time `json:"time"`
}

// apply changes a message by another one that is about it. What others may hold a copy of is replaced, never
// changed.
func (m *Message) apply(change *Message) {
	switch change.Kind {
	case KindReaction:
		reactions := slices.DeleteFunc(slices.Clone(m.Reactions), func(r Reaction) bool { return r.From == change.From })
		if change.Text != "" {
			reactions = append(reactions, Reaction{From: change.From, Emoji: change.Text, Time: change.Time})
		}
		m.Reactions = reactions
	case KindEdit:
		m.Text, m.Edited = change.Text, true
	case KindRevoke:
		m.Revoked, m.Text = true, ""
		m.Media, m.Location, m.Contact, m.Poll, m.Preview, m.Quote = nil, nil, nil, nil, nil, nil
		m.Contacts = nil
	case KindVote:
		if m.Poll != nil && change.Poll != nil {
			m.Poll = m.Poll.voted(change.From, change.Poll)
		}
	default:
		// Other kinds are about no other message.
	}
}

// mayChange says whether the sender of a change is allowed to make it: only authors edit, and only they or the
// admins of a group revoke.
func (m *Message) mayChange(change *Message) bool {
	switch change.Kind {
	case KindEdit:
		return change.author == m.author
	case KindRevoke:
		return change.author == m.author || (m.chat.Group != nil && m.chat.Group.IsAdmin(change.author))
	default:
		return true
	}
}

// voted returns the poll after an account has chosen; a later vote replaces an earlier one.
func (p *Poll) voted(voter types.JID, vote *Poll) *Poll {
	next := &Poll{Selectable: p.Selectable}
	for _, option := range p.Options {
		voters := slices.DeleteFunc(slices.Clone(option.Voters), func(jid types.JID) bool { return jid == voter })
		if slices.ContainsFunc(vote.Options, func(chosen PollOption) bool { return chosen.Name == option.Name }) {
			voters = append(voters, voter)
		}
		next.Options = append(next.Options, PollOption{Name: option.Name, Voters: voters})
	}
	return next
}

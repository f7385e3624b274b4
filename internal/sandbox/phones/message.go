package phones

import (
	"slices"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/business"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/kinds"
)

// Status is the state of a message.
type Status string

// The states of a message. A sent message goes from sent to delivered to read, a received one from received to read.
const (
	StatusSent      Status = "sent"
	StatusDelivered Status = "delivered"
	StatusReceived  Status = "received"
	StatusRead      Status = "read"
)

// Kind is the kind of a message.
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
	// KindTimer sets after how many seconds the messages of a chat disappear: Expiration, 0 meaning never.
	KindTimer Kind = "timer"
	// KindBusiness is what businesses write, and orders and payments: its form is in Business. KindChoice takes a choice
	// that such a message offers.
	KindBusiness Kind = "business"
	KindChoice   Kind = "choice"
	// KindRaw is sent as the sender encoded it, for kinds that are none of these. Phones show the parts that they can
	// read.
	KindRaw Kind = "raw"
	// KindUnknown is a decrypted message that is none of these.
	KindUnknown Kind = "unknown"
	// KindWaiting stands for a message that could not be decrypted ("Waiting for this message"), until it comes again.
	KindWaiting Kind = "waiting"
)

// Kinds lists the kinds that a phone can send. Package kinds has the last ones.
func Kinds() []Kind {
	all := []Kind{
		KindText, KindImage, KindVideo, KindAudio, KindDocument, KindSticker, KindLocation, KindContact,
		KindPoll, KindVote, KindReaction, KindEdit, KindRevoke, KindTimer, KindBusiness, KindChoice, KindRaw,
	}
	for _, special := range kinds.All() {
		all = append(all, Kind(special))
	}
	return all
}

// changes reports whether messages of the kind are about another message and change it.
func (k Kind) changes() bool {
	return k == KindVote || k == KindReaction || k == KindEdit || k == KindRevoke
}

// Message is a decrypted message as a phone sees it.
type Message struct {
	Content
	Changes

	ID string
	// From is the sender's account and Device the sending device (0 is the phone). Chat is the other side of the chat,
	// or the group. To is the receiver. Accounts are named by phone number.
	From   types.JID
	Device uint16
	To     types.JID
	Chat   types.JID
	// FromMe says that the phone's own account sent it, from the phone or a linked device.
	FromMe bool
	// Name is the sender's name.
	Name string
	// Type is the type attribute of the stanza: text, media, reaction, poll and so on.
	Type   string
	Time   time.Time
	Status Status
	// Hidden says that a device that cannot decrypt the message shows nothing: each ciphertext has decrypt-fail="hide".
	Hidden bool
	// TimerSetAt is when the timer that the message states was set, as Unix time; 0 if it does not say so.
	TimerSetAt int64
	// Stays says that the phone shows: "This message will not disappear from the chat. The sender may be on an old version of
	// WhatsApp." The chat has a timer and the message carries none.
	Stays bool
	// Broadcast says that the message came by a broadcast list of its sender.
	Broadcast bool
	// Copies counts how often the message arrived. More than 1 means that it was received again.
	Copies int

	// sender is the address for receipts. In a group it is the participant.
	sender types.JID
	author *accounts.Account
	chat   groups.Chat
	// list is the broadcast list by which the message came.
	list types.JID
	// form is the kind of message that an edit is made for.
	form Kind
	// secret is the key with which votes on this message are encrypted.
	secret []byte
	// raw is the content as it was sent, without the wrapper that copies for own devices have.
	raw []byte
	// about is the author of the message that Target names.
	about *accounts.Account
}

// Content is the content of a message.
type Content struct {
	Kind Kind
	// Text is the text, the caption, the emoji of a reaction ("" removes it), the question of a poll or the new text of
	// an edit.
	Text string
	// Target is the id of the message that a vote, reaction, edit or revocation is about.
	Target   string
	Mentions []types.JID
	Quote    *Quote
	Preview  *LinkPreview
	Media    *Media
	Location *Location
	Contact  *Contact
	// Contacts are the contacts of a message with several. Contact is the first of them.
	Contacts []Contact
	// Poll has the options of a poll and their voters so far. In a vote it has the chosen options.
	Poll *Poll
	// Business is what a message of a business shows, and what somebody chose.
	Business *business.Shown
	// ViewOnce marks a message that may be viewed once. Expiration is after how many seconds the message disappears.
	ViewOnce   bool
	Expiration uint32
}

// Changes are the changes that other messages made to a message.
type Changes struct {
	// Reactions are the current reactions, at most one for each account, in the order in which they came.
	Reactions []Reaction
	// Edited says that the text was changed. Revoked says that the message was taken back: it has no content any more.
	Edited  bool
	Revoked bool
}

// Quote is the message that a message answers.
type Quote struct {
	ID   string    `json:"id"`
	From types.JID `json:"from"`
	Text string    `json:"text"`
	// Kind is what the quote shows; "" is an empty bubble.
	Kind Kind `json:"kind"`
	// Pictured says whether the quote has a small picture.
	Pictured bool `json:"pictured,omitempty"`
	// Chat is the chat of the quoted message if it is another one, such as StatusChat.
	Chat string `json:"chat,omitempty"`
	// Found says whether the phone has the quoted message, so that a tap on the quote leads to it.
	Found bool `json:"found"`
}

// LinkPreview is the preview of a link in a text.
type LinkPreview struct {
	URL         string `json:"url" doc:"page of the link"`
	Title       string `json:"title" doc:"title of the page"`
	Description string `json:"description" doc:"description of the page"`
}

// Location is a place, with coordinates in degrees.
type Location struct {
	Latitude  float64 `json:"latitude" doc:"-90 to 90"`
	Longitude float64 `json:"longitude" doc:"-180 to 180"`
	Name      string  `json:"name" doc:"name of the place"`
	Address   string  `json:"address" doc:"address of the place"`
}

// Contact is a contact card.
type Contact struct {
	Name  string `json:"name" doc:"name that people see"`
	VCard string `json:"vcard" doc:"the card, from BEGIN:VCARD to END:VCARD"`
}

// Poll is a question with options.
type Poll struct {
	Options []PollOption `json:"options"`
	// Selectable is how many options one may choose. 0 means any number.
	Selectable int `json:"selectable"`
}

// PollOption is one answer and those who chose it.
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

// apply applies a message that changes m. Slices and pointers in m are replaced and not modified, because copies of m
// may share them.
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
		m.Contacts, m.Business = nil, nil
	case KindVote:
		if m.Poll != nil && change.Poll != nil {
			m.Poll = m.Poll.voted(change.From, change.Poll)
		}
	default:
		// Other kinds change no message.
	}
}

// editWindow is how long phones accept an edit of a message (whatsmeow, EditWindow).
const editWindow = 20 * time.Minute

// mayChange reports whether the sender of a change is allowed to make it. Only the author may edit, for a while, what is
// still there, and in the form of the message: a caption by a caption of the same kind. Only the author and the admins of
// a group may revoke.
func (m *Message) mayChange(change *Message) bool {
	switch change.Kind {
	case KindEdit:
		return !m.Revoked && change.author == m.author && change.form == m.Kind && change.Time.Sub(m.Time) <= editWindow
	case KindRevoke:
		return change.author == m.author || m.chat.Group().IsAdmin(change.author)
	default:
		return true
	}
}

// voted returns the poll after an account's vote. A later vote replaces an earlier one.
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

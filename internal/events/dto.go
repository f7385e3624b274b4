package events

import (
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// The JSON of events: what Event.Data holds, as it is stored, shown by the API and delivered to webhooks.

// MessageData is a message that came in, or that another device of the account sent.
type MessageData struct {
	ID       string           `json:"id"` // the WhatsApp message id
	Chat     message.Address  `json:"chat"`
	Sender   message.Address  `json:"sender"`
	FromMe   bool             `json:"from_me"` // another device of the session's account sent it
	PushName string           `json:"push_name,omitempty"`
	At       time.Time        `json:"timestamp"` // the server's time
	Content  *message.Content `json:"content,omitempty"`
	// Unavailable is view_once for what WhatsApp shows on the phone alone. It may come all the same: the phone is asked for it.
	Unavailable string `json:"unavailable,omitempty"`
	// Expires is after how many seconds the message disappears; 0: it does not.
	Expires int `json:"expires_in,omitempty"`
}

// The values of ReceiptData.Status.
const (
	ReceiptDelivered = "delivered"
	ReceiptRead      = "read"
	ReceiptPlayed    = "played"
)

// ReceiptData says how far messages have come with somebody.
type ReceiptData struct {
	IDs    []string        `json:"ids"`
	Chat   message.Address `json:"chat"`
	Sender message.Address `json:"sender"` // who got, read or played them
	Device int             `json:"device"` // the number of the device; 0 is the phone
	FromMe bool            `json:"from_me"`
	Status string          `json:"status"` // delivered, read or played
	At     time.Time       `json:"timestamp"`
}

// StatusData is where an outgoing message is.
type StatusData struct {
	ID    string            `json:"id"`
	To    message.Recipient `json:"to"`
	State string            `json:"state"`
	Cause session.Code      `json:"cause,omitempty"`
	Error string            `json:"error,omitempty"`
	At    time.Time         `json:"timestamp"`
}

// CallData is a call. wasup never answers one.
type CallData struct {
	ID    string          `json:"id"`
	From  message.Address `json:"from"`
	State string          `json:"state"` // ringing, accepted or rejected (by whatever device of the account), or ended
	Video bool            `json:"video"`
	Group message.Address `json:"group,omitzero"`
	// Reason is why it ended, in WhatsApp's words and where it gave one: timeout when nobody took it.
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"timestamp"`
}

// The values of GroupData.Change.
const (
	GroupJoined      = "joined" // the account was added or joined, or somebody else by a link
	GroupAdded       = "added"
	GroupRemoved     = "removed"
	GroupLeft        = "left"
	GroupPromoted    = "promoted"
	GroupDemoted     = "demoted"
	GroupName        = "name"
	GroupDescription = "description"
	GroupSettings    = "settings" // Value names the setting: locked, announcement, ephemeral, deleted and so on
	GroupPicture     = "picture"  // Value is the picture's id, "" where it was removed
	GroupInvite      = "invite"   // Value is the new link
)

// GroupData is a change of a group.
type GroupData struct {
	Group   message.Address   `json:"group"`
	By      message.Address   `json:"by,omitzero"`
	Change  string            `json:"change"` // joined, added, removed, left, promoted, demoted, name, description, settings, picture or invite
	Members []message.Address `json:"members,omitempty"`
	Value   string            `json:"value,omitempty"` // the new name or description
	At      time.Time         `json:"timestamp"`
}

// GapData is what a receiver is told of a gap.
type GapData struct {
	Count int       `json:"missed"`
	First uint64    `json:"first_seq"`
	Last  uint64    `json:"last_seq"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

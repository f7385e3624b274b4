package events

import (
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// This file has the JSON of events, which is Event.Data. It is stored, shown by the API and delivered to webhooks. The tag
// clip bounds what a stranger chooses: see message.Clip.

// MessageData is a message that came in, or that another device of the account sent.
type MessageData struct {
	ID       string           `json:"id"` // the WhatsApp message id
	Chat     message.Address  `json:"chat"`
	Sender   message.Address  `json:"sender"`
	FromMe   bool             `json:"from_me"` // another device of the session's account sent it
	PushName string           `json:"push_name,omitempty"`
	At       time.Time        `json:"timestamp"` // the server's time
	Content  *message.Content `json:"content,omitempty"`
	// Broadcast says that the sender wrote it to a broadcast list that the account is in.
	Broadcast bool `json:"broadcast,omitempty"`
	// Recipients are the people to whom a message went that the account's phone wrote to a broadcast list.
	Recipients []message.Address `json:"recipients,omitempty" clip:"256"`
	// ServerID is WhatsApp's number of a channel's post, which a reaction to it needs.
	ServerID int `json:"server_id,omitempty"`
	// Unavailable is view_once for a message that WhatsApp shows only on the phone. wasup asks the phone for it, so the
	// content may still come.
	Unavailable string `json:"unavailable,omitempty"`
	// Expires is the number of seconds after which the message disappears; 0: it stays.
	Expires int `json:"expires_in,omitempty"`
	// Truncated says that something was left out because it was too large; docs/events.md has the limits.
	Truncated bool `json:"truncated,omitempty"`
}

// The values of ReceiptData.Status.
const (
	ReceiptDelivered = "delivered"
	ReceiptRead      = "read"
	ReceiptPlayed    = "played"
)

// ReceiptData says that a device got, read or played messages.
type ReceiptData struct {
	IDs    []string        `json:"ids" clip:"1024"`
	Chat   message.Address `json:"chat"`
	Sender message.Address `json:"sender"` // the owner of the device that got, read or played them
	Device int             `json:"device"` // the number of the device; 0 is the phone
	FromMe bool            `json:"from_me"`
	Status string          `json:"status"` // delivered, read or played
	At     time.Time       `json:"timestamp"`
	// Truncated says that something was left out because it was too large; docs/events.md has the limits.
	Truncated bool `json:"truncated,omitempty"`
}

// StatusData is a new state of an outgoing message.
type StatusData struct {
	ID    string            `json:"id"`
	To    message.Recipient `json:"to"`
	State string            `json:"state"`
	Cause session.Code      `json:"cause,omitempty"`
	Error string            `json:"error,omitempty"`
	At    time.Time         `json:"timestamp"`
}

// AccountData identifies a WhatsApp account. An empty field is not known.
type AccountData struct {
	JID   string `json:"jid,omitempty"` // of the linked device
	LID   string `json:"lid,omitempty"`
	Phone string `json:"phone,omitempty"` // digits
}

// AccountOf returns the JSON of an account.
func AccountOf(a session.Account) AccountData {
	return AccountData{JID: a.JID, LID: a.LID, Phone: a.Phone()}
}

// AccountChangedData says that a session is linked to another account than before.
type AccountChangedData struct {
	Previous AccountData `json:"previous"`
	Account  AccountData `json:"account"`
	Held     int         `json:"held"` // messages that were accepted for the previous account and wait for a person now
	At       time.Time   `json:"timestamp"`
}

// CallData is a new state of a call. wasup never answers a call.
type CallData struct {
	ID    string          `json:"id"`
	From  message.Address `json:"from"`
	State string          `json:"state"`           // ringing, accepted or rejected (by any device of the account), or ended
	Video *bool           `json:"video,omitempty"` // missing where WhatsApp does not say it, as of an end
	Group message.Address `json:"group,omitzero"`
	// Reason is WhatsApp's word for why the call ended, if there is one: timeout if nobody answered.
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"timestamp"`
	// Truncated says that something was left out because it was too large; docs/events.md has the limits.
	Truncated bool `json:"truncated,omitempty"`
}

// The values of GroupData.Change.
const (
	GroupJoined      = "joined" // the account was added or joined, or somebody else joined by a link
	GroupAdded       = "added"
	GroupRemoved     = "removed"
	GroupLeft        = "left"
	GroupPromoted    = "promoted"
	GroupDemoted     = "demoted"
	GroupName        = "name"
	GroupDescription = "description"
	GroupSettings    = "settings" // Value names the setting: locked, announcement, ephemeral, deleted and so on
	GroupPicture     = "picture"  // Value is the picture's id, "" if it was removed
	GroupInvite      = "invite"   // Value is the new link
)

// GroupData is a change of a group.
type GroupData struct {
	Group   message.Address   `json:"group"`
	By      message.Address   `json:"by,omitzero"`
	Change  string            `json:"change"` // joined, added, removed, left, promoted, demoted, name, description, settings, picture or invite
	Members []message.Address `json:"members,omitempty" clip:"1024"`
	Value   string            `json:"value,omitempty" clip:"4096"` // the new name or description
	At      time.Time         `json:"timestamp"`
	// Truncated says that something was left out because it was too large; docs/events.md has the limits.
	Truncated bool `json:"truncated,omitempty"`
}

// TimerData is a change of a chat's disappearing timer.
type TimerData struct {
	ID     string          `json:"id,omitempty"` // the WhatsApp message id of the message that says so; none in groups
	Chat   message.Address `json:"chat"`
	By     message.Address `json:"by,omitzero"` // who set it, if that is known
	FromMe bool            `json:"from_me"`     // the session's account set it, on another device
	// Seconds is after how many seconds new messages of the chat disappear; 0: the timer is off.
	Seconds int       `json:"seconds"`
	At      time.Time `json:"timestamp"` // of the setting; of the message that says so if the setting's is not known
	// Truncated says that something was left out because it was too large; docs/events.md has the limits.
	Truncated bool `json:"truncated,omitempty"`
}

// GapData tells the receiver of a webhook about a gap: events that were deleted before they were delivered.
type GapData struct {
	Count int       `json:"missed"`
	First uint64    `json:"first_seq"`
	Last  uint64    `json:"last_seq"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

package session

import (
	"context"
	"encoding/json"
	"math"
	"time"
)

// EventType names what an Event tells. The names are public and stored.
type EventType string

// The events of the durable log. session.state and session.qr have the names of their live counterparts.
const (
	EventState         EventType = "session.state"
	EventQR            EventType = "session.qr"
	EventRemoved       EventType = "session.removed"
	EventMessage       EventType = "message.received"      // MessageData: of any kind but those with a type of their own
	EventEdited        EventType = "message.edited"        // MessageData, kind edit
	EventRevoked       EventType = "message.revoked"       // MessageData, kind revoke
	EventReaction      EventType = "message.reaction"      // MessageData, kind reaction
	EventPollVote      EventType = "message.poll_vote"     // MessageData, kind poll_vote
	EventUndecryptable EventType = "message.undecryptable" // MessageData without content; it may come again
	EventReceipt       EventType = "message.receipt"       // ReceiptData: somebody's device got, read or played a message
	EventStatus        EventType = "message.status"        // StatusData: an outgoing message came further
	EventCall          EventType = "call"                  // CallData
	EventGroup         EventType = "group.changed"         // GroupData
	EventTest          EventType = "webhook.test"          // sent by the test button of a webhook only; never in the log
	EventGap           EventType = "webhook.gap"           // GapData: sent to a webhook that has missed events; never in the log
	EventSnapshot      EventType = "session.snapshot"      // where a session is when somebody begins to follow; never in the log
)

// EventTypes lists every type that can be in the log.
func EventTypes() []EventType {
	return []EventType{
		EventState, EventQR, EventRemoved, EventMessage, EventEdited, EventRevoked, EventReaction, EventPollVote,
		EventUndecryptable, EventReceipt, EventStatus, EventCall, EventGroup,
	}
}

// Event is one entry of the durable log.
type Event struct {
	Session ID
	Pos     uint64 // in the whole log, greater than that of every event committed before; 0: not stored yet
	Seq     uint64 // in the session's log: 1, 2, 3, … without a gap; 0: not stored yet
	At      time.Time
	Type    EventType
	// Key drops repetitions: of the events of a session with the same Key only the first is kept. "" is always kept.
	Key  string
	Data json.RawMessage // the JSON of the type's data, as the API shows it
	// Remote is the secret half of the event's media, which Data does not show; nil where there is none.
	Remote *Remote
	// Receipt is what Data says, of an event of the type EventReceipt that has just come. It is not stored.
	Receipt *ReceiptData
}

// FromNow is the position of a reader of the log who wants only what happens from now on. 0 is the beginning.
const FromNow = math.MaxUint64

// Journal is the durable log as those see it who add to it. What Append reported is on disk. An event whose Key the
// session's log has is left out without an error.
type Journal interface {
	Append(ctx context.Context, events ...Event) error
}

// MessageData is a message that came in, or that another device of the account sent.
type MessageData struct {
	ID       string    `json:"id"` // the WhatsApp message id
	Chat     Address   `json:"chat"`
	Sender   Address   `json:"sender"`
	FromMe   bool      `json:"from_me"` // another device of the session's account sent it
	PushName string    `json:"push_name,omitempty"`
	At       time.Time `json:"timestamp"` // the server's time
	Content  *Content  `json:"content,omitempty"`
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
	IDs    []string  `json:"ids"`
	Chat   Address   `json:"chat"`
	Sender Address   `json:"sender"` // who got, read or played them
	Device int       `json:"device"` // the number of the device; 0 is the phone
	FromMe bool      `json:"from_me"`
	Status string    `json:"status"` // delivered, read or played
	At     time.Time `json:"timestamp"`
}

// StatusData is where an outgoing message is.
type StatusData struct {
	ID    string    `json:"id"`
	To    Recipient `json:"to"`
	State string    `json:"state"`
	Cause Code      `json:"cause,omitempty"`
	Error string    `json:"error,omitempty"`
	At    time.Time `json:"timestamp"`
}

// CallData is a call. wasup never answers one.
type CallData struct {
	ID    string  `json:"id"`
	From  Address `json:"from"`
	State string  `json:"state"` // ringing, accepted or rejected (by whatever device of the account), or ended
	Video bool    `json:"video"`
	Group Address `json:"group,omitzero"`
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
	Group   Address   `json:"group"`
	By      Address   `json:"by,omitzero"`
	Change  string    `json:"change"` // joined, added, removed, left, promoted, demoted, name, description, settings, picture or invite
	Members []Address `json:"members,omitempty"`
	Value   string    `json:"value,omitempty"` // the new name or description
	At      time.Time `json:"timestamp"`
}

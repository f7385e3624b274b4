package events

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Type is the type of an Event. The names are public and stored.
type Type string

// The types of events. session.state and session.qr have the same names in the live stream.
const (
	TypeState          Type = "session.state"
	TypeQR             Type = "session.qr"
	TypeRemoved        Type = "session.removed"
	TypeMessage        Type = "message.received"        // MessageData: any kind without a type of its own
	TypeEdited         Type = "message.edited"          // MessageData, kind edit
	TypeRevoked        Type = "message.revoked"         // MessageData, kind revoke
	TypeReaction       Type = "message.reaction"        // MessageData, kind reaction
	TypePollVote       Type = "message.poll_vote"       // MessageData, kind poll_vote
	TypeEventResponse  Type = "message.event_response"  // MessageData, kind event_response
	TypePinned         Type = "message.pinned"          // MessageData, kind pin
	TypeKept           Type = "message.kept"            // MessageData, kind keep
	TypeUndecryptable  Type = "message.undecryptable"   // MessageData without content; the message may come again
	TypeReceipt        Type = "message.receipt"         // ReceiptData: a device got, read or played a message
	TypeStatus         Type = "message.status"          // StatusData: an outgoing message changed its state
	TypeAccountChanged Type = "session.account_changed" // AccountChangedData: the session is linked to another account than before
	TypeCall           Type = "call"                    // CallData
	TypeGroup          Type = "group.changed"           // GroupData
	TypeTimer          Type = "timer.changed"           // TimerData
	TypeTest           Type = "webhook.test"            // only for testing a webhook; never in the log
	TypeGap            Type = "webhook.gap"             // GapData: sent to a webhook that has missed events; never in the log
	TypeSnapshot       Type = "session.snapshot"        // the session's state when a reader begins to follow; never in the log
)

// Types lists every type that can be in the log.
func Types() []Type {
	return []Type{
		TypeState, TypeQR, TypeRemoved, TypeMessage, TypeEdited, TypeRevoked, TypeReaction, TypePollVote, TypeEventResponse, TypePinned, TypeKept,
		TypeUndecryptable, TypeReceipt, TypeStatus, TypeCall, TypeGroup, TypeTimer, TypeAccountChanged,
	}
}

// Event is one entry of the durable log.
type Event struct {
	Session session.ID
	Pos     uint64 // position in the whole log, greater than that of every event committed before; 0: not stored yet
	Seq     uint64 // number within the session's events: 1, 2, 3, … without a gap; 0: not stored yet
	At      time.Time
	Type    Type
	// Key prevents duplicates: the log keeps only the first of a session's events with the same Key. Events with the
	// Key "" are all kept.
	Key  string
	Data json.RawMessage // the JSON of the type's data, as the API shows it
	// Remote is the secret part of the event's media, which Data does not contain; nil if there is none.
	Remote *message.Remote
	// Shortened is the size of the stored data in bytes if it is above MaxData, so that Data is shorter than it.
	Shortened int
	// Receipt is Data in decoded form, for a new event of the type TypeReceipt. It is not stored.
	Receipt *ReceiptData
}

// Size returns the size of the event in the table, in bytes.
func (e *Event) Size() int { return max(len(e.Data), e.Shortened) }

// FromNow is the position for a reader of the log who wants only events from now on. The position 0 is the beginning.
const FromNow = math.MaxUint64

// Journal is the durable log for code that only adds events.
type Journal interface {
	// Append stores events. They are on disk when it returns without an error. It skips an event whose Key the
	// session's log has already.
	Append(ctx context.Context, events ...Event) error
}

package events

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Type names what an Event tells. The names are public and stored.
type Type string

// The events of the durable log. session.state and session.qr have the names of their live counterparts.
const (
	TypeState         Type = "session.state"
	TypeQR            Type = "session.qr"
	TypeRemoved       Type = "session.removed"
	TypeMessage       Type = "message.received"      // MessageData: of any kind but those with a type of their own
	TypeEdited        Type = "message.edited"        // MessageData, kind edit
	TypeRevoked       Type = "message.revoked"       // MessageData, kind revoke
	TypeReaction      Type = "message.reaction"      // MessageData, kind reaction
	TypePollVote      Type = "message.poll_vote"     // MessageData, kind poll_vote
	TypeUndecryptable Type = "message.undecryptable" // MessageData without content; it may come again
	TypeReceipt       Type = "message.receipt"       // ReceiptData: somebody's device got, read or played a message
	TypeStatus        Type = "message.status"        // StatusData: an outgoing message came further
	TypeCall          Type = "call"                  // CallData
	TypeGroup         Type = "group.changed"         // GroupData
	TypeTest          Type = "webhook.test"          // sent by the test button of a webhook only; never in the log
	TypeGap           Type = "webhook.gap"           // GapData: sent to a webhook that has missed events; never in the log
	TypeSnapshot      Type = "session.snapshot"      // where a session is when somebody begins to follow; never in the log
)

// Types lists every type that can be in the log.
func Types() []Type {
	return []Type{
		TypeState, TypeQR, TypeRemoved, TypeMessage, TypeEdited, TypeRevoked, TypeReaction, TypePollVote,
		TypeUndecryptable, TypeReceipt, TypeStatus, TypeCall, TypeGroup,
	}
}

// Event is one entry of the durable log.
type Event struct {
	Session session.ID
	Pos     uint64 // in the whole log, greater than that of every event committed before; 0: not stored yet
	Seq     uint64 // in the session's log: 1, 2, 3, … without a gap; 0: not stored yet
	At      time.Time
	Type    Type
	// Key drops repetitions: of the events of a session with the same Key only the first is kept. "" is always kept.
	Key  string
	Data json.RawMessage // the JSON of the type's data, as the API shows it
	// Remote is the secret half of the event's media, which Data does not show; nil where there is none.
	Remote *message.Remote
	// Receipt is what Data says, of an event of the type TypeReceipt that has just come. It is not stored.
	Receipt *ReceiptData
}

// FromNow is the position of a reader of the log who wants only what happens from now on. 0 is the beginning.
const FromNow = math.MaxUint64

// Journal is the durable log as those see it who add to it. What Append reported is on disk. An event whose Key the
// session's log has is left out without an error.
type Journal interface {
	Append(ctx context.Context, events ...Event) error
}

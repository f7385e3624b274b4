package events

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"wasup/httpapi/wire"
	"wasup/internal/events"
)

// The JSON of events. Webhooks carry the same data.

type v1Event struct {
	ID        string          `json:"id,omitempty" doc:"Of the event: ?after= and Last-Event-ID take it. A snapshot has none."`
	Seq       uint64          `json:"seq,omitempty" doc:"Counts the session's events, without a gap."`
	At        time.Time       `json:"at" doc:"When it was stored."`
	Type      v1EventType     `json:"type"`
	SessionID string          `json:"session_id"`
	Data      json.RawMessage `json:"data" doc:"What happened; docs/events.md has each type."`
}

// v1EventState is the data of session.state, session.qr, session.removed and session.snapshot.
type v1EventState struct {
	Session *wire.Session `json:"session,omitempty" doc:"The session as it was then; absent once it is removed."`
	QR      *wire.QR      `json:"qr,omitempty" doc:"The code that could be scanned then, in session.qr and session.snapshot."`
	Skipped int           `json:"skipped,omitempty" doc:"So many earlier states were not stored, because the database did not take them in time."`
}

type v1EventPage struct {
	Items  []v1Event `json:"items"`
	Next   string    `json:"next" doc:"?after= of the next page. Where there was nothing new it is the same again, or further on."`
	More   bool      `json:"more" doc:"There may be more right now."`
	Missed bool      `json:"missed,omitempty" doc:"Events after the given id are no longer kept."`
}

type v1Resync struct {
	Reason string `json:"reason" doc:"Why the present state follows anew."`
}

type v1EventType string

func (v1EventType) Schema(huma.Registry) *huma.Schema {
	return wire.OneOf(append(events.Types(), events.TypeSnapshot, events.Type(framePresent), events.Type(frameResync)))
}

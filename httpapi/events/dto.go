package events

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"wasup/httpapi/wire"
	"wasup/internal/events"
)

// The JSON of events. Webhooks carry the same data.

type v1Event struct {
	ID        string          `json:"id,omitempty" doc:"The event's position in the log. ?after= and Last-Event-ID take it. A snapshot has none."`
	Seq       uint64          `json:"seq,omitempty" doc:"The event's number in its session, without gaps."`
	At        time.Time       `json:"at" doc:"When the event was stored."`
	Type      v1EventType     `json:"type"`
	SessionID string          `json:"session_id"`
	Data      json.RawMessage `json:"data" doc:"What happened. docs/events.md describes each type. With truncated, something that was too large is missing."`
}

// TransformSchema lists the data of all types of events. Later versions may have other types, so any object is allowed.
func (v1Event) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	data := s.Properties["data"]
	for _, of := range []any{events.MessageData{}, events.ReceiptData{}, events.StatusData{}, events.CallData{}, events.GroupData{}, v1EventState{}, v1Resync{}} {
		data.AnyOf = append(data.AnyOf, r.Schema(reflect.TypeOf(of), true, ""))
	}
	data.AnyOf = append(data.AnyOf, &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "Of a type of event that a later version has."})
	return s
}

// v1EventState is the data of session.state, session.qr, session.removed and session.snapshot.
type v1EventState struct {
	Session *wire.Session `json:"session,omitempty" doc:"The session at that time. Absent after the session is removed."`
	QR      *wire.QR      `json:"qr,omitempty" doc:"The code that was valid at that time, in session.qr and session.snapshot."`
	Skipped int           `json:"skipped,omitempty" doc:"The number of earlier states that were not stored, because the database did not accept them in time."`
}

type v1EventPage struct {
	Items  []v1Event `json:"items"`
	Next   string    `json:"next" doc:"?after= of the next page. If nothing is new, it stays the same or moves on."`
	More   bool      `json:"more" doc:"There may be more events now, also if this page has fewer than ?limit=."`
	Missed bool      `json:"missed,omitempty" doc:"Some events after the given id are no longer kept."`
}

type v1Resync struct {
	Reason string `json:"reason" doc:"Why new snapshots follow."`
}

type v1EventType string

func (v1EventType) Schema(huma.Registry) *huma.Schema {
	return wire.OneOf(append(events.Types(), events.TypeSnapshot, events.Type(framePresent), events.Type(frameResync)))
}

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
	listed := make(map[reflect.Type]bool)
	for _, of := range describedTypes() {
		kind := reflect.TypeOf(dataOf(of)).Elem()
		if !listed[kind] {
			listed[kind] = true
			data.AnyOf = append(data.AnyOf, r.Schema(kind, true, ""))
		}
	}
	data.AnyOf = append(data.AnyOf, &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "Of a type of event that a later version has."})
	return s
}

// dataOf returns a value into which the data of a type is decoded.
func dataOf(of events.Type) any {
	switch of {
	case events.TypeState, events.TypeQR, events.TypeRemoved, events.TypeSnapshot:
		return &v1EventState{}
	case events.TypeReceipt:
		return &events.ReceiptData{}
	case events.TypeStatus:
		return &events.StatusData{}
	case events.TypeAccountChanged:
		return &events.AccountChangedData{}
	case events.TypeCall:
		return &events.CallData{}
	case events.TypeGroup:
		return &events.GroupData{}
	case events.TypeTimer:
		return &events.TimerData{}
	case events.Type(frameResync):
		return &v1Resync{}
	default:
		return &events.MessageData{}
	}
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
	return wire.OneOf(append(describedTypes(), events.Type(framePresent)))
}

// describedTypes lists the types whose events have data.
func describedTypes() []events.Type {
	return append(events.Types(), events.TypeSnapshot, events.Type(frameResync))
}

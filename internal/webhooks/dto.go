package webhooks

import (
	"encoding/json"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

// Body is the JSON body of a request to a receiver.
type Body struct {
	Type    events.Type     `json:"type"`
	At      time.Time       `json:"timestamp"`
	Session session.ID      `json:"session"`
	Seq     uint64          `json:"seq"`
	Pos     uint64          `json:"pos"`
	Data    json.RawMessage `json:"data"`
}

package wire

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Message is a message that was accepted.
type Message struct {
	ID          string       `json:"id" doc:"The WhatsApp message id. It stays the same whatever happens."`
	SessionID   string       `json:"session_id"`
	To          string       `json:"to"`
	Kind        Kind         `json:"kind"`
	State       MessageState `json:"state" doc:"How far the message is."`
	Cause       Code         `json:"cause,omitempty" doc:"If failed: why. If queued: why the last attempt failed."`
	Error       string       `json:"error,omitempty" doc:"The cause in one sentence for people."`
	Content     *Content     `json:"content,omitempty" doc:"Kept as long as the message may still be sent."`
	Key         string       `json:"idempotency_key,omitempty"`
	Attempts    int          `json:"attempts" doc:"Attempts so far that may have brought the message to WhatsApp."`
	CanRequeue  bool         `json:"can_requeue,omitempty" doc:"The message failed before WhatsApp had it: POST …/requeue tries again."`
	CreatedAt   time.Time    `json:"created_at,omitzero"`
	UpdatedAt   time.Time    `json:"updated_at,omitzero"`
	SendAt      time.Time    `json:"send_at,omitzero" doc:"The earliest time to send."`
	ExpiresAt   time.Time    `json:"expires_at,omitzero" doc:"The latest time to send."`
	AckedAt     time.Time    `json:"server_ack_at,omitzero" doc:"When WhatsApp's server acknowledged the message."`
	DeliveredAt time.Time    `json:"delivered_at,omitzero"`
	ReadAt      time.Time    `json:"read_at,omitzero"`
	PlayedAt    time.Time    `json:"played_at,omitzero"`
	Receipts    []Receipt    `json:"receipts,omitempty" doc:"The receipts of each device of each recipient. Only in the answer for one message."`
	Session     *MessageHost `json:"session,omitempty" doc:"The session at this moment: a message waits until it is READY."`
}

type MessageHost struct {
	State   State `json:"state"`
	Cause   Cause `json:"cause"`
	CanSend bool  `json:"can_send"`
}

type Receipt struct {
	Recipient   message.Address `json:"recipient"`
	Device      int             `json:"device" doc:"The number of the device; 0 is the phone."`
	DeliveredAt time.Time       `json:"delivered_at,omitzero"`
	ReadAt      time.Time       `json:"read_at,omitzero"`
	PlayedAt    time.Time       `json:"played_at,omitzero"`
}

// Content is the content of a message, as it is stored.
type Content message.Content

// Enumerations. The Schema method of each lists its values for the document and the checks.
type (
	Kind         string
	MessageState string
	Code         string
)

func (Kind) Schema(huma.Registry) *huma.Schema {
	return OneOf(slices.Concat(message.SendableKinds(), message.BusinessKinds(), message.ReceivedKinds()))
}

func (MessageState) Schema(huma.Registry) *huma.Schema { return OneOf(message.States()) }

func (Code) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, doc := range session.Codes() {
		s.Enum = append(s.Enum, string(doc.Code))
	}
	return s
}

// Schema is that of any object. The fields of a content are documented in the request that sends it.
func (Content) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "The fields of a message to send; of media what is known of the file instead of where it came from."}
}

// MarshalJSON leaves out the name of the file on wasup's disk.
func (c Content) MarshalJSON() ([]byte, error) {
	plain := message.Content(c)
	if plain.Media != nil {
		media := *plain.Media
		media.File = ""
		plain.Media = &media
	}
	return json.Marshal(plain)
}

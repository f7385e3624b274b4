package chats

import (
	"github.com/danielgtaylor/huma/v2"

	"wasup/httpapi/wire"
	"wasup/internal/message"
)

type v1ReadMark struct {
	IDs    []string      `json:"ids" minItems:"1" maxItems:"500" doc:"WhatsApp message ids, all of one sender."`
	Sender *wire.Someone `json:"sender,omitempty" doc:"Who wrote them; needed in groups, and for statuses."`
	Played bool          `json:"played,omitempty" doc:"The messages are voice notes that were played."`
}

type v1Presence struct {
	State v1ChatState `json:"state" doc:"WhatsApp shows typing and recording for a short time only. Repeat the request while it lasts."`
}

type v1ContactsAsk struct {
	Phones []v1Phone `json:"phones" minItems:"1" maxItems:"100" doc:"Numbers with country code, in any usual spelling, or objects with pn, as events give them."`
}

type v1ContactList struct {
	Items []v1Contact `json:"items" doc:"In the order of the request."`
}

type v1Contact struct {
	Phone      string           `json:"phone" doc:"The number as it was in the request; what was neither a text nor an address, as JSON."`
	OnWhatsApp bool             `json:"on_whatsapp"`
	Address    *message.Address `json:"address,omitempty"`
	Business   string           `json:"business,omitempty" doc:"The verified name of a business."`
	Error      string           `json:"error,omitempty" doc:"Why WhatsApp was not asked about this one: it is no phone number. Names the place in the request, such as phones[2]."`
}

// v1ChatState is an enumeration. Schema lists its values for the document and the checks.
type v1ChatState string

func (v1ChatState) Schema(huma.Registry) *huma.Schema {
	return wire.OneOf([]message.ChatState{message.ChatTyping, message.ChatRecording, message.ChatPaused})
}

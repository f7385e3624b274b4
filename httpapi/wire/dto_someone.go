package wire

import (
	"cmp"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"wasup/internal/message"
)

// Someone names a person. In JSON it is a text (a phone number in any usual spelling, or an address) or an object with
// lid and pn, as in answers and events.
type Someone struct{ place }

// Chat names a person, a group, or another chat of an event. In JSON it is a text, as for Someone, or an object as in
// answers and events.
type Chat struct{ place }

// ChatOf returns the chat with an address.
func ChatOf(to message.Recipient) Chat { return Chat{place{text: string(to)}} }

func (Someone) Schema(registry huma.Registry) *huma.Schema {
	return placeSchema(registry, "A phone number with country code in any usual spelling, or the address of a person.")
}

func (Chat) Schema(registry huma.Registry) *huma.Schema {
	return placeSchema(registry, "A phone number with country code in any usual spelling, or the address of a person or a group, such as 5491155550101@s.whatsapp.net, 123456@lid, 1203630000@g.us. Also status@broadcast, to answer a status, and …@newsletter, to react in a channel.")
}

// Parse returns the person's address in canonical form, or the zero value if s is nil. field is the field's name in
// errors.
func (s *Someone) Parse(field string) (message.Address, error) {
	switch {
	case s == nil:
		return message.Address{}, nil
	case s.object:
		return s.address.Person(field)
	default:
		return message.ParseAddress(field, s.text)
	}
}

// IsChannel reports whether s is the sender of a channel's post, as its event has it.
func (s *Someone) IsChannel() bool {
	return s != nil && s.object && s.address.Channel != "" && s.address == message.Address{Channel: s.address.Channel}
}

// Parse returns the chat's address in canonical form. field is the field's name in errors.
func (c Chat) Parse(field string) (message.Recipient, error) {
	if c.object {
		return c.address.Recipient(field)
	}
	return message.ParseChat(field, c.text)
}

// place is the JSON that Someone and Chat have in common.
type place struct {
	text    string
	address message.Address
	object  bool // it came as an object
}

// String returns the text, or of an object the phone number, the LID or the group.
func (p place) String() string {
	if !p.object {
		return p.text
	}
	return cmp.Or(p.address.PN, p.address.String())
}

// MarshalJSON writes the value in the form in which it was read.
func (p place) MarshalJSON() ([]byte, error) {
	if p.object {
		return json.Marshal(p.address)
	}
	return json.Marshal(p.text)
}

func (p *place) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &p.text)
	}
	p.object = true
	return json.Unmarshal(text, &p.address)
}

// placeSchema has every field that an address in an answer or an event has. A limit of the text would refuse all numbers
// of a request because of one.
func placeSchema(registry huma.Registry, doc string) *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString, Description: doc}
	text.PrecomputeMessages()
	return &huma.Schema{OneOf: []*huma.Schema{text, huma.SchemaFromType(registry, reflect.TypeFor[message.Address]())}}
}

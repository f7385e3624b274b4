package wire

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"wasup/internal/message"
)

// Someone names a person. In JSON it is a text (a phone number in any usual spelling, or an address) or an object with
// lid and pn, as in answers.
type Someone struct {
	text    string
	address message.Address
}

func (Someone) Schema(huma.Registry) *huma.Schema {
	most := 100
	text := func(doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, MaxLength: &most, Description: doc}
	}
	object := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{"lid": text("digits@lid"), "pn": text("digits@s.whatsapp.net")},
	}
	s := &huma.Schema{OneOf: []*huma.Schema{text("A phone number with country code, or an address."), object}}
	for _, each := range append(s.OneOf, object.Properties["lid"], object.Properties["pn"]) {
		each.PrecomputeMessages()
	}
	return s
}

// MarshalJSON writes the value in the form in which it was read.
func (s Someone) MarshalJSON() ([]byte, error) {
	if s.text != "" {
		return json.Marshal(s.text)
	}
	return json.Marshal(s.address)
}

func (s *Someone) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &s.text)
	}
	return json.Unmarshal(text, &s.address)
}

// Parse returns the person's address, or the zero value if s is nil. field is the field's name in errors.
func (s *Someone) Parse(field string) (message.Address, error) {
	switch {
	case s == nil:
		return message.Address{}, nil
	case !s.address.IsZero():
		return s.address, nil // it is checked together with the rest of the content
	default:
		return message.ParseAddress(field, s.text)
	}
}

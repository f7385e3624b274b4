package chats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/message"
)

// v1Phone is one of the numbers to check. It takes any JSON, because a wrong one must not refuse the others.
type v1Phone struct {
	wire.Someone
	wrong string // JSON that names nobody, "" if it is a text or an object as events have it
}

// UnmarshalJSON never fails.
func (p *v1Phone) UnmarshalJSON(text []byte) error {
	known := text[0] == '"'
	if text[0] == '{' {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		known = decoder.Decode(&message.Address{}) == nil
	}
	if !known || json.Unmarshal(text, &p.Someone) != nil {
		p.wrong = string(text)
	}
	return nil
}

// shown returns the number as it was in the request.
func (p *v1Phone) shown() string {
	if p.wrong != "" {
		return rest.Clipped(p.wrong)
	}
	return p.String()
}

// digits returns the number with its country code. The error names the place of the number in the request.
func (p *v1Phone) digits(place int) (string, error) {
	const expected = "expected a text, or an object as events have it"
	refuse := func(why string) (string, error) { return "", fmt.Errorf("phones[%d]: %s", place, why) }
	if p.wrong != "" {
		switch p.wrong[0] {
		case '{':
			return refuse(expected)
		case '[':
			return refuse(expected + ", not a list")
		case 'n':
			return refuse(expected + ", not null")
		case 't', 'f':
			return refuse(expected + ", not true or false")
		default:
			return refuse(expected + ", not a number")
		}
	}
	address, err := p.Parse("phone")
	digits, isPhone := strings.CutSuffix(address.PN, "@s.whatsapp.net")
	if err != nil || !isPhone {
		return refuse("expected a phone number with country code (7 to 15 digits)")
	}
	return digits, nil
}

package message

import (
	"fmt"
	"strings"
	"unicode"

	"wasup/internal/session"
)

// The servers in WhatsApp addresses that messages can go to.
const (
	serverPN    = "s.whatsapp.net"
	serverLID   = "lid"
	serverGroup = "g.us"
)

// Recipient is a WhatsApp address in canonical form: digits@s.whatsapp.net or digits@lid for a person, …@g.us for a
// group.
type Recipient string

// IsGroup reports whether the recipient is a group.
func (r Recipient) IsGroup() bool { return strings.HasSuffix(string(r), "@"+serverGroup) }

// Address returns the recipient as an Address.
func (r Recipient) Address() Address {
	switch {
	case r.IsGroup():
		return Address{Group: string(r)}
	case strings.HasSuffix(string(r), "@"+serverLID):
		return Address{LID: string(r)}
	default:
		return Address{PN: string(r)}
	}
}

// ParseRecipient accepts a person in the same forms as ParsePerson, or a group: digits@g.us, or digits-digits@g.us for
// groups from before 2021.
func ParseRecipient(s string) (Recipient, error) {
	user, server, _ := strings.Cut(strings.TrimFunc(s, isPadding), "@")
	if server == serverGroup {
		if !isGroupUser(user) {
			return "", invalidRecipient(s)
		}
		return Recipient(user + "@" + serverGroup), nil
	}
	person, ok := parsePerson(s)
	if !ok {
		return "", invalidRecipient(s)
	}
	return person, nil
}

// ParsePerson accepts a phone number in any usual spelling, the same with @c.us or @s.whatsapp.net, or a LID with @lid.
// A number has 5 to 20 digits and begins with its country code, with '+', 00 or nothing before it. It may contain
// spaces, dashes of any kind, '.', '/', '(' and ')'. ParsePerson removes a (0), which is not dialled from abroad, and a
// tel: or whatsapp: before the number. It also removes the device from an address such as 34600111222:1@s.whatsapp.net,
// because messages go to people.
func ParsePerson(s string) (Recipient, error) {
	person, ok := parsePerson(s)
	if !ok {
		return "", &session.Error{
			Code: session.CodeInvalidRequest, Op: "parse recipient", Field: "to",
			Message: fmt.Sprintf("to: %q is not a recipient: expected a phone number with country code (5 to 20 digits), or one with @c.us, @s.whatsapp.net or @lid", session.Clip(s, 80)),
		}
	}
	return person, nil
}

// ParseAddress accepts the same forms as ParsePerson. Its error names the given field.
func ParseAddress(field, s string) (Address, error) {
	person, ok := parsePerson(s)
	if !ok {
		return Address{}, invalidField(field, "expected a phone number with country code (5 to 20 digits), or one with @s.whatsapp.net or @lid")
	}
	return person.Address(), nil
}

func parsePerson(s string) (Recipient, bool) {
	user, server, hasServer := strings.Cut(strings.TrimFunc(s, isPadding), "@")
	if !hasServer {
		user = withoutScheme(user)
	}
	switch {
	case !hasServer, server == "c.us", server == serverPN:
		server = serverPN
	case server == serverLID:
	default:
		return "", false
	}
	if name, device, ok := strings.Cut(user, ":"); ok && hasServer {
		if !onlyDigits(device) || len(device) == 0 || len(device) > 5 {
			return "", false
		}
		user = name
	}
	digits, plus, ok := dialled(user)
	if server == serverPN && !plus {
		digits = strings.TrimPrefix(digits, "00")
	}
	// No country code begins with 0. A number that does is in the form for calls within its country.
	if !ok || !isNumber(digits) || (server == serverPN && digits[0] == '0') {
		return "", false
	}
	return Recipient(digits + "@" + server), true
}

// withoutScheme removes the tel: of web pages (RFC 3966), or the whatsapp: of other services' APIs, from a number.
func withoutScheme(number string) string {
	scheme, rest, found := strings.Cut(number, ":")
	if found && (strings.EqualFold(scheme, "tel") || strings.EqualFold(scheme, "whatsapp")) {
		return rest
	}
	return number
}

// dialled returns the digits of a spelling, without a (0) that is not dialled from abroad, and whether a plus is before
// them. It returns false if other characters are in it.
func dialled(spelling string) (digits string, plus, ok bool) {
	const trunk = "(0)"
	if at := strings.Index(spelling, trunk); at >= 0 && strings.ContainsAny(spelling[:at], "123456789") {
		spelling = spelling[:at] + spelling[at+len(trunk):]
	}
	all := make([]byte, 0, len(spelling))
	for _, r := range spelling {
		switch {
		case r >= '0' && r <= '9':
			all = append(all, byte(r))
		case r == '+' && !plus && len(all) == 0:
			plus = true
		case isPadding(r), unicode.Is(unicode.Pd, r), strings.ContainsRune("./()\u2212", r):
		default:
			return "", false, false
		}
	}
	return string(all), plus, true
}

// isPadding reports whether a character is a space or an invisible one, such as a mark of the writing direction. These
// are often copied from an address book together with a number, and may stand anywhere in a number or around an
// address.
func isPadding(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// canonical reports whether the recipient is in the form that ParseRecipient returns.
func (r Recipient) canonical() bool {
	user, server, _ := strings.Cut(string(r), "@")
	switch server {
	case serverPN, serverLID:
		return isNumber(user)
	case serverGroup:
		return isGroupUser(user)
	default:
		return false
	}
}

func isNumber(s string) bool { return len(s) >= 5 && len(s) <= 20 && onlyDigits(s) }

// isGroupUser accepts the part of a group address before the @: an id, or, in old groups, the creator's phone number
// and the Unix time of the creation.
func isGroupUser(s string) bool {
	creator, created, legacy := strings.Cut(s, "-")
	if legacy {
		return isNumber(creator) && isNumber(created)
	}
	return len(s) >= 5 && len(s) <= 32 && onlyDigits(s)
}

func onlyDigits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}

func invalidRecipient(s string) error {
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: "parse recipient", Field: "to",
		Message: fmt.Sprintf("to: %q is not a recipient: expected a phone number with country code (5 to 20 digits), one with @c.us, @s.whatsapp.net or @lid, or a group with @g.us", session.Clip(s, 80)),
	}
}

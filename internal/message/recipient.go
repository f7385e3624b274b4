package message

import (
	"fmt"
	"strings"
	"unicode"

	"wasup/internal/session"
)

// The servers of WhatsApp's addresses that messages can go to.
const (
	serverPN    = "s.whatsapp.net"
	serverLID   = "lid"
	serverGroup = "g.us"
)

// Recipient is a WhatsApp address in canonical form: digits@s.whatsapp.net or digits@lid of a person, and …@g.us of a
// group.
type Recipient string

// IsGroup reports whether it is a group.
func (r Recipient) IsGroup() bool { return strings.HasSuffix(string(r), "@"+serverGroup) }

// Address is the recipient as an Address.
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

// ParseRecipient accepts a person as ParsePerson does, or a group: digits@g.us, or digits-digits@g.us as groups from
// before 2021 are called.
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

// ParsePerson accepts a phone number in any usual spelling, and the same with @c.us or @s.whatsapp.net, or a LID with @lid.
// A number has its country code first, with '+', with 00 or with nothing before it, and 5 to 20 digits; spaces and dashes
// of any kind, '.', '/', '(' and ')' may stand in it, and a (0), which is not dialled from abroad, is left out, as is a tel: or
// whatsapp: before the number. The device in
// an address such as 34600111222:1@s.whatsapp.net is left out too: messages go to people.
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

// ParseAddress accepts what ParsePerson accepts, and names field where it refuses.
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
	// No country code begins with 0: what does is a number as it is dialled within its country.
	if !ok || !isNumber(digits) || (server == serverPN && digits[0] == '0') {
		return "", false
	}
	return Recipient(digits + "@" + server), true
}

// withoutScheme is a number without the tel: of web pages (RFC 3966) or the whatsapp: of other services' APIs.
func withoutScheme(number string) string {
	scheme, rest, found := strings.Cut(number, ":")
	if found && (strings.EqualFold(scheme, "tel") || strings.EqualFold(scheme, "whatsapp")) {
		return rest
	}
	return number
}

// dialled is the digits of a spelling, without the zero that is not dialled from abroad, and whether a plus is before them.
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

// isPadding reports what may stand anywhere in a number or around an address without being seen: spaces, and marks of the
// direction of writing, which come along when a number is copied from an address book.
func isPadding(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// canonical reports whether the recipient is one that ParseRecipient gives.
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

// isGroupUser accepts an id, or the number of the group's creator and the second in which it was created.
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

package session

import (
	"fmt"
	"strings"
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
	user, server, _ := strings.Cut(strings.TrimSpace(s), "@")
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

// ParsePerson accepts a phone number in any usual spelling (digits with '+', spaces, '-', '.', '(' and ')'), and
// the same with @c.us or @s.whatsapp.net, or a LID with @lid. Numbers have 5 to 20 digits, country code first.
func ParsePerson(s string) (Recipient, error) {
	person, ok := parsePerson(s)
	if !ok {
		return "", &Error{
			Code: CodeInvalidRequest, Op: "parse recipient", Field: "to",
			Message: fmt.Sprintf("to: %q is not a recipient: expected a phone number with country code (5 to 20 digits), or one with @c.us, @s.whatsapp.net or @lid", clip(s, 80)),
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
	user, server, hasServer := strings.Cut(strings.TrimSpace(s), "@")
	switch {
	case !hasServer, server == "c.us", server == serverPN:
		server = serverPN
	case server == serverLID:
	default:
		return "", false
	}
	digits := make([]byte, 0, len(user))
	for i, r := range user {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r == '+' && i == 0, r == ' ', r == '-', r == '.', r == '(', r == ')':
		default:
			return "", false
		}
	}
	if !isNumber(string(digits)) {
		return "", false
	}
	return Recipient(string(digits) + "@" + server), true
}

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
	return &Error{
		Code: CodeInvalidRequest, Op: "parse recipient", Field: "to",
		Message: fmt.Sprintf("to: %q is not a recipient: expected a phone number with country code (5 to 20 digits), one with @c.us, @s.whatsapp.net or @lid, or a group with @g.us", clip(s, 80)),
	}
}

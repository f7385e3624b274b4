package session

import (
	"errors"
	"fmt"
	"strings"
)

// Recipient is a one-to-one WhatsApp address in canonical form: digits@s.whatsapp.net or digits@lid.
type Recipient string

// ParseRecipient accepts a phone number in any usual spelling (digits with '+', spaces, '-', '.', '(' and ')'), and
// the same with @c.us or @s.whatsapp.net, or a LID with @lid. Numbers have 5 to 20 digits, country code first.
func ParseRecipient(s string) (Recipient, error) {
	user, server, hasServer := strings.Cut(strings.TrimSpace(s), "@")
	switch {
	case !hasServer, server == "c.us", server == "s.whatsapp.net":
		server = "s.whatsapp.net"
	case server == "lid":
	default:
		return "", invalidRecipient(s)
	}
	digits := make([]byte, 0, len(user))
	for i, r := range user {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r == '+' && i == 0, r == ' ', r == '-', r == '.', r == '(', r == ')':
		default:
			return "", invalidRecipient(s)
		}
	}
	if len(digits) < 5 || len(digits) > 20 {
		return "", invalidRecipient(s)
	}
	return Recipient(string(digits) + "@" + server), nil
}

func invalidRecipient(s string) error {
	return &Error{
		Code: CodeInvalidRequest, Op: "parse recipient", Field: "to",
		Message: fmt.Sprintf("to: %q is not a recipient: expected a phone number with country code (5 to 20 digits), or one with @c.us, @s.whatsapp.net or @lid", clip(s, 80)),
	}
}

func publicDetail(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Public()
	}
	return "internal error"
}

func statusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

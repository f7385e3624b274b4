package outbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"wasup/session"
)

// idPrefix and idBytes give ids the shape that WhatsApp Web's have: whatsmeow's Client.GenerateMessageID (send.go) makes
// "3EB0" and 9 bytes of a hash in capital hexadecimal, 22 characters in all.
const (
	idPrefix = "3EB0"
	idBytes  = 9
)

// maxKey is the longest Idempotency-Key, in bytes.
const maxKey = 255

// NewMessageID chooses the WhatsApp id of a message. With a key it is a function of session and key, so that every
// attempt, even one after the ledger was lost, has the same id and recipients drop the copies. Without a key it is random.
func NewMessageID(id session.ID, key string) string {
	var sum [idBytes]byte
	if key == "" {
		_, _ = rand.Read(sum[:]) // never fails: crypto/rand ends the process rather than return short
	} else {
		hash := hashOf("wasup/message-id/v1", string(id), key)
		copy(sum[:], hash[:])
	}
	return idPrefix + strings.ToUpper(hex.EncodeToString(sum[:]))
}

// bodyHash tells whether two requests ask for the same message.
func bodyHash(to session.Recipient, text string) string {
	hash := hashOf("wasup/message-body/v1", string(to), text)
	return hex.EncodeToString(hash[:])
}

// hashOf hashes the parts with their lengths, so that no two lists of parts give the same input.
func hashOf(domain string, parts ...string) [sha256.Size]byte {
	var input []byte
	for _, part := range append([]string{domain}, parts...) {
		n := len(part)
		input = append(input, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		input = append(input, part...)
	}
	return sha256.Sum256(input)
}

// Request asks for one text message. Key is the Idempotency-Key header, "" where the caller sent none.
type Request struct {
	Session session.ID
	To      session.Recipient
	Body    string
	Key     string
}

// check names the first field that is not acceptable, as the caller spelled it.
func (r Request) check() error {
	switch {
	case r.Session == "":
		return r.invalid("id", "id: expected the id of a session")
	case r.To == "":
		return r.invalid("to", "to: expected a phone number with country code, or a WhatsApp address")
	case r.Body == "":
		return r.invalid("message", "message: expected a text that is not empty")
	case !utf8.ValidString(r.Body):
		return r.invalid("message", "message: expected text in UTF-8")
	case r.Key != "" && !validKey(r.Key):
		return r.invalid("Idempotency-Key", "Idempotency-Key: expected 1 to 255 visible ASCII characters")
	}
	return nil
}

func (r Request) invalid(field, message string) error {
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: "send text", Session: r.Session, Field: field, Message: message,
	}
}

// CheckKey says whether an Idempotency-Key header that was sent is acceptable: 1 to 255 visible ASCII characters.
// Request cannot tell an empty header from none, so whoever reads the header asks here.
func CheckKey(key string) error {
	if !validKey(key) {
		return Request{}.invalid("Idempotency-Key", "Idempotency-Key: expected 1 to 255 visible ASCII characters")
	}
	return nil
}

func validKey(key string) bool {
	if key == "" || len(key) > maxKey {
		return false
	}
	for i := range len(key) {
		if key[i] < 0x21 || key[i] > 0x7e {
			return false
		}
	}
	return true
}

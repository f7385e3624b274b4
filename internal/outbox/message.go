package outbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"wasup/internal/message"
	"wasup/internal/session"
)

// idPrefix and idBytes make ids look like those of WhatsApp Web: "3EB0" and 9 bytes of a hash in upper-case
// hexadecimal, 22 characters in all. whatsmeow's Client.GenerateMessageID (send.go) does the same.
const (
	idPrefix = "3EB0"
	idBytes  = 9
)

// maxKey is the longest Idempotency-Key, in bytes.
const maxKey = 255

// NewMessageID returns the WhatsApp id of a message. With a key, the id is a hash of session, key and body hash: every
// attempt has the same id, even after the ledger was lost, so recipients drop the copies. The body hash is part of it
// because a key may be used again much later for another message, which recipients must not drop. Without a key the id
// is random.
func NewMessageID(id session.ID, key, hash string) string {
	var sum [idBytes]byte
	if key == "" {
		_, _ = rand.Read(sum[:]) // never fails: crypto/rand ends the process instead of returning an error
	} else {
		whole := hashOf("wasup/message-id/v2", string(id), key, hash)
		copy(sum[:], whole[:])
	}
	return idPrefix + strings.ToUpper(hex.EncodeToString(sum[:]))
}

// bodyHash returns the hash of recipient and content in hexadecimal. Two requests with the same hash ask for the same
// message. A file counts by its content, not by where it is stored.
func bodyHash(to message.Recipient, content message.Content) string {
	if reflect.DeepEqual(content, message.TextOf(content.Text)) {
		// The first version sent only texts and hashed them like this. Keys stay valid across the upgrade.
		whole := hashOf("wasup/message-body/v1", string(to), content.Text)
		return hex.EncodeToString(whole[:])
	}
	if content.Media != nil {
		media := *content.Media
		media.File = ""
		content.Media = &media
	}
	encoded, err := json.Marshal(content)
	if err != nil {
		encoded = nil // a number is NaN or infinite; Content.Check refuses it
	}
	whole := hashOf("wasup/message-body/v2", string(to), string(encoded))
	return hex.EncodeToString(whole[:])
}

// hashOf hashes the domain and the parts, each with its length, so that two different lists never hash the same bytes.
func hashOf(domain string, parts ...string) [sha256.Size]byte {
	var input []byte
	for _, part := range append([]string{domain}, parts...) {
		n := len(part)
		input = append(input, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		input = append(input, part...)
	}
	return sha256.Sum256(input)
}

// draft returns the queued entry for a request. The request's fingerprint, if it has one, replaces the body hash.
func draft(r message.Request) Entry {
	hash := bodyHash(r.To, r.Content)
	if r.Fingerprint != "" {
		whole := hashOf("wasup/message-request/v1", string(r.To), r.Fingerprint)
		hash = hex.EncodeToString(whole[:])
	}
	return Entry{BodyHash: hash, Message: message.Message{
		Session: r.Session, ID: NewMessageID(r.Session, r.Key, hash), Key: r.Key, To: r.To, Content: r.Content,
		State: message.Queued, SendAt: r.SendAt, ExpiresAt: r.ExpiresAt,
	}}
}

// check returns CodeInvalidRequest for the first field of a request that is not acceptable.
func check(r *message.Request, now time.Time) error {
	switch {
	case r.Session == "":
		return invalid(r.Session, "id", "expected the id of a session")
	case r.To == "":
		return invalid(r.Session, "to", "expected a phone number with country code, or a WhatsApp address")
	case r.Key != "" && !validKey(r.Key):
		return invalid(r.Session, "Idempotency-Key", "expected 1 to 255 visible ASCII characters")
	case !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(now):
		return invalid(r.Session, "expires_at", "expected a time in the future")
	case !r.ExpiresAt.IsZero() && r.ExpiresAt.Before(r.SendAt):
		return invalid(r.Session, "expires_at", "expected a time after send_at")
	}
	return (message.Outgoing{ID: "-", To: r.To, Content: r.Content}).Check()
}

// checkText checks the text of a plain text message. It reports the field as "message", as the compatible API calls it.
func checkText(r *message.Request) error {
	switch {
	case r.Content.Text == "":
		return invalid(r.Session, "message", "expected a text that is not empty")
	case !utf8.ValidString(r.Content.Text):
		return invalid(r.Session, "message", "expected text in UTF-8")
	}
	return nil
}

func invalid(id session.ID, field, expected string) error {
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: "send message", Session: id, Field: field, Message: field + ": " + expected,
	}
}

// CheckKey returns CodeInvalidRequest if an Idempotency-Key is not 1 to 255 visible ASCII characters. A message.Request
// cannot tell an empty header from a missing one, so the HTTP handlers call CheckKey when the header is present.
func CheckKey(key string) error {
	if !validKey(key) {
		return invalid("", "Idempotency-Key", "expected 1 to 255 visible ASCII characters")
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

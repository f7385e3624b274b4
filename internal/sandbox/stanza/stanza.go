// Package stanza reads and builds the stanzas of WhatsApp's protocol.
//
// It owns their ids, their attributes and the errors of queries. It does not know who sends or gets them.
package stanza

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// Attr returns an attribute as text, "" if it is missing.
func Attr(node *waBinary.Node, name string) string {
	switch value := node.Attrs[name].(type) {
	case string:
		return value
	case types.JID:
		return value.String()
	default:
		return ""
	}
}

// JID returns an attribute as a JID, empty if it is missing or not a JID.
func JID(node *waBinary.Node, name string) types.JID {
	jid, _ := node.Attrs[name].(types.JID)
	return jid
}

// Bytes returns a node's content as bytes. The encoding may have turned short text into a string.
func Bytes(node *waBinary.Node) []byte {
	switch content := node.Content.(type) {
	case []byte:
		return content
	case string:
		return []byte(content)
	default:
		return nil
	}
}

// With returns a copy of node with one more attribute. It does not change the original, which may be shared.
func With(node waBinary.Node, name string, value any) waBinary.Node {
	attrs := maps.Clone(node.Attrs)
	if attrs == nil {
		attrs = waBinary.Attrs{}
	}
	attrs[name] = value
	node.Attrs = attrs
	return node
}

// KeyOf returns the key that an acknowledgement of node will carry.
func KeyOf(node *waBinary.Node) Key {
	return Key{Class: node.Tag, ID: Attr(node, "id"), From: JID(node, "from"), Participant: JID(node, "participant")}
}

// NewID returns an id for a stanza of the server.
func NewID() string {
	var raw [8]byte
	// crypto/rand.Read never fails: it ends the program when the system has no random numbers.
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}

// NewMessageID returns a message id in the form that phones use: 3A and 9 random bytes, in upper-case hex.
func NewMessageID() string {
	var raw [9]byte
	_, _ = rand.Read(raw[:])
	return "3A" + UpperHex(raw[:])
}

// UpperHex encodes bytes in upper-case hex.
func UpperHex(raw []byte) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, 2*len(raw))
	for _, b := range raw {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out)
}

// ErrorNode returns the <error> child of an answer.
func ErrorNode(code int, text string) waBinary.Node {
	return waBinary.Node{Tag: "error", Attrs: waBinary.Attrs{"code": strconv.Itoa(code), "text": text}}
}

// Now returns the time as stanzas have it: Unix seconds in decimal.
func Now() string { return strconv.FormatInt(time.Now().Unix(), 10) }

// ParticipantHash returns the hash by which clients and servers compare lists of devices, version 2 (whatsmeow
// participantListHashV2).
func ParticipantHash(devices []types.JID) string {
	names := make([]string, len(devices))
	for i, jid := range devices {
		names[i] = jid.ADString()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return fmt.Sprintf("2:%s", base64.RawStdEncoding.EncodeToString(sum[:6]))
}

// Key identifies a stanza in its acknowledgement.
type Key struct {
	Class, ID string
	From      types.JID
	// Participant is the sender within a group.
	Participant types.JID
}

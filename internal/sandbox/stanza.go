package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// attr returns an attribute as text, empty when it is missing.
func attr(node *waBinary.Node, name string) string {
	switch value := node.Attrs[name].(type) {
	case string:
		return value
	case types.JID:
		return value.String()
	default:
		return ""
	}
}

// attrJID returns an attribute as a JID, empty when it is missing or no JID.
func attrJID(node *waBinary.Node, name string) types.JID {
	jid, _ := node.Attrs[name].(types.JID)
	return jid
}

// bytesOf returns a node's content as bytes. Short text may have been packed into a string on the way.
func bytesOf(node *waBinary.Node) []byte {
	switch content := node.Content.(type) {
	case []byte:
		return content
	case string:
		return []byte(content)
	default:
		return nil
	}
}

// withAttr returns a copy of node with one more attribute; the original may be shared.
func withAttr(node waBinary.Node, name string, value any) waBinary.Node {
	attrs := maps.Clone(node.Attrs)
	if attrs == nil {
		attrs = waBinary.Attrs{}
	}
	attrs[name] = value
	node.Attrs = attrs
	return node
}

// keyOf is what an acknowledgement of node will name.
func keyOf(node *waBinary.Node) stanzaKey {
	return stanzaKey{class: node.Tag, id: attr(node, "id"), from: attrJID(node, "from"), participant: attrJID(node, "participant")}
}

// newStanzaID makes an id for a stanza of the server.
func newStanzaID() string {
	var raw [8]byte
	// crypto/rand.Read never fails: it ends the program when the system has no random numbers.
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}

// newMessageID makes a message id as phones do: 16 random bytes in capitals, 3A first.
func newMessageID() string {
	var raw [9]byte
	_, _ = rand.Read(raw[:])
	return "3A" + upperHex(raw[:])
}

func upperHex(raw []byte) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, 2*len(raw))
	for _, b := range raw {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out)
}

// errorNode is the <error> child of an answer.
func errorNode(code int, text string) waBinary.Node {
	return waBinary.Node{Tag: "error", Attrs: waBinary.Attrs{"code": strconv.Itoa(code), "text": text}}
}

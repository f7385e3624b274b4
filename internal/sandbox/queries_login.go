package sandbox

import (
	"crypto/sha1"
	"slices"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"

	"go.mau.fi/libsignal/ecc"

	"wasup/internal/sandbox/stanza"
)

// queryProps answers with no experiments at all: clients then use their own defaults.
func queryProps(_ *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	asked := query.GetChildByTag("props")
	return []waBinary.Node{{Tag: "props", Attrs: waBinary.Attrs{
		"protocol": stanza.Attr(&asked, "protocol"),
		"ab_key":   "sandbox",
		"hash":     "1",
		"refresh":  "86400",
	}}}, nil
}

// queryDigest describes the keys that the server holds of a device, so that the device can compare them with its
// own. Clients upload their keys anew when there is no answer; WhatsApp Web calls the request "digest key bundle".
func (k *keyStore) queryDigest(dev *device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	dev.mu.Lock()
	signed, keys := dev.signed, slices.Clone(dev.preKeys)
	dev.mu.Unlock()
	if len(keys) == 0 {
		return nil, stanza.ErrNotFound
	}
	slices.SortFunc(keys, func(a, b oneTimeKey) int { return strings.Compare(string(a.id[:]), string(b.id[:])) })
	// The hash covers the long-term keys and then the one-time keys in the order of their ids.
	hash := sha1.New()
	hash.Write(dev.identity[:])
	hash.Write(signed.value[:])
	hash.Write(signed.signature[:])
	ids := make([]waBinary.Node, 0, len(keys))
	for i := range keys {
		hash.Write(keys[i].value[:])
		ids = append(ids, waBinary.Node{Tag: "id", Content: keys[i].id[:]})
	}
	return []waBinary.Node{{Tag: "digest", Content: []waBinary.Node{
		{Tag: "registration", Content: dev.registrationID[:]},
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: dev.identity[:]},
		{Tag: "skey", Content: []waBinary.Node{
			{Tag: "id", Content: signed.id[:]},
			{Tag: "value", Content: signed.value[:]},
			{Tag: "signature", Content: signed.signature[:]},
		}},
		{Tag: "list", Content: ids},
		{Tag: "hash", Content: hash.Sum(nil)},
	}}}, nil
}

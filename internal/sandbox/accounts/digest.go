package accounts

import (
	"crypto/sha1"
	"slices"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"

	"go.mau.fi/libsignal/ecc"

	"wasup/internal/sandbox/stanza"
)

// QueryDigest describes the keys that the server holds for a device, so that the device can compare them with its
// own. Clients upload their keys anew when the query fails. WhatsApp Web calls the request "digest key bundle".
func (k *Keys) QueryDigest(dev *Device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	dev.mu.Lock()
	signed, keys := dev.Signed, slices.Clone(dev.PreKeys)
	dev.mu.Unlock()
	if len(keys) == 0 {
		return nil, stanza.ErrNotFound
	}
	slices.SortFunc(keys, func(a, b OneTimeKey) int { return strings.Compare(string(a.id[:]), string(b.id[:])) })
	// The hash covers the long-term keys and then the one-time keys in the order of their ids.
	hash := sha1.New()
	hash.Write(dev.Identity[:])
	hash.Write(signed.Value[:])
	hash.Write(signed.Signature[:])
	ids := make([]waBinary.Node, 0, len(keys))
	for i := range keys {
		hash.Write(keys[i].value[:])
		ids = append(ids, waBinary.Node{Tag: "id", Content: keys[i].id[:]})
	}
	return []waBinary.Node{{Tag: "digest", Content: []waBinary.Node{
		{Tag: "registration", Content: dev.RegistrationID[:]},
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: dev.Identity[:]},
		{Tag: "skey", Content: []waBinary.Node{
			{Tag: "id", Content: signed.ID[:]},
			{Tag: "value", Content: signed.Value[:]},
			{Tag: "signature", Content: signed.Signature[:]},
		}},
		{Tag: "list", Content: ids},
		{Tag: "hash", Content: hash.Sum(nil)},
	}}}, nil
}

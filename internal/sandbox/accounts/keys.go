package accounts

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"strconv"

	"go.mau.fi/libsignal/ecc"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

// maxBundles bounds how many key bundles one query may ask for.
const maxBundles = 1000

// Keys stores the keys that devices upload, and gives them to other devices.
type Keys struct {
	dir     *Directory
	courier *Courier
	log     *slog.Logger
}

// NewKeys returns the keys of the accounts in a directory.
func NewKeys(dir *Directory, courier *Courier, log *slog.Logger) *Keys {
	return &Keys{dir: dir, courier: courier, log: log}
}

// QueryPreKeyCount tells a device how many of its one-time prekeys are left.
func (k *Keys) QueryPreKeyCount(dev *Device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return []waBinary.Node{{Tag: "count", Attrs: waBinary.Attrs{"value": strconv.Itoa(dev.preKeyCount())}}}, nil
}

// QueryUploadKeys stores one-time prekeys and the signed prekey that comes with them. The identity in the query has to
// be the device's.
func (k *Keys) QueryUploadKeys(dev *Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	identity := query.GetChildByTag("identity")
	if string(stanza.Bytes(&identity)) != string(dev.Identity[:]) {
		return nil, &stanza.QueryError{Code: 406, Text: "identity-mismatch"}
	}
	skey := query.GetChildByTag("skey")
	signed, ok := readSignedKey(&skey)
	if !ok || !signed.Verify(dev.Identity) {
		return nil, stanza.ErrBadRequest
	}
	list := query.GetChildByTag("list")
	uploaded := list.GetChildrenByTag("key")
	keys := make([]OneTimeKey, 0, len(uploaded))
	for i := range uploaded {
		var key OneTimeKey
		if !copyChild(&uploaded[i], "id", key.id[:]) || !copyChild(&uploaded[i], "value", key.value[:]) {
			return nil, stanza.ErrBadRequest
		}
		keys = append(keys, key)
	}
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.Signed = signed
	known := make(map[[3]byte]bool, len(dev.PreKeys))
	for i := range dev.PreKeys {
		known[dev.PreKeys[i].id] = true
	}
	for _, key := range keys {
		// A client that lost the answer uploads the same keys again.
		if !known[key.id] && len(dev.PreKeys) < maxPreKeys {
			dev.PreKeys = append(dev.PreKeys, key)
		}
	}
	return nil, nil
}

// QueryRotateKey replaces the device's signed prekey.
func (k *Keys) QueryRotateKey(dev *Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	skey := query.GetChildByTag("rotate", "skey")
	signed, ok := readSignedKey(&skey)
	if !ok || !signed.Verify(dev.Identity) {
		return nil, stanza.ErrBadRequest
	}
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.Signed = signed
	return nil, nil
}

func readSignedKey(node *waBinary.Node) (SignedKey, bool) {
	var key SignedKey
	ok := copyChild(node, "id", key.ID[:]) && copyChild(node, "value", key.Value[:]) && copyChild(node, "signature", key.Signature[:])
	return key, ok
}

// copyChild copies a child's content to to. It returns false if the content is not exactly as long as to.
func copyChild(node *waBinary.Node, tag string, to []byte) bool {
	child := node.GetChildByTag(tag)
	content := stanza.Bytes(&child)
	return len(content) == len(to) && copy(to, content) == len(to)
}

// QueryBundles answers with the key bundles with which the client starts Signal sessions.
func (k *Keys) QueryBundles(_ *Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("key")
	users := request.GetChildrenByTag("user")
	if len(users) > maxBundles {
		return nil, stanza.ErrBadRequest
	}
	list := make([]waBinary.Node, 0, len(users))
	for i := range users {
		list = append(list, k.bundleNode(stanza.JID(&users[i], "jid")))
	}
	return []waBinary.Node{{Tag: "list", Content: list}}, nil
}

func (k *Keys) bundleNode(jid types.JID) waBinary.Node {
	user := waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": jid, "t": stanza.Now()}}
	account := k.dir.Find(jid)
	if account == nil {
		user.Content = []waBinary.Node{stanza.ErrorNode(stanza.ErrNotFound.Code, stanza.ErrNotFound.Text)}
		return user
	}
	if jid.Device == 0 {
		bundle, err := account.Phone.Bundle()
		if err != nil {
			k.log.Error("phone could not make a key bundle", "err", err)
			user.Content = []waBinary.Node{stanza.ErrorNode(500, "internal-server-error")}
			return user
		}
		user.Content = PhoneBundle(bundle)
		return user
	}
	dev := k.dir.Device(account, jid.Device)
	if dev == nil {
		user.Content = []waBinary.Node{stanza.ErrorNode(stanza.ErrNotFound.Code, stanza.ErrNotFound.Text)}
		return user
	}
	user.Content = k.deviceBundle(dev)
	return user
}

func (k *Keys) deviceBundle(dev *Device) []waBinary.Node {
	signed, oneTime := dev.takeBundle()
	k.noticePreKeys(dev)
	nodes := bundleNodes(dev.RegistrationID, dev.Identity, signed, oneTime)
	return append(nodes, waBinary.Node{Tag: "device-identity", Content: dev.SignedIdentity})
}

// noticePreKeys tells a device to upload one-time prekeys: once when few are left, and once when none are.
func (k *Keys) noticePreKeys(dev *Device) {
	if left := dev.preKeyCount(); left == lowPreKeys-1 || left == 0 {
		k.courier.Hand(dev, preKeysLow(left))
	}
}

func bundleNodes(registrationID [4]byte, identity [32]byte, signed SignedKey, oneTime *OneTimeKey) []waBinary.Node {
	nodes := []waBinary.Node{
		{Tag: "registration", Content: registrationID[:]},
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: identity[:]},
		{Tag: "skey", Content: []waBinary.Node{
			{Tag: "id", Content: signed.ID[:]},
			{Tag: "value", Content: signed.Value[:]},
			{Tag: "signature", Content: signed.Signature[:]},
		}},
	}
	if oneTime != nil {
		nodes = append(nodes, waBinary.Node{Tag: "key", Content: []waBinary.Node{
			{Tag: "id", Content: oneTime.id[:]},
			{Tag: "value", Content: oneTime.value[:]},
		}})
	}
	return nodes
}

// KeyID encodes a key id in three bytes, as on the wire.
func KeyID(id uint32) [3]byte {
	var raw [4]byte
	binary.BigEndian.PutUint32(raw[:], id)
	return [3]byte(raw[1:])
}

// PhoneBundle encodes the keys of a phone for the wire.
func PhoneBundle(bundle signal.Bundle) []waBinary.Node {
	var registrationID [4]byte
	binary.BigEndian.PutUint32(registrationID[:], bundle.RegistrationID)
	signed := SignedKey{ID: KeyID(bundle.SignedPreKeyID), Value: bundle.SignedPreKey, Signature: bundle.Signature}
	var oneTime *OneTimeKey
	if bundle.PreKey != nil {
		oneTime = &OneTimeKey{id: KeyID(bundle.PreKeyID), value: *bundle.PreKey}
	}
	return bundleNodes(registrationID, bundle.Identity, signed, oneTime)
}

// BundleOf takes a key bundle of a device or a phone, as a client gets it from the server.
func (k *Keys) BundleOf(jid types.JID) (signal.Bundle, error) {
	account := k.dir.Find(jid)
	if account == nil {
		return signal.Bundle{}, fmt.Errorf("%w: %s", ErrUnknownContact, jid)
	}
	if jid.Device == 0 {
		return account.Phone.Bundle()
	}
	dev := k.dir.Device(account, jid.Device)
	if dev == nil {
		return signal.Bundle{}, fmt.Errorf("%w: %s", ErrUnknownDevice, jid)
	}
	signed, oneTime := dev.takeBundle()
	k.noticePreKeys(dev)
	return signalBundle(dev.RegistrationID, dev.Identity, signed, oneTime), nil
}

func signalBundle(registrationID [4]byte, identity [32]byte, signed SignedKey, oneTime *OneTimeKey) signal.Bundle {
	bundle := signal.Bundle{
		RegistrationID: binary.BigEndian.Uint32(registrationID[:]),
		Identity:       identity,
		SignedPreKeyID: idOf(signed.ID),
		SignedPreKey:   signed.Value,
		Signature:      signed.Signature,
	}
	if oneTime != nil {
		bundle.PreKeyID = idOf(oneTime.id)
		bundle.PreKey = &oneTime.value
	}
	return bundle
}

func idOf(raw [3]byte) uint32 { return uint32(raw[0])<<16 | uint32(raw[1])<<8 | uint32(raw[2]) }

// RetryBundle reads the keys of a retry receipt. It returns false if the receipt carries none or they are malformed.
func RetryBundle(node *waBinary.Node) (signal.Bundle, bool) {
	keys, ok := node.GetOptionalChildByTag("keys")
	if !ok {
		return signal.Bundle{}, false
	}
	var registrationID [4]byte
	var identity [32]byte
	skey := keys.GetChildByTag("skey")
	signed, ok := readSignedKey(&skey)
	if !ok || !copyChild(node, "registration", registrationID[:]) || !copyChild(&keys, "identity", identity[:]) {
		return signal.Bundle{}, false
	}
	var oneTime *OneTimeKey
	if key, ok := keys.GetOptionalChildByTag("key"); ok {
		oneTime = new(OneTimeKey)
		if !copyChild(&key, "id", oneTime.id[:]) || !copyChild(&key, "value", oneTime.value[:]) {
			return signal.Bundle{}, false
		}
	}
	return signalBundle(registrationID, identity, signed, oneTime), true
}

// Verify reports whether identity signed the prekey.
func (k *SignedKey) Verify(identity [32]byte) bool {
	signed := append([]byte{ecc.DjbType}, k.Value[:]...)
	return ecc.VerifySignature(ecc.NewDjbECPublicKey(identity), signed, k.Signature)
}

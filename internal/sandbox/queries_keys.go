package sandbox

import (
	"encoding/binary"
	"strconv"

	"go.mau.fi/libsignal/ecc"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/stanza"
)

// maxBundles bounds one query for key bundles.
const maxBundles = 1000

// keyStore hands out the keys that devices upload.
type keyStore struct {
	dir     *directory
	courier *courier
}

func (k *keyStore) queryPreKeyCount(dev *device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return []waBinary.Node{{Tag: "count", Attrs: waBinary.Attrs{"value": strconv.Itoa(dev.preKeyCount())}}}, nil
}

// queryUploadKeys takes one-time prekeys, together with the identity and the signed prekey they belong to.
func (k *keyStore) queryUploadKeys(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	identity := query.GetChildByTag("identity")
	if string(stanza.Bytes(&identity)) != string(dev.identity[:]) {
		return nil, &stanza.QueryError{Code: 406, Text: "identity-mismatch"}
	}
	skey := query.GetChildByTag("skey")
	signed, ok := readSignedKey(&skey)
	if !ok || !signed.verify(dev.identity) {
		return nil, stanza.ErrBadRequest
	}
	list := query.GetChildByTag("list")
	uploaded := list.GetChildrenByTag("key")
	keys := make([]oneTimeKey, 0, len(uploaded))
	for i := range uploaded {
		var key oneTimeKey
		if !copyChild(&uploaded[i], "id", key.id[:]) || !copyChild(&uploaded[i], "value", key.value[:]) {
			return nil, stanza.ErrBadRequest
		}
		keys = append(keys, key)
	}
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.signed = signed
	known := make(map[[3]byte]bool, len(dev.preKeys))
	for i := range dev.preKeys {
		known[dev.preKeys[i].id] = true
	}
	for _, key := range keys {
		// An upload whose answer was lost comes again with the same keys.
		if !known[key.id] && len(dev.preKeys) < maxPreKeys {
			dev.preKeys = append(dev.preKeys, key)
		}
	}
	return nil, nil
}

// queryRotateKey takes a new signed prekey.
func (k *keyStore) queryRotateKey(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	skey := query.GetChildByTag("rotate", "skey")
	signed, ok := readSignedKey(&skey)
	if !ok || !signed.verify(dev.identity) {
		return nil, stanza.ErrBadRequest
	}
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.signed = signed
	return nil, nil
}

func readSignedKey(node *waBinary.Node) (signedKey, bool) {
	var key signedKey
	ok := copyChild(node, "id", key.id[:]) && copyChild(node, "value", key.value[:]) && copyChild(node, "signature", key.signature[:])
	return key, ok
}

// copyChild copies the content of a child of exactly the length of to.
func copyChild(node *waBinary.Node, tag string, to []byte) bool {
	child := node.GetChildByTag(tag)
	content := stanza.Bytes(&child)
	return len(content) == len(to) && copy(to, content) == len(to)
}

// queryBundles hands out the keys to start sessions with.
func (k *keyStore) queryBundles(_ *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
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

func (k *keyStore) bundleNode(jid types.JID) waBinary.Node {
	user := waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": jid, "t": stanza.Now()}}
	account := k.dir.find(jid)
	if account == nil {
		user.Content = []waBinary.Node{stanza.ErrorNode(stanza.ErrNotFound.Code, stanza.ErrNotFound.Text)}
		return user
	}
	if jid.Device == 0 {
		user.Content = account.phone.bundleNodes()
		return user
	}
	dev := k.dir.device(account, jid.Device)
	if dev == nil {
		user.Content = []waBinary.Node{stanza.ErrorNode(stanza.ErrNotFound.Code, stanza.ErrNotFound.Text)}
		return user
	}
	user.Content = k.deviceBundle(dev)
	return user
}

func (k *keyStore) deviceBundle(dev *device) []waBinary.Node {
	signed, oneTime := dev.takeBundle()
	k.noticePreKeys(dev)
	nodes := bundleNodes(dev.registrationID, dev.identity, signed, oneTime)
	return append(nodes, waBinary.Node{Tag: "device-identity", Content: dev.signedIdentity})
}

// noticePreKeys tells a device to upload prekeys, once when they run low and once when they are used up.
func (k *keyStore) noticePreKeys(dev *device) {
	if left := dev.preKeyCount(); left == lowPreKeys-1 || left == 0 {
		k.courier.hand(dev, preKeysLow(left))
	}
}

func bundleNodes(registrationID [4]byte, identity [32]byte, signed signedKey, oneTime *oneTimeKey) []waBinary.Node {
	nodes := []waBinary.Node{
		{Tag: "registration", Content: registrationID[:]},
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: identity[:]},
		{Tag: "skey", Content: []waBinary.Node{
			{Tag: "id", Content: signed.id[:]},
			{Tag: "value", Content: signed.value[:]},
			{Tag: "signature", Content: signed.signature[:]},
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

// keyID writes a key id in the three bytes it has on the wire.
func keyID(id uint32) [3]byte {
	var raw [4]byte
	binary.BigEndian.PutUint32(raw[:], id)
	return [3]byte(raw[1:])
}

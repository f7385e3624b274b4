package sandbox

import (
	"encoding/binary"
	"strconv"

	"go.mau.fi/libsignal/ecc"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// maxBundles bounds one query for key bundles.
const maxBundles = 1000

func (c *conn) queryPreKeyCount(dev *device, _ *waBinary.Node) ([]waBinary.Node, *queryError) {
	return []waBinary.Node{{Tag: "count", Attrs: waBinary.Attrs{"value": strconv.Itoa(dev.preKeyCount())}}}, nil
}

// queryUploadKeys takes one-time prekeys, together with the identity and the signed prekey they belong to.
func (c *conn) queryUploadKeys(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	identity := query.GetChildByTag("identity")
	if string(bytesOf(&identity)) != string(dev.identity[:]) {
		return nil, &queryError{406, "identity-mismatch"}
	}
	skey := query.GetChildByTag("skey")
	signed, ok := readSignedKey(&skey)
	if !ok || !signed.verify(dev.identity) {
		return nil, errBadRequest
	}
	list := query.GetChildByTag("list")
	uploaded := list.GetChildrenByTag("key")
	keys := make([]oneTimeKey, 0, len(uploaded))
	for i := range uploaded {
		var key oneTimeKey
		if !copyChild(&uploaded[i], "id", key.id[:]) || !copyChild(&uploaded[i], "value", key.value[:]) {
			return nil, errBadRequest
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
func (c *conn) queryRotateKey(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	skey := query.GetChildByTag("rotate", "skey")
	signed, ok := readSignedKey(&skey)
	if !ok || !signed.verify(dev.identity) {
		return nil, errBadRequest
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
	content := bytesOf(&child)
	return len(content) == len(to) && copy(to, content) == len(to)
}

// queryBundles hands out the keys to start sessions with.
func (c *conn) queryBundles(_ *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	request := query.GetChildByTag("key")
	users := request.GetChildrenByTag("user")
	if len(users) > maxBundles {
		return nil, errBadRequest
	}
	list := make([]waBinary.Node, 0, len(users))
	for i := range users {
		list = append(list, c.srv.bundleNode(attrJID(&users[i], "jid")))
	}
	return []waBinary.Node{{Tag: "list", Content: list}}, nil
}

func (s *Server) bundleNode(jid types.JID) waBinary.Node {
	user := waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": jid, "t": unixNow()}}
	account := s.dir.find(jid)
	if account == nil {
		user.Content = []waBinary.Node{errorNode(errNotFound.code, errNotFound.text)}
		return user
	}
	if jid.Device == 0 {
		user.Content = account.phone.bundleNodes()
		return user
	}
	dev := s.dir.device(account, jid.Device)
	if dev == nil {
		user.Content = []waBinary.Node{errorNode(errNotFound.code, errNotFound.text)}
		return user
	}
	user.Content = s.deviceBundle(dev)
	return user
}

func (s *Server) deviceBundle(dev *device) []waBinary.Node {
	signed, oneTime := dev.takeBundle()
	s.noticePreKeys(dev)
	nodes := bundleNodes(dev.registrationID, dev.identity, signed, oneTime)
	return append(nodes, waBinary.Node{Tag: "device-identity", Content: dev.signedIdentity})
}

// noticePreKeys tells a device to upload prekeys, once when they run low and once when they are used up.
func (s *Server) noticePreKeys(dev *device) {
	if left := dev.preKeyCount(); left == lowPreKeys-1 || left == 0 {
		s.hand(dev, preKeysLow(left))
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

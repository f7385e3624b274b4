package sandbox

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"strconv"
	"testing"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/phones"
	"wasup/internal/sandbox/wire"
)

// socketless returns a logged-in connection without a socket. It writes with a function of the test.
func socketless(t testing.TB, s *Server, phone *Phone, write func([]byte) error) *conn {
	t.Helper()
	identity := keys.NewKeyPair()
	signed := identity.CreateSignedPreKey(1)
	id, keyIndex, ok := s.net.Dir.Reserve(phone.Account)
	if !ok {
		t.Fatal("no device id left")
	}
	dev := &accounts.Device{
		Account: phone.Account, ID: id, KeyIndex: keyIndex,
		Registration: accounts.Registration{Identity: *identity.Pub, Platform: "test", Signed: accounts.SignedKey{ID: accounts.KeyID(1), Value: *signed.Pub, Signature: *signed.Signature}},
	}
	// Mark the device as greeted, so that the phone does not send it the history.
	dev.Greeted.Store(true)
	if !s.net.Dir.Link(dev) {
		t.Fatal("not linked")
	}
	c := s.bareConn()
	c.write = write
	c.shut, c.drop, c.extend = func() {}, func() {}, func(time.Duration) {}
	c.ciphers = testCiphers(t)
	c.established.Store(true)
	c.device.Store(dev)
	c.claimed.Store(dev)
	dev.Attach(c)
	c.activate(dev)
	return c
}

func nowhere([]byte) error { return nil }

func testCiphers(t testing.TB) *wire.Ciphers {
	t.Helper()
	server, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := wire.NewRoot([32]byte{1})
	chain, err := root.Chain(server.PublicKey().Bytes(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	initiator, hello, err := wire.Initiate(wire.Header(), server)
	if err != nil {
		t.Fatal(err)
	}
	_, answer, err := wire.Respond(wire.Header(), server, chain, hello)
	if err != nil {
		t.Fatal(err)
	}
	_, ciphers, err := initiator.Finish(answer, root.PublicKey(), &waWa6.ClientPayload{})
	if err != nil {
		t.Fatal(err)
	}
	return ciphers
}

func quietServer(t testing.TB) (*Server, *Phone) {
	t.Helper()
	s, err := New(Config{Authority: NewAuthorityFromSeed([32]byte{1, 2, 3})})
	if err != nil {
		t.Fatal(err)
	}
	phone, err := s.AddPhone(phones.Config{Number: "15550100001"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.AddPhone(phones.Config{Number: "15550100002", Script: phones.ScriptEcho}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return s, phone
}

// FuzzStanza passes arbitrary decoded nodes to a logged-in connection: no handler may panic.
func FuzzStanza(f *testing.F) {
	to := types.NewJID("15550100002", types.DefaultUserServer)
	child := func(tag string, content any) []waBinary.Node { return []waBinary.Node{{Tag: tag, Content: content}} }
	query := func(namespace, kind string, content []waBinary.Node) waBinary.Node {
		return waBinary.Node{Tag: "iq", Attrs: waBinary.Attrs{"id": "1", "xmlns": namespace, "type": kind, "to": types.ServerJID}, Content: content}
	}
	users := []waBinary.Node{
		{Tag: "query", Content: []waBinary.Node{{Tag: "devices"}, {Tag: "lid"}, {Tag: "contact"}, {Tag: "status"}}},
		{Tag: "list", Content: []waBinary.Node{{Tag: "user", Attrs: waBinary.Attrs{"jid": to}}}},
	}
	for _, node := range []waBinary.Node{
		query("encrypt", "get", child("count", nil)),
		query("encrypt", "get", child("key", []waBinary.Node{{Tag: "user", Attrs: waBinary.Attrs{"jid": to}}})),
		query("encrypt", "set", child("registration", []byte{1, 2, 3, 4})),
		query("encrypt", "set", child("rotate", child("skey", nil))),
		query("passive", "set", child("active", nil)),
		query("usync", "get", child("usync", users)),
		query("w:sync:app:state", "set", child("sync", child("collection", nil))),
		query("md", "set", child("remove-companion-device", nil)),
		query("w:p", "get", nil),
		{Tag: "message", Attrs: waBinary.Attrs{"id": "A", "to": to, "type": "text"}, Content: child("participants", []waBinary.Node{
			{Tag: "to", Attrs: waBinary.Attrs{"jid": to}, Content: []waBinary.Node{{Tag: "enc", Attrs: waBinary.Attrs{"type": "pkmsg", "v": "2"}, Content: []byte{0x33, 8, 1}}}},
		})},
		{Tag: "message", Attrs: waBinary.Attrs{"id": "B", "to": to}, Content: child("enc", []byte{1})},
		{Tag: "receipt", Attrs: waBinary.Attrs{"id": "A", "to": to, "type": "retry"}, Content: []waBinary.Node{{Tag: "retry", Attrs: waBinary.Attrs{"count": "1", "id": "A"}}, {Tag: "keys"}}},
		{Tag: "receipt", Attrs: waBinary.Attrs{"id": "A", "to": to, "type": "read"}, Content: child("list", child("item", nil))},
		{Tag: "ack", Attrs: waBinary.Attrs{"id": "A", "class": "message", "to": to}},
		{Tag: "presence", Attrs: waBinary.Attrs{"type": "subscribe", "to": to}},
		{Tag: "chatstate", Attrs: waBinary.Attrs{"to": to}, Content: child("composing", nil)},
		{Tag: "ib", Content: child("unified_session", nil)},
		{Tag: "call", Attrs: waBinary.Attrs{"id": "A", "to": to}, Content: []waBinary.Node{{Tag: "offer", Attrs: waBinary.Attrs{"call-id": "C1"}, Content: child("destination", nil)}}},
		{Tag: "call", Attrs: waBinary.Attrs{"id": "B", "to": to}, Content: []waBinary.Node{{Tag: "terminate", Attrs: waBinary.Attrs{"call-id": "C1"}}}},
		{Tag: "call", Attrs: waBinary.Attrs{"id": "C", "to": to}, Content: []waBinary.Node{{Tag: "mute_v2", Attrs: waBinary.Attrs{"call-id": "C1"}}}},
	} {
		encoded, err := waBinary.Marshal(node)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	s, phone := quietServer(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		node, err := wire.DecodeNode(frame)
		if err != nil {
			return
		}
		c := socketless(t, s, phone, nowhere)
		c.dispatch(node)
		dev := c.device.Load()
		s.net.Links.Unlink(dev, "done", false)
		c.end("done")
		if n := s.Counters().Panics; n != 0 {
			t.Fatalf("a handler broke on %v", node)
		}
	})
}

func TestAQueueThatIsFullLosesTheNewest(t *testing.T) {
	s, phone := quietServer(t)
	c := socketless(t, s, phone, nowhere)
	dev := c.device.Load()
	dev.Detach(c)
	for i := range accounts.MaxQueue + 1 {
		s.net.Courier.Hand(dev, waBinary.Node{Tag: "notification", Attrs: waBinary.Attrs{"id": string(rune('a' + i%26)), "from": types.ServerJID}})
	}
	if n, lost := dev.QueueLength(), s.Counters().QueueOverflows; n != accounts.MaxQueue || lost != 1 {
		t.Fatalf("%d kept, %d lost", n, lost)
	}
}

func TestAClientThatDoesNotReadLosesItsConnection(t *testing.T) {
	s, phone := quietServer(t)
	stuck := make(chan struct{})
	c := socketless(t, s, phone, func([]byte) error {
		<-stuck
		return errors.New("closed")
	})
	for range maxOutgoing + 2 {
		c.Send(waBinary.Node{Tag: "ib"})
	}
	select {
	case <-c.gone:
	default:
		t.Error("the connection is still there")
	}
	close(stuck)
}

func TestDeviceIDsAreNotUsedAgainSoon(t *testing.T) {
	s, phone := quietServer(t)
	first, _, _ := s.net.Dir.Reserve(phone.Account)
	s.net.Dir.Release(phone.Account, first)
	second, _, _ := s.net.Dir.Reserve(phone.Account)
	if first == second {
		t.Fatalf("device id %d came again", first)
	}
	used := 1
	for {
		if _, _, ok := s.net.Dir.Reserve(phone.Account); !ok {
			break
		}
		used++
	}
	if used != accounts.MaxDeviceID {
		t.Fatalf("%d devices", used)
	}
}

func TestOldMessageIDsAreForgotten(t *testing.T) {
	var seen accounts.SeenIDs
	if seen.Add("first") || !seen.Add("first") {
		t.Fatal("the first id is not remembered")
	}
	for i := range accounts.MaxSeen {
		seen.Add(strconv.Itoa(i))
	}
	if len(seen.Set) != accounts.MaxSeen || seen.Add("first") {
		t.Fatalf("%d ids remembered", len(seen.Set))
	}
}

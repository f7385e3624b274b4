package wire

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/binary/token"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
)

func newKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// messages feeds a reader with one WebSocket message after another.
func messages(parts ...[]byte) *Reader {
	return NewReader(func() (io.Reader, error) {
		if len(parts) == 0 {
			return nil, io.EOF
		}
		part := parts[0]
		parts = parts[1:]
		return iotest.OneByteReader(bytes.NewReader(part)), nil
	})
}

func TestFramesAreIndependentOfMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payloads := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 300), 1, 8).Draw(t, "payloads")
		stream := Header()
		for _, payload := range payloads {
			var err error
			if stream, err = AppendFrame(stream, payload); err != nil {
				t.Fatal(err)
			}
		}
		var parts [][]byte
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "message length")
			parts = append(parts, stream[:n])
			stream = stream[n:]
		}
		reader := messages(parts...)
		prologue, err := reader.Prologue()
		if err != nil || !bytes.Equal(prologue, Header()) {
			t.Fatalf("prologue % x, %v", prologue, err)
		}
		for _, payload := range payloads {
			got, err := reader.Frame(MaxFrame)
			if err != nil || !bytes.Equal(got, payload) {
				t.Fatalf("frame % x, %v; expected % x", got, err, payload)
			}
		}
		if _, err = reader.Frame(MaxFrame); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last frame: %v", err)
		}
	})
}

func TestARoutingBlockBeforeTheHeaderIsSkipped(t *testing.T) {
	stream := append([]byte{'E', 'D', 0, 1, 0, 0, 3, 'a', 'b', 'c'}, Header()...)
	prologue, err := messages(stream).Prologue()
	if err != nil || !bytes.Equal(prologue, Header()) {
		t.Fatalf("prologue % x, %v", prologue, err)
	}
}

func TestBadHeadersAndFramesAreRefused(t *testing.T) {
	if _, err := messages([]byte("GET /")).Prologue(); !errors.Is(err, ErrBadHeader) {
		t.Errorf("text: %v", err)
	}
	if _, err := messages([]byte{'W', 'A', 6, 1}).Prologue(); !errors.Is(err, ErrBadHeader) {
		t.Errorf("another dictionary: %v", err)
	}
	if _, err := messages([]byte{0xFF, 0xFF, 0xFF}).Frame(MaxFrame); !errors.Is(err, ErrFrameTooLarge) {
		t.Errorf("absurd length: %v", err)
	}
	if _, err := messages([]byte{0, 0, 0}).Frame(MaxFrame); !errors.Is(err, ErrEmptyFrame) {
		t.Errorf("empty frame: %v", err)
	}
	if _, err := messages([]byte{0, 0, 9, 1}).Frame(MaxFrame); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Errorf("cut frame: %v", err)
	}
}

func TestAHandshakeAgreesOnKeys(t *testing.T) {
	server, client := newKey(t), newKey(t)
	root := NewRoot([32]byte{7})
	chain, err := root.Chain(server.PublicKey().Bytes(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	initiator, hello, err := Initiate(Header(), client)
	if err != nil {
		t.Fatal(err)
	}
	responder, answer, err := Respond(Header(), server, chain, hello)
	if err != nil {
		t.Fatal(err)
	}
	finish, clientCiphers, err := initiator.Finish(answer, root.PublicKey(), &waWa6.ClientPayload{Username: proto.Uint64(4711)})
	if err != nil {
		t.Fatal(err)
	}
	established, err := responder.Finish(finish)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(established.ClientStatic[:], client.PublicKey().Bytes()) || established.Payload.GetUsername() != 4711 {
		t.Fatalf("the server learned %+v", established)
	}
	for _, direction := range []struct{ from, to *Ciphers }{
		{clientCiphers, established.Ciphers}, {established.Ciphers, clientCiphers},
	} {
		for _, text := range []string{"one", "two"} {
			frame, err := direction.from.AppendSealed(nil, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			payload, err := messages(frame).Frame(MaxFrame)
			if err != nil {
				t.Fatal(err)
			}
			plaintext, err := direction.to.Open(payload)
			if err != nil || string(plaintext) != text {
				t.Fatalf("%q, %v", plaintext, err)
			}
		}
	}
}

// TestTheResponderAgreesWithWhatsmeow runs whatsmeow's own handshake primitives against the responder.
func TestTheResponderAgreesWithWhatsmeow(t *testing.T) {
	server, ephemeral, client := newKey(t), newKey(t), newKey(t)
	root := NewRoot([32]byte{7})
	chain, err := root.Chain(server.PublicKey().Bytes(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	theirs := socket.NewNoiseHandshake()
	theirs.Start(socket.NoiseStartPattern, socket.WAConnHeader)
	theirs.Authenticate(ephemeral.PublicKey().Bytes())
	hello, err := proto.Marshal(&waWa6.HandshakeMessage{ClientHello: &waWa6.HandshakeMessage_ClientHello{Ephemeral: ephemeral.PublicKey().Bytes()}})
	if err != nil {
		t.Fatal(err)
	}
	responder, answer, err := Respond(Header(), server, chain, hello)
	if err != nil {
		t.Fatal(err)
	}
	var message waWa6.HandshakeMessage
	if err = proto.Unmarshal(answer, &message); err != nil {
		t.Fatal(err)
	}
	serverEphemeral := message.GetServerHello().GetEphemeral()
	theirs.Authenticate(serverEphemeral)
	mix := func(private *ecdh.PrivateKey, public []byte) {
		t.Helper()
		if err := theirs.MixSharedSecretIntoKey([32]byte(private.Bytes()), [32]byte(public)); err != nil {
			t.Fatal(err)
		}
	}
	mix(ephemeral, serverEphemeral)
	static, err := theirs.Decrypt(message.GetServerHello().GetStatic())
	if err != nil || !bytes.Equal(static, server.PublicKey().Bytes()) {
		t.Fatalf("static key % x, %v", static, err)
	}
	mix(ephemeral, static)
	if got, err := theirs.Decrypt(message.GetServerHello().GetPayload()); err != nil || !bytes.Equal(got, chain) {
		t.Fatalf("certificate: %v", err)
	}
	sealedStatic := theirs.Encrypt(client.PublicKey().Bytes())
	mix(client, serverEphemeral)
	payload, err := proto.Marshal(&waWa6.ClientPayload{Username: proto.Uint64(12)})
	if err != nil {
		t.Fatal(err)
	}
	finish, err := proto.Marshal(&waWa6.HandshakeMessage{ClientFinish: &waWa6.HandshakeMessage_ClientFinish{Static: sealedStatic, Payload: theirs.Encrypt(payload)}})
	if err != nil {
		t.Fatal(err)
	}
	established, err := responder.Finish(finish)
	if err != nil || established.Payload.GetUsername() != 12 {
		t.Fatalf("established %+v, %v", established, err)
	}
}

func TestCertificatesAreValidForOneServerAndALimitedTime(t *testing.T) {
	root, now := NewRoot([32]byte{1}), time.Now()
	key, other := newKey(t).PublicKey().Bytes(), newKey(t).PublicKey().Bytes()
	chain, err := root.Chain(key, now)
	if err != nil {
		t.Fatal(err)
	}
	if err = VerifyChain(chain, root.PublicKey(), key, now); err != nil {
		t.Errorf("valid chain: %v", err)
	}
	stranger := NewRoot([32]byte{2})
	for name, err := range map[string]error{
		"another root":   VerifyChain(chain, stranger.PublicKey(), key, now),
		"another server": VerifyChain(chain, root.PublicKey(), other, now),
		"too early":      VerifyChain(chain, root.PublicKey(), key, now.Add(-2*validBefore)),
		"too late":       VerifyChain(chain, root.PublicKey(), key, now.Add(2*validAfter)),
		"no chain":       VerifyChain([]byte("x"), root.PublicKey(), key, now),
	} {
		if !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := NewRoot([32]byte{1}).PublicKey(); again != root.PublicKey() {
		t.Error("the same seed gave another root")
	}
}

func sampleNode() waBinary.Node {
	return waBinary.Node{
		Tag: "message",
		Attrs: waBinary.Attrs{
			"to": types.NewJID("4917", types.DefaultUserServer), "id": "3EB0", "type": "text",
			"from": types.JID{User: "123", Device: 7, Server: types.HiddenUserServer}, "t": "1700000000",
		},
		Content: []waBinary.Node{
			{Tag: "participants", Content: []waBinary.Node{{Tag: "enc", Attrs: waBinary.Attrs{"v": "2"}, Content: []byte{1, 2, 3}}}},
			{Tag: "not-a-token", Content: bytes.Repeat([]byte("long"), 200)},
		},
	}
}

func encode(t testing.TB, node waBinary.Node) []byte {
	t.Helper()
	encoded, err := waBinary.Marshal(node)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestNodesAreDecodedAsTheyWereEncoded(t *testing.T) {
	node := sampleNode()
	got, err := DecodeNode(encode(t, node))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, node) {
		t.Fatalf("got %v, sent %v", got, &node)
	}
}

func TestHostileNodesAreRefused(t *testing.T) {
	deep := []byte{0}
	for range maxDepth + 2 {
		// A node of two parts, a tag and a list of one node.
		deep = append(deep, token.List8, 2, 5, token.List8, 1)
	}
	deep = append(deep, token.List8, 1, 5)
	for name, frame := range map[string][]byte{
		"nothing":              {},
		"only a flag":          {0},
		"no list":              {0, 5},
		"empty node":           {0, token.ListEmpty},
		"a list as tag":        {0, token.List8, 1, token.List8, 1, token.List8, 1, 5},
		"no text as tag":       {0, token.List8, 1, token.ListEmpty},
		"a list as attribute":  {0, token.List8, 3, 5, 6, token.List8, 1, token.List8, 1, 5},
		"more nodes than data": {0, token.List8, 2, 5, token.List16, 0xFF, 0xFF},
		"more bytes than data": {0, token.List8, 2, 5, token.Binary32, 0x7F, 0xFF, 0xFF, 0xFF},
		"an empty packed text": {0, token.List8, 1, token.Nibble8, 0x80},
		"a JID without a user": {0, token.List8, 3, 5, 6, token.ADJID, 0, 1, token.ListEmpty},
		"trailing bytes":       {0, token.List8, 1, 5, 5},
		"bad compression":      {2, 1, 2, 3},
		"too deep":             deep,
	} {
		if node, err := DecodeNode(frame); !errors.Is(err, ErrBadNode) {
			t.Errorf("%s: %v, %v", name, node, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	valid, err := AppendFrame(Header(), []byte("payload"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Add([]byte{'E', 'D', 0, 1, 0, 0, 1, 9})
	f.Fuzz(func(t *testing.T, stream []byte) {
		reader := messages(stream)
		if _, err := reader.Prologue(); err != nil {
			return
		}
		for {
			payload, err := reader.Frame(MaxHandshakeFrame)
			if err != nil {
				return
			}
			if len(payload) == 0 || len(payload) > MaxHandshakeFrame {
				t.Fatalf("a frame of %d bytes", len(payload))
			}
		}
	})
}

func FuzzHandshake(f *testing.F) {
	server, client := newKey(f), newKey(f)
	initiator, hello, err := Initiate(Header(), client)
	if err != nil {
		f.Fatal(err)
	}
	root := NewRoot([32]byte{7})
	chain, err := root.Chain(server.PublicKey().Bytes(), time.Now())
	if err != nil {
		f.Fatal(err)
	}
	_, answer, err := Respond(Header(), server, chain, hello)
	if err != nil {
		f.Fatal(err)
	}
	finish, _, err := initiator.Finish(answer, root.PublicKey(), &waWa6.ClientPayload{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(hello, finish)
	f.Fuzz(func(t *testing.T, hello, finish []byte) {
		responder, _, err := Respond(Header(), server, chain, hello)
		if err != nil {
			if !errors.Is(err, ErrHandshake) {
				t.Fatalf("client hello: %v", err)
			}
			return
		}
		// The server key is new, so nobody can finish a handshake with it.
		if _, err = responder.Finish(finish); !errors.Is(err, ErrHandshake) {
			t.Fatalf("client finish: %v", err)
		}
	})
}

func FuzzNode(f *testing.F) {
	f.Add(encode(f, sampleNode()))
	f.Add([]byte{0, token.List8, 2, 5, token.List16, 0xFF, 0xFF})
	f.Add([]byte{2, 0x78, 0x9c})
	f.Fuzz(func(t *testing.T, frame []byte) {
		node, err := DecodeNode(frame)
		if err != nil {
			if !errors.Is(err, ErrBadNode) {
				t.Fatalf("%v", err)
			}
			return
		}
		// Everything that was decoded can be encoded: the server echoes parts of it.
		if _, err = waBinary.Marshal(*node); err != nil {
			t.Fatal(err)
		}
	})
}

package sandbox_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"io"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"go.mau.fi/whatsmeow/util/keys"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/sandbox/wire"
)

// rawClient is a client that sends whatever the test wants.
type rawClient struct {
	t       *testing.T
	ws      *websocket.Conn
	frames  *wire.Reader
	ciphers *wire.Ciphers
}

func dialRaw(t *testing.T, server *sandbox.Server) *rawClient {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	ws, response, err := websocket.Dial(testContext(t), server.URL(), &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	if response.Body != nil {
		_ = response.Body.Close()
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	ws.SetReadLimit(wire.MaxFrame)
	ctx := testContext(t)
	frames := wire.NewReader(func() (io.Reader, error) {
		_, message, err := ws.Reader(ctx)
		return message, err
	})
	return &rawClient{t: t, ws: ws, frames: frames}
}

func (c *rawClient) write(data []byte) {
	c.t.Helper()
	if err := c.ws.Write(testContext(c.t), websocket.MessageBinary, data); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawClient) writeFrame(payload []byte) {
	c.t.Helper()
	frame, err := wire.AppendFrame(nil, payload)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(frame)
}

// handshake performs the handshake of a client with a payload.
func (c *rawClient) handshake(payload *waWa6.ClientPayload) {
	c.t.Helper()
	static, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	initiator, hello, err := wire.Initiate(wire.Header(), static)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(wire.Header())
	c.writeFrame(hello)
	answer, err := c.frames.Frame(wire.MaxFrame)
	if err != nil {
		c.t.Fatal(err)
	}
	finish, ciphers, err := initiator.Finish(answer, testAuthority.RootPublicKey(), payload)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ciphers = ciphers
	c.writeFrame(finish)
}

func (c *rawClient) send(plaintext []byte) {
	c.t.Helper()
	frame, err := c.ciphers.AppendSealed(nil, plaintext)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(frame)
}

func (c *rawClient) receive() *waBinary.Node {
	c.t.Helper()
	frame, err := c.frames.Frame(wire.MaxFrame)
	if err != nil {
		c.t.Fatal(err)
	}
	plaintext, err := c.ciphers.Open(frame)
	if err != nil {
		c.t.Fatal(err)
	}
	node, err := wire.DecodeNode(plaintext)
	if err != nil {
		c.t.Fatal(err)
	}
	return node
}

// registration returns the payload of a client that wants to pair.
func registration() *waWa6.ClientPayload {
	identity := keys.NewKeyPair()
	signed := identity.CreateSignedPreKey(1)
	return &waWa6.ClientPayload{DevicePairingData: &waWa6.ClientPayload_DevicePairingRegistrationData{
		ERegid: []byte{0, 0, 0, 1}, EKeytype: []byte{5}, EIdent: identity.Pub[:],
		ESkeyID: []byte{0, 0, 1}, ESkeyVal: signed.Pub[:], ESkeySig: signed.Signature[:],
	}}
}

func TestMalformedInputCostsOneConnectionAndIsCounted(t *testing.T) {
	for reason, act := range map[string]func(*rawClient){
		"header": func(c *rawClient) { c.write([]byte("HELO")) },
		"frame": func(c *rawClient) {
			c.write(append(wire.Header(), 0xFF, 0xFF, 0xFF))
		},
		"handshake": func(c *rawClient) {
			c.write(wire.Header())
			c.writeFrame([]byte("this is no protobuf"))
		},
		"payload": func(c *rawClient) {
			payload := registration()
			payload.DevicePairingData.ESkeySig[3] ^= 1
			c.handshake(payload)
		},
		"decrypt": func(c *rawClient) {
			c.handshake(registration())
			c.writeFrame(make([]byte, 100))
		},
		"node": func(c *rawClient) {
			c.handshake(registration())
			c.send([]byte{0, 0xF8, 2, 5, 0xF9, 0xFF, 0xFF})
		},
	} {
		t.Run(reason, func(t *testing.T) {
			server := newServer(t, sandbox.Config{})
			feed, stop := server.Subscribe()
			defer stop()
			bystander := newDevice(t, server)
			bystander.pair(newPhone(t, server, ""))
			act(dialRaw(t, server))
			bad := until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventMalformed })
			until(t, feed, func(e observe.Event) bool {
				return e.Kind == observe.EventDisconnected && e.Conn == bad.Conn
			})
			if counters := server.Counters(); counters.Malformed[reason] != 1 || len(counters.Malformed) != 1 {
				t.Errorf("counted %v", counters.Malformed)
			}
			if preKeys(t, bystander) == 0 || !bystander.cli.IsConnected() {
				t.Error("another client was affected")
			}
		})
	}
}

func TestAPayloadThatIsNeitherIsRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	client := dialRaw(t, server)
	client.handshake(&waWa6.ClientPayload{})
	if answer := client.receive(); answer.Tag != "failure" || answer.Attrs["reason"] != "400" {
		t.Fatalf("answer %v", answer)
	}
}

func TestALoginNeedsTheKeyOfTheDevice(t *testing.T) {
	server, own, client, _ := linked(t, "")
	jid := client.cli.Store.GetJID()
	thief := dialRaw(t, server)
	thief.handshake(&waWa6.ClientPayload{Username: proto.Uint64(jid.UserInt()), Device: proto.Uint32(uint32(jid.Device)), Passive: proto.Bool(false)})
	if answer := thief.receive(); answer.Tag != "failure" || answer.Attrs["reason"] != "401" {
		t.Fatalf("answer %v", answer)
	}
	if !own.Devices()[0].Connected || !client.cli.IsConnected() {
		t.Error("the device was thrown out")
	}
}

func TestUnknownQueriesGetAnErrorAndAreCounted(t *testing.T) {
	server, _, client, _ := linked(t, "")
	if _, err := client.cli.GetJoinedGroups(testContext(t)); err != nil {
		t.Fatalf("known query: %v", err)
	}
	_, err := client.cli.DangerousInternals().SendIQ(testContext(t), whatsmeow.DangerousInfoQuery{
		Namespace: "w:unheard", Type: "get", To: types.ServerJID, Content: []waBinary.Node{{Tag: "of"}},
	})
	if err == nil {
		t.Fatal("an unknown query was answered")
	}
	if unknown := server.Counters().UnknownQueries; unknown["w:unheard/of"] != 1 || len(unknown) != 1 {
		t.Errorf("counted %v", unknown)
	}
}

func TestAClientThatIsNotLoggedInCanOnlyPing(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	client := dialRaw(t, server)
	client.handshake(registration())
	if offer := client.receive(); offer.Tag != "iq" {
		t.Fatalf("offer %v", offer)
	}
	for _, query := range []struct{ namespace, answer string }{{"encrypt", "error"}, {"w:p", "result"}} {
		encoded, err := waBinary.Marshal(waBinary.Node{
			Tag:   "iq",
			Attrs: waBinary.Attrs{"id": "1", "xmlns": query.namespace, "type": "get", "to": types.ServerJID},
		})
		if err != nil {
			t.Fatal(err)
		}
		client.send(encoded)
		if answer := client.receive(); answer.Attrs["id"] != "1" || answer.Attrs["type"] != query.answer {
			t.Errorf("%s: answer %v", query.namespace, answer)
		}
	}
}

func TestPagesOfOtherOriginsCannotConnect(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	_, response, err := websocket.Dial(testContext(t), server.URL(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport},
		HTTPHeader: http.Header{"Origin": {"https://example.org"}},
	})
	if err == nil || response == nil || response.StatusCode != http.StatusForbidden {
		t.Fatalf("dial: %v, %v", response, err)
	}
	if response.Body != nil {
		_ = response.Body.Close()
	}
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, cfg := range []sandbox.Config{{Refs: -1}, {Refs: 1000}, {FirstRefTTL: -1}, {RefTTL: -1}, {IdleTimeout: -1}} {
		if _, err := sandbox.New(cfg); err == nil {
			t.Errorf("accepted %+v", cfg)
		}
	}
	taken := newServer(t, sandbox.Config{})
	address := taken.URL()[len("ws://") : len(taken.URL())-len(sandbox.Path)]
	second, err := sandbox.New(sandbox.Config{Listen: address, Authority: testAuthority})
	if err != nil {
		t.Fatal(err)
	}
	if err = second.Start(); err == nil {
		t.Error("two servers on one port")
	}
	if second.URL() != "" {
		t.Errorf("a server that did not start is at %s", second.URL())
	}
}

func TestAServerCanBeClosedAtAnyTime(t *testing.T) {
	ctx := context.Background()
	never, err := sandbox.New(sandbox.Config{Authority: testAuthority})
	if err != nil {
		t.Fatal(err)
	}
	if err = never.Close(ctx); err != nil {
		t.Errorf("before the start: %v", err)
	}
	if err = never.Start(); err == nil {
		t.Error("started after the close")
	}
	server, _, client, peer := linked(t, phones.ScriptEcho)
	if err = server.Start(); err == nil {
		t.Error("started twice")
	}
	from := client.mark()
	client.cli.EnableAutoReconnect = false
	client.sendText(peer.JID(), "in the middle of something")
	for range 2 {
		if err = server.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	wait[*events.Disconnected](client, from, nil)
	feed, stop := server.Subscribe()
	defer stop()
	if _, open := <-feed; open {
		t.Error("a closed server has events")
	}
}

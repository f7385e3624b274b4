package interop_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/devicetest"
	"wasup/internal/sandbox/phones"
)

// authority is the root for all tests: whatsmeow knows one root for the whole process.
var authority = sandbox.NewAuthorityFromSeed([32]byte{9, 9, 9})

func TestMain(m *testing.M) {
	whatsmeow.WACertPubKey = authority.RootPublicKey()
	// whatsmeow's reader goroutine may stay if a frame arrives just after its consumer has stopped.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).readPump"),
		// This goroutine waits a minute for more history, even when the client is not connected.
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow.(*Client).handleHistorySyncNotificationLoop"))
}

// newServer starts a sandbox. At the end of the test it fails if the server got a query that it does not know.
func newServer(t *testing.T) *sandbox.Server {
	t.Helper()
	server, err := sandbox.New(sandbox.Config{Authority: authority, TLS: true})
	must(t, err)
	must(t, server.Start())
	t.Cleanup(func() {
		counters := server.Counters()
		if len(counters.UnknownQueries) != 0 || len(counters.Malformed) != 0 || counters.Panics != 0 {
			t.Errorf("unknown queries %v, malformed %v, %d handlers broke", counters.UnknownQueries, counters.Malformed, counters.Panics)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return server
}

func newPhone(t *testing.T, server *sandbox.Server, name string) *sandbox.Phone {
	t.Helper()
	phone, err := server.AddPhone(phones.Config{Name: name})
	must(t, err)
	return phone
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// toServer redirects every request to the sandbox, because whatsmeow dials WhatsApp's host name.
type toServer struct {
	host      string
	transport *http.Transport
}

func (r toServer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host = "http", r.host
	return r.transport.RoundTrip(request)
}

// peer is a real whatsmeow client.
type peer struct {
	t   *testing.T
	cli *whatsmeow.Client

	mu      sync.Mutex
	events  []any
	changed chan struct{}
}

// newPeer links a whatsmeow client to a phone.
func newPeer(t *testing.T, server *sandbox.Server, phone *sandbox.Phone) *peer {
	t.Helper()
	address, err := url.Parse(server.URL())
	must(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return linkPeer(t, func(p *peer) {
		client := &http.Client{Transport: toServer{address.Host, transport}}
		p.cli.SetWebsocketHTTPClient(client)
		p.cli.SetPreLoginHTTPClient(client)
		p.cli.SetMediaHTTPClient(client)
	}, phone)
}

// linkPeer makes a whatsmeow client with an empty store, lets point set its server, and links it to a phone.
func linkPeer(t *testing.T, point func(*peer), phone *sandbox.Phone) *peer {
	t.Helper()
	container := devicetest.Open(t, devicetest.DSN(t))
	p := &peer{t: t, cli: whatsmeow.NewClient(container.NewDevice(), nil), changed: make(chan struct{})}
	point(p)
	p.cli.AddEventHandler(p.handle)
	t.Cleanup(func() {
		p.mu.Lock()
		ended := slices.ContainsFunc(p.events, devicetest.Ends)
		p.mu.Unlock()
		devicetest.Leave(t, p.cli, ended)
	})
	must(t, p.cli.Connect())
	code := await[*events.QR](p, nil).Codes[0]
	_, err := phone.Scan(within(t), code)
	must(t, err)
	await[*events.Connected](p, nil)
	return p
}

func (p *peer) handle(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, event)
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits for an event of type E that accept accepts. A nil accept accepts all.
func await[E any](p *peer, accept func(E) bool) E {
	p.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		p.mu.Lock()
		got, changed := p.events, p.changed
		p.mu.Unlock()
		for _, event := range got {
			if typed, ok := event.(E); ok && (accept == nil || accept(typed)) {
				return typed
			}
		}
		select {
		case <-changed:
		case <-deadline.C:
			p.t.Fatalf("no %T in time; got %s", *new(E), names(got))
		}
	}
}

func names(got []any) string {
	all := make([]string, 0, len(got))
	for _, event := range got {
		all = append(all, strings.TrimPrefix(fmt.Sprintf("%T", event), "*events."))
	}
	return "[" + strings.Join(all, " ") + "]"
}

// reads waits for a message with this text.
func (p *peer) reads(text string) *events.Message {
	p.t.Helper()
	return await(p, func(m *events.Message) bool {
		return m.Message.GetConversation() == text || m.Message.GetExtendedTextMessage().GetText() == text
	})
}

// send sends a message and returns its id.
func (p *peer) send(to types.JID, message *waE2E.Message) string {
	p.t.Helper()
	sent, err := p.cli.SendMessage(within(p.t), to, message)
	must(p.t, err)
	return sent.ID
}

func (p *peer) text(to types.JID, text string) string {
	p.t.Helper()
	return p.send(to, &waE2E.Message{Conversation: proto.String(text)})
}

// receipt waits for a receipt of a message.
func (p *peer) receipt(id string, kind types.ReceiptType) {
	p.t.Helper()
	await(p, func(r *events.Receipt) bool {
		for _, one := range r.MessageIDs {
			if one == id && r.Type == kind {
				return true
			}
		}
		return false
	})
}

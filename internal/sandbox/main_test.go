package sandbox_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	waLog "go.mau.fi/whatsmeow/util/log"
	"go.uber.org/goleak"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/devicetest"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

// testAuthority is the root of all servers here: whatsmeow has one root key per process.
var testAuthority = sandbox.NewAuthorityFromSeed([32]byte{1, 2, 3})

func TestMain(m *testing.M) {
	whatsmeow.WACertPubKey = testAuthority.RootPublicKey()
	// Keepalive intervals are short, so that tests see pings and missing answers.
	whatsmeow.KeepAliveIntervalMin = 500 * time.Millisecond
	whatsmeow.KeepAliveIntervalMax = 900 * time.Millisecond
	whatsmeow.KeepAliveResponseDeadline = 2 * time.Second
	// whatsmeow's reader leaks when a frame arrives just after its consumer has stopped, because
	// socket.FrameSocket.frameComplete then blocks for ever. That is a bug of the client, not of the server.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).readPump"),
		// The loop waits a minute for more history, connected or not.
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow.(*Client).handleHistorySyncNotificationLoop"))
}

// patience bounds every wait of the tests. The machine may be slow and busy.
const patience = 3 * time.Minute

func newServer(t *testing.T, cfg sandbox.Config) *sandbox.Server {
	t.Helper()
	cfg.Authority = testAuthority
	server, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err = server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
		if n := server.Counters().Panics; n != 0 {
			t.Errorf("%d stanza handlers broke", n)
		}
	})
	return server
}

func newPhone(t *testing.T, server *sandbox.Server, script phones.Script) *sandbox.Phone {
	t.Helper()
	phone, err := server.AddPhone(phones.Config{Script: script})
	if err != nil {
		t.Fatal(err)
	}
	return phone
}

// toServer sends every request to one sandbox, because whatsmeow always dials WhatsApp's host names.
type toServer struct {
	host      string
	transport *http.Transport
}

func (r toServer) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host = "http", r.host
	return r.transport.RoundTrip(request)
}

// device is a real whatsmeow client with its store and all its events so far.
type device struct {
	t      *testing.T
	cli    *whatsmeow.Client
	dsn    string
	server *sandbox.Server
	// allKeys keeps the first upload at whatsmeow's 812 prekeys.
	allKeys bool

	mu      sync.Mutex
	events  []any
	changed chan struct{}
}

// newDevice returns a client with an empty store.
func newDevice(t *testing.T, server *sandbox.Server) *device {
	t.Helper()
	return openDevice(t, server, devicetest.DSN(t))
}

// openDevice returns a client for the device in a store, or for a new device.
func openDevice(t *testing.T, server *sandbox.Server, dsn string) *device {
	t.Helper()
	stored, err := devicetest.Open(t, dsn).GetFirstDevice(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	d := &device{t: t, dsn: dsn, server: server, changed: make(chan struct{})}
	d.cli = newClient(t, server, stored)
	d.cli.AddEventHandler(d.handle)
	t.Cleanup(d.leave)
	return d
}

func newClient(t *testing.T, server *sandbox.Server, stored *store.Device) *whatsmeow.Client {
	t.Helper()
	cli := whatsmeow.NewClient(stored, clientLog())
	address, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: toServer{host: address.Host, transport: transport}}
	cli.SetWebsocketHTTPClient(client)
	cli.SetPreLoginHTTPClient(client)
	cli.SetMediaHTTPClient(client)
	return cli
}

// leave disconnects the client.
func (d *device) leave() {
	devicetest.Leave(d.t, d.cli, slices.ContainsFunc(d.seen(0), devicetest.Ends))
}

// fewerKeys reduces the first upload from 812 prekeys to 50. Generating them takes most of the time of a pairing. A
// client with prekeys that are marked as uploaded does not begin with 812.
func (d *device) fewerKeys() {
	ctx := context.Background()
	keys, err := d.cli.Store.PreKeys.GetOrGenPreKeys(ctx, whatsmeow.MinPreKeyCount)
	if err != nil {
		// Then the client uploads 812, and the test only takes longer.
		return
	}
	_ = d.cli.Store.PreKeys.MarkPreKeysAsUploaded(ctx, keys[len(keys)-1].KeyID)
}

func (d *device) handle(event any) {
	if _, ok := event.(*events.PairSuccess); ok && !d.allKeys {
		d.fewerKeys()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, event)
	close(d.changed)
	d.changed = make(chan struct{})
}

// seen lists the events so far, after a position.
func (d *device) seen(from int) []any {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]any(nil), d.events[min(from, len(d.events)):]...)
}

func (d *device) mark() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.events)
}

// wait returns the first event after a position that the function accepts.
func wait[E any](d *device, from int, accept func(E) bool) E {
	d.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		d.mu.Lock()
		changed := d.changed
		got := append([]any(nil), d.events[min(from, len(d.events)):]...)
		d.mu.Unlock()
		for _, event := range got {
			if typed, ok := event.(E); ok && (accept == nil || accept(typed)) {
				return typed
			}
		}
		select {
		case <-changed:
		case <-deadline.C:
			var want E
			d.t.Fatalf("no %T in time; got %s", want, describe(got))
		}
	}
}

func describe(got []any) string {
	names := make([]string, 0, len(got))
	for _, event := range got {
		names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", event), "*events."))
	}
	return "[" + strings.Join(names, " ") + "]"
}

// code connects and returns the first code of the QR.
func (d *device) code() string {
	d.t.Helper()
	return d.codes()[0]
}

// codes connects and returns all codes of the QR.
func (d *device) codes() []string {
	d.t.Helper()
	from := d.mark()
	if err := d.cli.Connect(); err != nil {
		d.t.Fatal(err)
	}
	return wait[*events.QR](d, from, nil).Codes
}

// pair links the client to a phone and waits until it is logged in.
func (d *device) pair(phone *sandbox.Phone) types.JID {
	d.t.Helper()
	from := d.mark()
	feed, stop := d.server.Subscribe()
	defer stop()
	jid, err := phone.Scan(testContext(d.t), d.code())
	if err != nil {
		d.t.Fatal(err)
	}
	success := wait[*events.PairSuccess](d, from, nil)
	if success.ID != jid {
		d.t.Fatalf("client is %s, phone linked %s", success.ID, jid)
	}
	d.settled(from)
	// Wait until the client has acknowledged the phone's first messages to a new device.
	d.synced(from)
	wait[*events.PushName](d, from, nil)
	until(d.t, feed, func(e observe.Event) bool {
		return e.Kind == observe.EventReceipt && e.Device == jid.String() && strings.HasPrefix(e.Detail, "peer_msg ")
	})
	// Otherwise a stanza would come again at the next login.
	eventually(d.t, func() bool {
		return !slices.ContainsFunc(phone.Devices(), func(i sandbox.DeviceInfo) bool { return i.JID == jid && i.Queued > 0 })
	})
	return jid
}

// synced waits until the client has all collections of app state.
func (d *device) synced(from int) {
	d.t.Helper()
	for _, name := range appstate.AllPatchNames {
		wait(d, from, func(e *events.AppStateSyncComplete) bool { return e.Name == name })
	}
}

// reopen disconnects and returns a new client on the same store.
func (d *device) reopen() *device {
	d.t.Helper()
	d.cli.Disconnect()
	return openDevice(d.t, d.server, d.dsn)
}

func (d *device) connect() {
	d.t.Helper()
	from := d.mark()
	if err := d.cli.Connect(); err != nil {
		d.t.Fatal(err)
	}
	d.settled(from)
}

// settled waits until a login is complete, and the missed stanzas have been delivered.
func (d *device) settled(from int) {
	d.t.Helper()
	wait[*events.Connected](d, from, nil)
	wait[*events.OfflineSyncCompleted](d, from, nil)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// until waits for an event of the server that the function accepts.
func until(t *testing.T, feed <-chan observe.Event, accept func(observe.Event) bool) observe.Event {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		select {
		case event, ok := <-feed:
			if !ok {
				t.Fatal("the server closed its events")
			}
			if accept(event) {
				return event
			}
		case <-deadline.C:
			t.Fatal("the server event did not come in time")
		}
	}
}

// clientLog returns a logger for clients. WASUP_TEST_CLIENT_LOG sets its level (DEBUG, WARN); by default nothing is
// logged.
func clientLog() waLog.Logger {
	if level := os.Getenv("WASUP_TEST_CLIENT_LOG"); level != "" {
		return waLog.Stdout("client", level, false)
	}
	return waLog.Noop
}

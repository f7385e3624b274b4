package whatsapp_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/whatsapp"
)

// testAuthority is the root of all servers: whatsmeow has one root key for the whole process.
var testAuthority = sandbox.NewAuthorityFromSeed([32]byte{7, 7, 7})

// patience bounds every wait. Machines that run the tests may be slow and busy.
const patience = 3 * time.Minute

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// house is the test environment: a server, a database, and a dialer between them.
type house struct {
	t      testing.TB
	server *sandbox.Server
	store  *store.Store
	dialer *whatsapp.Dialer
}

func newHouse(t testing.TB, cfg sandbox.Config, change ...func(*whatsapp.Config)) *house {
	t.Helper()
	h := &house{t: t, server: newServer(t, cfg), store: newStore(t)}
	h.dialer = h.newDialer(change...)
	return h
}

func newServer(t testing.TB, cfg sandbox.Config) *sandbox.Server {
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
	})
	return server
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(testContext(t), "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func (h *house) newDialer(change ...func(*whatsapp.Config)) *whatsapp.Dialer {
	h.t.Helper()
	cfg := whatsapp.Config{
		WebsocketURL: h.server.URL(), RootPublicKey: testAuthority.RootPublicKey(),
		DB: h.store.DB(), Read: h.store.ReadDB(), Commit: h.store.Commit, Devices: h.store.Sessions(),
		Journal: h.store.Events(), Aliases: h.store.Aliases(), Timers: h.store.Timers(),
	}
	for _, c := range change {
		c(&cfg)
	}
	dialer, err := whatsapp.New(cfg)
	if err == nil {
		err = dialer.Start(testContext(h.t))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := dialer.Stop(ctx); err != nil {
			h.t.Error(err)
		}
	})
	return dialer
}

// add creates the session's row, as a person's first request does.
func (h *house) add(id session.ID) {
	h.t.Helper()
	if _, err := h.store.Sessions().SetDesired(testContext(h.t), id, session.DesiredRun); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) phone() *sandbox.Phone {
	h.t.Helper()
	phone, err := h.server.AddPhone(phones.Config{})
	if err != nil {
		h.t.Fatal(err)
	}
	return phone
}

func (h *house) fault(f faults.Fault) string {
	h.t.Helper()
	id, err := h.server.SetFault(f)
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

func (h *house) bound(id session.ID) string {
	h.t.Helper()
	jid, err := h.store.Sessions().DeviceOf(testContext(h.t), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return jid
}

// storedDevices counts the credentials in whatsmeow's table.
func (h *house) storedDevices() (n int) {
	h.t.Helper()
	err := h.store.DB().QueryRow(testContext(h.t), "SELECT COUNT(*) FROM whatsmeow_device").Scan(&n)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// client has all methods of a client run.
type client interface {
	session.Client
	message.Client
}

// life is one client run with the inputs that it has posted.
type life struct {
	t      testing.TB
	client client

	mu     sync.Mutex
	inputs []session.Input
	read   int
	more   chan struct{}
}

var lastIncarnation session.Incarnation

// begin opens a run and returns the error if that fails.
func (h *house) begin(ctx context.Context, id session.ID) (*life, error) {
	h.t.Helper()
	lastIncarnation++
	incarnation := lastIncarnation
	l := &life{t: h.t, more: make(chan struct{}, 1)}
	opened, err := h.dialer.Open(ctx, session.Run{Session: id, Incarnation: incarnation, Post: func(in session.Input) {
		if in.Incarnation != incarnation {
			h.t.Errorf("%s carries incarnation %d, want %d", in.Kind, in.Incarnation, incarnation)
		}
		l.mu.Lock()
		l.inputs = append(l.inputs, in)
		l.mu.Unlock()
		select {
		case l.more <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		return l, err
	}
	l.client = opened.(client)
	h.t.Cleanup(opened.Close)
	return l, nil
}

func (h *house) open(id session.ID) *life {
	h.t.Helper()
	l, err := h.begin(context.Background(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return l
}

// next waits for the next input.
func (l *life) next() session.Input {
	l.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		l.mu.Lock()
		if l.read < len(l.inputs) {
			in := l.inputs[l.read]
			l.read++
			l.mu.Unlock()
			return in
		}
		l.mu.Unlock()
		select {
		case <-l.more:
		case <-timer.C:
			l.t.Fatalf("no input came")
		}
	}
}

// expect waits for the next input and fails unless it is of the kind.
func (l *life) expect(kind session.InputKind) session.Input {
	l.t.Helper()
	in := l.next()
	if in.Kind != kind {
		l.t.Fatalf("got %s (%s), want %s", in.Kind, in.Detail, kind)
	}
	return in
}

// nothingMore closes the run and fails if it has posted another input.
func (l *life) nothingMore() {
	l.t.Helper()
	l.client.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, in := range l.inputs[l.read:] {
		l.t.Errorf("unexpected %s (%s)", in.Kind, in.Detail)
	}
}

// link pairs the session with the phone and returns the linked device. It closes the run.
func (h *house) link(id session.ID, phone *sandbox.Phone) types.JID {
	h.t.Helper()
	h.add(id)
	l := h.open(id)
	codes := l.expect(session.QRIssued).Codes
	device, err := phone.Scan(testContext(h.t), codes[0])
	if err != nil {
		h.t.Fatal(err)
	}
	l.expect(session.Scanned)
	l.expect(session.Paired)
	l.expect(session.LoginReconnect)
	l.nothingMore()
	return device
}

// ready links the session with the phone and returns a logged in run that has received what has waited.
func (h *house) ready(id session.ID, phone *sandbox.Phone) *life {
	h.t.Helper()
	h.link(id, phone)
	l := h.open(id)
	l.expect(session.SocketUp)
	if err := whatsapp.WaitForBacklog(testContext(h.t), l.client); err != nil {
		h.t.Fatal(err)
	}
	return l
}

// until waits for an event of the server of one of the kinds.
func until(t testing.TB, feed <-chan observe.Event, kinds ...observe.EventKind) observe.Event {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case event := <-feed:
			if slices.Contains(kinds, event.Kind) {
				return event
			}
		case <-timer.C:
			t.Fatalf("the server never saw %v", kinds)
		}
	}
}

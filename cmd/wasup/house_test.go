package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.uber.org/goleak"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/store/pgtest"
	"wasup/supervisor"
)

// testAuthority is the one root that whatsmeow can know in this process.
var testAuthority = sandbox.NewAuthorityFromSeed([32]byte{9, 9, 9})

// patience bounds every wait. Machines that run the tests may be slow and busy.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(childMark) != "" {
		os.Unsetenv(childMark)
		main()
		return
	}
	// Short pings let the tests see them unanswered. whatsmeow reads these variables without a lock.
	whatsmeow.KeepAliveIntervalMin = time.Second
	whatsmeow.KeepAliveIntervalMax = 2 * time.Second
	whatsmeow.KeepAliveResponseDeadline = 2 * time.Second
	code := m.Run()
	theFleet.close()
	pgtest.Stop()
	theThousand.close()
	if leaked := leaks(); code == 0 && leaked != nil {
		fmt.Fprintln(os.Stderr, leaked)
		code = 1
	}
	os.Exit(code)
}

// leaks looks for goroutines that outlive the apps. One look takes about two seconds, and protoactor's counter of dead
// letters may need a few more to end.
func leaks() (err error) {
	for range 5 {
		// fasthttp's clock runs for ever, and its pools look only every 10 s whether they have been stopped.
		err = goleak.Find(
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		)
		if err == nil {
			return nil
		}
	}
	return err
}

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// until looks again and again whether something holds: for what nobody announces.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// newSandbox is a WhatsApp server that lasts as long as the test.
func newSandbox(t testing.TB, cfg sandbox.Config) *sandbox.Server {
	t.Helper()
	server := startSandbox(t, cfg)
	t.Cleanup(func() { closeSandbox(t, server) })
	return server
}

func startSandbox(t testing.TB, cfg sandbox.Config) *sandbox.Server {
	t.Helper()
	cfg.Authority = testAuthority
	server, err := sandbox.New(cfg)
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func closeSandbox(t testing.TB, server *sandbox.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Close(ctx); err != nil {
		t.Error(err)
	}
	if n := server.Counters().Panics; n != 0 {
		t.Errorf("%d stanza handlers of the sandbox broke", n)
	}
}

// quick is a configuration for one server whose pauses are short. Deadlines stay as they are: a busy machine must not
// meet them by accident.
func quick(server *sandbox.Server, dsn string) configs.Config {
	cfg := configs.Default()
	cfg.HTTP.Listen = "127.0.0.1:0"
	cfg.Store.DSN = dsn
	cfg.WhatsApp.WebsocketURL = server.URL()
	cfg.WhatsApp.RootPublicKey = server.RootPublicKey()
	cfg.QR.Wait = patience
	cfg.Session.BackoffMin, cfg.Session.BackoffMax = 20*time.Millisecond, 500*time.Millisecond
	cfg.Boot.Jitter = 0
	cfg.Shutdown.Timeout = time.Minute
	return cfg
}

func newDSN(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "wasup.db")
}

// house is a running app and the server it talks to.
type house struct {
	t      testing.TB
	server *sandbox.Server
	cfg    configs.Config
	app    *App
	seen   *history
	log    *record
	caller
}

// newHouse starts an app against a server of its own.
func newHouse(t testing.TB, change ...func(*configs.Config)) *house {
	t.Helper()
	server := newSandbox(t, sandbox.Config{})
	cfg := quick(server, newDSN(t))
	for _, c := range change {
		c(&cfg)
	}
	return open(t, server, cfg, thrift(t, cfg.Store.DSN))
}

// open starts an app; it stops with the test at the latest.
func open(t testing.TB, server *sandbox.Server, cfg configs.Config, between seams) *house {
	t.Helper()
	h := &house{t: t, server: server, cfg: cfg, seen: newHistory(), log: &record{}}
	h.app = New(cfg, slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	h.app.between = between
	h.app.between.observer = func(next supervisor.Observer) supervisor.Observer {
		h.seen.Observer = next
		if between.observer != nil {
			h.seen.Observer = between.observer(next)
		}
		return h.seen
	}
	if err := h.app.Start(bounded(t)); err != nil {
		t.Fatalf("start: %v", err)
	}
	h.caller = newCaller(t, "http://"+h.app.Addr())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the app's log:\n%s", h.log.tail(200))
		}
		h.close()
	})
	return h
}

// close stops the app, as SIGTERM does.
func (h *house) close() {
	h.t.Helper()
	h.idle()
	if err := h.app.Stop(bounded(h.t)); err != nil {
		h.t.Errorf("stop: %v", err)
	}
}

// reopen is a restart of the process, with the same database.
func (h *house) reopen() *house {
	h.t.Helper()
	h.close()
	return open(h.t, h.server, h.cfg, seams{})
}

func (h *house) phone(script phones.Script) *sandbox.Phone {
	h.t.Helper()
	phone, err := h.server.AddPhone(phones.Config{Script: script})
	if err != nil {
		h.t.Fatal(err)
	}
	return phone
}

func (h *house) fault(f faults.Fault) {
	h.t.Helper()
	if _, err := h.server.SetFault(f); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) status(client int64) session.Status {
	status, _ := h.app.sessions.Status(session.NumericID(client))
	return status
}

// code asks for a QR and gives what a scanner reads in the picture.
func (h *house) code(client int64) string {
	h.t.Helper()
	return h.get("/qr-code", client).is(200).code()
}

// pair links a client with a phone and waits until it is READY.
func (h *house) pair(client int64, phone *sandbox.Phone) {
	h.t.Helper()
	if _, err := phone.Scan(bounded(h.t), h.code(client)); err != nil {
		h.t.Fatalf("scan: %v", err)
	}
	h.ready(client)
}

// linked is a READY client and its phone.
func (h *house) linked(client int64) *sandbox.Phone {
	h.t.Helper()
	phone := h.phone(phones.ScriptRead)
	h.pair(client, phone)
	return phone
}

// comes waits for the next time that the client comes to a state for a cause, in the order in which it did.
func (h *house) comes(client int64, state session.State, cause session.Cause) {
	h.t.Helper()
	h.seen.next(h.t, session.NumericID(client), state, cause)
}

func (h *house) ready(client int64) {
	h.t.Helper()
	h.comes(client, session.Ready, session.CauseConnected)
}

// record is a log that can be read while it is written.
type record struct {
	mu   sync.Mutex
	text strings.Builder
}

var _ io.Writer = (*record)(nil)

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) tail(lines int) string {
	all := strings.Split(r.String(), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

var errNoPicture = errors.New("the answer holds no PNG")

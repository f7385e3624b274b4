package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"go.mau.fi/whatsmeow"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/session"
	"wasup/internal/store/pgtest"
	"wasup/supervisor"
)

func TestMain(m *testing.M) {
	if os.Getenv(apptest.ChildMark) != "" {
		os.Unsetenv(apptest.ChildMark)
		os.Exit(beWasup(os.Args[1:]))
	}
	// Short intervals let the tests see unanswered pings. They are set here because whatsmeow reads them without a lock.
	whatsmeow.KeepAliveIntervalMin = time.Second
	whatsmeow.KeepAliveIntervalMax = 2 * time.Second
	whatsmeow.KeepAliveResponseDeadline = 2 * time.Second
	code := m.Run()
	theFleet.close()
	pgtest.Stop()
	theThousand.close()
	if leaked := apptest.Leaks(); code == 0 && leaked != nil {
		fmt.Fprintln(os.Stderr, leaked)
		code = 1
	}
	os.Exit(code)
}

// beWasup runs `serve --config FILE` in a process of its own that a test may kill. It returns the exit code.
func beWasup(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := configs.Load(configs.Sources{File: args[len(args)-1]})
	if err == nil {
		err = New(cfg, "test", slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.Log.Level}))).Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// house is a running app and the sandbox that it connects to.
type house struct {
	t      testing.TB
	server *sandbox.Server
	cfg    configs.Config
	app    *App
	seen   *history
	log    *apptest.Record
	apptest.Caller
}

// newHouse starts an app with a sandbox of its own.
func newHouse(t testing.TB, change ...func(*configs.Config)) *house {
	t.Helper()
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	for _, c := range change {
		c(&cfg)
	}
	return open(t, server, cfg, fewPrekeys(t, cfg.Store.DSN))
}

// open starts an app. It stops at the end of the test at the latest.
func open(t testing.TB, server *sandbox.Server, cfg configs.Config, between seams) *house {
	t.Helper()
	h := &house{t: t, server: server, cfg: cfg, seen: newHistory(), log: &apptest.Record{}}
	h.app = New(cfg, "test", slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	h.app.between = between
	h.app.between.followers = append([]supervisor.Follower{h.seen}, between.followers...)
	if err := h.app.Start(apptest.Bounded(t)); err != nil {
		t.Fatalf("start: %v", err)
	}
	h.Caller = apptest.NewCaller(t, "http://"+h.app.Addr())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the app's log:\n%s", h.log.Tail(200))
		}
		h.close()
	})
	return h
}

// close stops the app, as SIGTERM does.
func (h *house) close() {
	h.t.Helper()
	h.Idle()
	if err := h.app.Stop(apptest.Bounded(h.t)); err != nil {
		h.t.Errorf("stop: %v", err)
	}
}

// reopen stops the app and starts it again with the same database, as a restart of the process does.
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

// code asks for a QR and returns the code that a scanner reads in the picture.
func (h *house) code(client int64) string {
	h.t.Helper()
	return h.Get("/qr-code", client).Is(200).Code()
}

// pair links a client to a phone and waits until it is READY.
func (h *house) pair(client int64, phone *sandbox.Phone) {
	h.t.Helper()
	if _, err := phone.Scan(apptest.Bounded(h.t), h.code(client)); err != nil {
		h.t.Fatalf("scan: %v", err)
	}
	h.ready(client)
}

// linked makes a phone, links a client to it and waits until the client is READY.
func (h *house) linked(client int64) *sandbox.Phone {
	h.t.Helper()
	phone := h.phone(phones.ScriptRead)
	h.pair(client, phone)
	return phone
}

// comes waits for the client's next change to this state and cause. It reads the changes in order and skips others.
func (h *house) comes(client int64, state session.State, cause session.Cause) {
	h.t.Helper()
	h.seen.next(h.t, session.NumericID(client), state, cause)
}

func (h *house) ready(client int64) {
	h.t.Helper()
	h.comes(client, session.Ready, session.CauseConnected)
}

var _ io.Writer = (*apptest.Record)(nil)

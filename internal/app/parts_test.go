package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/media/incoming"
	"wasup/internal/sandbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/testtools/parttest"
)

// All apps take the same database, one after the other: the next one opens it only where the last one has let it go.
func TestAnAppStartsAndStopsInAnyOrder(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	h.code(2) // goes on waiting for a phone
	h.close()
	parttest.Stress(t, func(*testing.T) parttest.Part {
		a := New(h.cfg, "test", slog.New(slog.DiscardHandler))
		return parttest.Part{Start: a.Start, Stop: a.Stop}
	}, apptest.Lingering()...)
}

// The sessions' server is gone, so that every connection is refused while the app starts and stops.
func TestAnAppWithoutAServerStartsAndStopsInAnyOrder(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	h.close()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.cfg.WhatsApp.WebsocketURL = "ws://" + nobody.Addr().String() + "/ws/chat"
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	parttest.Stress(t, func(*testing.T) parttest.Part {
		a := New(h.cfg, "test", slog.New(slog.DiscardHandler))
		return parttest.Part{Start: a.Start, Stop: a.Stop}
	}, apptest.Lingering()...)
}

func TestAnAppStartsOnce(t *testing.T) {
	cfg := apptest.Quick(apptest.NewSandbox(t, sandbox.Config{}), apptest.NewDSN(t))
	a := New(cfg, "test", slog.New(slog.DiscardHandler))
	if err := a.Start(apptest.Bounded(t)); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(apptest.Bounded(t)); err == nil {
		t.Error("it started twice")
	}
	if err := a.Stop(apptest.Bounded(t)); err != nil {
		t.Error(err)
	}
	if err := a.Stop(apptest.Bounded(t)); err != nil {
		t.Errorf("the second stop: %v", err)
	}
}

func TestAnAppThatWasStoppedMakesNoDatabase(t *testing.T) {
	cfg := apptest.Quick(apptest.NewSandbox(t, sandbox.Config{}), apptest.NewDSN(t))
	a := New(cfg, "test", slog.New(slog.DiscardHandler))
	if err := a.Stop(apptest.Bounded(t)); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(apptest.Bounded(t)); session.CodeOf(err) != session.CodeShuttingDown {
		t.Errorf("it started: %v", err)
	}
	if _, err := os.Stat(strings.TrimPrefix(cfg.Store.DSN, "sqlite:")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a database: %v", err)
	}
}

func TestAStopDuringAStartEndsIt(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	for name, meet := range map[string]func(between *seams, stop func()){
		"the database is open": func(between *seams, stop func()) { between.opened = func(*store.Store) { stop() } },
		"the outbox is made":   func(between *seams, stop func()) { between.downloading = func(*incoming.Options) { stop() } },
		"the dialer has started": func(between *seams, stop func()) {
			between.dialer = func(d session.Dialer) session.Dialer { stop(); return d }
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := apptest.Quick(server, apptest.NewDSN(t))
			a := New(cfg, "test", slog.New(slog.DiscardHandler))
			stopped := make(chan error, 1)
			meet(&a.between, func() {
				go func() { stopped <- a.Stop(apptest.Bounded(t)) }()
				<-a.life.Done()
			})
			if err := a.Start(apptest.Bounded(t)); session.CodeOf(err) != session.CodeShuttingDown {
				t.Errorf("start: %v", err)
			}
			if err := <-stopped; err != nil {
				t.Errorf("stop: %v", err)
			}
			again, err := store.Open(apptest.Bounded(t), cfg.Store.DSN, store.Options{})
			if err != nil {
				t.Fatalf("the database was not let go: %v", err)
			}
			_ = again.Close()
		})
	}
}

// A part that had no time to stop is not forgotten: the next stop waits for it.
func TestALaterStopWaitsForWhatAnEarlierOneLeft(t *testing.T) {
	a := New(apptest.Quick(apptest.NewSandbox(t, sandbox.Config{}), apptest.NewDSN(t)), "test", slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	a.onStop("the first", func(context.Context) error { return nil })
	a.onStop("the slow", func(ctx context.Context) error {
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Stop(now); err == nil {
		t.Error("nobody says that a part did not stop")
	}
	if err := a.Stop(now); err == nil {
		t.Error("the part was forgotten")
	}
	close(ended)
	if err := a.Stop(apptest.Bounded(t)); err != nil {
		t.Error(err)
	}
}

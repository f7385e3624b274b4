// Package apptest helps tests to drive a whole wasup as its users do. It has a sandbox, a configuration with short
// pauses, a wasup in a process of its own that a test may kill, a client of the API, and a browser.
package apptest

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wasup/configs"
	"wasup/internal/sandbox"
)

// testAuthority is the root of trust of all tests, because whatsmeow can have only one per process.
var testAuthority = sandbox.NewAuthorityFromSeed([32]byte{9, 9, 9})

// Patience bounds every wait. Machines that run the tests may be slow and busy.
const Patience = 2 * time.Minute

// Bounded returns a context that ends after Patience, or with the test.
func Bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Until polls until holds returns true. It is for conditions that nothing announces.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s", what, Patience)
		}
	}
}

// NewSandbox starts a WhatsApp server that is closed with the test.
func NewSandbox(t testing.TB, cfg sandbox.Config) *sandbox.Server {
	t.Helper()
	server := StartSandbox(t, cfg)
	t.Cleanup(func() { CloseSandbox(t, server) })
	return server
}

// StartSandbox is NewSandbox for a server that the caller closes.
func StartSandbox(t testing.TB, cfg sandbox.Config) *sandbox.Server {
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

// CloseSandbox closes a server. It fails the test if one of the server's handlers panicked.
func CloseSandbox(t testing.TB, server *sandbox.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := server.Close(ctx); err != nil {
		t.Error(err)
	}
	if n := server.Counters().Panics; n != 0 {
		t.Errorf("%d stanza handlers of the sandbox broke", n)
	}
}

// Quick is a configuration for one server, with short pauses. Deadlines keep their defaults, so that a busy machine does
// not exceed them by accident.
func Quick(server *sandbox.Server, dsn string) configs.Config {
	cfg := configs.Default()
	cfg.HTTP.Listen = "127.0.0.1:0"
	cfg.Store.DSN = dsn
	cfg.WhatsApp.WebsocketURL = server.URL()
	cfg.WhatsApp.RootPublicKey = server.RootPublicKey()
	cfg.QR.Wait = Patience
	cfg.Session.BackoffMin, cfg.Session.BackoffMax = 20*time.Millisecond, 500*time.Millisecond
	cfg.Boot.Jitter = 0
	cfg.Shutdown.Timeout = time.Minute
	return cfg
}

// NewDSN returns the DSN of a database that does not exist yet and is deleted with the test.
func NewDSN(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "wasup.db")
}

// Leaks returns an error if goroutines outlive the apps. One search takes about two seconds. It searches up to five
// times, because protoactor's counter of dead letters may need a few seconds more to end.
func Leaks() (err error) {
	for range 5 {
		if err = goleak.Find(Lingering()...); err == nil {
			return nil
		}
	}
	return err
}

// Lingering are the goroutines that no stop of an app ends: fasthttp's clock runs for ever, and its pools look only every
// 10 s whether they have been stopped.
func Lingering() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
}

// Record is a log that can be read while it is written.
type Record struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *Record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *Record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// Tail returns the last lines.
func (r *Record) Tail(lines int) string {
	all := strings.Split(r.String(), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

var errNoPicture = errors.New("the answer holds no PNG")

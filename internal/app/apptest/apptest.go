// Package apptest is what tests need to drive a whole wasup as its users do: a sandbox to talk to, a configuration whose
// pauses are short, a wasup in a process of its own that may be killed, a client of the API, and a browser.
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

// testAuthority is the one root that whatsmeow can know in this process.
var testAuthority = sandbox.NewAuthorityFromSeed([32]byte{9, 9, 9})

// Patience bounds every wait. Machines that run the tests may be slow and busy.
const Patience = 2 * time.Minute

// Bounded ends after Patience, or with the test.
func Bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Until looks again and again whether something holds: for what nobody announces.
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

// NewSandbox is a WhatsApp server that lasts as long as the test.
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

// CloseSandbox closes a server and fails the test where one of its handlers broke.
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

// Quick is a configuration for one server whose pauses are short. Deadlines stay as they are: a busy machine must not
// meet them by accident.
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

// NewDSN names a database that does not exist yet and goes with the test.
func NewDSN(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "wasup.db")
}

// Leaks looks for goroutines that outlive the apps. One look takes about two seconds, and protoactor's counter of dead
// letters may need a few more to end.
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

// Tail is the last lines.
func (r *Record) Tail(lines int) string {
	all := strings.Split(r.String(), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

var errNoPicture = errors.New("the answer holds no PNG")

package webhooks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
)

// patience limits how long the tests wait. No test measures it.
const patience = time.Minute

// rig is a Webhooks with its own store.
type rig struct {
	t testing.TB
	*webhooks.Webhooks
	st     *store.Store
	store  webhooks.Tables
	growth *growth
	opts   webhooks.Options
	logs   *logBuffer
}

func newRig(t testing.TB, opts webhooks.Options) *rig {
	t.Helper()
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, st: st, store: st.Webhooks(), opts: opts, logs: &logBuffer{}, growth: newGrowth()}
	r.opts.Log = slog.New(slog.NewTextHandler(r.logs, nil))
	t.Cleanup(func() {
		r.stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// quick returns options for receivers on this machine, with short pauses.
func quick() webhooks.Options {
	return webhooks.Options{AllowPrivate: true, RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond, Timeout: patience}
}

func (r *rig) start() *rig {
	r.t.Helper()
	r.Webhooks = webhooks.New(r.store, r.growth, r.opts)
	if err := r.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return r
}

func (r *rig) stop() {
	r.t.Helper()
	if r.Webhooks == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		r.t.Error(err)
	}
}

// kill cancels everything at once, like a kill of the process.
func (r *rig) kill() {
	r.Kill()
	r.stop()
}

func (r *rig) add(url string, edit ...func(*webhooks.Webhook)) webhooks.Webhook {
	r.t.Helper()
	return r.addFrom(webhooks.Origin{}, url, edit...)
}

func (r *rig) addFrom(from webhooks.Origin, url string, edit ...func(*webhooks.Webhook)) webhooks.Webhook {
	r.t.Helper()
	hook := webhooks.Webhook{URL: url, Active: true}
	for _, e := range edit {
		e(&hook)
	}
	made, err := r.Create(r.t.Context(), hook, from)
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

// happen adds n events to a session's log.
func (r *rig) happen(id session.ID, n int) {
	r.t.Helper()
	list := make([]events.Event, n)
	for i := range list {
		list[i] = events.Event{Session: id, Type: events.TypeMessage, Data: json.RawMessage(`{"text":"<hola> & ⚽"}`)}
	}
	r.log(list...)
}

func (r *rig) log(list ...events.Event) {
	r.t.Helper()
	if err := r.st.Events().Append(r.t.Context(), list...); err != nil {
		r.t.Fatal(err)
	}
	for i := range list {
		r.growth.add(list[i].Session, 0)
	}
}

func (r *rig) backlog(hook webhooks.Webhook) int {
	r.t.Helper()
	n, _, err := r.store.Backlog(r.t.Context(), hook)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// settled waits until a webhook has nothing left to deliver.
func (r *rig) settled(hook webhooks.Webhook) {
	r.t.Helper()
	eventually(r.t, "everything is delivered", func() bool { return r.backlog(hook) == 0 })
}

func (r *rig) deliveries(hook webhooks.Webhook) []webhooks.Delivery {
	r.t.Helper()
	list, err := r.Deliveries(r.t.Context(), hook.ID, 0, 500)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(patience), time.NewTicker(2*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

// got is one request to a receiver.
type got struct {
	id     string
	body   webhooks.Body
	raw    string
	header http.Header
}

// target is a receiver. It answers with the status that the function returns, or with the response that it wrote.
type target struct {
	*httptest.Server
	mu  sync.Mutex
	all []got
}

// newTarget makes a receiver. behave may write an answer itself and return 0.
func newTarget(t testing.TB, behave func(w http.ResponseWriter, r *http.Request, n int) int) *target {
	t.Helper()
	x := &target{}
	x.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		g := got{id: r.Header.Get(standardwebhooks.HeaderWebhookID), raw: string(raw), header: r.Header}
		if err := json.Unmarshal(raw, &g.body); err != nil {
			t.Errorf("no JSON: %s", raw)
		}
		x.mu.Lock()
		x.all = append(x.all, g)
		n := len(x.all)
		x.mu.Unlock()
		status := http.StatusNoContent
		if behave != nil {
			status = behave(w, r, n)
		}
		if status != 0 {
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(x.Close)
	return x
}

func (x *target) requests() []got {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]got(nil), x.all...)
}

func (x *target) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.all)
}

// wantOnce fails unless each event of the sessions came exactly once and in order.
func (x *target) wantOnce(t testing.TB, sessions, each int) {
	t.Helper()
	if n := x.count(); n != sessions*each {
		t.Errorf("%d requests, want %d", n, sessions*each)
	}
	x.wantOrder(t, sessions, each)
}

// wantOrder fails unless each event came, the first arrivals are in order, and repetitions have the same id and the
// same bytes.
func (x *target) wantOrder(t testing.TB, sessions, each int) {
	t.Helper()
	last, seen := make(map[session.ID]uint64), make(map[string]got)
	for _, g := range x.requests() {
		if before, again := seen[g.id]; again {
			if before.raw != g.raw {
				t.Errorf("%s came as %s and as %s", g.id, before.raw, g.raw)
			}
			continue
		}
		seen[g.id] = g
		if g.body.Seq != last[g.body.Session]+1 {
			t.Errorf("session %s: %d came after %d", g.body.Session, g.body.Seq, last[g.body.Session])
		}
		last[g.body.Session] = g.body.Seq
	}
	if len(seen) != sessions*each || len(last) != sessions {
		t.Errorf("%d events of %d sessions came, want %d of %d", len(seen), len(last), sessions*each, sessions)
	}
}

func names(n int) []session.ID {
	ids := make([]session.ID, n)
	for i := range ids {
		ids[i] = session.ID(fmt.Sprintf("s%03d", i))
	}
	return ids
}

type logBuffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

// growth tells the webhooks which sessions have new events.
type growth struct {
	mu  sync.Mutex
	ids map[session.ID]uint64
	c   chan struct{}
}

func newGrowth() *growth { return &growth{ids: make(map[session.ID]uint64), c: make(chan struct{}, 1)} }

func (g *growth) C() <-chan struct{} { return g.c }

func (g *growth) Take() map[session.ID]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	taken := g.ids
	g.ids = make(map[session.ID]uint64)
	return taken
}

func (g *growth) add(id session.ID, seq uint64) {
	g.mu.Lock()
	g.ids[id] = seq
	g.mu.Unlock()
	select {
	case g.c <- struct{}{}:
	default:
	}
}

func replayFrom(id session.ID, seq uint64) webhooks.Replay {
	return webhooks.Replay{Session: id, Seq: seq}
}

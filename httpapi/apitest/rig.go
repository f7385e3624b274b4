package apitest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/httpapi"
	httpevents "wasup/httpapi/events"
	"wasup/httpapi/linking"
	"wasup/httpapi/qr"
	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
)

// Publish sends the state of a session to the log, and waits until the event is stored.
func (r *Rig) Publish(t testing.TB, statuses ...session.Status) {
	t.Helper()
	_, before := r.Events(t).Span()
	for i := range statuses {
		r.Sessions.feed.Publish(statuses[i])
	}
	r.stored(t, before)
}

// Remove sends the removal of a session to the log, and waits until the event is stored.
func (r *Rig) Remove(t testing.TB, id session.ID) {
	t.Helper()
	_, before := r.Events(t).Span()
	r.Sessions.feed.Remove(id)
	r.stored(t, before)
}

// Append appends an event to the log, as other rooms do.
func (r *Rig) Append(t testing.TB, list ...events.Event) {
	t.Helper()
	if err := r.Events(t).Append(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
}

// Events returns the log.
func (r *Rig) Events(t testing.TB) *events.Log {
	t.Helper()
	return r.Sessions.log()
}

// stored waits until the log has an event after a position and the feed has nothing left to write.
func (r *Rig) stored(t testing.TB, before uint64) {
	t.Helper()
	watch := r.Sessions.log().Watch()
	defer watch.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		if _, tail := r.Sessions.log().Span(); tail > before && r.Sessions.feed.Waiting() == 0 {
			return
		}
		select {
		case <-watch.C():
		case <-ctx.Done():
			t.Fatal("the event was never stored")
		}
	}
}

// openStore opens an empty database for the test. After an error it fails the test and returns nil: it may run on the
// goroutine of a request, which must not end the test.
func openStore(ctx context.Context, t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{})
	if err != nil {
		t.Error(err)
		return nil
	}
	return st
}

// openLog opens the log of a test, in its own database.
func (r *Rig) openLog(t testing.TB) *events.Log {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st := openStore(ctx, t)
	if st == nil {
		return nil
	}
	log := events.NewLog(st.Events(), r.Sessions.Buffer)
	if err := log.Start(ctx); err != nil {
		t.Error(err)
	}
	r.Sessions.feed = events.NewFeed(log, httpevents.Describer{Now: func() time.Time { return Now }, Log: slog.New(slog.NewTextHandler(r.Logs, nil))}.Describe, nil)
	if err := r.Sessions.feed.Start(ctx); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Sessions.feed.Stop(context.Background()), log.Stop(context.Background()), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return log
}

// Observed is one call of the observer.
type Observed struct {
	Route, Method string
	Code          int
}

// Recorder records the calls of the observer.
type Recorder struct {
	mu       sync.Mutex
	requests []Observed
	outcomes []session.QROutcome
}

func (r *Recorder) HTTPRequest(route, method string, code int, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, Observed{route, method, code})
}

func (r *Recorder) QRRequest(outcome session.QROutcome, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes = append(r.outcomes, outcome)
}

// Snapshot returns the calls so far.
func (r *Recorder) Snapshot() ([]Observed, []session.QROutcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Observed(nil), r.requests...), append([]session.QROutcome(nil), r.outcomes...)
}

// Rig is a listening server whose dependencies are a Scripted.
type Rig struct {
	*httpapi.Server
	Sessions *Scripted
	Observer *Recorder
	Logs     *lockedBuffer
	Client   *http.Client
	Hooks    *Hooked
	Deps     httpapi.Deps
	Base     string
}

// NewRig makes a Rig. A test must not call anything that f does not script.
func NewRig(t testing.TB, cfg httpapi.Config, f *Scripted) *Rig {
	t.Helper()
	r := &Rig{Sessions: f, Observer: &Recorder{}, Logs: &lockedBuffer{}}
	cfg.Listen = "127.0.0.1:0"
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return Now }
	}
	f.Watches = &Watches{}
	f.log = sync.OnceValue(func() *events.Log { return r.openLog(t) })
	if f.Folder == nil {
		f.Folder = &Folder{Bytes: make(map[string][]byte)}
	}
	r.Hooks = hooksOf(t)
	var pictures linking.Pictures = qr.NewPictures()
	if f.Drawing != nil {
		pictures = drawings{qr.NewCache(8, f.Drawing), qr.NewPictures()}
	}
	r.Deps = httpapi.Deps{
		Webhooks: r.Hooks, Deliveries: r.Hooks, Pictures: pictures,
		Sessions: f, Slots: f, Links: f, Supervision: f, Live: f, Received: arrivals{f}, Sender: f, Messages: messages{f}, Files: f, Door: door{f}, Contacts: f, Health: f, Observer: r.Observer, Version: "1.2.3",
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "wasup_up 1\n") }),
		Log:     slog.New(slog.NewTextHandler(r.Logs, nil)),
	}
	var err error
	r.Server, err = httpapi.New(cfg, r.Deps)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Base = "http://" + r.Addr()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	r.Client = &http.Client{Transport: transport, Timeout: time.Minute}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return r
}

// drawings are pictures whose PNGs are drawn by a function of the test.
type drawings struct {
	urls *qr.Cache
	*qr.Pictures
}

func (d drawings) DataURL(code string) (string, error) { return d.urls.Get(code) }

// Reply is an answer that was read completely.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends one request and checks its answer. Header lines are "Name: value".
func (r *Rig) Do(t testing.TB, method, path string, body string, header ...string) Reply {
	t.Helper()
	answer, err := r.Try(method, path, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	conform(t, method, path, answer)
	return answer
}

// Try sends one request like Do, without checking the answer.
func (r *Rig) Try(method, path, body string, header ...string) (Reply, error) {
	request, err := http.NewRequestWithContext(context.Background(), method, r.Base+path, strings.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
	}
	response, err := r.Client.Do(request)
	if err != nil {
		return Reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return Reply{response.StatusCode, response.Header, string(content)}, err
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Raw sends bytes on a new connection and reads one answer.
func (r *Rig) Raw(t testing.TB, request string, cut bool) Reply {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if cut {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Close {
		response.Header.Set("Connection", "close")
	}
	return Reply{response.StatusCode, response.Header, string(body)}
}

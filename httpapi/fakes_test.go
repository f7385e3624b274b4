package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wasup/httpapi/qr"
	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
)

var testNow = time.Date(2026, 1, 4, 12, 33, 56, 0, time.UTC)

// scripted answers in the place of the supervised sessions. It is not changed while a server runs.
type scripted struct {
	statuses  map[session.ID]session.Status
	requestQR func(ctx context.Context, id session.ID) session.QRAnswer
	start     func(ctx context.Context, id session.ID) (session.Status, bool, error)
	send      func(ctx context.Context, id session.ID, to session.Recipient, body, key string) (string, error)
	healthy   func(ctx context.Context) error
	ready     func() (bool, int, int, string)

	settle func(ctx context.Context, verb string, id session.ID, settings session.Settings) (session.Status, error)
	link   func(ctx context.Context, step string, id session.ID, value string) (string, time.Time, error)
	tree   []SupervisionNode
	buffer events.Options
	log    func() *events.Log // opened by the first who needs it
	feed   *events.Feed

	incoming map[string]session.Media // File is what is in it
	kept     map[string]string        // media that are on the disk, and what is in them
	closed   *atomic.Int64            // how many of those were closed
	fetched  *atomic.Int64            // how often something of it was fetched; nil: nobody counts

	scriptedMessages

	drawing func(code string) (string, error) // of PNGs; nil: the real one
	watches *watches
}

// watches is who read a code that waits.
type watches struct {
	mu  sync.Mutex
	ids []session.ID
}

func (w *watches) all() []session.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ids)
}

func (f *scripted) Watch(id session.ID) {
	f.watches.mu.Lock()
	defer f.watches.mu.Unlock()
	f.watches.ids = append(f.watches.ids, id)
}

func (f *scripted) Create(ctx context.Context, id session.ID, settings session.Settings, start bool) (session.Status, error) {
	if start {
		return f.settle(ctx, "create and start", id, settings)
	}
	return f.settle(ctx, "create", id, settings)
}

func (f *scripted) List() []session.Status {
	var all []session.Status
	for _, id := range slices.Sorted(maps.Keys(f.statuses)) {
		all = append(all, f.statuses[id])
	}
	return all
}

func (f *scripted) Update(ctx context.Context, id session.ID, settings session.Settings) (session.Status, error) {
	return f.settle(ctx, "update", id, settings)
}

func (f *scripted) Delete(ctx context.Context, id session.ID) error {
	_, err := f.settle(ctx, "delete", id, session.Settings{})
	return err
}

func (f *scripted) StopSession(ctx context.Context, id session.ID) (session.Status, error) {
	return f.settle(ctx, "stop", id, session.Settings{})
}

func (f *scripted) Restart(ctx context.Context, id session.ID) (session.Status, error) {
	return f.settle(ctx, "restart", id, session.Settings{})
}

func (f *scripted) Logout(ctx context.Context, id session.ID) (session.Status, error) {
	return f.settle(ctx, "logout", id, session.Settings{})
}

func (f *scripted) Tree() []SupervisionNode { return f.tree }

func (f *scripted) PairPhone(ctx context.Context, id session.ID, phone string) (string, time.Time, error) {
	return f.link(ctx, "phone", id, phone)
}

func (f *scripted) AnswerPasskey(ctx context.Context, id session.ID, answer []byte) (session.Status, error) {
	_, _, err := f.link(ctx, "answer", id, string(answer))
	return f.statuses[id], err
}

func (f *scripted) ConfirmPasskey(ctx context.Context, id session.ID) (session.Status, error) {
	_, _, err := f.link(ctx, "confirm", id, "")
	return f.statuses[id], err
}

func (f *scripted) Subscribe(ctx context.Context, after uint64, id session.ID, types []session.EventType) (Subscription, error) {
	subscription, err := f.log().Subscribe(ctx, after, id, types)
	if err != nil {
		return nil, err
	}
	return subscription, nil
}

func (f *scripted) Page(ctx context.Context, after uint64, id session.ID, types []session.EventType, limit int) ([]session.Event, uint64, bool, error) {
	return f.log().Page(ctx, after, id, types, limit)
}

// arrivals are the files of incoming messages.
type arrivals struct{ *scripted }

func (f arrivals) Describe(_ context.Context, id session.ID, media string) (session.Media, error) {
	if file, ok := f.incoming[media]; ok {
		return file, nil
	}
	return session.Media{}, &session.Error{Code: session.CodeMediaGone, Op: "find media", Session: id}
}

// Kept has on disk what is in kept, and under media that begin with "waiting" what is to come.
func (f arrivals) Kept(_ context.Context, _ session.ID, media string) (KeptFile, error) {
	content, ok := f.kept[media]
	switch {
	case ok:
		return KeptFile{File: &opened{Reader: strings.NewReader(content), closed: f.closed}, Size: int64(len(content)), State: "kept"}, nil
	case strings.HasPrefix(media, "waiting"):
		return KeptFile{State: "waiting"}, nil
	case media == "broken":
		return KeptFile{}, &session.Error{Code: session.CodeStoreUnavailable, Op: "find kept file"}
	default:
		return KeptFile{}, nil
	}
}

type opened struct {
	*strings.Reader
	closed *atomic.Int64
}

func (o *opened) Close() error {
	o.closed.Add(1)
	return nil
}

func (f arrivals) Fetch(_ context.Context, id session.ID, file session.Media) (io.ReadCloser, int64, error) {
	if f.fetched != nil {
		f.fetched.Add(1)
	}
	if file.File == "" {
		return nil, 0, &session.Error{Code: session.CodeNotReady, Op: "fetch media", Session: id}
	}
	return io.NopCloser(strings.NewReader(file.File)), int64(len(file.File)), nil
}

// publish tells the log where a session is, and waits until it is stored.
func (r *rig) publish(t testing.TB, statuses ...session.Status) {
	t.Helper()
	_, before := r.events(t).Span()
	for i := range statuses {
		r.sessions.feed.Publish(statuses[i])
	}
	r.stored(t, before)
}

// remove tells the log that a session was deleted.
func (r *rig) remove(t testing.TB, id session.ID) {
	t.Helper()
	_, before := r.events(t).Span()
	r.sessions.feed.Remove(id)
	r.stored(t, before)
}

// append adds an event to the log, as other rooms do.
func (r *rig) append(t testing.TB, list ...session.Event) {
	t.Helper()
	if err := r.events(t).Append(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) events(t testing.TB) *events.Log {
	t.Helper()
	return r.sessions.log()
}

// stored waits until the log goes beyond a position and nothing waits to be written.
func (r *rig) stored(t testing.TB, before uint64) {
	t.Helper()
	watch := r.sessions.log().Watch()
	defer watch.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		if _, tail := r.sessions.log().Span(); tail > before && r.sessions.feed.Waiting() == 0 {
			return
		}
		select {
		case <-watch.C():
		case <-ctx.Done():
			t.Fatal("the event was never stored")
		}
	}
}

// openLog is the log of a test, in a database of its own.
func (r *rig) openLog(t testing.TB) *events.Log {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st, err := store.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{})
	if err != nil {
		t.Error(err)
		return nil
	}
	log := events.NewLog(st.Events(), r.sessions.buffer)
	if err := log.Start(ctx); err != nil {
		t.Error(err)
	}
	r.sessions.feed = events.NewFeed(log, r.Describe, nil)
	r.sessions.feed.Start()
	t.Cleanup(func() {
		if err := errors.Join(r.sessions.feed.Stop(context.Background()), log.Stop(context.Background()), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return log
}

func (f *scripted) RequestQR(ctx context.Context, id session.ID) session.QRAnswer {
	return f.requestQR(ctx, id)
}

func (f *scripted) Start(ctx context.Context, id session.ID) (session.Status, bool, error) {
	return f.start(ctx, id)
}

func (f *scripted) Status(id session.ID) (session.Status, bool) {
	status, ok := f.statuses[id]
	return status, ok
}

func (f *scripted) Send(ctx context.Context, id session.ID, to session.Recipient, body, key string) (string, error) {
	return f.send(ctx, id, to, body, key)
}

func (f *scripted) Healthy(ctx context.Context) error { return f.healthy(ctx) }

func (f *scripted) Ready() (bool, int, int, string) { return f.ready() }

// observed is one call of the observer.
type observed struct {
	route, method string
	code          int
}

type recorder struct {
	mu       sync.Mutex
	requests []observed
	outcomes []session.QROutcome
}

func (r *recorder) HTTPRequest(route, method string, code int, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, observed{route, method, code})
}

func (r *recorder) QRRequest(outcome session.QROutcome, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes = append(r.outcomes, outcome)
}

func (r *recorder) snapshot() ([]observed, []session.QROutcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]observed(nil), r.requests...), append([]session.QROutcome(nil), r.outcomes...)
}

// rig is a listening server with everything behind it scripted.
type rig struct {
	*Server
	sessions *scripted
	observer *recorder
	logs     *lockedBuffer
	client   *http.Client
	base     string
}

func newRig(t testing.TB, cfg Config, f *scripted) *rig {
	t.Helper()
	r := &rig{sessions: f, observer: &recorder{}, logs: &lockedBuffer{}}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return testNow }
	}
	f.watches = &watches{}
	f.log = sync.OnceValue(func() *events.Log { return r.openLog(t) })
	if f.files == nil {
		f.files = &folder{bytes: make(map[string][]byte)}
	}
	hooks := hooksOf(t)
	var pictures Pictures = qr.NewPictures()
	if f.drawing != nil {
		pictures = drawings{qr.NewCache(8, f.drawing), qr.NewPictures()}
	}
	var err error
	r.Server, err = New(cfg, Deps{
		Webhooks: hooks, Deliveries: hooks, Pictures: pictures,
		Sessions: f, Slots: f, Links: f, Live: f, Received: arrivals{f}, Sender: f, Messages: messages{f}, Files: f, Chats: f, Health: f, Observer: r.observer, Version: "1.2.3",
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "wasup_up 1\n") }),
		Log:     slog.New(slog.NewTextHandler(r.logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := r.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.base = "http://" + addr
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	r.client = &http.Client{Transport: transport, Timeout: time.Minute}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return r
}

// drawings are pictures of which the PNGs are drawn as a test wants it.
type drawings struct {
	urls *qr.Cache
	*qr.Pictures
}

func (d drawings) DataURL(code string) (string, error) { return d.urls.Get(code) }

type reply struct {
	status int
	header http.Header
	body   string
}

// do sends one request; header lines are "Name: value".
func (r *rig) do(t testing.TB, method, path string, body string, header ...string) reply {
	t.Helper()
	answer, err := r.try(method, path, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	conform(t, r.api, method, path, answer)
	return answer
}

func (r *rig) try(method, path, body string, header ...string) (reply, error) {
	request, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(content)}, err
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

package supervisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/admin"
	"wasup/internal/session"
	sessionstore "wasup/internal/store"
	"wasup/internal/whatsapp"
	"wasup/supervisor"
)

// childEnv makes the test binary run a sandbox, so that a memory benchmark measures only one side of the connections.
const childEnv = "WASUP_TEST_SERVE_SANDBOX"

// serveForParent runs the sandbox until the parent process has ended, if childEnv is set.
func serveForParent() bool {
	if os.Getenv(childEnv) == "" {
		return false
	}
	server, err := sandbox.New(sandbox.Config{Authority: testAuthority})
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return true
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return true
	}
	api := &http.Server{Handler: admin.New(server, slog.New(slog.DiscardHandler)), ReadHeaderTimeout: time.Minute}
	go func() { _ = api.Serve(listener) }()
	_, _ = fmt.Fprintf(os.Stdout, "%s http://%s%s\n", server.URL(), listener.Addr(), admin.Prefix)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return true
}

// elsewhere is a sandbox that runs in another process.
type elsewhere struct {
	b        *testing.B
	url, api string
}

func newElsewhere(b *testing.B) *elsewhere {
	b.Helper()
	child := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), childEnv+"=1")
	child.Stderr = os.Stderr
	life, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = life.Close()
		_ = child.Wait()
	})
	e := &elsewhere{b: b}
	if _, err := fmt.Fscanln(out, &e.url, &e.api); err != nil {
		b.Fatal(err)
	}
	return e
}

func (e *elsewhere) post(path string, body map[string]string) map[string]any {
	e.b.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		e.b.Fatal(err)
	}
	req, err := http.NewRequestWithContext(e.b.Context(), http.MethodPost, e.api+path, bytes.NewReader(raw))
	if err != nil {
		e.b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode/100 != 2 {
		e.b.Fatalf("%s: %d, %v, %v", path, resp.StatusCode, answer, err)
	}
	return answer
}

// fleet is a number of linked sessions in one database. The benchmark opens them in several ways, one after the other.
type fleet struct {
	b      *testing.B
	server *elsewhere
	db     *sessionstore.Store
	ids    []session.ID
}

// BenchmarkIdleFleet compares the memory (heap and stacks) of a linked, connected and idle client in three forms:
// whatsmeow's bare client with its defaults, our adapter, and the whole stack of actors. The server runs in another
// process. A session may cost 1.2 times the bare client.
func BenchmarkIdleFleet(b *testing.B) {
	const clients, rounds = 1000, 5
	for b.Loop() {
		f := newFleet(b, clients)
		// The first round is not measured, because code and caches cost memory only once. Free pages are returned to
		// the system before each measurement. The whole stack comes first, so any effect of the order favours the bare
		// client.
		f.grows(resident, f.bare)
		f.grows(resident, f.whole)
		// The two forms alternate, and the median counts: how many half-empty pages of earlier rounds are still
		// resident varies.
		var wholes, bares []float64
		for range rounds {
			wholes = append(wholes, f.grows(resident, f.whole))
			bares = append(bares, f.grows(resident, f.bare))
		}
		wholeResident, bareResident := median(wholes), median(bares)
		bare := f.measure(f.bare)
		adapter := f.measure(f.adapter)
		whole := f.measure(f.whole)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(bare, "bare-B/client")
		b.ReportMetric(adapter, "adapter-B/client")
		b.ReportMetric(whole, "session-B/client")
		b.ReportMetric(whole/bare, "session/bare")
		b.ReportMetric(wholeResident/bareResident, "session/bare-RSS")
		b.ReportMetric(wholeResident, "session-RSS-B/client")
		b.ReportMetric(bareResident, "bare-RSS-B/client")
		b.Logf("RSS a session, by round: %.0f; a bare client: %.0f", wholes, bares)
		if wholeResident > 1.2*bareResident {
			b.Errorf("a session has %.0f bytes resident, a bare client %.0f: more than 1.2 times", wholeResident, bareResident)
		}
		if whole > 1.2*bare {
			b.Errorf("a session costs %.0f bytes, a bare client %.0f: more than 1.2 times", whole, bare)
		}
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// measure returns how many bytes in use open added per client, and then calls stop.
func (f *fleet) measure(open func() (stop func())) float64 { return f.grows(inUse, open) }

func (f *fleet) grows(measured func() int64, open func() (stop func())) float64 {
	f.b.Helper()
	before := measured()
	stop := open()
	grown := measured() - before
	stop()
	return float64(grown) / float64(len(f.ids))
}

// resident is the resident set of the process in bytes, after all free memory was returned to the system. It is 0 on
// systems without /proc.
func resident() int64 {
	inUse()
	debug.FreeOSMemory()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(raw), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// inUse is the reachable heap plus the stacks, in bytes.
func inUse() int64 {
	var m runtime.MemStats
	for range 3 { // finalizers and pools need several collections
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func newFleet(b *testing.B, clients int) *fleet {
	b.Helper()
	f := &fleet{b: b, server: newElsewhere(b), ids: names(clients)}
	db, err := sessionstore.Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "wasup.db"), sessionstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	f.db = db
	b.Cleanup(func() { _ = db.Close() })
	var wg sync.WaitGroup
	dialer := f.dialer()
	for _, id := range f.ids {
		if _, err := db.Sessions().SetDesired(b.Context(), id, session.DesiredRun); err != nil {
			b.Fatal(err)
		}
		for paired := false; !paired; { // wait for the pairing and for the first login, which uploads the keys
			codes, done := make(chan string, 1), make(chan session.InputKind, 1)
			client := f.open(dialer, id, codes, done)
			select {
			case code := <-codes:
				number, ok := f.server.post("/phones", map[string]string{})["number"].(string)
				if !ok {
					b.Fatal("the phone has no number")
				}
				f.server.post("/phones/"+number+"/scan", map[string]string{"code": code})
				<-done
			case kind := <-done:
				paired = kind == session.SocketUp
			}
			wg.Go(client.Close)
		}
	}
	wg.Wait()
	if err := dialer.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	return f
}

func (f *fleet) dialer() *whatsapp.Dialer {
	f.b.Helper()
	dialer, err := whatsapp.New(whatsapp.Config{
		WebsocketURL: f.server.url, RootPublicKey: testAuthority.RootPublicKey(), DB: f.db.DB(), Devices: f.db.Sessions(),
	})
	if err == nil {
		err = dialer.Start(f.b.Context())
	}
	if err != nil {
		f.b.Fatal(err)
	}
	return dialer
}

func (f *fleet) open(dialer *whatsapp.Dialer, id session.ID, codes chan<- string, done chan<- session.InputKind) session.Client {
	f.b.Helper()
	client, err := dialer.Open(context.WithoutCancel(f.b.Context()), session.Run{Session: id, Incarnation: 1, Post: func(in session.Input) {
		switch in.Kind {
		case session.QRIssued:
			codes <- in.Codes[0]
		case session.SocketUp, session.LoginReconnect:
			done <- in.Kind
		default:
		}
	}})
	if err != nil {
		f.b.Fatal(err)
	}
	return client
}

// bare connects whatsmeow's clients to the same server, as whatsmeow's documentation does.
func (f *fleet) bare() func() {
	container := sqlstore.NewWithWrappedDB(f.db.DB(), nil)
	devices, err := container.GetAllDevices(f.b.Context())
	if err != nil || len(devices) != len(f.ids) {
		f.b.Fatalf("%d devices, %v", len(devices), err)
	}
	var all []*whatsmeow.Client
	for _, device := range devices {
		up := make(chan struct{})
		client := whatsmeow.NewClient(device, nil)
		transport, ok := http.DefaultTransport.(*http.Transport)
		if !ok {
			f.b.Fatal("no default transport")
		}
		client.SetWebsocketHTTPClient(&http.Client{Transport: detour{strings.Replace(f.server.url, "ws:", "http:", 1), transport.Clone()}})
		client.AddEventHandler(func(evt any) {
			if _, ok := evt.(*events.Connected); ok {
				close(up)
			}
		})
		if err := client.Connect(); err != nil {
			f.b.Fatal(err)
		}
		<-up
		all = append(all, client)
	}
	return func() {
		for _, client := range all {
			client.Disconnect()
		}
	}
}

// detour connects a bare client to the sandbox.
type detour struct {
	url  string
	next http.RoundTripper
}

func (d detour) RoundTrip(req *http.Request) (*http.Response, error) {
	out, err := http.NewRequestWithContext(req.Context(), req.Method, d.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	out.Header = req.Header
	return d.next.RoundTrip(out)
}

func (f *fleet) adapter() func() {
	dialer := f.dialer()
	var clients []session.Client
	for _, id := range f.ids {
		done := make(chan session.InputKind, 1)
		clients = append(clients, f.open(dialer, id, nil, done))
		<-done
	}
	return func() {
		var wg sync.WaitGroup
		for _, client := range clients {
			wg.Go(client.Close)
		}
		wg.Wait()
		if err := dialer.Stop(f.b.Context()); err != nil {
			f.b.Fatal(err)
		}
	}
}

func (f *fleet) whole() func() {
	dialer := f.dialer()
	up := make(chan session.ID, len(f.ids))
	watching := &observer{failed: map[session.Code]int{}}
	watching.script(func(id session.ID, state session.State) {
		if state == session.Ready {
			up <- id
		}
	})
	s := supervisor.New(supervisor.Config{
		Dialer: dialer, Refresher: dialer, Store: f.db.Sessions(), Observer: watching, Followers: []supervisor.Follower{watching},
		Policy: session.DefaultPolicy(), Log: slog.New(slog.DiscardHandler),
		Restarts: 5, Window: 5 * time.Minute, MaxWaiters: 200, MaxWaitersTotal: 1000,
		SendTimeout: 30 * time.Second, SaveTimeout: 5 * time.Second, BootRate: 1000, Connecting: 8,
	})
	if err := s.Boot(f.b.Context()); err != nil {
		f.b.Fatal(err)
	}
	for range f.ids {
		select {
		case <-up:
		case <-time.After(patience):
			f.b.Fatal("not all sessions came up")
		}
	}
	return func() {
		if err := s.Stop(f.b.Context()); err != nil {
			f.b.Fatal(err)
		}
		if err := dialer.Stop(f.b.Context()); err != nil {
			f.b.Fatal(err)
		}
	}
}

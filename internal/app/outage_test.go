package app

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wasup/configs"
	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
)

// outage is a way to make the database refuse writes for a while.
type outage struct {
	name   string
	status int      // the status of a refused request on /v1
	codes  []string // the codes that it may have
	// prepare returns the DSN of the database, and begin, which makes the database refuse writes until end is called.
	prepare func(t *testing.T) (dsn string, begin func(h *house, db *store.Store) (end func()))
}

func outages() []outage {
	return append([]outage{
		{"the database is full", http.StatusInsufficientStorage, []string{"store_full"}, func(t *testing.T) (string, func(*house, *store.Store) func()) {
			return apptest.NewDSN(t), func(_ *house, db *store.Store) func() { return full(t, db) }
		}},
		{"another program holds the database", http.StatusServiceUnavailable, []string{"store_locked", "store_unavailable"}, func(t *testing.T) (string, func(*house, *store.Store) func()) {
			return apptest.NewDSN(t), func(h *house, db *store.Store) func() {
				// A short busy_timeout changes only how long this test takes.
				if _, err := db.DB().Exec(apptest.Bounded(t), "PRAGMA busy_timeout=100"); err != nil {
					t.Fatal(err)
				}
				tx, err := connect(t, h.cfg.Store.DSN).BeginTx(context.Background(), nil)
				if err != nil {
					t.Fatal(err)
				}
				return func() {
					if err := tx.Rollback(); err != nil {
						t.Error(err)
					}
				}
			}
		}},
		{"the PostgreSQL server is away", http.StatusServiceUnavailable, []string{"store_unavailable"}, func(t *testing.T) (string, func(*house, *store.Store) func()) {
			pgtest.Needed(t)
			cluster := pgtest.New(t)
			return cluster.Database(t), func(*house, *store.Store) func() {
				if err := cluster.Shutdown(); err != nil {
					t.Fatal(err)
				}
				return func() {
					if err := cluster.Start(); err != nil {
						t.Error(err)
					}
				}
			}
		}},
	}, diskOutages()...)
}

// full stops a SQLite database from growing until end is called. The limit belongs to a connection, and the pool
// replaces a connection whose statement was interrupted. So the limit is set again and again.
func full(t *testing.T, db *store.Store) (end func()) {
	limit := func(pages int) {
		if _, err := db.DB().Exec(apptest.Bounded(t), fmt.Sprint("PRAGMA max_page_count=", pages)); err != nil {
			t.Error(err)
		}
	}
	limit(1) // SQLite raises it to the current size of the file
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		again := time.NewTicker(5 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case <-stop:
				return
			case <-again.C:
				limit(1)
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		limit(1 << 30)
	}
}

// bulk makes a text too large for the free space of any page. The first word of a text identifies it.
var bulk = " " + strings.Repeat("x", 20_000)

func firstWords(list []string) []string {
	words := make([]string, len(list))
	for i := range list {
		words[i], _, _ = strings.Cut(list[i], " ")
	}
	return words
}

// insistent is a caller that sends one message after the other. It repeats each request with the same key until it is
// accepted.
type insistent struct {
	name   string
	post   func(ctx context.Context, text, key string) (apptest.Answer, error)
	want   func(apptest.Answer) error // checks a refusal
	refuse atomic.Int64               // refusals, because the database refused or had ended the session's run
	accept atomic.Int64
	mu     sync.Mutex
	texts  []string
}

func (c *insistent) accepted() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.texts)
}

// run sends messages until stop is closed, and finishes the message that it has begun.
func (c *insistent) run(t *testing.T, stop <-chan struct{}) {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-pause.C:
		}
		text := fmt.Sprint(c.name, n)
		for {
			ctx, cancel := context.WithTimeout(context.Background(), apptest.Patience)
			a, err := c.post(ctx, text+bulk, text)
			cancel()
			if err != nil {
				t.Error(err)
				return
			}
			if a.Status < 300 {
				break
			}
			if err := c.want(a); err != nil {
				t.Error(err)
				return
			}
			c.refuse.Add(1)
			<-pause.C
		}
		c.mu.Lock()
		c.texts = append(c.texts, text)
		c.mu.Unlock()
		c.accept.Add(1)
	}
}

func TestAnOutageOfTheDatabaseWhileMessagesComeAndGoLosesNoneOfThem(t *testing.T) {
	for _, o := range outages() {
		t.Run(o.name, func(t *testing.T) { o.survive(t) })
	}
}

func (o outage) survive(t *testing.T) {
	dsn, begin := o.prepare(t)
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, dsn)
	var db *store.Store
	h := open(t, server, cfg, seams{opened: func(st *store.Store) { db = st }})
	ana := h.linked(1)
	bruno, carla, dora, erik := h.phone(phones.ScriptRead), h.phone(phones.ScriptRead), h.phone(phones.ScriptRead), h.phone(phones.ScriptRead)

	v1 := &insistent{
		name: "v", post: func(ctx context.Context, text, key string) (apptest.Answer, error) {
			return h.Try(ctx, http.MethodPost, "/v1/sessions/1/messages?wait=server_ack&timeout=5s", 1, posted(bruno, text), []string{"Idempotency-Key", key})
		},
		want: func(a apptest.Answer) error {
			code, _ := a.Fields["code"].(string)
			if a.Status != o.status || !slices.Contains(o.codes, code) || a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
				return fmt.Errorf("refused with %d, Retry-After %q: %s", a.Status, a.Header.Get("Retry-After"), a.Body)
			}
			return discreet(a)
		},
	}
	compatible := &insistent{
		name: "c", post: func(ctx context.Context, text, key string) (apptest.Answer, error) {
			return h.Try(ctx, http.MethodPost, "/send", 1, fmt.Sprintf(`{"to":%q,"message":%q}`, carla.Number(), text), []string{"Idempotency-Key", key})
		},
		want: func(a apptest.Answer) error {
			if a.Status < 500 && a.Status != http.StatusConflict {
				return fmt.Errorf("refused with %d: %s", a.Status, a.Body)
			}
			return discreet(a)
		},
	}
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for _, c := range []*insistent{v1, compatible} {
		callers.Go(func() { c.run(t, stop) })
	}
	var told []string
	tells := func() {
		t.Helper()
		for range 5 {
			told = append(told, fmt.Sprint("in", len(told)))
			if _, err := dora.SendText(apptest.Bounded(t), ana.Number(), told[len(told)-1]+bulk); err != nil {
				t.Fatal(err)
			}
		}
	}
	apptest.Until(t, "messages leave", func() bool { return v1.accept.Load() > 2 && compatible.accept.Load() > 2 })
	tells()
	end := sync.OnceFunc(begin(h, db))
	defer end() // needed if the test fails before it calls end
	apptest.Until(t, "messages are refused", func() bool { return v1.refuse.Load() > 0 })
	once := h.Send(1, erik.Number(), "once"+bulk, "Idempotency-Key", "once")
	if err := discreet(once); err != nil || !slices.Contains([]int{http.StatusConflict, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, once.Status) {
		t.Errorf("/send answers %d %s, %v", once.Status, once.Body, err)
	}
	tells()
	h.comes(1, session.DisconnectedRecoverable, session.CauseStoreUnavailable)
	if queued := ana.Devices()[0].Queued; queued == 0 {
		t.Error("what could not be kept was acknowledged")
	}
	before := [2]int64{v1.accept.Load(), compatible.accept.Load()}
	end()
	apptest.Until(t, "messages are accepted again", func() bool { return v1.accept.Load() > before[0]+1 && compatible.accept.Load() > before[1]+1 })
	tells()
	h.Send(1, erik.Number(), "once"+bulk, "Idempotency-Key", "once").Is(200)
	close(stop)
	callers.Wait()

	h.wantAll(bruno, v1.accepted())
	h.wantAll(carla, compatible.accepted())
	h.wantAll(erik, []string{"once"})
	if got := firstWords(texts(t, h.Logged(t, "1", events.TypeMessage, len(told)))); !slices.Equal(got, told) {
		t.Errorf("came in: %q, want %q", got, told)
	}
	if bad := h.Logged(t, "1", events.TypeUndecryptable, 0); len(bad) != 0 {
		t.Errorf("%d could not be decrypted", len(bad))
	}
	h.noneFailed()
	wantClean(t, server)
	t.Logf("%d and %d messages left, refused %d and %d times", v1.accept.Load(), compatible.accept.Load(), v1.refuse.Load(), compatible.refuse.Load())
}

// wantAll checks that a phone has received exactly these texts, in this order and each once.
func (h *house) wantAll(phone *sandbox.Phone, want []string) {
	h.t.Helper()
	apptest.Until(h.t, "everything has arrived", func() bool { return len(received(phone)) >= len(want) })
	if got := firstWords(received(phone)); !slices.Equal(got, want) {
		h.t.Errorf("the phone has\n%q, want\n%q", got, want)
	}
}

// noneFailed waits until no message of session 1 is queued or sending, and checks that none has failed.
func (h *house) noneFailed() {
	h.t.Helper()
	count := func(states string) int {
		items, _ := h.v1("GET", "/1/messages?state="+states, "").Is(200).Fields["items"].([]any)
		return len(items)
	}
	apptest.Until(h.t, "everything is settled", func() bool { return count("queued,sending") == 0 })
	if n := count("failed"); n != 0 {
		h.t.Errorf("%d messages failed", n)
	}
}

// discreet returns an error if a refusal shows internal details.
func discreet(a apptest.Answer) error {
	for _, secret := range []string{"SQL", "sql", "127.0.0.1", "wasup.db", "PRAGMA", "xxxx"} {
		if strings.Contains(string(a.Body), secret) {
			return fmt.Errorf("%s answers %d with %q in it: %s", a.What, a.Status, secret, a.Body)
		}
	}
	return nil
}

// silence makes the database refuse incoming messages, and nothing else, until end is called.
func (h *house) silence() (end func()) {
	h.t.Helper()
	db := connect(h.t, h.cfg.Store.DSN)
	run := func(query string) {
		if _, err := db.ExecContext(apptest.Bounded(h.t), query); err != nil {
			h.t.Error(err)
		}
	}
	run(`CREATE TRIGGER silence BEFORE INSERT ON wasup_event WHEN new.type='message.received' BEGIN SELECT RAISE(ABORT, 'silence'); END`)
	return func() { run("DROP TRIGGER silence") }
}

func TestNoMessageFailsBecauseWhatComesInCannotBeKept(t *testing.T) {
	// With MaxAttempts 1, an attempt that ends without an answer would fail the message.
	h := newHouse(t, func(cfg *configs.Config) { cfg.Send.MaxAttempts = 1 })
	ana := h.linked(1)
	bruno, carla := h.phone(phones.ScriptRead), h.phone(phones.ScriptRead)
	end := h.silence()
	if _, err := carla.SendText(apptest.Bounded(t), ana.Number(), "hello"); err != nil {
		t.Fatal(err)
	}
	var want []string
	for n := range 10 {
		for range 3 {
			want = append(want, fmt.Sprint("text", len(want)))
			h.queue(bruno, want[len(want)-1])
		}
		if n < 5 { // each new run gets the same incoming message again
			h.comes(1, session.DisconnectedRecoverable, session.CauseStoreUnavailable)
		}
	}
	end()
	h.wantAll(bruno, want)
	if got := texts(t, h.Logged(t, "1", events.TypeMessage, 1)); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("came in: %q", got)
	}
	h.noneFailed()
	wantClean(t, h.server)
}

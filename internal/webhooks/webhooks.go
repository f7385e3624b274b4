package webhooks

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"wasup/internal/egress"
	"wasup/internal/session"
)

// Options configures the deliveries. The zero value of a field means its default.
type Options struct {
	Timeout    time.Duration // of one attempt; default 10 s
	RetryMin   time.Duration // pause before the second attempt; doubles with each failed attempt; default 5 s
	RetryMax   time.Duration // the longest pause between two attempts; default 15 min
	RetryFor   time.Duration // from an event's first failure until it is given up; default 24 h
	KeepDead   time.Duration // how long dead letters are kept; default 30 days
	KeepSecret time.Duration // how long a replaced secret also signs; default 24 h

	// Requests is the maximum number of concurrent requests to healthy receivers. Slow or failing receivers together
	// have another pool of the same size. Default 128.
	Requests int
	// PerWebhook is the maximum number of concurrent requests to one receiver, each for another session. Default 8.
	PerWebhook int
	// Max is the maximum number of webhooks, and PerSession that of one session's webhooks. Default 1000 and 20.
	Max        int
	PerSession int
	// AllowPrivate lets webhooks reach private, local and other special networks.
	AllowPrivate bool
	// AllowLoopback lets webhooks reach this machine.
	AllowLoopback bool

	Version  string // of the program, for the User-Agent
	Log      *slog.Logger
	Observer Observer
	Now      func() time.Time
}

func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.RetryMin = cmp.Or(o.RetryMin, 5*time.Second)
	o.RetryMax = max(cmp.Or(o.RetryMax, 15*time.Minute), o.RetryMin)
	o.RetryFor = cmp.Or(o.RetryFor, 24*time.Hour)
	o.KeepDead = cmp.Or(o.KeepDead, 30*24*time.Hour)
	o.KeepSecret = cmp.Or(o.KeepSecret, 24*time.Hour)
	o.Requests = cmp.Or(o.Requests, 128)
	o.PerWebhook = cmp.Or(o.PerWebhook, 8)
	o.Max = cmp.Or(o.Max, 1000)
	o.PerSession = cmp.Or(o.PerSession, 20)
	o.Version = cmp.Or(o.Version, "dev")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Tables is the database: webhooks, cursors, attempts and dead letters, and the log to read.
type Tables interface {
	Registry
	Cursors
	Attempts
	Log
}

// Webhooks delivers events of the log. Its methods are safe for concurrent use; errors carry a session.Code.
type Webhooks struct {
	opts   Options
	store  Tables
	guard  egress.Guard
	sender *sender
	notes  *notes
	close  func() // closes idle connections

	all     atomic.Pointer[map[string]*Webhook] // the stored webhooks; the map is replaced, never changed
	changes sync.Mutex                          // held during a change of the registry
	tests   chan struct{}                       // holds one element for each test that runs

	growth   Growth
	inbox    chan func(*loop)
	life     context.Context // of all goroutines
	end      context.CancelFunc
	drain    atomic.Bool    // no further attempt begins
	draining chan struct{}  // closed when drain becomes true
	work     sync.WaitGroup // the loop and the goroutines that it started
	// starting makes sure that no goroutine joins work after Stop has begun to wait for it.
	starting sync.Mutex
	started  atomic.Bool
	ended    chan struct{} // closed when the loop has ended
	figures  figures
}

// New makes a Webhooks. It delivers nothing before Start.
func New(store Tables, growth Growth, opts Options) *Webhooks {
	opts = opts.withDefaults()
	w := &Webhooks{
		opts: opts, store: store, guard: egress.NewGuard(opts.AllowPrivate).WithLoopback(opts.AllowLoopback),
		tests: make(chan struct{}, maxTests), growth: growth, draining: make(chan struct{}), inbox: make(chan func(*loop)), ended: make(chan struct{}),
	}
	client, transport := newClient(w.guard, opts.PerWebhook, opts.Timeout)
	w.close = transport.CloseIdleConnections
	w.sender = &sender{client: client, timeout: opts.Timeout, userAgent: "wasup/" + opts.Version + " (webhooks)", now: opts.Now}
	w.notes = newNotes(w)
	w.life, w.end = context.WithCancel(context.Background())
	w.all.Store(&map[string]*Webhook{})
	return w
}

// Start reads the registry and begins to deliver. CodeShuttingDown after Stop.
func (w *Webhooks) Start(ctx context.Context) error {
	if err := w.store.Tidy(ctx); err != nil {
		return err
	}
	list, err := w.store.List(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]*Webhook, len(list))
	for i := range list {
		known[list[i].ID] = &list[i]
	}
	w.all.Store(&known)
	w.started.Store(true)
	running := w.spawn(func() {
		defer close(w.ended)
		newLoop(w, list).run()
	})
	if !running {
		w.started.Store(false)
		return &session.Error{Code: session.CodeShuttingDown, Op: "start webhooks"}
	}
	return nil
}

// spawn runs do in a goroutine that Stop waits for. It returns false after Stop.
func (w *Webhooks) spawn(do func()) bool {
	w.starting.Lock()
	defer w.starting.Unlock()
	if w.drain.Load() {
		return false
	}
	w.work.Go(do)
	return true
}

// drainGrace is the time that running requests have left after Stop. A request that is cancelled then is sent again
// after the next start.
const drainGrace = 3 * time.Second

// Stop ends the deliveries. No further attempt begins. Running ones may end within drainGrace and ctx, and are
// cancelled then. It is idempotent and legal before Start.
func (w *Webhooks) Stop(ctx context.Context) error {
	w.starting.Lock()
	if !w.drain.Swap(true) {
		close(w.draining)
	}
	w.starting.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.work.Wait()
	}()
	grace := time.NewTimer(drainGrace)
	defer grace.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-grace.C:
	}
	w.end()
	<-done // end has cancelled the context of every request and statement
	w.close()
	return nil
}

// post lets the loop call a function. It returns false if the loop has ended.
func (w *Webhooks) post(do func(*loop)) bool {
	if !w.started.Load() {
		return false
	}
	select {
	case w.inbox <- do:
		return true
	case <-w.ended:
		return false
	case <-w.life.Done(): // also if no loop ever ran
		return false
	}
}

// postAndWait lets the loop call a function, and waits for it. It returns false if the loop has ended.
func (w *Webhooks) postAndWait(do func(*loop)) bool {
	done := make(chan struct{})
	if !w.post(func(l *loop) { do(l); close(done) }) {
		return false
	}
	<-done
	return true
}

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

// Options tune the deliveries. The zero value of a field means its default.
type Options struct {
	Timeout    time.Duration // of one attempt; default 10 s
	RetryMin   time.Duration // before the second attempt, doubled with each one that fails; default 5 s
	RetryMax   time.Duration // the longest pause between two attempts; default 15 min
	RetryFor   time.Duration // from an event's first failure until it is given up; default 24 h
	KeepDead   time.Duration // how long dead letters are kept; default 30 days
	KeepSecret time.Duration // how long a secret goes on signing after it was replaced; default 24 h

	// Requests is how many requests to receivers that answer well run at the same time, and how many to all others.
	// Default 128.
	Requests int
	// PerWebhook is how many requests to one receiver run at the same time, each for another session. Default 8.
	PerWebhook int
	// Max is how many webhooks there may be, and PerSession how many of one session. Default 1000 and 20.
	Max        int
	PerSession int
	// AllowPrivate lets webhooks reach private, local and other special networks.
	AllowPrivate bool

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

// Tables is where webhooks, cursors and dead letters are kept, and where the log is read.
type Tables interface {
	Registry
	Cursors
	Attempts
	Log
}

// Webhooks delivers the log. Its methods are safe for concurrent use; errors carry a session.Code.
type Webhooks struct {
	opts   Options
	store  Tables
	guard  egress.Guard
	sender *sender
	notes  *notes
	close  func() // idle connections

	all     atomic.Pointer[map[string]*Webhook] // as they are stored; replaced as a whole
	changes sync.Mutex                          // one change of the registry at a time
	tests   chan struct{}                       // as many tests run at the same time as it has room for

	growth   Growth
	inbox    chan func(*loop)
	life     context.Context // of everything that delivers
	end      context.CancelFunc
	drain    atomic.Bool    // no attempt begins any more
	draining chan struct{}  // is closed with it
	work     sync.WaitGroup // the loop and what it started
	// starting guards work against a Wait that has begun.
	starting sync.Mutex
	started  atomic.Bool
	ended    chan struct{} // the loop has
	figures  figures
}

// New makes webhooks that deliver nothing until Start.
func New(store Tables, growth Growth, opts Options) *Webhooks {
	opts = opts.withDefaults()
	w := &Webhooks{
		opts: opts, store: store, guard: egress.NewGuard(opts.AllowPrivate),
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

// Start reads the registry and begins to deliver what is due. After Stop it is CodeShuttingDown.
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

// spawn runs something that Stop waits for; false once Stop was called.
func (w *Webhooks) spawn(do func()) bool {
	w.starting.Lock()
	defer w.starting.Unlock()
	if w.drain.Load() {
		return false
	}
	w.work.Go(do)
	return true
}

// drainGrace is how long requests that run may take at the end. One that is cut off is sent again after the next start.
const drainGrace = 3 * time.Second

// Stop ends the deliveries: no attempt begins any more, and those that run may end within ctx and a few seconds. It is
// idempotent and legal before Start.
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
	<-done // every request and statement has the context that has just ended
	w.close()
	return nil
}

// tell hands the loop something to do. It is false once the loop has ended.
func (w *Webhooks) tell(do func(*loop)) bool {
	if !w.started.Load() {
		return false
	}
	select {
	case w.inbox <- do:
		return true
	case <-w.ended:
		return false
	case <-w.life.Done(): // also where no loop ever ran
		return false
	}
}

// ask is tell, answered.
func (w *Webhooks) ask(do func(*loop)) bool {
	done := make(chan struct{})
	if !w.tell(func(l *loop) { do(l); close(done) }) {
		return false
	}
	<-done
	return true
}

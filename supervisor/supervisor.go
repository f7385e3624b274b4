package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/actors"
	"wasup/session"
)

// Store is the part of the database that the supervisor needs.
type Store interface {
	// SetDesired writes what people want of a session, making its row if there is none, and answers the row.
	SetDesired(ctx context.Context, id session.ID, desired session.Desired) (session.Record, error)
	// List gives every stored session.
	List(ctx context.Context) ([]session.Record, error)
	actors.Records
}

// Observer is told what happens. Its methods must not block.
type Observer interface {
	actors.Observer
	SessionRestarted(cause session.Cause)
	DeadLetter()
	RestoreAdvanced(wanted, ready int)
}

// Config is what a Supervisor is made of. Every field is needed.
type Config struct {
	Dialer   session.Dialer
	Store    Store
	Observer Observer
	Policy   session.Policy
	Log      *slog.Logger

	Restarts int           // supervised restarts of one session within Window before it is quarantined
	Window   time.Duration // of the restart intensity

	MaxWaiters      int           // callers that may wait for one session's code
	MaxWaitersTotal int           // the same over all sessions
	MaxSends        int           // sends in flight for one session, waiting ones included
	SendTimeout     time.Duration // from handing a message to WhatsApp to its acknowledgement
	SaveTimeout     time.Duration // for one write of a session's record

	BootRate   float64       // sessions a second that connect when the process starts
	BootJitter time.Duration // at most this is added to each one's turn
}

// Supervisor supervises all sessions of the process.
type Supervisor struct {
	cfg  Config
	env  *actors.Env
	root *actor.PID
	done chan struct{} // closed once the root actor and so all sessions have stopped

	entries  sync.Map // session.ID -> *entry
	draining atomic.Bool
	waiting  atomic.Int64
	boot     boot
	stop     sync.Once
}

// New makes a supervisor without sessions. Boot brings the stored ones back.
func New(cfg Config) *Supervisor {
	system := actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		actor.WithDeadLetterRequestLogging(false),
	))
	s := &Supervisor{cfg: cfg, done: make(chan struct{})}
	s.env = &actors.Env{
		System: system, Dialer: cfg.Dialer, Records: cfg.Store, Observer: &watcher{Observer: cfg.Observer, of: s},
		Policy: &s.cfg.Policy, Log: cfg.Log, MaxWaiters: cfg.MaxWaiters, MaxSends: cfg.MaxSends,
		SendTimeout: cfg.SendTimeout, SaveTimeout: cfg.SaveTimeout,
	}
	system.EventStream.Subscribe(func(event any) {
		if letter, ok := event.(*actor.DeadLetterEvent); ok {
			cfg.Observer.DeadLetter()
			s.env.Lost(letter.Message)
		}
	})
	s.root = system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return &root{of: s, children: make(map[string]*entry)} }))
	return s
}

// Status is the last snapshot of a session; false where no session has this id. It takes no lock that sessions share
// and never starts anything.
func (s *Supervisor) Status(id session.ID) (session.Status, bool) {
	e, ok := s.entry(id)
	if !ok {
		return session.Status{ID: id, State: session.NotInitialized, Cause: session.CauseNone, MaxAttempts: s.cfg.Policy.MaxAttempts}, false
	}
	return e.core.Status(), true
}

// List gives a snapshot of every session, by id.
func (s *Supervisor) List() []session.Status {
	var all []session.Status
	s.entries.Range(func(_, v any) bool {
		all = append(all, v.(*entry).core.Status())
		return true
	})
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}

// Watch tells a session that somebody reads its code, which keeps a pairing attended. It starts nothing.
func (s *Supervisor) Watch(id session.ID) {
	if e, ok := s.entry(id); ok && e.core.Status().State == session.QRRequired {
		if h := e.handle.Load(); h != nil {
			s.env.System.Root.Send(h.pid, actors.Tell{Input: session.Input{Kind: session.QRWatched}})
		}
	}
}

// RequestQR starts the session if it rests and waits until a code is valid, the session is READY, it failed, or ctx
// ends, which is OutcomeTimeout. It always answers with an outcome.
func (s *Supervisor) RequestQR(ctx context.Context, id session.ID) session.QRAnswer {
	if s.waiting.Add(1) > int64(s.cfg.MaxWaitersTotal) {
		s.waiting.Add(-1)
		return s.outcome(id, session.OutcomeTooMany)
	}
	defer s.waiting.Add(-1)
	answer, err := s.requestQR(ctx, id)
	switch {
	case err == nil:
		return answer
	case session.CodeOf(err) == session.CodeTimeout:
		return s.outcome(id, session.OutcomeTimeout)
	case session.CodeOf(err) == session.CodeShuttingDown:
		return s.outcome(id, session.OutcomeShuttingDown)
	default:
		s.cfg.Log.Error("a request for a code failed", "session", id, "op", "request qr", "code", session.CodeOf(err), "err", err)
		return s.outcome(id, session.OutcomeError)
	}
}

func (s *Supervisor) requestQR(ctx context.Context, id session.ID) (session.QRAnswer, error) {
	e, err := s.want(ctx, id, session.DesiredRun)
	if err != nil {
		return session.QRAnswer{}, err
	}
	return ask[session.QRAnswer](ctx, s, e, actors.RequestQR{}, func(h *handle) func(*actor.PID) {
		return func(asker *actor.PID) { s.env.System.Root.Send(h.pid, actors.ForgetWaiter{Asker: asker}) }
	})
}

func (s *Supervisor) outcome(id session.ID, outcome session.QROutcome) session.QRAnswer {
	status, _ := s.Status(id)
	return session.QRAnswer{Outcome: outcome, State: status.State, Cause: status.Cause}
}

// Start makes a session run. already reports that it ran, or waited for something that a start does not change.
func (s *Supervisor) Start(ctx context.Context, id session.ID) (status session.Status, already bool, err error) {
	told, err := s.tell(ctx, id, session.DesiredRun, session.Started)
	return told.Status, told.Before == told.Status.State, err
}

// Restart drops whatever a session does and begins again, from every state.
func (s *Supervisor) Restart(ctx context.Context, id session.ID) (session.Status, error) {
	told, err := s.tell(ctx, id, session.DesiredRun, session.Restarted)
	return told.Status, err
}

// StopSession stops a session; its credentials stay.
func (s *Supervisor) StopSession(ctx context.Context, id session.ID) (session.Status, error) {
	told, err := s.tell(ctx, id, session.DesiredStop, session.Stopped)
	return told.Status, err
}

// Logout unlinks the session's device and deletes its credentials. The slot stays.
func (s *Supervisor) Logout(ctx context.Context, id session.ID) (session.Status, error) {
	told, err := s.tell(ctx, id, session.DesiredStop, session.LogoutDue)
	return told.Status, err
}

// tell stores what people want before the session hears of it, so that it holds across a crash right after the answer.
func (s *Supervisor) tell(ctx context.Context, id session.ID, desired session.Desired, verb session.InputKind) (actors.Told, error) {
	e, err := s.want(ctx, id, desired)
	if err != nil {
		return actors.Told{}, err
	}
	return ask[actors.Told](ctx, s, e, actors.Tell{Input: session.Input{Kind: verb}}, nil)
}

// Send gives a message to a READY session and waits for WhatsApp's acknowledgement. It starts nothing.
func (s *Supervisor) Send(ctx context.Context, id session.ID, text session.Text) (session.Ack, error) {
	if s.draining.Load() {
		return session.Ack{}, shuttingDown(id)
	}
	e, ok := s.entry(id)
	if status, _ := s.Status(id); !ok || status.State != session.Ready {
		s.cfg.Observer.SendFailed(session.CodeNotReady)
		return session.Ack{}, actors.NotReady(id, status.State)
	}
	sent, err := ask[actors.Sent](ctx, s, e, actors.SendText{Text: text}, nil)
	if err != nil {
		return session.Ack{}, err
	}
	return sent.Ack, sent.Err
}

// want stores what people want of a session and makes its entry.
func (s *Supervisor) want(ctx context.Context, id session.ID, desired session.Desired) (*entry, error) {
	if s.draining.Load() {
		return nil, shuttingDown(id)
	}
	if e, ok := s.entry(id); ok && e.core.Status().Desired == desired {
		return e, nil
	}
	record, err := s.cfg.Store.SetDesired(ctx, id, desired)
	if err != nil {
		return nil, fmt.Errorf("store what session %s should do: %w", id, err)
	}
	return s.enter(record), nil
}

// enter makes the entry of a stored session, once.
func (s *Supervisor) enter(record session.Record) *entry {
	e := &entry{id: record.ID, core: actors.NewCore(s.env, record, rand.Uint64(), time.Now())}
	if existing, loaded := s.entries.LoadOrStore(record.ID, e); loaded {
		return existing.(*entry)
	}
	status := e.core.Status()
	s.cfg.Observer.SessionChanged(e.id, status.State, status.Cause)
	return e
}

func (s *Supervisor) entry(id session.ID) (*entry, bool) {
	v, ok := s.entries.Load(id)
	if !ok {
		return nil, false
	}
	return v.(*entry), true
}

// ask reaches a session's actor, spawning it first if it does not run, and asks again where it stopped before it
// answered: a request for a session survives the session's quarantine.
func ask[R any](ctx context.Context, s *Supervisor, e *entry, message any, onEnd func(*handle) func(*actor.PID)) (R, error) {
	var zero R
	for {
		h, err := s.running(ctx, e)
		if err != nil {
			return zero, err
		}
		var end func(*actor.PID)
		if onEnd != nil {
			end = onEnd(h)
		}
		answer, err := actors.Ask[R](ctx, s.env.System, h.pid, message, h.gone, end)
		switch {
		case err == nil:
			return answer, nil
		case s.draining.Load():
			return zero, shuttingDown(e.id)
		case errors.Is(err, actors.ErrGone):
			e.handle.CompareAndSwap(h, nil)
		case ctx.Err() != nil:
			return zero, &session.Error{Code: session.CodeTimeout, Op: "ask session", Session: e.id, Err: err}
		default:
			return zero, &session.Error{Code: session.CodeInternal, Op: "ask session", Session: e.id, Err: err}
		}
	}
}

// running is the actor of an entry, spawned by the root actor if there is none.
func (s *Supervisor) running(ctx context.Context, e *entry) (*handle, error) {
	if h := e.handle.Load(); h != nil {
		return h, nil
	}
	h, err := actors.Ask[*handle](ctx, s.env.System, s.root, ensure{e}, s.done, nil)
	switch {
	case err == nil && h != nil:
		return h, nil
	case s.draining.Load(), errors.Is(err, actors.ErrGone):
		return nil, shuttingDown(e.id)
	case ctx.Err() != nil:
		return nil, &session.Error{Code: session.CodeTimeout, Op: "spawn session", Session: e.id, Err: err}
	default:
		return nil, &session.Error{Code: session.CodeInternal, Op: "spawn session", Session: e.id, Err: err}
	}
}

func shuttingDown(id session.ID) error {
	return &session.Error{Code: session.CodeShuttingDown, Op: "reach session", Session: id}
}

// Drain refuses new requests from now on and answers those that wait for a code. Sessions stay up until Stop, so that
// sends that have begun can end.
func (s *Supervisor) Drain() {
	s.draining.Store(true)
	s.entries.Range(func(_, v any) bool {
		if h := v.(*entry).handle.Load(); h != nil {
			s.env.System.Root.Send(h.pid, actors.Dismiss{})
		}
		return true
	})
}

// Stop stops every session, closes their sockets and waits for all of it. When ctx ends first, the error names the
// sessions that did not stop. Stop is idempotent.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.Drain()
	s.stop.Do(func() { s.env.System.Root.Stop(s.root) })
	tasks := make(chan struct{})
	go func() {
		<-s.done
		s.env.Tasks.Wait()
		close(tasks)
	}()
	select {
	case <-tasks:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("sessions did not stop in time: %s: %w", strings.Join(s.unstopped(), ", "), ctx.Err())
	}
}

func (s *Supervisor) unstopped() []string {
	var names []string
	s.entries.Range(func(_, v any) bool {
		if e := v.(*entry); !e.core.Idle() {
			names = append(names, string(e.id))
		}
		return true
	})
	sort.Strings(names)
	return names
}

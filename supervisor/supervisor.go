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
	"wasup/internal/session"
)

// SessionStore is the part of the database that the supervisor needs.
type SessionStore interface {
	// SetDesired writes what people want of a session, making its row if there is none, and answers the row.
	SetDesired(ctx context.Context, id session.ID, desired session.Desired) (session.Record, error)
	// Create makes a session's row; CodeExists where there is one.
	Create(ctx context.Context, id session.ID, desired session.Desired, settings session.Settings) (session.Record, error)
	// SaveSettings replaces the settings; CodeNotFound where there is no row.
	SaveSettings(ctx context.Context, id session.ID, settings session.Settings) (session.Record, error)
	// Delete removes the row with everything that belongs to it. Deleting what is not there is no error.
	Delete(ctx context.Context, id session.ID) error
	// List gives every stored session.
	List(ctx context.Context) ([]session.Record, error)
	actors.Records
}

// Observer counts what happens. Its methods must not block.
type Observer interface {
	// VerbDone tells a verb that a session's client has carried out, or that was refused; code is "" where it succeeded.
	VerbDone(verb string, code session.Code, took time.Duration)
	SessionRestarted(cause session.Cause)
	DeadLetter()
	RestoreAdvanced(wanted, ready int)
}

// Follower is told what becomes of sessions, by several of them at the same time. Its methods must not block. A panic
// in SessionChanged is taken for a bug of the session that told it.
type Follower interface {
	// SessionChanged tells a session that is known from now on, and each of its changes of state.
	SessionChanged(id session.ID, state session.State, cause session.Cause)
	// SessionRemoved tells a session that nothing finds any more. What is stored of it may still be there.
	SessionRemoved(id session.ID)
}

// Snapshots is told every snapshot of a session that may differ from the last one, and its removal. It must not block and
// must not panic.
type Snapshots interface {
	actors.Snapshots
	Remove(id session.ID)
}

// Config is what a Supervisor is made of. Every field is needed.
type Config struct {
	Dialer   session.Dialer
	Store    SessionStore
	Observer Observer
	// Followers are told in their order.
	Followers []Follower
	Snapshots Snapshots // nil: nobody reads snapshots
	// Erased is told after everything that was stored of a session has been deleted. It may wait; nil: nobody is told.
	Erased func(id session.ID)
	// Refresher is asked when WhatsApp refuses the client version; nil: the version stays what it is.
	Refresher Refresher
	Policy    session.Policy
	Log       *slog.Logger

	Restarts int           // supervised restarts of one session within Window before it is quarantined
	Window   time.Duration // of the restart intensity

	MaxWaiters      int           // callers that may wait for one session's code
	MaxWaitersTotal int           // the same over all sessions
	SendTimeout     time.Duration // from handing a message to WhatsApp to its acknowledgement
	SaveTimeout     time.Duration // for one write of a session's record

	Connecting int               // client runs that connect at the same time, apart for linked and unlinked ones; 0: no bound
	Prepare    func(code string) // draws a code as soon as it is issued; nil: whoever asks draws it

	BootRate   float64       // sessions a second that connect when the process starts
	BootJitter time.Duration // at most this is added to each one's turn
}

// Supervisor supervises all sessions of the process.
type Supervisor struct {
	cfg     Config
	env     *actors.Env
	root    *actor.PID
	breaker *breaker
	stopped chan struct{} // closed once the root actor and so all sessions have stopped
	done    chan struct{} // closed once what they had left to do is done too

	entries sync.Map // session.ID -> *entry
	desires desires
	undone  sync.Map // session.ID: deleted, but what is stored of it could not be removed yet
	waiting atomic.Int64
	boot    *restoring

	followers followers
	drain     sync.Once
	stop      sync.Once
}

// New makes a supervisor without sessions. Boot brings the stored ones back.
func New(cfg Config) *Supervisor {
	system := actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		actor.WithDeadLetterRequestLogging(false),
		// The throttle of a log that goes nowhere: its goroutine would outlive Stop by this long.
		actor.WithDeadLetterThrottleInterval(time.Millisecond),
	))
	s := &Supervisor{cfg: cfg, boot: &restoring{observer: cfg.Observer}, followers: cfg.Followers, breaker: newBreaker(cfg), stopped: make(chan struct{}), done: make(chan struct{})}
	s.breaker.release, s.breaker.pick = s.released, s.eager
	s.env = &actors.Env{
		System: system, Records: cfg.Store, Observer: &watcher{Observer: cfg.Observer, of: s},
		Policy: &s.cfg.Policy, Log: cfg.Log, MaxWaiters: cfg.MaxWaiters,
		SaveTimeout: cfg.SaveTimeout,
	}
	if cfg.Snapshots != nil {
		s.env.Snapshots = cfg.Snapshots // and no interface that holds a nil
	}
	// A session that waits for a place has not tried yet: the breaker is behind the pacer.
	s.env.Dialer = newPacer(s.breaker, cfg.Connecting, cfg.Prepare, &s.env.Tasks)
	system.EventStream.Subscribe(func(event any) {
		if letter, ok := event.(*actor.DeadLetterEvent); ok {
			cfg.Observer.DeadLetter()
			s.env.Lost(letter.Message)
		}
	})
	s.root = system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return &root{of: s, children: make(map[string]*handle)} }))
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

// Ready says whether a session could send now. It does not block.
func (s *Supervisor) Ready(id session.ID) bool {
	status, _ := s.Status(id)
	return status.CanSend()
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
	switch code := session.CodeOf(err); {
	case err == nil:
		return answer
	case code == session.CodeShuttingDown:
		return s.outcome(id, session.OutcomeShuttingDown)
	case code == session.CodeTimeout, ctx.Err() != nil:
		return s.outcome(id, session.OutcomeTimeout)
	default:
		s.cfg.Log.Error("a request for a code failed", "session", id, "op", "request qr", "code", code, "err", err)
		return s.outcome(id, session.OutcomeError)
	}
}

func (s *Supervisor) requestQR(ctx context.Context, id session.ID) (session.QRAnswer, error) {
	e, order, err := s.setDesired(ctx, id, session.DesiredRun)
	if err != nil {
		return session.QRAnswer{}, err
	}
	return ask[session.QRAnswer](ctx, s, e, actors.RequestQR{Order: order})
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
	e, order, err := s.setDesired(ctx, id, desired)
	if err != nil {
		return actors.Told{}, err
	}
	told, err := ask[actors.Told](ctx, s, e, actors.Tell{Input: session.Input{Kind: verb}, Order: order})
	if err == nil {
		err = told.Err
	}
	return told, err
}

// forget withdraws a question when its asker is gone.
func (s *Supervisor) forget(h *handle) func(*actor.PID) {
	return func(asker *actor.PID) { s.env.System.Root.Send(h.pid, actors.Forget{Asker: asker}) }
}

// enter makes the entry of a stored session, once.
func (s *Supervisor) enter(record session.Record) *entry {
	e := &entry{id: record.ID, core: actors.NewCore(s.env, record, rand.Uint64(), time.Now())}
	if existing, loaded := s.entries.LoadOrStore(record.ID, e); loaded {
		return existing.(*entry)
	}
	status := e.core.Status()
	s.followers.changed(e.id, status.State, status.Cause)
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
func ask[R any](ctx context.Context, s *Supervisor, e *entry, message any) (R, error) {
	var zero R
	for {
		h, err := s.running(ctx, e)
		if err != nil {
			return zero, err
		}
		answer, err := actors.Ask[R](ctx, s.env.System, h.pid, message, h.gone, s.forget(h))
		switch {
		case err == nil:
			return answer, nil
		case !errors.Is(err, actors.ErrGone):
			return zero, unanswered(ctx, "ask session", e.id, err)
		}
		// The actor answers no more, but may still be at its last message. Only the root knows when the next one may
		// take over what the session keeps across its actors.
		select {
		case <-h.gone:
		case <-ctx.Done():
			return zero, unanswered(ctx, "ask session", e.id, ctx.Err())
		}
	}
}

// running is the actor of an entry, spawned by the root actor if there is none.
func (s *Supervisor) running(ctx context.Context, e *entry) (*handle, error) {
	if h := e.handle.Load(); h != nil {
		return h, nil
	}
	answer, err := actors.Ask[spawned](ctx, s.env.System, s.root, ensure{e}, s.stopped, nil)
	switch {
	case err == nil && answer.handle != nil:
		return answer.handle, nil
	case err == nil && e.gone.Load():
		return nil, notFound(e.id)
	case err == nil, errors.Is(err, actors.ErrGone):
		return nil, shuttingDown(e.id)
	default:
		return nil, unanswered(ctx, "spawn session", e.id, err)
	}
}

func unanswered(ctx context.Context, op string, id session.ID, err error) error {
	if ctx.Err() != nil {
		return &session.Error{Code: session.CodeTimeout, Op: op, Session: id, Err: err}
	}
	return &session.Error{Code: session.CodeInternal, Op: op, Session: id, Err: err}
}

func shuttingDown(id session.ID) error {
	return &session.Error{Code: session.CodeShuttingDown, Op: "reach session", Session: id}
}

// Drain refuses new requests from now on, answers those who wait for a code, and restarts nothing any more.
func (s *Supervisor) Drain() {
	s.drain.Do(func() {
		s.env.Draining.Store(true)
		s.entries.Range(func(_, v any) bool {
			if h := v.(*entry).handle.Load(); h != nil {
				s.env.System.Root.Send(h.pid, actors.Dismiss{})
			}
			return true
		})
	})
}

// Stop stops every session, closes their sockets and waits for all of it. When ctx ends first, the error names the
// sessions that did not stop. Stop is idempotent; a later call waits on.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.Drain()
	s.stop.Do(func() {
		s.env.System.Root.Stop(s.root)
		go s.finish()
	})
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("sessions did not stop in time: %s: %w", strings.Join(s.unstopped(), ", "), ctx.Err())
	}
}

// finish waits for what the sessions leave behind. Nothing starts a task of a session any more once it has stopped and
// was told to finish, so that waiting cannot race with counting.
func (s *Supervisor) finish() {
	<-s.stopped
	s.breaker.close()
	s.entries.Range(func(_, v any) bool {
		v.(*entry).core.Finish()
		return true
	})
	s.env.Tasks.Wait()
	close(s.done)
}

func (s *Supervisor) unstopped() []string {
	var names []string
	s.entries.Range(func(_, v any) bool {
		if e := v.(*entry); e.handle.Load() != nil || !e.core.Idle() {
			names = append(names, string(e.id))
		}
		return true
	})
	sort.Strings(names)
	return names
}

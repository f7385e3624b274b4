package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
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
	// SetDesired writes the desired state of a session and returns its row. It makes the row if there is none.
	SetDesired(ctx context.Context, id session.ID, desired session.Desired) (session.Record, error)
	// Create makes a session's row. The error has CodeExists if there is one.
	Create(ctx context.Context, id session.ID, desired session.Desired, settings session.Settings) (session.Record, error)
	// SaveSettings replaces the settings. The error has CodeNotFound if there is no row.
	SaveSettings(ctx context.Context, id session.ID, settings session.Settings) (session.Record, error)
	// Delete deletes the row with everything that belongs to it. It is no error if there is no row.
	Delete(ctx context.Context, id session.ID) error
	// List returns every stored session.
	List(ctx context.Context) ([]session.Record, error)
	actors.Records
}

// Observer counts events for the metrics. Its methods must not block.
type Observer interface {
	// VerbDone reports a verb that a session's client has carried out, or that was refused. code is "" if it succeeded.
	VerbDone(verb string, code session.Code, took time.Duration)
	SessionRestarted(cause session.Cause)
	DeadLetter()
	RestoreAdvanced(wanted, ready int)
}

// Follower receives the changes of all sessions. Several sessions call its methods at the same time. The methods must
// not block. A panic in SessionChanged counts as a crash of the session that called it.
type Follower interface {
	// SessionChanged reports a new session and each change of state of a session.
	SessionChanged(id session.ID, state session.State, cause session.Cause)
	// SessionRemoved reports a session that was removed from the registry. Its stored data may still exist.
	SessionRemoved(id session.ID)
}

// Snapshots receives every snapshot of a session that may differ from the last one, and the removal of the session. It
// must not block and must not panic.
type Snapshots interface {
	actors.Snapshots
	Remove(id session.ID)
}

// Config holds the dependencies and the settings of a Supervisor. Every field is required unless its comment says what
// nil or 0 means.
type Config struct {
	Dialer   session.Dialer
	Store    SessionStore
	Observer Observer
	// Followers are called in this order.
	Followers []Follower
	Snapshots Snapshots // nil: nobody receives snapshots
	// Erased is called after everything that was stored of a session has been deleted. It may block; nil: not called.
	Erased func(id session.ID)
	// Refresher looks up the client version when WhatsApp refuses it; nil: the version never changes.
	Refresher Refresher
	// StoreFails reports whether the database takes no writes at the moment; no session connects by itself then. It must
	// not block; nil: it never fails.
	StoreFails func() bool
	Policy     session.Policy
	Log        *slog.Logger

	Restarts int           // restarts of one session within Window before a crash quarantines it
	Window   time.Duration // the time within which crashes are counted

	MaxWaiters      int           // how many callers may wait for one session's code
	MaxWaitersTotal int           // the same for all sessions together
	SendTimeout     time.Duration // from handing a message to WhatsApp to its acknowledgement
	SaveTimeout     time.Duration // for one write of a session's record
	ReadyWait       time.Duration // how long a verb waits for a session that is connecting again; 0: not at all

	Connecting int               // how many linked runs, and how many unlinked ones, connect at a time; 0: no bound
	Prepare    func(code string) // draws a code as soon as it is issued; nil: the first request draws it

	BootRate   float64       // how many sessions connect per second when the process starts; 0: no bound
	BootJitter time.Duration // the longest random delay of each of these connects
}

// Supervisor supervises all sessions of the process.
type Supervisor struct {
	*Door
	*Linking

	cfg     Config
	env     *actors.Env
	root    *actor.PID
	breaker *breaker
	stopped chan struct{} // closed when the root actor, and so all sessions, have stopped
	done    chan struct{} // closed when their last tasks have ended too

	entries   sync.Map // session.ID -> *entry
	desires   desires
	undeleted sync.Map // session.ID of removed sessions whose stored data is not deleted yet
	waiting   atomic.Int64
	boot      *restoring

	followers followers
	lobby     lobby
	drain     sync.Once
	stop      sync.Once
}

// New makes a supervisor without sessions. Boot restores the stored ones.
func New(cfg Config) *Supervisor {
	system := actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		actor.WithDeadLetterRequestLogging(false),
		// This throttles a log that is discarded. The throttle's goroutine outlives Stop by this interval, so it is
		// short.
		actor.WithDeadLetterThrottleInterval(time.Millisecond),
	))
	s := &Supervisor{cfg: cfg, boot: &restoring{observer: cfg.Observer}, breaker: newBreaker(cfg), stopped: make(chan struct{}), done: make(chan struct{})}
	s.Door, s.Linking = &Door{s}, &Linking{s}
	s.followers = append(slices.Clone(cfg.Followers), &s.lobby)
	s.breaker.release, s.breaker.pick = s.releaseHeld, s.pickProbe
	s.env = &actors.Env{
		System: system, Records: cfg.Store, Observer: &watcher{Observer: cfg.Observer, of: s},
		Policy: &s.cfg.Policy, Log: cfg.Log, MaxWaiters: cfg.MaxWaiters,
		SaveTimeout: cfg.SaveTimeout, StoreFails: cfg.StoreFails,
	}
	if cfg.Snapshots != nil {
		s.env.Snapshots = cfg.Snapshots // only then: an interface that holds a nil is not nil
	}
	// The pacer comes before the breaker, because a session that waits for a slot has not tried to connect yet.
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

// Status returns the last snapshot of a session, false if there is no session with this id. It takes no lock that
// sessions share, and starts nothing.
func (s *Supervisor) Status(id session.ID) (session.Status, bool) {
	e, ok := s.entry(id)
	if !ok {
		return session.Status{ID: id, State: session.NotInitialized, Cause: session.CauseNone, MaxAttempts: s.cfg.Policy.MaxAttempts}, false
	}
	return e.core.Status(), true
}

// Ready reports whether a session could send now. It does not block.
func (s *Supervisor) Ready(id session.ID) bool {
	status, _ := s.Status(id)
	return status.CanSend()
}

// List returns a snapshot of every session, sorted by id.
func (s *Supervisor) List() []session.Status {
	var all []session.Status
	s.entries.Range(func(_, v any) bool {
		all = append(all, v.(*entry).core.Status())
		return true
	})
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}

// Watch tells a session that somebody watches its code, which keeps the pairing attended. It starts nothing.
func (s *Supervisor) Watch(id session.ID) {
	if e, ok := s.entry(id); ok && e.core.Status().State == session.QRRequired {
		if h := e.handle.Load(); h != nil {
			s.env.System.Root.Send(h.pid, actors.Tell{Input: session.Input{Kind: session.QRWatched}})
		}
	}
}

// RequestQR starts the session if it does not run. It waits until a code is valid, the session is READY, or it has
// failed. If ctx ends first, the outcome is OutcomeTimeout. The answer always has an outcome.
func (s *Supervisor) RequestQR(ctx context.Context, id session.ID) session.QRAnswer {
	return s.awaitQR(ctx, id, false)
}

// awaitQR is RequestQR. If fresh is true, the codes of the run last as long as those of a new connection.
func (s *Supervisor) awaitQR(ctx context.Context, id session.ID, fresh bool) session.QRAnswer {
	if s.waiting.Add(1) > int64(s.cfg.MaxWaitersTotal) {
		s.waiting.Add(-1)
		return s.answerWith(id, session.OutcomeTooMany)
	}
	defer s.waiting.Add(-1)
	answer, err := s.requestQR(ctx, id, fresh)
	if answer.Cause == session.CauseClientOutdated {
		answer.RetryAfter = s.breaker.nextAsked()
	}
	switch code := session.CodeOf(err); {
	case err == nil:
		return answer
	case code == session.CodeShuttingDown:
		return s.answerWith(id, session.OutcomeShuttingDown)
	case code == session.CodeTimeout, ctx.Err() != nil:
		return s.answerWith(id, session.OutcomeTimeout)
	default:
		s.cfg.Log.Error("request for a code failed", "session", id, "op", "request qr", "code", code, "err", err)
		return s.answerWith(id, session.OutcomeError)
	}
}

func (s *Supervisor) requestQR(ctx context.Context, id session.ID, fresh bool) (session.QRAnswer, error) {
	e, order, err := s.setDesired(ctx, id, session.DesiredRun)
	if err != nil {
		return session.QRAnswer{}, err
	}
	return ask[session.QRAnswer](ctx, s, e, actors.RequestQR{Order: order, Fresh: fresh})
}

// answerWith returns an outcome with the session's current state and cause.
func (s *Supervisor) answerWith(id session.ID, outcome session.QROutcome) session.QRAnswer {
	status, _ := s.Status(id)
	return session.QRAnswer{Outcome: outcome, State: status.State, Cause: status.Cause, Reason: status.FailureReason()}
}

// Start starts a session. already reports that the start changed nothing: the session ran already, or waits for
// something that a start does not change.
func (s *Supervisor) Start(ctx context.Context, id session.ID) (status session.Status, already bool, err error) {
	told, err := s.change(ctx, id, session.DesiredRun, session.Started)
	return told.Status, told.Before == told.Status.State, err
}

// Restart ends whatever a session does and starts it again, in every state.
func (s *Supervisor) Restart(ctx context.Context, id session.ID) (session.Status, error) {
	told, err := s.change(ctx, id, session.DesiredRun, session.Restarted)
	return told.Status, err
}

// StopSession stops a session and keeps its credentials.
func (s *Supervisor) StopSession(ctx context.Context, id session.ID) (session.Status, error) {
	told, err := s.change(ctx, id, session.DesiredStop, session.Stopped)
	return told.Status, err
}

// Logout unlinks the session's device and deletes its credentials. The session stays. Status.Unlink says what is left to
// do: a device of a session that is not connected is unlinked in the background.
func (s *Supervisor) Logout(ctx context.Context, id session.ID) (session.Status, error) {
	told, err := s.change(ctx, id, session.DesiredStop, session.LogoutDue)
	if err != nil {
		return told.Status, err
	}
	if told.Before != session.Ready && told.Ended != nil {
		// Nothing but the database has to be waited for: after the answer, a crash of the process loses no unlinking.
		select {
		case <-told.Ended:
		case <-ctx.Done():
		}
	}
	if e, ok := s.entry(id); ok {
		told.Status.Unlink = e.core.Unlinking()
	}
	return told.Status, nil
}

// change stores the desired state and then sends the input to the session. The desired state is stored first, so that it
// holds even if the process crashes right after the answer.
func (s *Supervisor) change(ctx context.Context, id session.ID, desired session.Desired, verb session.InputKind) (actors.Told, error) {
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

// withdraw returns the onEnd function of Ask: it withdraws the question of an asker that has gone.
func (s *Supervisor) withdraw(h *handle) func(*actor.PID) {
	return func(asker *actor.PID) { s.env.System.Root.Send(h.pid, actors.Forget{Asker: asker}) }
}

// addEntry returns the entry of a stored session, and makes it if there is none.
func (s *Supervisor) addEntry(record session.Record) *entry {
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

// ask asks a session's actor and spawns the actor first if none runs. If the actor stops before it answers, ask asks the
// next actor: a request survives the quarantine of its session.
func ask[R any](ctx context.Context, s *Supervisor, e *entry, message any) (R, error) {
	var zero R
	for {
		h, err := s.running(ctx, e)
		if err != nil {
			return zero, err
		}
		answer, err := actors.Ask[R](ctx, s.env.System, h.pid, message, h.gone, s.withdraw(h))
		switch {
		case err == nil:
			return answer, nil
		case !errors.Is(err, actors.ErrGone):
			return zero, unanswered(ctx, "ask session", e.id, err)
		}
		// The actor answers no more, but may still handle its last message. The next actor may use the Core only after
		// this one has terminated, which closes h.gone.
		select {
		case <-h.gone:
		case <-ctx.Done():
			return zero, unanswered(ctx, "ask session", e.id, ctx.Err())
		}
	}
}

// running returns the actor of an entry. The root actor spawns one if none runs.
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

// unanswered returns CodeTimeout if ctx has ended, and CodeInternal otherwise.
func unanswered(ctx context.Context, op string, id session.ID, err error) error {
	if ctx.Err() != nil {
		return &session.Error{Code: session.CodeTimeout, Op: op, Session: id, Err: err}
	}
	return &session.Error{Code: session.CodeInternal, Op: op, Session: id, Err: err}
}

func shuttingDown(id session.ID) error {
	return &session.Error{Code: session.CodeShuttingDown, Op: "reach session", Session: id}
}

// Drain makes the supervisor refuse new requests and restart no session any more. It answers all callers that wait for a
// code.
func (s *Supervisor) Drain() {
	s.drain.Do(func() {
		s.env.Draining.Store(true)
		s.entries.Range(func(_, v any) bool {
			if h := v.(*entry).handle.Load(); h != nil {
				s.env.System.Root.Send(h.pid, actors.Dismiss{})
			}
			return true
		})
		s.lobby.wakeAll()
	})
}

// Stop stops every session, closes their sockets and waits until all have ended. If ctx ends first, the error names the
// sessions that did not stop. Stop is idempotent: a later call continues to wait.
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

// finish waits for the last tasks of the sessions. No task starts after a session has stopped and Finish was called, so
// waiting for the WaitGroup does not race with Add.
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

// unstopped returns the ids of the sessions that still run, sorted.
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

package actors

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/session"
)

// Records is where the observed half of a session is kept.
type Records interface {
	// SaveObserved writes what was seen: state, cause, times, account, last error. Never desired, never the device.
	SaveObserved(ctx context.Context, record session.Record) error
}

// Observer is told what happens. It is called on the actor's goroutine and must not block.
type Observer interface {
	SessionChanged(id session.ID, state session.State, cause session.Cause)
	SendAcked(took time.Duration)
	SendFailed(code session.Code)
}

// Env is what all session actors of a process share.
type Env struct {
	System   *actor.ActorSystem
	Dialer   session.Dialer
	Records  Records
	Observer Observer
	Policy   *session.Policy
	Log      *slog.Logger

	MaxWaiters  int           // callers that may wait for one session's code
	MaxSends    int           // sends that may be in flight for one session, waiting ones included
	SendTimeout time.Duration // from handing a message to the client to its acknowledgement
	SaveTimeout time.Duration // for one write of a record

	// Tasks counts the goroutines that sessions own, so that whoever stops the process can wait for them.
	Tasks sync.WaitGroup
	// InFlight counts messages that client runs posted and actors have not yet taken.
	InFlight atomic.Int64
}

// Lost takes back the count of a message that reached no actor.
func (e *Env) Lost(message any) {
	if _, ok := message.(posted); ok {
		e.InFlight.Add(-1)
	}
}

// Core is what of a session survives its restarts. The supervisor makes it and hands it to each incarnation of the
// actor; only the running incarnation touches it, and readers use Status.
type Core struct {
	id      session.ID
	env     *Env
	machine session.Machine
	record  session.Record
	desired session.Desired

	waiters map[string]*waiter
	crash   *session.Crash // why the last incarnation of the actor ended; nil if it did not crash
	closing chan struct{}  // closed once the last client run has ended; nil: none has run

	open      atomic.Int64 // client runs that have not ended
	restoring atomic.Bool
	condemned atomic.Pointer[session.Crash] // set by the supervisor: the coming stop is a quarantine
	restarts  atomic.Int64
	status    atomic.Pointer[session.Status]
}

// NewCore is the session of a stored record when the process starts.
func NewCore(env *Env, record session.Record, seed uint64, now time.Time) *Core {
	c := &Core{
		id: record.ID, env: env, machine: session.New(env.Policy, seed, record, now),
		record: record, desired: record.Desired, waiters: make(map[string]*waiter),
	}
	c.publish()
	return c
}

// Status is the last published snapshot. It takes no lock and may be called from anywhere.
func (c *Core) Status() session.Status { return *c.status.Load() }

// CountRestart notes a supervised restart.
func (c *Core) CountRestart() { c.restarts.Add(1) }

// Condemn says that the stop that follows is a quarantine, because of crash.
func (c *Core) Condemn(crash *session.Crash) { c.condemned.Store(crash) }

// Release lifts a quarantine, before the session is spawned again.
func (c *Core) Release() { c.condemned.Store(nil) }

// Quarantine steps the session into quarantine. The stopping actor does, and its supervisor makes sure of it once the
// actor has terminated.
func (c *Core) Quarantine(now time.Time, crash *session.Crash) session.Status {
	if c.machine.Cause() == session.CauseQuarantined {
		return c.Status()
	}
	c.machine, _ = c.machine.Step(now, session.Input{Kind: session.Quarantined, Detail: crash.Reason})
	c.crash = nil
	c.publish()
	c.env.Observer.SessionChanged(c.id, c.machine.State(), c.machine.Cause())
	return c.Status()
}

// Restoring says that the session is one of those brought back when the process starts.
func (c *Core) Restoring() { c.restoring.Store(true) }

// Restored reports, once, that the restore of this session has come to its end.
func (c *Core) Restored() bool { return c.restoring.CompareAndSwap(true, false) }

// Idle reports that no client run of the session is open or opening.
func (c *Core) Idle() bool { return c.open.Load() == 0 }

// RetryAt is when a quarantined session is due to be released by itself.
func (c *Core) RetryAt() time.Time { return c.machine.Timer().At }

// publish makes the snapshot that readers see.
func (c *Core) publish() {
	s := &session.Status{
		ID: c.id, Desired: c.desired, CreatedAt: c.record.CreatedAt, UpdatedAt: c.record.UpdatedAt,
		Restarts: int(c.restarts.Load()),
	}
	c.machine.Fill(s)
	if s.UpdatedAt.Before(s.Since) {
		s.UpdatedAt = s.Since
	}
	c.status.Store(s)
}

package actors

import (
	"log/slog"
	"sync/atomic"
	"time"

	"wasup/internal/session"
)

// Core is the part of a session that survives restarts of its actor. The supervisor makes it and hands it to each
// incarnation of the actor. Only the running incarnation uses the fields. All others use the methods.
type Core struct {
	id      session.ID
	env     *Env
	machine session.Machine
	record  session.Record
	desired session.Desired
	order   uint64 // the highest Tell.Order accepted so far

	waiters map[string]*waiter
	crash   *session.Crash // why the last incarnation of the actor ended; nil if it did not crash
	closing chan struct{}  // closed when the last client run has ended; nil: there was no run
	saver   saver

	tasks           atomic.Int64 // running goroutines of this session, plus open client runs
	unlinking       atomic.Pointer[session.UnlinkState]
	restoring       atomic.Bool
	quarantineCrash atomic.Pointer[session.Crash] // set by the supervisor: the next stop is a quarantine
	restarts        atomic.Int64
	status          atomic.Pointer[session.Status]
	inbox           atomic.Pointer[atomic.Int64] // inputs of client runs that the newest actor has not handled yet
}

// NewCore makes the Core of a stored session when the process starts, or of a new session.
func NewCore(env *Env, record session.Record, seed uint64, now time.Time) *Core {
	c := &Core{
		id: record.ID, env: env, machine: session.New(env.Policy, seed, record, now),
		record: record, desired: record.Desired,
	}
	c.inbox.Store(new(atomic.Int64))
	c.publish()
	return c
}

// Status returns the last published snapshot. It takes no lock and is safe for concurrent use.
func (c *Core) Status() session.Status { return *c.status.Load() }

// Unlinking says how far the last logout is.
func (c *Core) Unlinking() session.UnlinkState {
	if state := c.unlinking.Load(); state != nil {
		return *state
	}
	return ""
}

func (c *Core) setUnlink(state session.UnlinkState) { c.unlinking.Store(&state) }

// CountRestart counts a crash that the supervisor handled.
func (c *Core) CountRestart() { c.restarts.Add(1) }

// Condemn makes the next stop of the actor a quarantine, because of crash.
func (c *Core) Condemn(crash *session.Crash) { c.quarantineCrash.Store(crash) }

// Release lifts a quarantine. The supervisor calls it before it spawns the session again.
func (c *Core) Release() { c.quarantineCrash.Store(nil) }

// Quarantine puts the session into quarantine, unless it is there already. The stopping actor calls it. The supervisor
// calls it again when the actor has terminated, in case the actor could not.
func (c *Core) Quarantine(now time.Time, crash *session.Crash) {
	if c.machine.Cause() == session.CauseQuarantined {
		return
	}
	c.machine, _ = c.machine.Step(now, session.Input{Kind: session.Quarantined, Detail: crash.Reason})
	c.crash = nil
	c.publish()
	c.Show()
	c.env.Observer.SessionChanged(c.id, c.machine.State(), c.machine.Cause())
}

// Restoring marks the session as one that is being restored at process start.
func (c *Core) Restoring() { c.restoring.Store(true) }

// Restored ends the restore of the session. It returns true only the first time, and only if Restoring was called.
func (c *Core) Restored() bool { return c.restoring.CompareAndSwap(true, false) }

// Idle reports that the session has no goroutine and no open client run: no send, no write.
func (c *Core) Idle() bool { return c.tasks.Load() == 0 }

// InFlight is the number of inputs that client runs have posted and the actor has not handled yet.
func (c *Core) InFlight() int { return int(c.inbox.Load().Load()) }

// RetryAt is the time when a quarantined session is released automatically. The supervisor calls it after the actor has
// terminated.
func (c *Core) RetryAt() time.Time { return c.machine.Timer().At }

// log returns a logger that adds the session's id to each line.
func (c *Core) log() *slog.Logger { return c.env.Log.With("session", c.id) }

// task runs do in a goroutine that Idle and Env.Tasks count.
func (c *Core) task(do func()) {
	c.tasks.Add(1)
	c.env.Tasks.Go(func() {
		defer c.tasks.Add(-1)
		do()
	})
}

// Show publishes the current snapshot to Env.Snapshots, which may drop one that equals the last.
func (c *Core) Show() {
	if c.env.Snapshots != nil {
		c.env.Snapshots.Publish(c.Status())
	}
}

// publish makes the snapshot that Status returns.
func (c *Core) publish() {
	s := &session.Status{
		ID: c.id, Desired: c.desired, CreatedAt: c.record.CreatedAt, UpdatedAt: c.record.UpdatedAt,
		Restarts: int(c.restarts.Load()), Settings: c.record.Settings,
	}
	c.machine.Fill(s)
	if s.UpdatedAt.Before(s.Since) {
		s.UpdatedAt = s.Since
	}
	c.status.Store(s)
}

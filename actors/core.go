package actors

import (
	"log/slog"
	"sync/atomic"
	"time"

	"wasup/internal/session"
)

// Core is what of a session survives its restarts. The supervisor makes it and hands it to each incarnation of the
// actor; only the running incarnation touches it, and others use the methods, which say who may call them.
type Core struct {
	id      session.ID
	env     *Env
	machine session.Machine
	record  session.Record
	desired session.Desired
	order   uint64 // of the newest wish of people that was taken

	waiters map[string]*waiter
	crash   *session.Crash // why the last incarnation of the actor ended; nil if it did not crash
	closing chan struct{}  // closed once the last client run has ended; nil: none has run
	saver   saver

	tasks     atomic.Int64 // goroutines of this session that run, and client runs that are open
	restoring atomic.Bool
	condemned atomic.Pointer[session.Crash] // set by the supervisor: the coming stop is a quarantine
	restarts  atomic.Int64
	status    atomic.Pointer[session.Status]
	inbox     atomic.Pointer[atomic.Int64] // of the actor spawned last: inputs of client runs that it has not taken
}

// NewCore is the session of a stored record when the process starts.
func NewCore(env *Env, record session.Record, seed uint64, now time.Time) *Core {
	c := &Core{
		id: record.ID, env: env, machine: session.New(env.Policy, seed, record, now),
		record: record, desired: record.Desired,
	}
	c.inbox.Store(new(atomic.Int64))
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

// Restoring says that the session is one of those brought back when the process starts.
func (c *Core) Restoring() { c.restoring.Store(true) }

// Restored reports, once, that the restore of this session has come to its end.
func (c *Core) Restored() bool { return c.restoring.CompareAndSwap(true, false) }

// Idle reports that nothing of the session runs off its mailbox: no client, no send, no write.
func (c *Core) Idle() bool { return c.tasks.Load() == 0 }

// InFlight is how many inputs its client runs have posted that the actor has not taken.
func (c *Core) InFlight() int { return int(c.inbox.Load().Load()) }

// RetryAt is when a quarantined session is due to be released by itself. Its supervisor asks once the actor has
// terminated.
func (c *Core) RetryAt() time.Time { return c.machine.Timer().At }

// log names the session in everything it says.
func (c *Core) log() *slog.Logger { return c.env.Log.With("session", c.id) }

// task runs in a goroutine that belongs to the session.
func (c *Core) task(do func()) {
	c.tasks.Add(1)
	c.env.Tasks.Go(func() {
		defer c.tasks.Add(-1)
		do()
	})
}

// Show tells whoever follows sessions live. What they follow is in the snapshot; they drop what they know already.
func (c *Core) Show() {
	if c.env.Snapshots != nil {
		c.env.Snapshots.Publish(c.Status())
	}
}

// publish makes the snapshot that readers see.
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

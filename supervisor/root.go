package supervisor

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/actors"
	"wasup/internal/session"
)

// entry is one session in the registry. Any goroutine may use core.Status and the atomic fields. Only the root actor
// uses the fields after the blank line, and only it sets handle.
type entry struct {
	id     session.ID
	core   *actors.Core
	handle atomic.Pointer[handle] // nil: no actor runs
	gone   atomic.Bool            // the session was deleted and is never spawned again
	report atomic.Pointer[Supervision]

	fails           []time.Time    // the times of the crashes within the window
	quarantineCrash *session.Crash // not nil: the actor is being stopped into quarantine because of this crash
	release         *time.Timer    // ends the quarantine
}

// handle is one actor of a session, from its spawn to its end.
type handle struct {
	of   *entry
	pid  *actor.PID
	gone chan struct{} // closed when the actor has terminated
}

type (
	ensure         struct{ e *entry } // spawn the actor if none runs; the answer is a spawned
	quarantineOver struct{ e *entry } // the cool-down of a quarantine is over
	remove         struct{ e *entry } // stop the actor; the answer is a spawned with the stopping actor, nil if none ran
)

// spawned answers ensure and remove. The handle in the answer to ensure is nil if the process drains or the session was
// deleted.
type spawned struct{ handle *handle }

// root is the parent of every session actor, and the strategy that decides about restarts. It decides on its own
// mailbox, so it needs no lock. It must not panic: a restart of root would stop every session.
type root struct {
	of       *Supervisor
	children map[string]*handle // by actor.PID.Id
}

func (r *root) Receive(ctx actor.Context) {
	defer r.recoverPanic(fmt.Sprintf("%T", ctx.Message()))
	switch m := ctx.Message().(type) {
	case ensure:
		var h *handle
		// A child that is spawned while the root stops would never be stopped, and the root would wait for it for ever.
		if !r.of.env.Draining.Load() && !m.e.gone.Load() {
			h = r.spawn(ctx, m.e)
		}
		r.of.env.System.Root.Send(ctx.Sender(), spawned{h})
	case remove:
		r.remove(ctx, m.e)
	case quarantineOver:
		if m.e.handle.Load() == nil && !r.of.env.Draining.Load() && !m.e.gone.Load() {
			r.spawn(ctx, m.e)
		}
	case *actor.Terminated:
		r.terminated(m.Who)
	case *actor.Stopping:
		r.stopReleaseTimers()
	case *actor.Stopped:
		close(r.of.stopped)
	}
}

// recoverPanic recovers from a panic and logs it. It is deferred.
func (r *root) recoverPanic(op string) {
	if p := recover(); p != nil {
		r.of.cfg.Log.Error("panic in the supervisor", "op", op, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
}

// spawn starts an entry's actor if none runs. It releases a quarantined session.
func (r *root) spawn(ctx actor.Context, e *entry) *handle {
	if h := e.handle.Load(); h != nil {
		return h
	}
	if e.release != nil {
		e.release.Stop()
		e.release = nil
	}
	e.core.Release()
	e.fails, e.quarantineCrash = nil, nil
	pid := ctx.SpawnPrefix(actors.Props(e.core), "session-"+string(e.id)+"-")
	h := &handle{of: e, pid: pid, gone: make(chan struct{})}
	r.children[pid.Id] = h
	e.handle.Store(h)
	return h
}

// HandleFailure is the restart strategy. It restarts a crashed actor at once. After more than Config.Restarts crashes
// of one session within Config.Window, it stops the actor, and the session goes into quarantine. The library's own
// strategies count the crashes of all children together, or never stop a child (docs/decisions/0002).
func (r *root) HandleFailure(system *actor.ActorSystem, children actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	directive := actor.StopDirective
	// Deferred, so that a panic of an observer does not leave the child suspended for ever.
	defer func() {
		if directive == actor.RestartDirective {
			children.RestartChildren(child)
		} else {
			children.StopChildren(child)
		}
		system.EventStream.Publish(&actor.SupervisorEvent{Child: child, Reason: reason, Directive: directive})
	}()
	defer r.recoverPanic("restart")
	h, ok := r.children[child.Id]
	// A process that drains restarts nothing: a restart would bring back a child that was told to stop meanwhile.
	if !ok || r.of.env.Draining.Load() {
		return
	}
	e := h.of
	crash, ok := reason.(*session.Crash)
	if !ok {
		crash = &session.Crash{Where: "actor", Reason: fmt.Sprint(reason)}
	}
	now := time.Now()
	e.fails = append(keepAfter(e.fails, now.Add(-r.of.cfg.Window)), now)
	e.core.CountRestart()
	e.report.Store(&Supervision{InWindow: len(e.fails), LastCrash: crash, LastCrashAt: now})
	log := r.of.cfg.Log.With("session", e.id, "op", crash.Where, "err", crash.Reason, "crashes", len(e.fails))
	if len(e.fails) > r.of.cfg.Restarts {
		e.quarantineCrash = crash
		e.core.Condemn(crash)
		log.Error("session quarantined: it crashed too often", "stack", crash.Stack)
	} else {
		directive = actor.RestartDirective
		log.Error("session crashed and is restarted", "stack", crash.Stack)
	}
	r.of.cfg.Observer.SessionRestarted(session.CauseCrashed)
}

// remove stops a deleted session's actor and removes the session from the registry.
func (r *root) remove(ctx actor.Context, e *entry) {
	e.gone.Store(true)
	if e.release != nil {
		e.release.Stop()
	}
	h := e.handle.Load()
	if h != nil {
		ctx.Stop(h.pid)
	} else {
		e.core.Finish()
	}
	r.of.entries.CompareAndDelete(e.id, e)
	r.of.env.System.Root.Send(ctx.Sender(), spawned{h})
	r.of.followers.removed(e.id)
	if snapshots := r.of.cfg.Snapshots; snapshots != nil {
		snapshots.Remove(e.id)
	}
}

// keepAfter keeps the times after since, in place.
func keepAfter(times []time.Time, since time.Time) []time.Time {
	kept := times[:0]
	for _, t := range times {
		if t.After(since) {
			kept = append(kept, t)
		}
	}
	return kept
}

// terminated removes the handle of an actor that has terminated. If the session goes into quarantine, it starts the
// timer that ends the quarantine after the cool-down.
func (r *root) terminated(pid *actor.PID) {
	h, ok := r.children[pid.Id]
	if !ok {
		return
	}
	delete(r.children, pid.Id)
	e := h.of
	// handle becomes nil, and the session's new state is set, before h.gone is closed: a caller that waited for h.gone
	// and asks again must see both.
	defer close(h.gone)
	defer e.handle.Store(nil)
	if e.gone.Load() {
		e.core.Finish() // retries of a write would never find the row, and Stop no longer sees the session
		return
	}
	if e.quarantineCrash == nil || r.of.env.Draining.Load() {
		return
	}
	func() {
		defer r.recoverPanic("quarantine")
		e.core.Quarantine(time.Now(), e.quarantineCrash)
	}()
	system, self := r.of.env.System, r.of.root
	e.release = time.AfterFunc(time.Until(e.core.RetryAt()), func() { system.Root.Send(self, quarantineOver{e}) })
}

// stopReleaseTimers stops the timers of all quarantines: no session is released any more.
func (r *root) stopReleaseTimers() {
	r.of.entries.Range(func(_, v any) bool {
		if e := v.(*entry); e.release != nil {
			e.release.Stop()
		}
		return true
	})
}

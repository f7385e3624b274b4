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

// entry is one session in the registry. Readers use core.Status and report; the rest is the root actor's.
type entry struct {
	id     session.ID
	core   *actors.Core
	handle atomic.Pointer[handle] // nil: no actor runs; only the root actor sets it
	gone   atomic.Bool            // deleted: it is never spawned again
	report atomic.Pointer[Supervision]

	fails     []time.Time    // supervised failures within the window
	condemned *session.Crash // the actor is stopped into quarantine, because of this
	release   *time.Timer    // of a quarantine
}

// handle is one run of a session's actor.
type handle struct {
	of   *entry
	pid  *actor.PID
	gone chan struct{} // closed when the actor has terminated
}

type (
	ensure         struct{ e *entry } // answered with a spawned
	quarantineOver struct{ e *entry } // a quarantine's cool-down is over
	remove         struct{ e *entry } // answered with a spawned: the actor that stops, nil where none ran
)

// spawned answers ensure: with nil where the process drains.
type spawned struct{ handle *handle }

// root is the parent of every session actor and its own supervisor strategy: it runs on its own mailbox, so restart
// decisions need no lock. It must not panic: its restart would stop every session.
type root struct {
	of       *Supervisor
	children map[string]*handle // by the id of the actor's address
}

func (r *root) Receive(ctx actor.Context) {
	defer r.survive(fmt.Sprintf("%T", ctx.Message()))
	switch m := ctx.Message().(type) {
	case ensure:
		var h *handle
		// A child spawned while the root stops would never be stopped, and the root would wait for it for ever.
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
		r.disarm()
	case *actor.Stopped:
		close(r.of.stopped)
	}
}

func (r *root) survive(op string) {
	if p := recover(); p != nil {
		r.of.cfg.Log.Error("panic in the supervisor", "op", op, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
}

// spawn starts an entry's actor if none runs. Spawning a quarantined session releases it: somebody asked.
func (r *root) spawn(ctx actor.Context, e *entry) *handle {
	if h := e.handle.Load(); h != nil {
		return h
	}
	if e.release != nil {
		e.release.Stop()
		e.release = nil
	}
	e.core.Release()
	e.fails, e.condemned = nil, nil
	pid := ctx.SpawnPrefix(actors.Props(e.core), "session-"+string(e.id)+"-")
	h := &handle{of: e, pid: pid, gone: make(chan struct{})}
	r.children[pid.Id] = h
	e.handle.Store(h)
	return h
}

// HandleFailure is the restart strategy: at once, per session, within the restart intensity, and quarantine beyond it.
// The library's own strategies count for all children or never stop (docs/decisions/0002).
func (r *root) HandleFailure(system *actor.ActorSystem, children actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	directive := actor.StopDirective
	// Deferred, so that a panic of whoever watches neither restarts the root nor leaves the child suspended for ever.
	defer func() {
		if directive == actor.RestartDirective {
			children.RestartChildren(child)
		} else {
			children.StopChildren(child)
		}
		system.EventStream.Publish(&actor.SupervisorEvent{Child: child, Reason: reason, Directive: directive})
	}()
	defer r.survive("restart")
	h, ok := r.children[child.Id]
	// A process that drains restarts nothing: a child that was told to stop meanwhile would come back to life.
	if !ok || r.of.env.Draining.Load() {
		return
	}
	e := h.of
	crash, ok := reason.(*session.Crash)
	if !ok {
		crash = &session.Crash{Where: "actor", Reason: fmt.Sprint(reason)}
	}
	now := time.Now()
	e.fails = append(within(e.fails, now.Add(-r.of.cfg.Window)), now)
	e.core.CountRestart()
	e.report.Store(&Supervision{InWindow: len(e.fails), LastCrash: crash, LastCrashAt: now})
	log := r.of.cfg.Log.With("session", e.id, "op", crash.Where, "err", crash.Reason, "crashes", len(e.fails))
	if len(e.fails) > r.of.cfg.Restarts {
		e.condemned = crash
		e.core.Condemn(crash)
		log.Error("session quarantined: it crashed too often", "stack", crash.Stack)
	} else {
		directive = actor.RestartDirective
		log.Error("session crashed and is restarted", "stack", crash.Stack)
	}
	r.of.cfg.Observer.SessionRestarted(session.CauseCrashed)
}

// remove stops a deleted session's actor and forgets the session: from now on nothing finds it.
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

// within keeps the times after since, in place.
func within(times []time.Time, since time.Time) []time.Time {
	kept := times[:0]
	for _, t := range times {
		if t.After(since) {
			kept = append(kept, t)
		}
	}
	return kept
}

// terminated notes that a session's actor is gone. A quarantined one is released when its cool-down is over.
func (r *root) terminated(pid *actor.PID) {
	h, ok := r.children[pid.Id]
	if !ok {
		return
	}
	delete(r.children, pid.Id)
	e := h.of
	// Whoever asks again must find that the session does not run, and what has become of it.
	defer close(h.gone)
	defer e.handle.Store(nil)
	if e.gone.Load() {
		e.core.Finish() // a write that is tried again would find no row for ever, and Stop does not know the session any more
		return
	}
	if e.condemned == nil || r.of.env.Draining.Load() {
		return
	}
	func() {
		defer r.survive("quarantine")
		e.core.Quarantine(time.Now(), e.condemned)
	}()
	system, self := r.of.env.System, r.of.root
	e.release = time.AfterFunc(time.Until(e.core.RetryAt()), func() { system.Root.Send(self, quarantineOver{e}) })
}

// disarm stops the timers of quarantined sessions: nobody is released any more.
func (r *root) disarm() {
	r.of.entries.Range(func(_, v any) bool {
		if e := v.(*entry); e.release != nil {
			e.release.Stop()
		}
		return true
	})
}

package supervisor

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/actors"
	"wasup/session"
)

// entry is one session in the registry. Readers use core.Status and report; the rest is the root actor's.
type entry struct {
	id     session.ID
	core   *actors.Core
	handle atomic.Pointer[handle] // nil: no actor runs
	report atomic.Pointer[Supervision]

	fails   []time.Time // supervised failures within the window
	release *time.Timer // of a quarantine
}

// handle is one run of a session's actor.
type handle struct {
	pid  *actor.PID
	gone chan struct{} // closed when the actor has terminated
}

type (
	ensure struct{ e *entry } // answered with the *handle of a running actor
	lapsed struct{ e *entry } // a quarantine's cool-down is over
)

// root is the parent of every session actor and its own supervisor strategy: it runs on its own mailbox, so restart
// decisions need no lock. It must not panic: its restart would stop every session.
type root struct {
	of       *Supervisor
	children map[string]*entry // by the id of the actor's address
}

func (r *root) Receive(ctx actor.Context) {
	defer func() {
		if p := recover(); p != nil {
			r.of.cfg.Log.Error("panic in the supervisor", "op", fmt.Sprintf("%T", ctx.Message()), "err", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	switch m := ctx.Message().(type) {
	case ensure:
		ctx.Respond(r.spawn(ctx, m.e))
	case lapsed:
		if m.e.handle.Load() == nil && !r.of.draining.Load() {
			r.spawn(ctx, m.e)
		}
	case *actor.Terminated:
		r.terminated(m.Who)
	case *actor.Stopped:
		close(r.of.done)
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
	e.fails = nil
	pid := ctx.SpawnPrefix(actors.Props(e.core), "session-"+string(e.id)+"-")
	h := &handle{pid: pid, gone: make(chan struct{})}
	r.children[pid.Id] = e
	e.handle.Store(h)
	return h
}

// HandleFailure is the restart strategy: at once, per session, within the restart intensity, and quarantine beyond it.
// The library's own strategies count for all children or never stop (docs/decisions/0002).
func (r *root) HandleFailure(system *actor.ActorSystem, children actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	e, ok := r.children[child.Id]
	if !ok {
		children.StopChildren(child)
		return
	}
	crash, ok := reason.(*session.Crash)
	if !ok {
		crash = &session.Crash{Where: "actor", Reason: fmt.Sprint(reason)}
	}
	now := time.Now()
	e.fails = append(within(e.fails, now.Add(-r.of.cfg.Window)), now)
	e.core.CountRestart()
	quarantine := len(e.fails) > r.of.cfg.Restarts
	report := Supervision{InWindow: len(e.fails), LastCrash: crash, LastCrashAt: now, Quarantined: quarantine}
	e.report.Store(&report)
	r.of.cfg.Observer.SessionRestarted(session.CauseCrashed)
	log := r.of.cfg.Log.With("session", e.id, "op", crash.Where, "err", crash.Reason, "restarts", len(e.fails))
	directive := actor.RestartDirective
	if quarantine {
		directive = actor.StopDirective
		log.Error("session quarantined: it crashed too often", "stack", crash.Stack)
		e.core.Condemn(crash)
		children.StopChildren(child)
	} else {
		log.Error("session crashed and is restarted", "stack", crash.Stack)
		children.RestartChildren(child)
	}
	system.EventStream.Publish(&actor.SupervisorEvent{Child: child, Reason: reason, Directive: directive})
}

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
	e, ok := r.children[pid.Id]
	if !ok {
		return
	}
	delete(r.children, pid.Id)
	if h := e.handle.Load(); h != nil && h.pid.Id == pid.Id {
		e.handle.CompareAndSwap(h, nil)
		defer close(h.gone)
	}
	report := e.report.Load()
	if report == nil || !report.Quarantined || r.of.draining.Load() {
		return
	}
	e.core.Quarantine(time.Now(), report.LastCrash)
	system, self := r.of.env.System, r.of.root
	e.release = time.AfterFunc(time.Until(e.core.RetryAt()), func() { system.Root.Send(self, lapsed{e}) })
}

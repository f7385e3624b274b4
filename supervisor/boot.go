package supervisor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"wasup/actors"
	"wasup/internal/session"
)

// restoring counts the sessions that come back when the process starts.
type restoring struct {
	observer Observer

	begun   atomic.Bool
	wanted  atomic.Int64 // stored, linked and meant to run
	settled atomic.Int64 // of those: came to READY, or to the state that says why not
	ready   atomic.Int64 // of those: came to READY
	told    sync.Mutex   // orders what the observer is told of the counts
}

// restored counts a session's restore as ended, once.
func (r *restoring) restored(e *entry, state session.State) {
	if !e.core.Restored() {
		return
	}
	r.settled.Add(1)
	if state == session.Ready {
		r.ready.Add(1)
	}
	r.advanced()
}

// advanced tells the counts under a lock: of two sessions that come up at once, the older count must not be heard last.
func (r *restoring) advanced() {
	r.told.Lock()
	defer r.told.Unlock()
	r.observer.RestoreAdvanced(int(r.wanted.Load()), int(r.ready.Load()))
}

// Readiness says how far the restore of stored sessions has come.
type Readiness struct {
	Ready    bool // every session has been brought back or has said why not, and the process is not draining
	Draining bool
	Wanted   int // stored sessions that are linked and meant to run
	Settled  int // of those: connected, or known to fail
	Restored int // of those: connected
}

// Readiness answers without waiting.
func (s *Supervisor) Readiness() Readiness {
	r := Readiness{
		Draining: s.env.Draining.Load(), Wanted: int(s.boot.wanted.Load()),
		Settled: int(s.boot.settled.Load()), Restored: int(s.boot.ready.Load()),
	}
	r.Ready = s.boot.begun.Load() && !r.Draining && r.Settled >= r.Wanted
	return r
}

// Boot spawns every stored session and lets those that are linked and meant to run connect, each at its turn: spread
// over time, in parallel, so that one that hangs delays none. It returns as soon as all are on their way.
func (s *Supervisor) Boot(ctx context.Context) error {
	records, err := s.cfg.Store.List(ctx)
	if err != nil {
		return fmt.Errorf("read the stored sessions: %w", err)
	}
	var entries []*entry
	var deletes []session.ID
	for _, record := range records {
		if record.Desired == session.DesiredDelete {
			deletes = append(deletes, record.ID)
			continue
		}
		e := s.enter(record)
		if record.Desired != session.DesiredRun {
			continue
		}
		if restorable(e) {
			s.boot.wanted.Add(1)
			e.core.Restoring()
			if !restorable(e) { // somebody asked for it meanwhile, and it may have told of it before it was counted
				s.boot.restored(e, e.core.Status().State)
			}
		}
		entries = append(entries, e)
	}
	if err := s.resumeDeletes(ctx, deletes); err != nil {
		return err
	}
	s.boot.advanced()
	began := time.Now()
	for i, e := range entries {
		h, err := s.running(ctx, e)
		if err != nil {
			return err
		}
		s.env.System.Root.Send(h.pid, actors.Tell{Input: session.Input{Kind: session.Restored, Until: s.turn(began, i)}})
	}
	s.boot.begun.Store(true)
	return nil
}

func restorable(e *entry) bool {
	status := e.core.Status()
	return status.State == session.NotInitialized && status.HasDevice && status.Desired == session.DesiredRun
}

// turn is when the n-th session may connect.
func (s *Supervisor) turn(began time.Time, n int) time.Time {
	turn := began
	if s.cfg.BootRate > 0 {
		turn = turn.Add(time.Duration(float64(n) / s.cfg.BootRate * float64(time.Second)))
	}
	if s.cfg.BootJitter > 0 {
		turn = turn.Add(rand.N(s.cfg.BootJitter))
	}
	return turn
}

// watcher is what the actors report to: it counts the restore's progress and tells the followers.
type watcher struct {
	Observer
	of *Supervisor
}

func (w *watcher) SessionChanged(id session.ID, state session.State, cause session.Cause) {
	if e, ok := w.of.entry(id); ok && cause != session.CauseRestoring {
		w.of.boot.restored(e, state)
	}
	w.of.followers.changed(id, state, cause)
}

// followers are told in their order.
type followers []Follower

func (f followers) changed(id session.ID, state session.State, cause session.Cause) {
	for _, follower := range f {
		follower.SessionChanged(id, state, cause)
	}
}

func (f followers) removed(id session.ID) {
	for _, follower := range f {
		follower.SessionRemoved(id)
	}
}

// released tells sessions that were held back that they may connect, each at its turn.
func (s *Supervisor) released(ids []session.ID) {
	now := time.Now()
	for i, id := range ids {
		s.release(id, s.turn(now, i))
	}
}

func (s *Supervisor) release(id session.ID, turn time.Time) {
	if s.env.Draining.Load() {
		return
	}
	if e, ok := s.entry(id); ok {
		if h := e.handle.Load(); h != nil {
			s.env.System.Root.Send(h.pid, actors.Tell{Input: session.Input{Kind: session.Released, Until: turn}})
		}
	}
}

// eager is the first of the sessions that run, are meant to and would connect: a linked one, or else one that may have
// somebody waiting to link it.
func (s *Supervisor) eager(ids []session.ID) (session.ID, bool) {
	for _, linked := range []bool{true, false} {
		for _, id := range ids {
			e, ok := s.entry(id)
			if !ok || e.handle.Load() == nil {
				continue
			}
			if status := e.core.Status(); status.Desired == session.DesiredRun && status.HasDevice == linked {
				return id, true
			}
		}
	}
	return "", false
}

// Outdated reports whether WhatsApp refuses the client version, so that sessions are held back.
func (s *Supervisor) Outdated() bool { return s.breaker.isOpen() }

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

// restoring counts the sessions that are restored when the process starts.
type restoring struct {
	observer Observer

	begun     atomic.Bool  // Boot has started every session
	wanted    atomic.Int64 // sessions that are stored and linked, and should run
	settled   atomic.Int64 // how many of them have reached READY, or a state that says why not
	ready     atomic.Int64 // how many of them have reached READY
	observing sync.Mutex   // keeps the calls of the observer in order
}

// countRestored counts the restore of a session as ended. It counts each session once.
func (r *restoring) countRestored(e *entry, state session.State) {
	if !e.core.Restored() {
		return
	}
	r.settled.Add(1)
	if state == session.Ready {
		r.ready.Add(1)
	}
	r.reportProgress()
}

// reportProgress reports the counts to the observer. It holds a lock, so that of two sessions that are restored at the
// same time the lower count is not reported last.
func (r *restoring) reportProgress() {
	r.observing.Lock()
	defer r.observing.Unlock()
	r.observer.RestoreAdvanced(int(r.wanted.Load()), int(r.ready.Load()))
}

// Readiness says how far the restore of stored sessions has come.
type Readiness struct {
	Ready    bool // every session is connected or has failed, and the process is not draining
	Draining bool
	Wanted   int // stored sessions that are linked and should run
	Settled  int // how many of them have connected or failed
	Restored int // how many of them have connected
}

// Readiness does not block.
func (s *Supervisor) Readiness() Readiness {
	r := Readiness{
		Draining: s.env.Draining.Load(), Wanted: int(s.boot.wanted.Load()),
		Settled: int(s.boot.settled.Load()), Restored: int(s.boot.ready.Load()),
	}
	r.Ready = s.boot.begun.Load() && !r.Draining && r.Settled >= r.Wanted
	return r
}

// Boot registers every stored session and spawns those that should run. It finishes interrupted deletions before it
// spawns any. Linked sessions connect at BootRate, each independently of the others, so one that hangs delays none.
// Boot does not wait until they are connected.
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
		e := s.addEntry(record)
		if record.Desired != session.DesiredRun {
			continue
		}
		if restorable(e) {
			s.boot.wanted.Add(1)
			e.core.Restoring()
			// A caller may have started it meanwhile, and its change may have come before it was marked as restoring.
			if !restorable(e) {
				s.boot.countRestored(e, e.core.Status().State)
			}
		}
		entries = append(entries, e)
	}
	if err := s.resumeDeletes(ctx, deletes); err != nil {
		return err
	}
	s.boot.reportProgress()
	began := time.Now()
	for i, e := range entries {
		h, err := s.running(ctx, e)
		if err != nil {
			return err
		}
		s.env.System.Root.Send(h.pid, actors.Tell{Input: session.Input{Kind: session.Restored, Until: s.connectTime(began, i)}})
	}
	s.boot.begun.Store(true)
	return nil
}

// restorable reports that a session is linked, should run and has not been started yet.
func restorable(e *entry) bool {
	status := e.core.Status()
	return status.State == session.NotInitialized && status.HasDevice && status.Desired == session.DesiredRun
}

// connectTime is the time at which the n-th session may connect: BootRate sessions a second, plus the jitter.
func (s *Supervisor) connectTime(began time.Time, n int) time.Time {
	turn := began
	if s.cfg.BootRate > 0 {
		turn = turn.Add(time.Duration(float64(n) / s.cfg.BootRate * float64(time.Second)))
	}
	if s.cfg.BootJitter > 0 {
		turn = turn.Add(rand.N(s.cfg.BootJitter))
	}
	return turn
}

// watcher is the observer of the actors. It counts the progress of the restore and tells the followers.
type watcher struct {
	Observer
	of *Supervisor
}

func (w *watcher) SessionChanged(id session.ID, state session.State, cause session.Cause) {
	if e, ok := w.of.entry(id); ok && cause != session.CauseRestoring {
		w.of.boot.countRestored(e, state)
	}
	w.of.followers.changed(id, state, cause)
}

// followers passes each change on to all followers, in their order.
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

// releaseHeld tells the sessions that the breaker held back when each of them may connect.
func (s *Supervisor) releaseHeld(ids []session.ID) { s.resume(session.Released, ids) }

// StoreRecovered tells the sessions that wait for the database that it works again, and when each of them may connect. A
// session that begins to wait at this moment and misses it looks again by itself.
func (s *Supervisor) StoreRecovered() {
	var waiting []session.ID
	for _, status := range s.List() {
		if status.State == session.DisconnectedRecoverable && status.Cause == session.CauseStoreUnavailable {
			waiting = append(waiting, status.ID)
		}
	}
	s.resume(session.StoreRecovered, waiting)
}

// resume sends an input to sessions, in order, with the times at which they may connect: spread as at the boot.
func (s *Supervisor) resume(kind session.InputKind, ids []session.ID) {
	now := time.Now()
	for i, id := range ids {
		e, ok := s.entry(id)
		if !ok || s.env.Draining.Load() {
			continue
		}
		if h := e.handle.Load(); h != nil {
			s.env.System.Root.Send(h.pid, actors.Tell{Input: session.Input{Kind: kind, Until: s.connectTime(now, i)}})
		}
	}
}

// pickProbe chooses the session that tries to connect for all: the first linked one that runs and should run, or else
// the first one that is not linked.
func (s *Supervisor) pickProbe(ids []session.ID) (session.ID, bool) {
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

// Outdated reports whether sessions are held back because WhatsApp refuses the client version.
func (s *Supervisor) Outdated() bool { return s.breaker.isOpen() }

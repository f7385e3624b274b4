package supervisor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"wasup/actors"
	"wasup/session"
)

// boot counts the sessions that come back when the process starts.
type boot struct {
	begun   atomic.Bool
	wanted  atomic.Int64 // stored, linked and meant to run
	settled atomic.Int64 // of those: came to READY, or to the state that says why not
	ready   atomic.Int64 // of those: came to READY
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
		Draining: s.draining.Load(), Wanted: int(s.boot.wanted.Load()),
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
	for _, record := range records {
		e := s.enter(record)
		if record.Desired != session.DesiredRun {
			continue
		}
		if status := e.core.Status(); status.State == session.NotInitialized && status.HasDevice {
			e.core.Restoring()
			s.boot.wanted.Add(1)
		}
		entries = append(entries, e)
	}
	s.cfg.Observer.RestoreAdvanced(int(s.boot.wanted.Load()), 0)
	began := time.Now()
	for i, e := range entries {
		h, err := s.running(ctx, e)
		if err != nil {
			return err
		}
		turn := began.Add(time.Duration(float64(i) / s.cfg.BootRate * float64(time.Second)))
		if s.cfg.BootJitter > 0 {
			turn = turn.Add(rand.N(s.cfg.BootJitter))
		}
		s.env.System.Root.Send(h.pid, actors.Tell{Input: session.Input{Kind: session.Restored, Until: turn}})
	}
	s.boot.begun.Store(true)
	return nil
}

// watcher passes on what sessions report and counts the restore's progress.
type watcher struct {
	Observer
	of *Supervisor
}

func (w *watcher) SessionChanged(id session.ID, state session.State, cause session.Cause) {
	w.Observer.SessionChanged(id, state, cause)
	if cause == session.CauseRestoring {
		return
	}
	if e, ok := w.of.entry(id); ok && e.core.Restored() {
		w.of.boot.settled.Add(1)
		if state == session.Ready {
			w.of.boot.ready.Add(1)
		}
		w.Observer.RestoreAdvanced(int(w.of.boot.wanted.Load()), int(w.of.boot.ready.Load()))
	}
}

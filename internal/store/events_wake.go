package store

import "sync/atomic"

// growth tells the log's reader of new events once they are committed.
type growth struct {
	dirty atomic.Bool // a transaction has added events
	wake  chan struct{}
}

func newGrowth() growth { return growth{wake: make(chan struct{}, 1)} }

// grown is called within a transaction that added events.
func (g *growth) grown() { g.dirty.Store(true) }

// committed is called after a transaction was committed. One word too many does no harm.
func (g *growth) committed() {
	if !g.dirty.Swap(false) {
		return
	}
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Appended implements events.Table.
func (e *Events) Appended() <-chan struct{} { return e.store.appended.wake }

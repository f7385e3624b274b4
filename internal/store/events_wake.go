package store

import "sync/atomic"

// appendSignal wakes the reader of the log after new events are committed.
type appendSignal struct {
	dirty atomic.Bool // a transaction has added events since the last wake
	wake  chan struct{}
}

func newAppendSignal() appendSignal { return appendSignal{wake: make(chan struct{}, 1)} }

// markDirty must be called inside a transaction that added events.
func (g *appendSignal) markDirty() { g.dirty.Store(true) }

// wakeReader must be called after every commit. It may wake the reader once too often, which does no harm.
func (g *appendSignal) wakeReader() {
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

package events

import (
	"maps"
	"sync"

	"wasup/internal/session"
)

// Watch tells which sessions' logs have grown. It keeps the last number of each, so that a listener that comes late
// learns less often but never too little, and nobody waits for it.
type Watch struct {
	of   *Log
	wake chan struct{}

	mu    sync.Mutex
	grown map[session.ID]uint64
}

// Watch begins to watch. The watcher calls Close when it is done; after Stop nothing more is told.
func (l *Log) Watch() *Watch {
	w := &Watch{of: l, wake: make(chan struct{}, 1), grown: make(map[session.ID]uint64)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[w] = struct{}{}
	return w
}

// C has room for one word: there is something to take.
func (w *Watch) C() <-chan struct{} { return w.wake }

// Take gives the sessions whose logs have grown since the last Take, with the number of the last event of each.
func (w *Watch) Take() map[session.ID]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := maps.Clone(w.grown)
	clear(w.grown)
	return taken
}

// Close ends the watch. It is idempotent.
func (w *Watch) Close() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	delete(w.of.watchers, w)
}

func (w *Watch) told(list []Event) {
	if len(list) == 0 {
		return
	}
	w.mu.Lock()
	for i := range list {
		w.grown[list[i].Session] = list[i].Seq
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

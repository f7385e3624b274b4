package events

import (
	"maps"
	"sync"

	"wasup/internal/session"
)

// Watch tells a listener which sessions have new events. It keeps only the last Seq of each session, so a slow listener
// misses no session and blocks nobody.
type Watch struct {
	of   *Log
	wake chan struct{}

	mu    sync.Mutex
	grown map[session.ID]uint64 // the last Seq, by session
}

// Watch begins to watch. The caller calls Close when it is done. After Stop there are no more signals.
func (l *Log) Watch() *Watch {
	w := &Watch{of: l, wake: make(chan struct{}, 1), grown: make(map[session.ID]uint64)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[w] = struct{}{}
	return w
}

// C returns a channel that gets a signal when Take has something to return.
func (w *Watch) C() <-chan struct{} { return w.wake }

// Take returns the sessions with new events since the last Take, with the Seq of the last event of each.
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

// noteGrowth notes new events and wakes the listener.
func (w *Watch) noteGrowth(list []Event) {
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

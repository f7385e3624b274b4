// Package gctuner decides how much garbage a process may gather before it is collected. It is for the process as a whole,
// so the binary calls it once; it imports nothing of the program.
package gctuner

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// usual is the percentage of garbage to live memory that Go itself collects at, and the least of a Headroom.
const usual = 100

// Headroom lets garbage gather up to a fixed size, however little memory is live. Go collects when there is as much garbage
// as live memory: a process that keeps little and makes a lot, such as this one when it sends, would collect many times a
// second. Where more is live than the headroom, Go's own rule holds. A limit of the operator's (GOMEMLIMIT) holds as ever.
type Headroom struct {
	bytes  uint64
	before int // the percentage that stop puts back

	mu      sync.Mutex
	percent int
	stopped bool
}

// Keep begins to let up to headroom bytes of garbage gather, beside what is live. The percentage of the process is the
// Headroom's until Stop; a second Headroom at the same time would contradict it.
func Keep(headroom int) *Headroom {
	h := &Headroom{bytes: uint64(max(0, headroom)), percent: usual} //nolint:gosec // not negative
	h.before = debug.SetGCPercent(usual)
	h.adjust()
	h.watch()
	return h
}

// Stop puts back the percentage that was in force before.
func (h *Headroom) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		h.stopped = true
		debug.SetGCPercent(h.before)
	}
}

// sentinel is garbage from the beginning, so that each collection finds one. It is no tiny object: those share memory with
// others, which would keep it.
type sentinel struct{ _ [32]byte }

// watch adjusts after the next collection, and after each one that follows.
func (h *Headroom) watch() {
	s := new(sentinel)
	runtime.AddCleanup(s, func(h *Headroom) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.stopped {
			h.watch() // first, so that no collection is missed
			h.adjust()
		}
	}, h)
}

// adjust derives the percentage from what the last collection found live. The caller holds the mutex, if it shares h.
func (h *Headroom) adjust() {
	sample := []metrics.Sample{
		// What Go's percentage is of.
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	metrics.Read(sample)
	var live uint64
	for _, s := range sample {
		if s.Value.Kind() == metrics.KindUint64 {
			live += s.Value.Uint64()
		}
	}
	// Setting it stops the world for a moment.
	if percent := percentage(h.bytes, live); percent != h.percent {
		h.percent = percent
		debug.SetGCPercent(percent)
	}
}

// least is Go's own least size of a heap, at 100 %. It grows with the percentage.
const least = 4 << 20

// percentage is that of headroom to live memory, and no less than the usual one.
func percentage(headroom, live uint64) int {
	return int(min(max(usual, headroom*100/max(live, least)), math.MaxInt32)) //nolint:gosec // bounded
}

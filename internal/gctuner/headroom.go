// Package gctuner sets the amount of garbage at which the garbage collector runs. The setting is global to the process,
// so only the binary uses the package. It imports nothing of the program.
package gctuner

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// usual is Go's default GC percentage: it collects when there is as much garbage as live heap. A Headroom never sets
// less.
const usual = 100

// Headroom keeps the GC percentage so that the collector runs only when there is a fixed amount of garbage, even if the
// live heap is small. By default Go collects when there is as much garbage as live heap. A process with a small heap
// and many allocations, such as wasup when it sends, would then collect many times a second. If the live heap is larger
// than the headroom, Go's rule applies. GOMEMLIMIT still applies as well.
type Headroom struct {
	bytes  uint64
	before int // the GC percentage that Stop restores

	mu      sync.Mutex
	percent int
	stopped bool
}

// Keep starts a Headroom of headroom bytes. It controls the GC percentage of the process until Stop, so only one may
// exist at a time.
func Keep(headroom int) *Headroom {
	h := &Headroom{bytes: uint64(max(0, headroom)), percent: usual} //nolint:gosec // not negative
	h.before = debug.SetGCPercent(usual)
	h.adjust()
	h.watch()
	return h
}

// Stop restores the GC percentage from before Keep. It may be called more than once.
func (h *Headroom) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		h.stopped = true
		debug.SetGCPercent(h.before)
	}
}

// sentinel is an object without references, so that the next collection frees it and runs its cleanup. It is too large
// for Go's tiny allocator: a tiny object shares a block with others, which could keep it alive.
type sentinel struct{ _ [32]byte }

// watch calls adjust after every collection until Stop.
func (h *Headroom) watch() {
	s := new(sentinel)
	runtime.AddCleanup(s, func(h *Headroom) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.stopped {
			h.watch() // before adjust, so that no collection is missed
			h.adjust()
		}
	}, h)
}

// adjust sets the GC percentage from the live memory that the last collection found. The caller holds h.mu, unless no
// other goroutine has h yet.
func (h *Headroom) adjust() {
	sample := []metrics.Sample{
		// The GC percentage refers to the sum of these.
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	metrics.Read(sample)
	var live uint64
	for _, s := range sample {
		if s.Value.Kind() == metrics.KindUint64 {
			live += s.Value.Uint64()
		}
	}
	// SetGCPercent stops the world for a moment, so call it only for a change.
	if percent := percentage(h.bytes, live); percent != h.percent {
		h.percent = percent
		debug.SetGCPercent(percent)
	}
}

// least is Go's minimum heap size in bytes at 100 %. It grows with the percentage.
const least = 4 << 20

// percentage returns headroom as a percentage of live memory, at least usual.
func percentage(headroom, live uint64) int {
	return int(min(max(usual, headroom*100/max(live, least)), math.MaxInt32)) //nolint:gosec // bounded
}

package gctuner

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestThePercentageFollowsWhatIsLive(t *testing.T) {
	for _, c := range []struct {
		headroom, live uint64
		want           int
	}{
		{64 << 20, 0, 1600},
		{64 << 20, 16 << 20, 400},
		{64 << 20, 48 << 20, 133},
		{64 << 20, 64 << 20, 100},
		{64 << 20, 1 << 30, 100},
		{0, 1 << 20, 100},
	} {
		if got := percentage(c.headroom, c.live); got != c.want {
			t.Errorf("%d bytes beside %d live: %d %%, want %d", c.headroom, c.live, got, c.want)
		}
	}
}

// goal returns the heap size at which the next collection begins.
func goal() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// until runs collections until holds returns true. An adjustment may take effect only at the next collection.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	again, end := time.NewTicker(time.Millisecond), time.After(5*time.Second)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
			runtime.GC()
		case <-end:
			t.Fatalf("not %s: the goal is %d bytes", what, goal())
		}
	}
}

func TestCollectionsWaitForTheHeadroomAndNotForMore(t *testing.T) {
	const headroom = 32 << 20
	before := debug.SetGCPercent(120)
	defer debug.SetGCPercent(before)
	h := Keep(headroom)
	defer h.Stop()
	until(t, "raised for a small heap", func() bool { return goal() >= headroom && goal() < headroom+(8<<20) })
	large := make([]byte, 2*headroom)
	until(t, "at Go's own rule for a large one", func() bool { return goal() > 4*headroom && goal() < 4*headroom+(8<<20) })
	runtime.KeepAlive(large)
	until(t, "raised again once that is gone", func() bool { return goal() >= headroom && goal() < headroom+(8<<20) })
	h.Stop()
	h.Stop()
	if got := debug.SetGCPercent(120); got != 120 {
		t.Errorf("Stop left %d %%, want what was before", got)
	}
}

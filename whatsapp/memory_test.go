package whatsapp_test

import (
	"fmt"
	"runtime"
	"testing"

	"wasup/sandbox"
	"wasup/session"
)

// BenchmarkIdleClients measures what a linked, connected and idle client holds: heap and stack of the whole process,
// the sandbox's side of the connections included, which it also reports by itself to be subtracted.
func BenchmarkIdleClients(b *testing.B) {
	const clients = 200
	for b.Loop() {
		h := newHouse(b, sandbox.Config{})
		ids := make([]session.ID, clients)
		for i := range ids {
			ids[i] = session.ID(fmt.Sprintf("c%d", i))
			h.link(ids[i], h.phone())
			l := h.open(ids[i]) // the first login uploads the keys
			l.expect(session.SocketUp)
			l.nothingMore()
		}
		heap, stack := memory()
		lives := make([]*life, clients)
		for i, id := range ids {
			lives[i] = h.open(id)
			lives[i].expect(session.SocketUp)
		}
		heapUp, stackUp := memory()
		b.ReportMetric(float64(heapUp-heap)/clients, "heap-bytes/client")
		b.ReportMetric(float64(stackUp-stack)/clients, "stack-bytes/client")
		b.ReportMetric(0, "ns/op")
		for _, l := range lives {
			l.nothingMore()
		}
	}
}

func memory() (heap, stack int64) {
	var stats runtime.MemStats
	for range 3 { // what the first collection frees may free more
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc), int64(stats.StackInuse)
}

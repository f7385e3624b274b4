package whatsapp_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"wasup/internal/sandbox"
	"wasup/internal/session"
)

// BenchmarkIdleClients measures the heap of a linked, connected and idle client. The server runs in the same process;
// its share is recognized by the allocating functions.
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
		rate := runtime.MemProfileRate
		runtime.MemProfileRate = 1 // record every allocation from here on
		oursBefore, serverBefore := heapBySide(b)
		lives := make([]*life, clients)
		for i, id := range ids {
			lives[i] = h.open(id)
			lives[i].expect(session.SocketUp)
		}
		ours, server := heapBySide(b)
		runtime.MemProfileRate = rate
		b.ReportMetric(float64(ours-oursBefore)/clients, "heap-bytes/client")
		b.ReportMetric(float64(server-serverBefore)/clients, "sandbox-heap-bytes/client")
		b.ReportMetric(0, "ns/op")
		for _, l := range lives {
			l.nothingMore()
		}
	}
}

// heapBySide returns the bytes in use, on the clients' side and on the server's side.
func heapBySide(b *testing.B) (ours, server int64) {
	b.Helper()
	for range 3 { // the profile lags two collections behind
		runtime.GC()
	}
	records := make([]runtime.MemProfileRecord, 100_000)
	n, ok := runtime.MemProfile(records, false)
	if !ok {
		b.Fatalf("%d records do not fit", n)
	}
	for _, record := range records[:n] {
		if isServer(record.Stack()) {
			server += record.InUseBytes()
		} else {
			ours += record.InUseBytes()
		}
	}
	return ours, server
}

func isServer(stack []uintptr) bool {
	frames := runtime.CallersFrames(stack)
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "wasup/internal/sandbox") || strings.HasPrefix(frame.Function, "net/http.(*Server)") ||
			strings.HasPrefix(frame.Function, "net/http.(*conn)") {
			return true
		}
		if !more {
			return false
		}
	}
}

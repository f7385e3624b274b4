package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/supervisor"
)

func benchWorld(b *testing.B) *world {
	b.Helper()
	w := newWorld(b, func(cfg *supervisor.Config) { cfg.MaxWaiters, cfg.MaxWaitersTotal = 1<<20, 1<<20 })
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			b.Error(err)
		}
	})
	return w
}

// BenchmarkIdleSession measures the memory of a session that has an actor and no client. The scripted store's rows are
// made beforehand and are not counted.
func BenchmarkIdleSession(b *testing.B) {
	const sessions = 10_000
	for b.Loop() {
		b.StopTimer()
		w := benchWorld(b)
		for i := range sessions {
			id := session.ID(fmt.Sprintf("s%d", i))
			w.store.rows[id] = session.Record{ID: id, Desired: session.DesiredRun, State: session.DisconnectedLogout, Cause: session.CauseLoggedOut}
		}
		before := heap()
		b.StartTimer()
		if err := w.Boot(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if _, err := w.StopSession(b.Context(), "s0"); err != nil { // the actor handles everything that was sent before it first
			b.Fatal(err)
		}
		b.ReportMetric(float64(heap()-before)/sessions, "bytes/session")
		b.StartTimer()
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkStatus(b *testing.B) {
	w := benchWorld(b)
	for _, id := range names(1000) {
		if _, _, err := w.Start(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
	ids := names(1000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, ok := w.Status(ids[i%len(ids)]); !ok {
				b.Fatal("no such session")
			}
		}
	})
}

// BenchmarkRequestQR is the round trip of a request that can be answered at once.
func BenchmarkRequestQR(b *testing.B) {
	w := benchWorld(b)
	w.dialer.onOpen = func(c *client) { c.qr("code") }
	w.RequestQR(b.Context(), "a")
	b.ReportAllocs()
	for b.Loop() {
		if answer := w.RequestQR(b.Context(), "a"); answer.Outcome != session.OutcomeQR {
			b.Fatalf("answer is %+v", answer)
		}
	}
}

// BenchmarkSend is the round trip of a message that WhatsApp acknowledges at once.
func BenchmarkSend(b *testing.B) {
	w := benchWorld(b)
	w.dialer.onOpen = func(c *client) { c.post(session.SocketUp) }
	if answer := w.RequestQR(b.Context(), "a"); answer.Outcome != session.OutcomeReady {
		b.Fatalf("answer is %+v", answer)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Send(b.Context(), "a", message.Outgoing{ID: "1", Content: message.TextOf("x")}); err != nil {
			b.Fatal(err)
		}
	}
}

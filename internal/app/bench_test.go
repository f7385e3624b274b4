package app

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"

	"wasup/internal/app/apptest"
)

// BenchmarkQRLatency measures from the moment the server writes pair-device to the last byte of the HTTP answer: what
// this process adds between WhatsApp and the person who waits for the code. Each round is a session that never ran.
func BenchmarkQRLatency(b *testing.B) {
	b.Run("one waiter", func(b *testing.B) { qrLatency(b, 1) })
	b.Run("100 waiters", func(b *testing.B) { qrLatency(b, 100) })
}

func qrLatency(b *testing.B, waiters int) {
	h := newHouse(b)
	events, end := h.server.Subscribe()
	defer end()
	var took []time.Duration
	client := int64(0)
	for b.Loop() {
		client++
		if waiters > 1 { // all of them must wait before the code is sent
			h.fault(faults.Fault{Kind: faults.DelayQR, Delay: 300 * time.Millisecond, Count: 1})
		}
		done := make(chan time.Time, waiters)
		for range waiters {
			go func() {
				a, err := h.Try(context.Background(), http.MethodGet, "/qr-code", client, "", nil)
				if err != nil || a.Status != http.StatusOK {
					b.Errorf("%d %s %v", a.Status, a.Body, err)
				}
				done <- time.Now()
			}()
		}
		sent := pairDeviceSent(b, events)
		for range waiters {
			took = append(took, (<-done).Sub(sent))
		}
		b.StopTimer()
		if _, err := h.app.sessions.StopSession(apptest.Bounded(b), h.status(client).ID); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	slices.Sort(took)
	for name, q := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99, "max-ms": 1} {
		at := min(len(took)-1, int(q*float64(len(took))))
		b.ReportMetric(float64(took[at].Microseconds())/1000, name)
	}
}

func pairDeviceSent(b *testing.B, events <-chan observe.Event) time.Time {
	b.Helper()
	for event := range events {
		if event.Kind == observe.EventPairDeviceSent {
			return event.Time
		}
	}
	b.Fatal("the server closed")
	return time.Time{}
}

package httpapi

import (
	"context"
	"testing"
	"time"

	"wasup/internal/session"
)

// Whole requests over loopback, with Go's own client on the same machine.
func benchmarkRoute(b *testing.B, f *scripted, path string) {
	r := newRig(b, Config{Now: time.Now}, f)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if answer, err := r.try("GET", path, "", client51); err != nil || answer.status != 200 {
				b.Fatalf("%d %s %v", answer.status, answer.body, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

func BenchmarkStatusRoute(b *testing.B) {
	benchmarkRoute(b, &scripted{statuses: map[session.ID]session.Status{"51": status("51", session.Ready)}}, "/status")
}

func BenchmarkQRCodeRoute(b *testing.B) {
	benchmarkRoute(b, &scripted{requestQR: func(context.Context, session.ID) session.QRAnswer {
		return outcome(session.OutcomeQR, session.QRRequired)(context.Background(), "51")
	}}, "/qr-code")
}

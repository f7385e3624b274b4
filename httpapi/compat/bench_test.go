package compat_test

import (
	"context"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/internal/session"
)

// The benchmarks make complete requests over loopback, with Go's own client on the same machine.
func benchmarkRoute(b *testing.B, f *apitest.Scripted, path string) {
	r := apitest.NewRig(b, httpapi.Config{Now: time.Now}, f)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if answer, err := r.Try("GET", path, "", apitest.Client51); err != nil || answer.Status != 200 {
				b.Fatalf("%d %s %v", answer.Status, answer.Body, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

func BenchmarkStatusRoute(b *testing.B) {
	benchmarkRoute(b, &apitest.Scripted{Statuses: map[session.ID]session.Status{"51": apitest.Status("51", session.Ready)}}, "/status")
}

func BenchmarkQRCodeRoute(b *testing.B) {
	benchmarkRoute(b, &apitest.Scripted{Asked: func(context.Context, session.ID) session.QRAnswer {
		return apitest.Outcome(session.OutcomeQR, session.QRRequired)(context.Background(), "51")
	}}, "/qr-code")
}

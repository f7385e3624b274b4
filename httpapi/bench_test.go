package httpapi

import (
	"bytes"
	"context"
	"testing"
	"time"

	"wasup/internal/session"
)

// One code drawn from nothing: the part of GET /qr-code that only its first caller pays.
func BenchmarkDrawQR(b *testing.B) {
	b.ReportAllocs()
	var size int
	for b.Loop() {
		url, err := drawDataURL(testCode)
		if err != nil {
			b.Fatal(err)
		}
		size = len(url)
	}
	b.ReportMetric(float64(size), "url-bytes")
}

func BenchmarkDrawPNGOnly(b *testing.B) {
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		if err := drawPNG(&out, testCode); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCachedQR(b *testing.B) {
	cache := newImageCache(imageCacheSize, drawDataURL)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := cache.dataURL(testCode); err != nil {
				b.Fatal(err)
			}
		}
	})
}

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

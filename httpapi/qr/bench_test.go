package qr

import (
	"bytes"
	"testing"

	"wasup/httpapi/qr/qrtest"
)

// The benchmark draws a code that is not in the cache, as the first caller of GET /qr-code does.
func BenchmarkDrawQR(b *testing.B) {
	b.ReportAllocs()
	var size int
	for b.Loop() {
		url, err := DataURL(qrtest.Code)
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
		if err := writePNG(&out, qrtest.Code); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCachedQR(b *testing.B) {
	cache := NewCache(picturesKept, DataURL)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := cache.Get(qrtest.Code); err != nil {
				b.Fatal(err)
			}
		}
	})
}

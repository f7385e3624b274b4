package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/configs"
	"wasup/sandbox"
	"wasup/session"
)

// many is how many sessions the benchmarks of this file run at a time.
const many = 1000

// BenchmarkThousandWaiters asks for the codes of a thousand sessions at the same moment, one caller each, and measures
// from the moment the server writes a session's pair-device to the last byte of its answer, picture included.
func BenchmarkThousandWaiters(b *testing.B) {
	h := newHouse(b, func(c *configs.Config) { c.QR.Wait = patience })
	for b.Loop() {
		stop := sentTimes(h.server)
		answered := make([]time.Time, many)
		var all sync.WaitGroup
		began := time.Now()
		for i := range many {
			all.Go(func() {
				a, err := h.try(context.Background(), http.MethodGet, "/qr-code?wait=2m", int64(i+1), "", nil)
				answered[i] = time.Now()
				if err != nil || a.status != http.StatusOK {
					b.Errorf("%d %s %v", a.status, a.body, err)
				}
			})
		}
		all.Wait()
		b.ReportMetric(time.Since(began).Seconds(), "all-s")
		times := stop()
		var took []time.Duration
		for i := range many {
			status, _ := h.app.sessions.Status(session.NumericID(int64(i + 1)))
			at, ok := times[noiseDigest(b, status.QR.Code)]
			if !ok {
				b.Fatalf("the server did not say when it sent session %d its codes", i+1)
			}
			took = append(took, answered[i].Sub(at))
		}
		report(b, took)
		b.StopTimer()
		for i := range many {
			if _, err := h.app.sessions.StopSession(bounded(b), session.NumericID(int64(i+1))); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
	}
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for name, q := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99, "max-ms": 1} {
		at := min(len(took)-1, int(q*float64(len(took))))
		b.ReportMetric(float64(took[at].Microseconds())/1000, name)
	}
}

// sentTimes notes when pair-device was written, by the digest of the client's Noise key.
func sentTimes(server *sandbox.Server) func() map[string]time.Time {
	events, end := server.Subscribe()
	times, done := make(map[string]time.Time), make(chan struct{})
	go func() {
		defer close(done)
		for event := range events {
			if event.Kind == sandbox.EventPairDeviceSent {
				times[event.Detail] = event.Time
			}
		}
	}()
	return func() map[string]time.Time {
		end()
		<-done
		return times
	}
}

// noiseDigest is how the server's events name the client that shows a code: ref, Noise key, identity key, secret.
func noiseDigest(b *testing.B, code string) string {
	parts := strings.Split(code, ",")
	if len(parts) < 4 {
		b.Fatalf("code %q", code)
	}
	key, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(key)
	return fmt.Sprintf("%X", sum[:4])
}

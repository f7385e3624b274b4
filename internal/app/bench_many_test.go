package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wasup/internal/app/apptest"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/session"
)

// many is the number of sessions that the benchmarks of this file run at the same time.
const many = 1000

var theThousand = fleet{size: many}

// BenchmarkThousandWaiters asks for the codes of a thousand sessions at the same moment, one caller each, and measures
// from the moment the server writes a session's pair-device to the last byte of its answer, picture included.
func BenchmarkThousandWaiters(b *testing.B) {
	h := newHouse(b, func(c *configs.Config) { c.QR.Wait = apptest.Patience })
	for b.Loop() {
		stop := sentTimes(h.server)
		answered := make([]time.Time, many)
		var all sync.WaitGroup
		began := time.Now()
		for i := range many {
			all.Go(func() {
				a, err := h.Try(context.Background(), http.MethodGet, "/qr-code?wait=2m", int64(i+1), "", nil)
				answered[i] = time.Now()
				if err != nil || a.Status != http.StatusOK {
					b.Errorf("%d %s %v", a.Status, a.Body, err)
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
			if _, err := h.app.sessions.StopSession(apptest.Bounded(b), session.NumericID(int64(i+1))); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
	}
}

// BenchmarkThousandRestored starts the app on the database of a thousand linked sessions and measures until all but one
// are READY: that one's logins are refused for ever.
func BenchmarkThousandRestored(b *testing.B) {
	fleet := theThousand.use(b)
	if _, err := fleet.server.SetFault(faults.Fault{Kind: faults.LoginFailure, Code: 503, Account: fleet.phones[0].Number()}); err != nil {
		b.Fatal(err)
	}
	cfg := fleet.config()
	cfg.Boot = configs.Default().Boot
	for b.Loop() {
		began := time.Now()
		h := open(b, fleet.server, cfg, seams{})
		for client := int64(2); client <= many; client++ {
			h.ready(client)
		}
		b.ReportMetric(time.Since(began).Seconds(), "ready-s")
		b.StopTimer()
		h.close()
		b.StartTimer()
	}
}

// BenchmarkStatusAmongThousand reads the status of one of a thousand sessions that are READY, from as many callers as
// there are processors, over HTTP.
func BenchmarkStatusAmongThousand(b *testing.B) {
	fleet := theThousand.use(b)
	h := open(b, fleet.server, fleet.config(), seams{})
	for client := int64(1); client <= many; client++ {
		h.ready(client)
	}
	var next atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		wire, err := net.Dial("tcp", h.app.Addr())
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = wire.Close() }()
		answers := bufio.NewReader(wire)
		for pb.Next() {
			if err := askStatus(wire, answers, next.Add(1)%many+1); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// askStatus sends a minimal request, so that the benchmark measures the server and not the caller.
func askStatus(wire net.Conn, answers *bufio.Reader, client int64) error {
	if _, err := fmt.Fprintf(wire, "GET /status HTTP/1.1\r\nHost: localhost\r\nX-Cliente-Id: %d\r\n\r\n", client); err != nil {
		return err
	}
	length, ok := 0, false
	for {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		if bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			ok = true
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	if _, err := answers.Discard(length); err != nil || !ok {
		return fmt.Errorf("status of %d: 200 is %v, %w", client, ok, err)
	}
	return nil
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for name, q := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99, "max-ms": 1} {
		at := min(len(took)-1, int(q*float64(len(took))))
		b.ReportMetric(float64(took[at].Microseconds())/1000, name)
	}
}

// sentTimes records when pair-device was written, by the digest of the client's Noise key.
func sentTimes(server *sandbox.Server) func() map[string]time.Time {
	events, end := server.Subscribe()
	times, done := make(map[string]time.Time), make(chan struct{})
	go func() {
		defer close(done)
		for event := range events {
			if event.Kind == observe.EventPairDeviceSent {
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

// noiseDigest is the name of a client in the server's events: the digest of the Noise key in the client's code, which
// holds ref, Noise key, identity key and secret.
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

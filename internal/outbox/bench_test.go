package outbox_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
)

// instant is a sender that acknowledges every message at once. All its sessions are READY, or none.
type instant struct{ ready bool }

func (i instant) Ready(session.ID) bool                     { return i.ready }
func (instant) Returns(session.ID, time.Time) bool          { return true }
func (instant) AwaitReady(context.Context, session.ID) bool { return true }

func (instant) Send(_ context.Context, _ session.ID, m message.Outgoing) (message.Ack, error) {
	return message.Ack{MessageID: m.ID, At: time.Now()}, nil
}

const (
	offered  = 500 // messages a second
	sessions = 50
)

// BenchmarkEnqueue offers 500 messages a second to 50 sessions and measures how long accepting one takes, commit
// included. It measures while the lanes send accepted messages (sending), and while no session is READY (away). The
// rate is fixed: a slow answer does not delay the next message, and its whole duration counts.
func BenchmarkEnqueue(b *testing.B) {
	for name, dsn := range map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + filepath.Join(b.TempDir(), "wasup.db") },
		"postgres": func() string { return pgtest.DSN(b) },
	} {
		for _, sending := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/%s", name, map[bool]string{true: "sending", false: "away"}[sending]), func(b *testing.B) {
				benchEnqueue(b, dsn(), sending)
			})
		}
	}
}

func benchEnqueue(b *testing.B, dsn string, sending bool) {
	st, err := store.Open(b.Context(), dsn, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	for n := range sessions {
		if _, err := st.Sessions().SetDesired(b.Context(), session.ID(fmt.Sprintf("s%d", n)), session.DesiredRun); err != nil {
			b.Fatal(err)
		}
	}
	box := outbox.New(st.Outbox(), outbox.Options{})
	if err := box.Start(b.Context(), instant{sending}); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = box.Stop(context.Background()) }()

	took := make([]time.Duration, b.N)
	var callers sync.WaitGroup
	turn := time.NewTicker(time.Second / offered)
	defer turn.Stop()
	b.ResetTimer()
	began := time.Now()
	for n := range b.N {
		<-turn.C
		callers.Go(func() {
			at := time.Now()
			_, _, err := box.Enqueue(b.Context(), message.Request{
				Session: session.ID(fmt.Sprintf("s%d", n%sessions)), To: "5491100000001@s.whatsapp.net",
				Content: message.TextOf("the quick brown fox jumps over the lazy dog"), Key: fmt.Sprint(n),
			})
			if took[n] = time.Since(at); err != nil {
				b.Error(err)
			}
		})
	}
	callers.Wait()
	rate := float64(b.N) / time.Since(began).Seconds()
	b.StopTimer()
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(.5), "p50-ms")
	b.ReportMetric(at(.99), "p99-ms")
	b.ReportMetric(at(1), "max-ms")
	b.ReportMetric(rate, "offered/s")
	b.ReportMetric(0, "ns/op")
}

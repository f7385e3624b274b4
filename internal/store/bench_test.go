package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
)

// sendOnce makes the three commits of one sent message.
func sendOnce(b *testing.B, st *store.Store, id session.ID, key string) {
	e := entryOf(key)
	e.Session = id
	if _, existed, err := st.Outbox().Enqueue(b.Context(), e, time.Time{}); err != nil || existed {
		b.Error(existed, err)
	}
	for _, change := range []outbox.Change{
		{To: message.Sending, Begun: 1}, {To: message.ServerAck, AckedAt: time.Now()},
	} {
		change.Session, change.ID, change.From = id, e.ID, []message.State{message.Queued, message.Sending}
		if carried, err := st.Outbox().Advance(b.Context(), change); err != nil || !carried[0] {
			b.Error(carried, err)
		}
	}
}

// onBoth runs a benchmark on SQLite and on PostgreSQL, each time with a new database.
func onBoth(b *testing.B, run func(b *testing.B, st *store.Store)) {
	b.Run("sqlite", func(b *testing.B) { run(b, openAt(b, filepath.Join(b.TempDir(), "wasup.db"))) })
	b.Run("postgres", func(b *testing.B) { run(b, openDSN(b, pgtest.DSN(b), store.Options{})) })
}

func BenchmarkLedger(b *testing.B) { onBoth(b, sendInTurn) }

func sendInTurn(b *testing.B, st *store.Store) {
	wanted(b, st, "51")
	for i := 0; b.Loop(); i++ {
		sendOnce(b, st, "51", fmt.Sprint(i))
	}
}

func BenchmarkLedgerParallel(b *testing.B) { onBoth(b, sendAtOnce) }

func sendAtOnce(b *testing.B, st *store.Store) {
	b.SetParallelism(25) // 25 callers for each processor
	var callers, n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		id := session.ID(fmt.Sprintf("s%d", callers.Add(1)))
		wanted(b, st, id)
		for pb.Next() {
			sendOnce(b, st, id, fmt.Sprint(n.Add(1)))
		}
	})
}

// BenchmarkCommit measures works of one row each, with one caller and with fifty: the cost of a commit, and how much a
// shared flush saves.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 50} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			onBoth(b, func(b *testing.B, st *store.Store) { commitFrom(b, st, callers) })
		})
	}
}

func commitFrom(b *testing.B, st *store.Store, callers int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	before := st.Commits()
	var working sync.WaitGroup
	b.ResetTimer()
	for c := range callers {
		id := session.ID(fmt.Sprintf("s%d", c))
		working.Go(func() {
			for left.Add(-1) >= 0 {
				err := st.Commit(b.Context(), func(ctx context.Context) error {
					_, err := st.Sessions().SetDesired(ctx, id, session.DesiredRun)
					return err
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	working.Wait()
	after := st.Commits()
	b.ReportMetric(float64(after.Works-before.Works)/float64(max(1, after.Transactions-before.Transactions)), "works/txn")
}

// BenchmarkLoadBesideWriter measures a status request while messages are being sent.
func BenchmarkLoadBesideWriter(b *testing.B) { onBoth(b, loadBesideWriter) }

func loadBesideWriter(b *testing.B, st *store.Store) {
	wanted(b, st, "51")
	wanted(b, st, "52")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				sendOnce(b, st, "52", fmt.Sprint(i))
			}
		}
	}()
	for b.Loop() {
		if _, found, err := st.Sessions().Load(b.Context(), "51"); err != nil || !found {
			b.Fatal(found, err)
		}
	}
	close(stop)
	<-stopped
}

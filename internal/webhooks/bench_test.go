package webhooks_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
	"wasup/internal/webhooks"
)

// BenchmarkDeliveries measures the delivery of one event, with 50 sessions and one receiver. In behind the log is full
// at the beginning, in live it is written meanwhile. It fails if a session's events do not come in order, each once.
func BenchmarkDeliveries(b *testing.B) {
	for name, dsn := range map[string]func(*testing.B) string{
		"sqlite":   func(b *testing.B) string { return "sqlite:" + filepath.Join(b.TempDir(), "wasup.db") },
		"postgres": func(b *testing.B) string { return pgtest.DSN(b) },
	} {
		b.Run(name+"/behind", func(b *testing.B) { deliver(b, dsn(b), false) })
		b.Run(name+"/live", func(b *testing.B) { deliver(b, dsn(b), true) })
	}
}

// counting is a receiver that only checks the order.
type counting struct {
	mu   sync.Mutex
	last map[session.ID]uint64
	left int
	done chan struct{}
	bad  int
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body webhooks.Body
	err := json.NewDecoder(r.Body).Decode(&body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || body.Seq != c.last[body.Session]+1 {
		c.bad++
	}
	c.last[body.Session] = body.Seq
	if c.left--; c.left == 0 {
		close(c.done)
	}
	w.WriteHeader(http.StatusNoContent)
}

func deliver(b *testing.B, dsn string, live bool) {
	const sessions = 50
	st, err := store.Open(b.Context(), dsn, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	r := &rig{t: b, st: st, store: st.Webhooks(), opts: webhooks.Options{AllowPrivate: true}, growth: newGrowth()}
	each := max(1, b.N/sessions)
	x := &counting{last: make(map[session.ID]uint64), left: each * sessions, done: make(chan struct{})}
	server := httptest.NewServer(x)
	defer server.Close()
	r.start()
	defer r.stop()
	hook := r.add(server.URL)
	happen := func() {
		var writers sync.WaitGroup
		for _, id := range names(sessions) {
			writers.Go(func() {
				for range each {
					r.happen(id, 1)
				}
			})
		}
		writers.Wait()
	}
	if !live {
		off, on := false, true
		if _, err := r.Update(b.Context(), hook.ID, webhooks.Patch{Active: &off}); err != nil {
			b.Fatal(err)
		}
		happen()
		b.ResetTimer()
		if _, err := r.Update(b.Context(), hook.ID, webhooks.Patch{Active: &on}); err != nil {
			b.Fatal(err)
		}
	} else {
		b.ResetTimer()
		happen()
	}
	<-x.done
	b.StopTimer()
	if x.bad > 0 {
		b.Errorf("%d of %d came out of order", x.bad, each*sessions)
	}
	r.settled(hook)
	b.ReportMetric(float64(each*sessions)/b.Elapsed().Seconds(), "events/s")
}

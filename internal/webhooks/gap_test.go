package webhooks_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/webhooks"
)

// prune deletes all but the newest events, also undelivered ones.
func (r *rig) prune(keep uint64) (missed int) {
	r.t.Helper()
	_, gaps, err := r.st.Events().Prune(r.t.Context(), events.Cut{Keep: keep, MaxKeep: keep}, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Missed(gaps)
	for _, g := range gaps {
		missed += g.Count
	}
	return missed
}

func (r *rig) status(id string) webhooks.Status {
	r.t.Helper()
	s, err := r.Status(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func TestAReceiverIsToldWhatItMissed(t *testing.T) {
	r := newRig(t, quick())
	var down atomic.Bool
	x := newTarget(t, func(_ http.ResponseWriter, _ *http.Request, _ int) int {
		if down.Load() {
			return 503
		}
		return 204
	})
	observed := &missedCounter{}
	r.opts.Observer = observed
	r.start()
	hook := r.add(x.URL)
	r.happen("51", 2)
	r.happen("52", 1)
	r.settled(hook)
	down.Store(true)
	r.happen("51", 5) // numbers 3 to 7
	r.happen("52", 1) // number 2
	eventually(t, "it is down", func() bool { return r.status(hook.ID).Failures > webhooks.BreakAfter })
	if n := r.prune(3); n != 3 {
		t.Fatalf("%d events are missed", n)
	}
	if n := observed.missed.Load(); n != 3 {
		t.Errorf("%d missed events were counted", n)
	}
	if s := r.status(hook.ID); s.Missed != 3 || len(s.Gaps) != 1 || s.Gaps[0].State != events.GapWaiting || s.Backlog != 3 {
		t.Errorf("the status is %+v", s)
	}
	before := x.count()
	eventually(t, "the notice was refused", func() bool { return x.count() > before })
	r.kill() // the gap survives the kill
	down.Store(false)
	r.start()
	r.settled(hook)
	eventually(t, "the gap is told", func() bool { s := r.status(hook.ID); return len(s.Gaps) == 1 && s.Gaps[0].State == events.GapTold })

	var taken []string
	for _, g := range x.requests() {
		if g.body.Session != "51" || g.body.Seq < 3 {
			continue
		}
		if g.body.Type == events.TypeGap {
			var data events.GapData
			if err := json.Unmarshal(g.body.Data, &data); err != nil || data.Count != 3 || data.First != 3 || data.Last != 5 || g.body.Seq != 5 || data.From.IsZero() {
				t.Errorf("the notice is %s, %v", g.raw, err)
			}
			taken = append(taken, "gap")
			continue
		}
		taken = append(taken, string(rune('0'+g.body.Seq)))
	}
	if came := strings.Join(taken, " "); !strings.HasSuffix(came, "gap 6 7") {
		t.Errorf("of 51 came %s", came)
	}
}

func TestANoticeThatNobodyTakesIsGivenUp(t *testing.T) {
	opts := quick()
	opts.RetryFor = 1
	r := newRig(t, opts)
	x := newTarget(t, nil)
	var picky *target
	picky = newTarget(t, func(_ http.ResponseWriter, _ *http.Request, n int) int {
		if picky.requests()[n-1].body.Type == events.TypeGap {
			return 400
		}
		return 204
	})
	r.start()
	hook := r.add(picky.URL)
	idle := r.add(x.URL)
	off, on := false, true
	for _, id := range []string{hook.ID, idle.ID} {
		if _, err := r.Update(t.Context(), id, webhooks.Patch{Active: &off}); err != nil {
			t.Fatal(err)
		}
	}
	r.happen("51", 4)
	r.prune(2)
	if _, err := r.Update(t.Context(), hook.ID, webhooks.Patch{Active: &on}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what follows is delivered all the same", func() bool { return r.backlog(hook) == 0 })
	for i, g := range picky.requests() {
		if last := i >= picky.count()-2; last == (g.body.Type == events.TypeGap) {
			t.Errorf("%d came as %s", i, g.raw)
		}
	}
	if s := r.status(hook.ID); s.Missed != 2 || s.Gaps[0].State != events.GapGivenUp {
		t.Errorf("the status is %+v", s)
	}
	if s := r.status(idle.ID); s.Missed != 2 || s.Gaps[0].State != events.GapWaiting || x.count() != 0 {
		t.Errorf("the status of the one that is paused is %+v", s)
	}
}

// missedCounter counts missed events.
type missedCounter struct{ missed atomic.Int64 }

func (*missedCounter) WebhookAttempted(webhooks.Outcome, time.Duration) {}
func (*missedCounter) WebhookDelivered(time.Duration)                   {}
func (*missedCounter) WebhookDeadLettered()                             {}

func (m *missedCounter) WebhookMissed(n int) { m.missed.Add(int64(n)) }

package webhooks_test

import (
	"context"
	"sync/atomic"
	"testing"

	"wasup/internal/webhooks"
)

// slowStore stores no delivery before the test lets it.
type slowStore struct {
	webhooks.Tables
	gate    chan struct{}
	commits atomic.Int64
}

func (s *slowStore) Record(ctx context.Context, list []webhooks.Progress) ([]bool, error) {
	select {
	case <-s.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.commits.Add(1)
	return s.Tables.Record(ctx, list)
}

func TestDeliveriesGoOnWhileTheyAreBeingNoted(t *testing.T) {
	const sessions, each = 4, 2 * webhooks.MostUnnoted
	r, x := newRig(t, quick()), newTarget(t, nil)
	slow := &slowStore{Tables: r.store, gate: make(chan struct{})}
	r.store = slow
	r.start()
	hook := r.add(x.URL)
	for _, id := range names(sessions) {
		r.happen(id, each)
	}
	// Exactly as many as may come again after a kill.
	eventually(t, "each session has what may be unnoted", func() bool { return x.count() == sessions*webhooks.MostUnnoted })
	if n := r.backlog(hook); n != sessions*each {
		t.Errorf("a backlog of %d while nothing is noted", n)
	}
	close(slow.gate)
	r.settled(hook)
	x.wantOnce(t, sessions, each)
	// The deliveries that waited are stored together. Later ones may be stored one by one on a slow machine.
	if n := slow.commits.Load(); n > sessions*each*3/4 {
		t.Errorf("%d commits for %d deliveries", n, sessions*each)
	}
	if kept := r.deliveries(hook); len(kept) != 200 || kept[0].N != sessions*each {
		t.Errorf("%d attempts are kept, the last is %+v", len(kept), kept[0])
	}
}

func TestWhatWasTakenAMomentAgoIsReplayed(t *testing.T) {
	r, x := newRig(t, quick()), newTarget(t, nil)
	slow := &slowStore{Tables: r.store, gate: make(chan struct{})}
	r.store = slow
	r.start()
	hook := r.add(x.URL)
	r.happen("51", 3)
	// The status shows a delivery only after the turn has passed it to notes.
	eventually(t, "all three were taken", func() bool {
		s, err := r.Status(t.Context(), hook.ID)
		return err == nil && s.Last != nil && s.Last.Seq == 3
	})
	go func() { slow.gate <- struct{}{}; close(slow.gate) }()
	moved, err := r.Replay(t.Context(), hook.ID, replayFrom("51", 3))
	if err != nil || len(moved) != 1 || moved[0] != "51" {
		t.Fatalf("a replay of what was not noted yet moved %v, %v", moved, err)
	}
	eventually(t, "it came again", func() bool { return x.count() == 4 })
	if g := x.requests()[3]; g.body.Seq != 3 {
		t.Errorf("%d came again", g.body.Seq)
	}
	r.settled(hook)
}

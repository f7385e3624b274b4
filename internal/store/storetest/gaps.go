package storetest

import (
	"testing"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
)

var gapTests = []test{
	{"webhooks/retention waits for them, and says what they missed", retentionWaitsForWebhooks},
}

func retentionWaitsForWebhooks(t *testing.T, st *store.Store) {
	paused := threeThatWait(t, st)
	// What the paused one waits for stays; a webhook whose receiver is gone holds nothing.
	pruned(t, st, events.Cut{Keep: 1}, 3, gap("wh_gone", "51", 1, 2, 3, 2), gap("wh_gone", "52", 1, 1, 2, 1))
	pruned(t, st, events.Cut{Keep: 1}, 0)
	// But no longer than it may.
	pruned(t, st, events.Cut{Keep: 1, MaxKeep: 4}, 4,
		gap("wh_calls", "51", 5, 5, 7, 1), gap("wh_gone", "51", 3, 5, 7, 3), gap("wh_gone", "52", 2, 2, 4, 1),
		gap("wh_paused", "51", 3, 5, 7, 3), gap("wh_paused", "52", 2, 2, 4, 1))
	pruned(t, st, events.Cut{Keep: 1, MaxKeep: 4}, 0)

	grown, err := st.Webhooks().Gap(bounded(t), "wh_gone", "51")
	must(t, err)
	if grown.First != 1 || grown.Last != 5 || grown.Count != 5 {
		t.Errorf("two gaps in a row are %+v", grown)
	}
	gapIsToldOnce(t, st, paused)
	// Who has all but a notice is behind.
	for _, id := range []session.ID{"51", "52"} {
		last, err := st.Events().LastSeq(bounded(t), id)
		must(t, err)
		_, err = st.Webhooks().Advance(bounded(t), cursorOf(t, st, paused, id), last)
		must(t, err)
	}
	wantBehind(t, st, paused, 0, "52")
}

// threeThatWait makes eleven events, and webhooks that have had few of them: one of calls, one whose receiver is gone,
// and a paused one, which it gives. The paused one has had up to 3 of session 51 and up to 2 of session 52.
func threeThatWait(t *testing.T, st *store.Store) (paused webhooks.Webhook) {
	t.Helper()
	ctx := bounded(t)
	_, err := st.Sessions().SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	calls := hook("wh_calls", "51")
	calls.Events = []events.Type{events.TypeCall}
	gone := hook("wh_gone", "")
	gone.Active, gone.Disabled = false, "gone"
	paused = hook("wh_paused", "")
	paused.Active = false
	created(t, st, calls, webhooks.Origin{})
	created(t, st, gone, webhooks.Origin{})
	created(t, st, paused, webhooks.Origin{})
	appended(t, st, "51", "52", "51", "52", "51", "51") // positions 1 to 6
	call := event("51", "")
	call.Type = events.TypeCall
	must(t, st.Events().Append(ctx, call))  // 7
	appended(t, st, "52", "51", "52", "51") // 8 to 11
	_, err = st.Webhooks().Advance(ctx, cursorOf(t, st, paused, "51"), 2)
	must(t, err)
	_, err = st.Webhooks().Advance(ctx, cursorOf(t, st, paused, "52"), 1)
	must(t, err)
	return paused
}

// pruned lets retention take events, and wants that many to go and these to be missed.
func pruned(t *testing.T, st *store.Store, cut events.Cut, want int, missed ...events.Gap) {
	t.Helper()
	n, gaps, err := st.Events().Prune(bounded(t), cut, 100)
	must(t, err)
	if n != want || len(gaps) != len(missed) {
		t.Fatalf("pruned %d, want %d; missed %+v, want %+v", n, want, gaps, missed)
	}
	for i, g := range gaps {
		if g.From.IsZero() || g.To.Before(g.From) || g.At.IsZero() {
			t.Errorf("%+v has no times", g)
		}
		if g.From, g.To, g.At = missed[i].From, missed[i].To, missed[i].At; g != missed[i] {
			t.Errorf("missed %+v, want %+v", g, missed[i])
		}
	}
}

func gap(w string, id session.ID, first, last, pos uint64, n int) events.Gap {
	return events.Gap{Webhook: w, Session: id, First: first, Last: last, Pos: pos, Count: n, State: events.GapWaiting}
}

// gapIsToldOnce ends the gap of the paused webhook in session 51 with a notice; that in session 52 stays.
func gapIsToldOnce(t *testing.T, st *store.Store, paused webhooks.Webhook) {
	t.Helper()
	ctx, log := bounded(t), st.Webhooks()
	c := cursorOf(t, st, paused, "51")
	if want := (webhooks.Cursor{Webhook: "wh_paused", Session: "51", Seq: 5, Missed: true}); c != want {
		t.Fatalf("the cursor is %+v, want %+v", c, want)
	}
	told, err := log.Gap(ctx, "wh_paused", "51")
	must(t, err)
	told.State = events.GapTold
	notice := attempt(&events.Event{Session: "51", Seq: told.Last, Type: events.TypeGap}, 1, webhooks.Delivered)
	for _, want := range []bool{true, false} {
		if ended, err := log.EndGap(ctx, c, told, notice); err != nil || ended != want {
			t.Fatalf("ended: %v, %v, want %v", ended, err, want)
		}
	}
	if c = cursorOf(t, st, paused, "51"); c.Missed || c.Seq != 5 {
		t.Errorf("behind the gap the cursor is %+v", c)
	}
	_, err = log.Gap(ctx, "wh_paused", "51")
	wantCode(t, err, session.CodeNotFound)
	missed, list, err := log.Gaps(ctx, "wh_paused", 10)
	if err != nil || missed != 4 || len(list) != 2 || list[0].State != events.GapTold || list[1].State != events.GapWaiting {
		t.Errorf("%d missed, %+v, %v", missed, list, err)
	}
}

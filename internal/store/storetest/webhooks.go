package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
)

var webhookTests = []test{
	{"webhooks/one comes back as it was given, is changed and deleted", webhookComesBack},
	{"webhooks/one begins where it was told to", webhookBegins},
	{"webhooks/the log is read by session, number and type", webhookReadsTheLog},
	{"webhooks/a cursor moves only from where it was", cursorMovesFromWhereItWas},
	{"webhooks/many cursors move in one commit, each from where it was", manyMoveAtOnce},
	{"webhooks/what failed is kept with its next time", cursorKeepsItsAttempts},
	{"webhooks/a dead letter keeps its event, and can be tried again or thrown away", deadLetters},
	{"webhooks/cursors go back by number, by time and to the beginning", cursorsGoBack},
	{"webhooks/the last attempts are kept, newest first", attemptsAreKept},
	{"webhooks/a deleted session leaves nothing", deletedSessionLeavesNoWebhooks},
}

func hook(id string, of session.ID) webhooks.Webhook {
	return webhooks.Webhook{
		ID: id, Session: of, URL: "https://hooks.example/a?b=c", Description: "ürgent", Secret: "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", Active: true,
	}
}

func created(t *testing.T, st *store.Store, given webhooks.Webhook, from webhooks.Origin) webhooks.Webhook {
	t.Helper()
	stored, err := st.Webhooks().Create(bounded(t), given, from)
	must(t, err)
	return stored
}

func appended(t *testing.T, st *store.Store, ids ...session.ID) {
	t.Helper()
	for _, id := range ids {
		must(t, st.Events().Append(bounded(t), event(id, "")))
	}
}

func cursorOf(t *testing.T, st *store.Store, w webhooks.Webhook, id session.ID) webhooks.Cursor {
	t.Helper()
	c, err := st.Webhooks().Cursor(bounded(t), w, id)
	must(t, err)
	return c
}

func wantBehind(t *testing.T, st *store.Store, w webhooks.Webhook, backlog int, want ...session.ID) {
	t.Helper()
	got, err := st.Webhooks().Behind(bounded(t), w)
	must(t, err)
	if !slices.Equal(got, want) {
		t.Fatalf("%s is behind with %v, want %v", w.ID, got, want)
	}
	n, oldest, err := st.Webhooks().Backlog(bounded(t), w)
	must(t, err)
	if n != backlog || oldest.IsZero() != (backlog == 0) {
		t.Fatalf("%s has a backlog of %d since %s, want %d", w.ID, n, oldest, backlog)
	}
}

func webhookComesBack(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	_, err := st.Sessions().SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	full := hook("wh_1", "51")
	full.Events = []events.Type{events.TypeMessage, events.TypeCall}
	full.Headers = map[string]string{"X-Tenant": "a", "Authorization": "Bearer b"}
	full.OldSecret, full.OldUntil, full.Disabled = "whsec_old", time.UnixMilli(1_780_000_000_000).UTC(), "gone"
	want := []webhooks.Webhook{created(t, st, full, webhooks.Origin{}), created(t, st, hook("wh_2", ""), webhooks.Origin{})}
	if want[0].CreatedAt.IsZero() || want[0].CreatedAt != want[0].UpdatedAt {
		t.Fatalf("created %+v", want[0])
	}
	all, err := st.Webhooks().List(ctx)
	must(t, err)
	if !reflect.DeepEqual(all, want) {
		t.Fatalf("listed\n%+v, want\n%+v", all, want)
	}
	_, err = st.Webhooks().Create(ctx, hook("wh_3", "nobody"), webhooks.Origin{})
	wantCode(t, err, session.CodeNotFound)

	changed := want[0]
	changed.URL, changed.Description, changed.Events, changed.Headers, changed.Active = "http://b.example/", "", nil, nil, false
	changed.Secret, changed.OldSecret, changed.OldUntil, changed.Disabled = "whsec_new", "", time.Time{}, ""
	stored, err := st.Webhooks().Update(ctx, changed)
	must(t, err)
	changed.UpdatedAt = stored.UpdatedAt
	if all, err = st.Webhooks().List(ctx); err != nil || !reflect.DeepEqual(all[0], changed) {
		t.Fatalf("changed to %+v, %v; want %+v", all[0], err, changed)
	}
	must(t, st.Webhooks().Delete(ctx, "wh_1"))
	wantCode(t, st.Webhooks().Delete(ctx, "wh_1"), session.CodeUnknownWebhook)
	_, err = st.Webhooks().Update(ctx, changed)
	wantCode(t, err, session.CodeUnknownWebhook)
	_, err = st.Webhooks().Cursor(ctx, changed, "51")
	wantCode(t, err, session.CodeUnknownWebhook)
}

func webhookBegins(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	for _, id := range []session.ID{"51", "52"} {
		_, err := st.Sessions().SetDesired(ctx, id, session.DesiredRun)
		must(t, err)
	}
	appended(t, st, "51", "51", "51", "52")
	now, all := created(t, st, hook("wh_now", ""), webhooks.Origin{}), created(t, st, hook("wh_all", ""), webhooks.Origin{Beginning: true})
	second, ahead := created(t, st, hook("wh_2", "51"), webhooks.Origin{Seq: 2}), created(t, st, hook("wh_9", "51"), webhooks.Origin{Seq: 9})
	wantBehind(t, st, now, 0)
	wantBehind(t, st, all, 4, "51", "52")
	wantBehind(t, st, second, 2, "51")
	wantBehind(t, st, ahead, 0)
	appended(t, st, "52", "53", "51")
	wantBehind(t, st, now, 3, "51", "52", "53")
	wantBehind(t, st, second, 3, "51")
	for id, want := range map[session.ID]uint64{"51": 3, "52": 1, "53": 0} {
		if c := cursorOf(t, st, now, id); c != (webhooks.Cursor{Webhook: "wh_now", Session: id, Seq: want}) {
			t.Errorf("the cursor with %s is %+v", id, c)
		}
	}
	calls := now
	calls.Events = []events.Type{events.TypeCall}
	if n, oldest, err := st.Webhooks().Backlog(ctx, calls); n != 0 || !oldest.IsZero() || err != nil {
		t.Errorf("a backlog of %d calls, %v", n, err)
	}
}

func webhookReadsTheLog(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	call := event("51", "call")
	call.Type = events.TypeCall
	must(t, st.Events().Append(ctx, event("51", "a"), event("52", "b"), call, event("51", "c"), event("51", "d")))
	for _, test := range []struct {
		after uint64
		types []events.Type
		limit int
		want  string
		seen  uint64
	}{
		{0, nil, 10, "1:51/1:a 3:51/2:call 4:51/3:c 5:51/4:d", 4},
		{0, nil, 2, "1:51/1:a 3:51/2:call", 2},
		{1, []events.Type{events.TypeMessage, events.TypeState}, 10, "4:51/3:c 5:51/4:d", 4},
		{2, []events.Type{events.TypeCall}, 10, "", 4},
		{4, nil, 10, "", 4},
		{9, nil, 10, "", 9},
	} {
		found, seen, err := st.Webhooks().ReadLog(ctx, "51", test.after, test.types, test.limit)
		must(t, err)
		if got := formatEvents(found); got != test.want || seen != test.seen {
			t.Errorf("%+v gives %q, %d", test, got, seen)
		}
	}
}

func attempt(e *events.Event, n int, outcome webhooks.Outcome) webhooks.Delivery {
	return webhooks.Delivery{
		Session: e.Session, Seq: e.Seq, Pos: e.Pos, Type: e.Type, At: time.UnixMilli(1_780_000_000_000).UTC(), Attempt: n, Outcome: outcome,
		Status: 500, Took: 1500 * time.Microsecond, Error: "né\x00t",
	}
}

func cursorMovesFromWhereItWas(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	w := created(t, st, hook("wh_1", ""), webhooks.Origin{})
	appended(t, st, "51", "51", "51")
	c := cursorOf(t, st, w, "51")
	delivered := attempt(&events.Event{Session: "51", Seq: 1}, 1, webhooks.Delivered)
	for _, step := range []struct {
		from, to uint64
		want     bool
	}{{0, 1, true}, {0, 1, false}, {1, 3, true}} {
		c.Seq = step.from
		moved, err := st.Webhooks().Record(ctx, []webhooks.Progress{{
			Webhook: c.Webhook, Session: c.Session, From: step.from, To: step.to, Attempts: []webhooks.Delivery{delivered},
		}})
		must(t, err)
		if moved[0] != step.want {
			t.Fatalf("%+v moved: %v", step, moved)
		}
	}
	c.Seq = 3
	if moved, err := st.Webhooks().Advance(ctx, c, 4); err != nil || !moved {
		t.Fatalf("without an attempt: %v, %v", moved, err)
	}
	if list, err := st.Webhooks().Deliveries(ctx, "wh_1", 0, 10); err != nil || len(list) != 2 {
		t.Fatalf("attempts are kept although the cursor did not move: %+v, %v", list, err)
	}
	must(t, st.Webhooks().Delete(ctx, "wh_1"))
	c.Seq = 4
	if moved, err := st.Webhooks().Advance(ctx, c, 5); err != nil || moved {
		t.Fatalf("the cursor of a deleted webhook moved: %v, %v", moved, err)
	}
	must(t, st.Webhooks().Note(ctx, "wh_1", delivered))
}

// manyMoveAtOnce moves cursors of two webhooks: more than one statement takes, and with more attempts than are kept.
func manyMoveAtOnce(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	both := []webhooks.Webhook{created(t, st, hook("wh_1", ""), webhooks.Origin{}), created(t, st, hook("wh_2", ""), webhooks.Origin{})}
	var list []webhooks.Progress
	for i := range 70 {
		id := session.ID(fmt.Sprintf("s%02d", i))
		appended(t, st, id, id, id, id)
		for _, w := range both {
			p := webhooks.Progress{Webhook: w.ID, Session: id, From: cursorOf(t, st, w, id).Seq, To: 4}
			for seq := uint64(1); seq <= 4; seq++ {
				p.Attempts = append(p.Attempts, attempt(&events.Event{Session: id, Seq: seq}, 1, webhooks.Delivered))
			}
			if i%10 == 9 {
				p.From = 2 // the cursor is elsewhere, so it must not move
			}
			list = append(list, p)
		}
	}
	list = append(list, webhooks.Progress{Webhook: "wh_gone", Session: "s00", From: 0, To: 4, Attempts: list[0].Attempts})
	moved, err := st.Webhooks().Record(ctx, list)
	must(t, err)
	for i, p := range list {
		if want := p.From == 0 && p.Webhook != "wh_gone"; moved[i] != want {
			t.Errorf("%+v moved: %v", p, moved[i])
		} else if want && cursorOf(t, st, both[i%2], p.Session).Seq != 4 {
			t.Errorf("%s is not where it was moved to with %s", p.Webhook, p.Session)
		}
	}
	for _, w := range both {
		kept, err := st.Webhooks().Deliveries(ctx, w.ID, 0, 1000)
		must(t, err)
		if last := 63 * 4; len(kept) != 200 || kept[0].N != uint64(last) || kept[199].N != uint64(last-199) || kept[0].Session != "s68" || kept[0].Seq != 4 {
			t.Errorf("%d attempts are kept, the last is %+v", len(kept), kept[0])
		}
	}
}

func cursorKeepsItsAttempts(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	w := created(t, st, hook("wh_1", ""), webhooks.Origin{})
	appended(t, st, "51")
	c := cursorOf(t, st, w, "51")
	c.AttemptSeq, c.Attempts = 1, 3
	c.FirstFailed, c.NextAt = time.UnixMilli(1_780_000_000_000).UTC(), time.UnixMilli(1_780_000_009_000).UTC()
	failed := attempt(&events.Event{Session: "51", Seq: 1, Pos: 1, Type: events.TypeMessage}, 3, webhooks.Failed)
	if stored, err := st.Webhooks().Postpone(ctx, c, failed); err != nil || !stored {
		t.Fatalf("%v, %v", stored, err)
	}
	if got := cursorOf(t, st, w, "51"); got != c {
		t.Fatalf("kept %+v, want %+v", got, c)
	}
	list, err := st.Webhooks().Deliveries(ctx, "wh_1", 0, 10)
	must(t, err)
	failed.N, failed.Error = 1, strings.ReplaceAll(failed.Error, "\x00", "\uFFFD")
	if len(list) != 1 || list[0] != failed {
		t.Fatalf("kept %+v, want %+v", list, failed)
	}
	moved := c
	moved.Seq = 7
	if stored, err := st.Webhooks().Postpone(ctx, moved, failed); err != nil || stored {
		t.Fatalf("a cursor that is elsewhere was changed: %v, %v", stored, err)
	}
	if _, err := st.Webhooks().Advance(ctx, c, 1); err != nil {
		t.Fatal(err)
	}
	if got := cursorOf(t, st, w, "51"); got != (webhooks.Cursor{Webhook: "wh_1", Session: "51", Seq: 1}) {
		t.Fatalf("the attempts of an event were kept for the next one: %+v", got)
	}
}

func deadLetters(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	w, log := created(t, st, hook("wh_1", ""), webhooks.Origin{}), st.Webhooks()
	appended(t, st, "51", "52", "51", "51")
	found, _, err := log.ReadLog(ctx, "51", 0, nil, 10)
	must(t, err)
	died := time.UnixMilli(1_780_000_000_000).UTC()
	for i := range found {
		e := found[i]
		letter := webhooks.DeadLetter{Event: e, Attempts: 9, Status: 500, Error: "no", DiedAt: died.Add(time.Duration(i) * time.Second)}
		forget := died.Add(time.Duration(i-1) * time.Second) // the second letter keeps the first; the third deletes it
		moved, err := log.DeadLetter(ctx, cursorOf(t, st, w, "51"), letter, attempt(&e, 9, webhooks.Failed), forget)
		must(t, err)
		if !moved {
			t.Fatal("the cursor did not move")
		}
	}
	list, err := log.DeadLetters(ctx, "wh_1", "", 0, 10)
	must(t, err)
	want := webhooks.DeadLetter{Event: found[1], Attempts: 9, Status: 500, Error: "no", DiedAt: died.Add(time.Second)}
	want.Event.Key = ""
	if len(list) != 2 || !reflect.DeepEqual(list[0], want) {
		t.Fatalf("dead are %+v, want %+v first", list, want)
	}
	if c := cursorOf(t, st, w, "51"); c.Seq != 3 {
		t.Fatalf("the cursor is %+v", c)
	}
	count := func(id session.ID, after uint64, limit, want int) {
		t.Helper()
		if got, err := log.DeadLetters(ctx, "wh_1", id, after, limit); err != nil || len(got) != want {
			t.Fatalf("%d dead letters, %v; want %d", len(got), err, want)
		}
	}
	count("51", 0, 10, 2)
	count("52", 0, 10, 0)
	count("", found[1].Pos, 10, 1)
	count("", 0, 1, 1)
	if n, err := log.Requeue(ctx, "wh_1", "", found[2].Pos); err != nil || n != 1 {
		t.Fatalf("requeued %d, %v", n, err)
	}
	if again, err := log.Requeued(ctx, "wh_1", 10); err != nil || len(again) != 1 || again[0].Event.Seq != 3 || !again[0].Requeued {
		t.Fatalf("requeued %+v, %v", again, err)
	}
	must(t, log.Settle(ctx, "wh_1", found[2].Pos, attempt(&found[2], 10, webhooks.Timeout)))
	if again, err := log.DeadLetters(ctx, "wh_1", "", found[1].Pos, 10); err != nil || again[0].Requeued || again[0].Attempts != 10 {
		t.Fatalf("after another failure %+v, %v", again, err)
	}
	if n, err := log.Requeue(ctx, "wh_1", "51", 0); err != nil || n != 2 {
		t.Fatalf("requeued %d, %v", n, err)
	}
	must(t, log.Settle(ctx, "wh_1", found[2].Pos, attempt(&found[2], 11, webhooks.Delivered)))
	if n, err := log.CountDead(ctx, "wh_1"); err != nil || n != 1 {
		t.Fatalf("%d left, %v", n, err)
	}
	if n, err := log.Discard(ctx, "wh_1", "", 0); err != nil || n != 1 {
		t.Fatalf("discarded %d, %v", n, err)
	}
}

func cursorsGoBack(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	w, log := created(t, st, hook("wh_1", ""), webhooks.Origin{}), st.Webhooks()
	appended(t, st, "51", "52", "51")
	first, _, err := log.ReadLog(ctx, "51", 1, nil, 1)
	must(t, err)
	at := first[0].At
	for !time.Now().Truncate(time.Millisecond).After(at) { // so that the next event has a later time
		<-time.After(time.Millisecond)
	}
	appended(t, st, "51", "52")
	later, _, err := log.ReadLog(ctx, "51", 2, nil, 1)
	must(t, err)
	done := func() {
		t.Helper()
		for _, id := range []session.ID{"51", "52"} {
			c := cursorOf(t, st, w, id)
			last, err := st.Events().LastSeq(ctx, id)
			must(t, err)
			if c.Seq < last {
				_, err = log.Advance(ctx, c, last)
				must(t, err)
			}
		}
		wantBehind(t, st, w, 0)
	}
	for what, test := range map[string]struct {
		replay  webhooks.Replay
		backlog int
		moved   []session.ID
	}{
		"everything":                    {webhooks.Replay{}, 5, []session.ID{"51", "52"}},
		"a session":                     {webhooks.Replay{Session: "52"}, 2, []session.ID{"52"}},
		"from a number":                 {webhooks.Replay{Session: "51", Seq: 2}, 2, []session.ID{"51"}},
		"from a number that is to come": {webhooks.Replay{Session: "51", Seq: 4}, 0, nil},
		"from a time":                   {webhooks.Replay{Since: later[0].At}, 2, []session.ID{"51", "52"}},
		"from a time, one session":      {webhooks.Replay{Since: later[0].At, Session: "51"}, 1, []session.ID{"51"}},
		"from a time to come":           {webhooks.Replay{Since: time.Now().Add(time.Hour)}, 0, nil},
	} {
		done()
		moved, err := log.Rewind(ctx, w, test.replay)
		must(t, err)
		slices.Sort(moved)
		if !slices.Equal(moved, test.moved) {
			t.Errorf("%s: moved %v, want %v", what, moved, test.moved)
		}
		wantBehind(t, st, w, test.backlog, test.moved...)
	}
}

func attemptsAreKept(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	created(t, st, hook("wh_1", ""), webhooks.Origin{})
	created(t, st, hook("wh_2", ""), webhooks.Origin{})
	for n := range 230 {
		must(t, st.Webhooks().Note(ctx, "wh_1", attempt(&events.Event{Session: "51", Seq: uint64(n + 1)}, 1, webhooks.Failed)))
	}
	list, err := st.Webhooks().Deliveries(ctx, "wh_1", 0, 500)
	must(t, err)
	if len(list) != 200 || list[0].Seq != 230 || list[199].Seq != 31 || list[0].N != 230 {
		t.Fatalf("%d attempts are kept, from %+v to %+v", len(list), list[0], list[len(list)-1])
	}
	if page, err := st.Webhooks().Deliveries(ctx, "wh_1", list[1].N, 3); err != nil || fmt.Sprint(page[0].Seq, page[1].Seq, page[2].Seq) != "228 227 226" {
		t.Fatalf("the next page is %+v, %v", page, err)
	}
	if other, err := st.Webhooks().Deliveries(ctx, "wh_2", 0, 500); err != nil || len(other) != 0 {
		t.Fatalf("another webhook has %+v, %v", other, err)
	}
}

func deletedSessionLeavesNoWebhooks(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	_, err := st.Sessions().SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	created(t, st, hook("wh_own", "51"), webhooks.Origin{})
	all, log := created(t, st, hook("wh_all", ""), webhooks.Origin{}), st.Webhooks()
	appended(t, st, "51", "51", "52")
	found, _, err := log.ReadLog(ctx, "51", 0, nil, 1)
	must(t, err)
	_, err = log.DeadLetter(ctx, cursorOf(t, st, all, "51"), webhooks.DeadLetter{Event: found[0], DiedAt: time.Now()}, attempt(&found[0], 1, webhooks.Failed), time.Time{})
	must(t, err)
	must(t, st.Sessions().Delete(ctx, "51"))
	if left, err := log.List(ctx); err != nil || len(left) != 1 || left[0].ID != "wh_all" {
		t.Fatalf("left are %+v, %v", left, err)
	}
	if n, err := log.CountDead(ctx, "wh_all"); err != nil || n != 0 {
		t.Fatalf("%d dead letters are left, %v", n, err)
	}
	if list, err := log.Deliveries(ctx, "wh_all", 0, 10); err != nil || len(list) != 0 {
		t.Fatalf("attempts are left: %+v, %v", list, err)
	}
	must(t, log.Tidy(ctx))
	if c := cursorOf(t, st, all, "51"); c.Seq != 1 {
		t.Fatalf("the cursor was deleted before the session's last events: %+v", c)
	}
	_, err = st.Events().Forget(ctx, "51", 2, 100)
	must(t, err)
	must(t, log.Tidy(ctx))
	if c := cursorOf(t, st, all, "51"); c.Seq != 0 {
		t.Fatalf("the cursor of a deleted session is left: %+v", c)
	}
}

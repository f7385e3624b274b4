package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
)

var pageTests = []test{
	{"pages/one of events ends with its bytes", aPageOfEventsEndsWithItsBytes},
	{"pages/a larger event of an earlier version is shortened", aLargerEventIsShortened},
	{"pages/one of dead letters ends with its bytes", aPageOfDeadLettersEndsWithItsBytes},
	{"pages/events are weighed in blocks", eventsAreWeighed},
	{"pages/one of messages ends with its bytes", aPageOfMessagesEndsWithItsBytes},
}

// large returns an event with a text of some kilobytes.
func large(id session.ID, kilobytes int) events.Event {
	e := event(id, "")
	e.Data = json.RawMessage(fmt.Sprintf(`{"content":{"text":%q}}`, strings.Repeat("a", kilobytes<<10)))
	return e
}

func aPageOfEventsEndsWithItsBytes(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	for range 3 {
		must(t, st.Events().Append(ctx, large("51", 400), large("52", 1)))
	}
	must(t, st.Events().Append(ctx, large("51", 1500), event("51", ""), event("51", "")))
	for _, test := range []struct {
		query events.Query
		want  string
		upTo  uint64
		full  bool
	}{
		{events.Query{}, "1:51/1: 2:52/1: 3:51/2: 4:52/2: 5:51/3:", 5, true},
		{events.Query{Limit: 2}, "1:51/1: 2:52/1:", 2, true},
		{events.Query{After: 5}, "6:52/3: 7:51/4:", 7, true},
		{events.Query{After: 6}, "7:51/4:", 7, true},
		{events.Query{After: 7}, "8:51/5: 9:51/6:", 9, false},
		{events.Query{Session: "51", After: 1}, "3:51/2: 5:51/3: 7:51/4:", 7, true},
		{events.Query{Session: "52"}, "2:52/1: 4:52/2: 6:52/3:", 9, false},
		{events.Query{Session: "51", Bytes: 100}, "1:51/1:", 1, true},
		{events.Query{Types: []events.Type{events.TypeMessage}, Bytes: 500 << 10}, "1:51/1: 2:52/1: 3:51/2:", 3, true},
	} {
		found, upTo, err := st.Events().Read(ctx, test.query)
		must(t, err)
		if got := formatEvents(found); got != test.want || upTo != test.upTo || test.query.Full(found) != test.full {
			t.Errorf("%+v gives\n%s up to %d, full %t; want\n%s up to %d, full %t", test.query, got, upTo, test.query.Full(found), test.want, test.upTo, test.full)
		}
	}
	for _, test := range []struct {
		after, seen uint64
		want        string
	}{{0, 3, "1:51/1: 3:51/2: 5:51/3:"}, {3, 4, "7:51/4:"}, {4, 6, "8:51/5: 9:51/6:"}, {6, 6, ""}} {
		found, seen, err := st.Webhooks().ReadLog(ctx, "51", test.after, []events.Type{events.TypeMessage}, 32)
		must(t, err)
		if got := formatEvents(found); got != test.want || seen != test.seen {
			t.Errorf("after %d a webhook gets %s up to %d, want %s up to %d", test.after, got, seen, test.want, test.seen)
		}
	}
}

// aLargerEventIsShortened stores events as earlier versions did.
func aLargerEventIsShortened(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	must(t, st.Events().Append(ctx, large("51", 3000), event("51", ""), event("51", ""), event("51", "")))
	found, _, err := st.Events().Read(ctx, events.Query{})
	must(t, err)
	if len(found) != 4 || len(found[0].Data) > 70_000 || found[0].Shortened > 0 {
		t.Fatalf("a new event has %d bytes, shortened from %d", len(found[0].Data), found[0].Shortened)
	}
	_, err = st.DB().Exec(ctx, "UPDATE wasup_event SET data=$1 WHERE pos IN (1, 3)", string(large("51", 5000).Data))
	must(t, err)
	var got []string
	for after := uint64(0); ; {
		query := events.Query{After: after}
		found, upTo, err := st.Events().Read(ctx, query)
		must(t, err)
		got = append(got, formatEvents(found))
		for i := range found {
			if len(found[i].Data) > 70_000 || !json.Valid(found[i].Data) {
				t.Errorf("event %d has %d bytes", found[i].Pos, len(found[i].Data))
			}
		}
		if !query.Full(found) {
			break
		}
		after = upTo
	}
	if want := "1:51/1:|2:51/2: 3:51/3:|4:51/4:"; strings.Join(got, "|") != want {
		t.Errorf("the pages are %s, want %s", strings.Join(got, "|"), want)
	}
	var of events.MessageData
	must(t, json.Unmarshal(found[0].Data, &of))
	if len(of.Content.Text) != 65_536 || !of.Truncated {
		t.Errorf("a text of %d characters, truncated %t", len(of.Content.Text), of.Truncated)
	}
}

func aPageOfDeadLettersEndsWithItsBytes(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	w := created(t, st, hook("wh_1", ""), webhooks.Origin{Beginning: true})
	other := created(t, st, hook("wh_2", ""), webhooks.Origin{Beginning: true})
	must(t, st.Events().Append(ctx, large("51", 700), large("51", 700), large("51", 1)))
	found, _, err := st.Events().Read(ctx, events.Query{})
	must(t, err)
	more, _, err := st.Events().Read(ctx, events.Query{After: 2})
	must(t, err)
	found = append(found, more...)
	for _, each := range []webhooks.Webhook{w, other} {
		for i := range found {
			letter := webhooks.DeadLetter{Event: found[i], Attempts: 9, Status: 500, Error: "no", DiedAt: time.Now()}
			_, err := st.Webhooks().DeadLetter(ctx, cursorOf(t, st, each, "51"), letter, attempt(&found[i], 9, webhooks.Failed), time.Time{})
			must(t, err)
		}
	}
	first, err := st.Webhooks().DeadLetters(ctx, "wh_1", "", 0, 10)
	must(t, err)
	rest, err := st.Webhooks().DeadLetters(ctx, "wh_1", "", first[len(first)-1].Event.Pos, 10)
	must(t, err)
	if len(first) != 2 || !webhooks.Full(first, 10) || len(rest) != 1 || webhooks.Full(rest, 10) {
		t.Errorf("a page of %d, then one of %d", len(first), len(rest))
	}
}

func aPageOfMessagesEndsWithItsBytes(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	for i := range 5 {
		e := entry("51", "")
		e.ID, e.Content = fmt.Sprintf("3EB0%d", i), message.TextOf(strings.Repeat("a", 400<<10))
		enqueued(t, st, e)
	}
	var pages []string
	filter := message.Filter{Limit: 4, States: []message.State{message.Queued}}
	for {
		list, next, err := st.Outbox().List(ctx, "51", filter)
		must(t, err)
		var ids []string
		for i := range list {
			ids = append(ids, list[i].ID)
		}
		pages = append(pages, strings.Join(ids, " "))
		if filter.Cursor = next; next == "" {
			break
		}
	}
	if got, want := strings.Join(pages, " | "), "3EB04 3EB03 3EB02 | 3EB01 3EB00"; got != want {
		t.Errorf("the pages are %s, want %s", got, want)
	}
}

func eventsAreWeighed(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	if sums, err := st.Events().Weigh(ctx, 0, 10, 2); err != nil || !slices.Equal(sums, []uint64{0, 0}) {
		t.Fatalf("an empty log weighs %v, %v", sums, err)
	}
	one := uint64(len(event("51", "").Data))
	for range 25 {
		must(t, st.Events().Append(ctx, event("51", "")))
	}
	carrier := event("51", "")
	carrier.Remote = &message.Remote{ID: "m1"}
	must(t, st.Events().Append(ctx, carrier))
	if _, err := st.Events().Forget(ctx, "51", 12, 100); err != nil {
		t.Fatal(err)
	}
	sums, err := st.Events().Weigh(ctx, 2, 10, 4)
	must(t, err)
	if sums[0] != 0 || sums[1] != 10*one || sums[2] <= 4*one || sums[3] != 0 {
		t.Errorf("blocks weigh %v, one event %d", sums, one)
	}
	must(t, st.Events().Append(ctx, event("51", "")))
	n, _, err := st.Events().Prune(ctx, events.Cut{UpTo: 15}, 100)
	must(t, err)
	if n != 3 {
		t.Errorf("%d events up to a position were deleted", n)
	}
}

package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/store"
)

var eventTests = []test{
	{"events/they come back as they were given", eventsComeBackAsTheyWereGiven},
	{"events/they are numbered without gaps, repetitions left out", eventsAreNumberedWithoutGaps},
	{"events/a bad one is refused with those beside it", badEventsAreRefusedTogether},
	{"events/retention never gives a number again", retentionKeepsTheNumbers},
	{"events/a time is found", aTimeIsFound},
	{"events/those of one session can be forgotten", forgottenEventsLeaveTheOthers},
	{"events/commits are in the order of positions", commitsAreInOrder},
}

func event(id session.ID, key string) events.Event {
	return events.Event{
		Session: id, Type: events.TypeMessage, Key: key,
		Data: json.RawMessage(`{"id":"3EB0","text":"hola, \u0000 'quoted' ⚽"}`),
	}
}

// formatEvents formats events as "position:session/number:key", for comparison.
func formatEvents(found []events.Event) string {
	var out strings.Builder
	for i := range found {
		fmt.Fprintf(&out, "%d:%s/%d:%s ", found[i].Pos, found[i].Session, found[i].Seq, found[i].Key)
	}
	return strings.TrimSpace(out.String())
}

func wantEvents(t *testing.T, st *store.Store, query events.Query, want string) {
	t.Helper()
	found, _, err := st.Events().Read(bounded(t), query)
	must(t, err)
	if got := formatEvents(found); got != want {
		t.Fatalf("%+v gives\n%s, want\n%s", query, got, want)
	}
}

func eventsComeBackAsTheyWereGiven(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	before := time.Now().Truncate(time.Millisecond)
	given := event("51", "k")
	given.Remote = &message.Remote{
		ID: "m1", DirectPath: "/v/1", Key: []byte{1}, FileSHA256: []byte{2}, EncSHA256: []byte{3}, Length: 1 << 40, Kind: message.KindVideo,
	}
	must(t, st.Events().Append(ctx, given, event("52", "")))
	must(t, st.Events().Append(ctx))
	found, upTo, err := st.Events().Read(ctx, events.Query{})
	must(t, err)
	if len(found) != 2 || upTo != 2 || found[0].At.Before(before) || found[1].Remote != nil {
		t.Fatalf("read %+v up to %d", found, upTo)
	}
	given.Pos, given.Seq, given.At = 1, 1, found[0].At
	if !reflect.DeepEqual(found[0], given) {
		t.Fatalf("read\n%+v, want\n%+v", found[0], given)
	}
	carrier, err := st.Events().Media(ctx, "51", "m1")
	must(t, err)
	if !reflect.DeepEqual(carrier, given) {
		t.Fatalf("the carrier is %+v", carrier)
	}
	if found, is, err := st.Events().Find(ctx, "51", "none", "k"); err != nil || !is || !reflect.DeepEqual(found, given) {
		t.Fatalf("by its key it is %+v, %v, %v", found, is, err)
	}
	if _, is, err := st.Events().Find(ctx, "52", "k", ""); err != nil || is {
		t.Fatalf("another session has it: %v, %v", is, err)
	}
	_, err = st.Events().Media(ctx, "52", "m1")
	wantCode(t, err, session.CodeNotFound)
}

func eventsAreNumberedWithoutGaps(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	log := st.Events()
	must(t, log.Append(ctx, event("51", "a"), event("51", ""), event("52", "a"), event("51", "")))
	must(t, log.Append(ctx, event("51", "a"), event("51", "b"), event("52", "b"), event("51", "b")))
	all := "1:51/1:a 2:51/2: 3:52/1:a 4:51/3: 5:51/4:b 6:52/2:b"
	wantEvents(t, st, events.Query{}, all)
	wantEvents(t, st, events.Query{After: 4}, "5:51/4:b 6:52/2:b")
	wantEvents(t, st, events.Query{Limit: 2, After: 1}, "2:51/2: 3:52/1:a")
	wantEvents(t, st, events.Query{Session: "52"}, "3:52/1:a 6:52/2:b")
	wantEvents(t, st, events.Query{Session: "51", After: 3}, "4:51/3: 5:51/4:b")
	wantEvents(t, st, events.Query{Session: "51", AfterSeq: 3}, "5:51/4:b")
	wantEvents(t, st, events.Query{Session: "53"}, "")
	wantEvents(t, st, events.Query{After: 100}, "")
	other := event("51", "")
	other.Type = events.TypeReceipt
	must(t, log.Append(ctx, other))
	wantEvents(t, st, events.Query{Types: []events.Type{events.TypeReceipt, events.TypeCall}}, "7:51/5:")
	wantEvents(t, st, events.Query{Session: "51", Types: []events.Type{events.TypeCall}}, "")
	if last, err := log.LastSeq(ctx, "51"); err != nil || last != 5 {
		t.Fatalf("last number %d, %v", last, err)
	}
}

func badEventsAreRefusedTogether(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	bad := event("51", "")
	bad.Data = json.RawMessage(`{"id":`)
	wantCode(t, st.Events().Append(ctx, event("51", ""), bad), session.CodeInternal)
	wantCode(t, st.Events().Append(ctx, event("51", ""), events.Event{Session: "51", Data: []byte(`{}`)}), session.CodeInternal)
	wantCode(t, st.Events().Append(ctx, event("51", ""), event("not an id", "")), session.CodeInvalidRequest)
	wantEvents(t, st, events.Query{}, "")
	must(t, st.Events().Append(ctx, event("51", "")))
	wantEvents(t, st, events.Query{}, "1:51/1:")
}

func retentionKeepsTheNumbers(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	log := st.Events()
	for range 10 {
		must(t, log.Append(ctx, event("51", "")))
	}
	code := event("51", "")
	code.Type = events.TypeQR
	must(t, log.Append(ctx, code))
	prune := func(before time.Time, keep uint64, want int) {
		t.Helper()
		n, missed, err := log.Prune(ctx, events.Cut{Before: before, Keep: keep}, 4)
		must(t, err)
		if n != want || len(missed) > 0 {
			t.Fatalf("pruned %d, want %d; %v is missed", n, want, missed)
		}
	}
	prune(time.Time{}, 0, 0)
	prune(time.Now().Add(-time.Hour), 100, 0)
	prune(time.Time{}, 5, 4)
	prune(time.Time{}, 5, 2)
	prune(time.Time{}, 5, 0)
	wantEvents(t, st, events.Query{}, "7:51/7: 8:51/8: 9:51/9: 10:51/10: 11:51/11:")
	if n, err := log.PruneQR(ctx, time.Now().Add(-time.Hour), 10); err != nil || n != 0 {
		t.Fatalf("pruned %d new codes, %v", n, err)
	}
	if n, err := log.PruneQR(ctx, time.Now().Add(time.Hour), 10); err != nil || n != 1 {
		t.Fatalf("pruned %d codes, %v", n, err)
	}
	prune(time.Now().Add(time.Hour), 0, 4)
	if first, last, err := log.Bounds(ctx); err != nil || first != 12 || last != 11 {
		t.Fatalf("an empty log is %d to %d, %v", first, last, err)
	}
	must(t, log.Append(ctx, event("51", "")))
	wantEvents(t, st, events.Query{}, "12:51/12:")
}

func aTimeIsFound(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	log := st.Events()
	if pos, err := log.At(ctx, time.Now()); err != nil || pos != 0 {
		t.Fatalf("in an empty log at %d, %v", pos, err)
	}
	for range 6 {
		must(t, log.Append(ctx, event("51", "")))
	}
	found, _, err := log.Read(ctx, events.Query{})
	must(t, err)
	for i := range found {
		pos, err := log.At(ctx, found[i].At)
		must(t, err)
		first := i
		for first > 0 && found[first-1].At.Equal(found[i].At) {
			first--
		}
		if want := found[first].Pos - 1; pos != want {
			t.Fatalf("the time of event %d is after %d, want %d", found[i].Pos, pos, want)
		}
	}
	if pos, err := log.At(ctx, time.Now().Add(time.Hour)); err != nil || pos != 6 {
		t.Fatalf("the future is after %d, %v", pos, err)
	}
}

func forgottenEventsLeaveTheOthers(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	log := st.Events()
	for range 3 {
		must(t, log.Append(ctx, event("51", ""), event("52", "")))
	}
	for _, want := range []int{2, 0} {
		if n, err := log.Forget(ctx, "51", 2, 5); err != nil || n != want {
			t.Fatalf("forgot %d, %v; want %d", n, err, want)
		}
	}
	wantEvents(t, st, events.Query{}, "2:52/1: 4:52/2: 5:51/3: 6:52/3:")
	must(t, log.Append(ctx, event("51", "")))
	wantEvents(t, st, events.Query{Session: "51"}, "5:51/3: 7:51/4:")
}

// commitsAreInOrder reads while many writers append: an event that is committed later never has a lower position.
func commitsAreInOrder(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	const writers, rounds = 6, 20
	errs := make(chan error, writers)
	var wait sync.WaitGroup
	for w := range writers {
		id := session.ID(fmt.Sprintf("s%d", w%3))
		wait.Go(func() {
			for range rounds {
				if err := st.Events().Append(ctx, event(id, ""), event(id, "same")); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	go func() {
		wait.Wait()
		close(errs)
	}()
	var after uint64
	seqs := make(map[session.ID]uint64)
	for seen := 0; seen < writers*rounds+3; {
		select {
		case err, failed := <-errs:
			if failed {
				t.Fatal(err)
			}
			errs = nil
		case <-st.Events().Appended():
		case <-ctx.Done():
			t.Fatalf("%d events were seen", seen)
		}
		found, upTo, err := st.Events().Read(ctx, events.Query{After: after})
		must(t, err)
		for i := range found {
			if e := &found[i]; e.Pos != after+1 || e.Seq != seqs[e.Session]+1 {
				t.Fatalf("after %d came %d of %s with number %d after %d", after, e.Pos, e.Session, e.Seq, seqs[e.Session])
			}
			after, seqs[found[i].Session] = found[i].Pos, found[i].Seq
			seen++
		}
		if upTo != after {
			t.Fatalf("read up to %d, last is %d", upTo, after)
		}
	}
}

package storetest

import (
	"fmt"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/store"
)

var keptTests = []test{
	{"kept/a file waits from the moment its event is there, once", filesArriveWithTheirEvents},
	{"kept/files wait for their turn, and what failed for its time", filesWaitForTheirTurn},
	{"kept/what is there is listed and looked up", filesAreListedAndLookedUp},
	{"kept/files go with the log, by age and when they are told to", filesGoWithTheirEvents},
	{"kept/a deleted session's files go, and another one's with its name do not", filesGoWithTheirSession},
}

// withFile returns an event with a file of this many bytes.
func withFile(id session.ID, media string, bytes int64) events.Event {
	e := event(id, "key of "+media)
	e.Remote = &message.Remote{ID: media, DirectPath: "/v/" + media, Key: []byte{1}, Length: bytes, Kind: message.KindImage}
	return e
}

// arrive appends events with files of 100 bytes and returns the entries of the files.
func arrive(t *testing.T, st *store.Store, id session.ID, media ...string) (all []incoming.Entry) {
	t.Helper()
	for _, m := range media {
		must(t, st.Events().Append(bounded(t), withFile(id, m, 100)))
		entry, err := st.Kept().Find(bounded(t), id, m)
		must(t, err)
		all = append(all, entry)
	}
	return all
}

func settle(t *testing.T, st *store.Store, entry incoming.Entry, state incoming.State, want bool) {
	t.Helper()
	done, err := st.Kept().Settle(bounded(t), entry.File, state, "", 99)
	must(t, err)
	if done != want {
		t.Fatalf("settled: %v, want %v", done, want)
	}
}

func filesArriveWithTheirEvents(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	must(t, st.Events().Append(ctx, event("51", "without a file")))
	entry := arrive(t, st, "51", "a")[0]
	// WhatsApp delivers the message again.
	must(t, st.Events().Append(ctx, withFile("51", "a", 5)))
	want := incoming.Entry{File: entry.File, Session: "51", Media: "a", Pos: 2, Kind: message.KindImage, Size: 100, State: incoming.Waiting}
	if entry != want || len(entry.File) != 32 {
		t.Fatalf("the entry is %+v", entry)
	}
	if again, err := st.Kept().Find(ctx, "51", "a"); err != nil || again != entry {
		t.Fatalf("after a repetition it is %+v, %v", again, err)
	}
	_, err := st.Kept().Find(ctx, "52", "a")
	wantCode(t, err, session.CodeNotFound)
	// The file of an event that is not stored is not stored either.
	bad := withFile("51", "b", 1)
	bad.Data = nil
	wantCode(t, st.Events().Append(ctx, withFile("51", "c", 1), bad), session.CodeInternal)
	_, err = st.Kept().Find(ctx, "51", "c")
	wantCode(t, err, session.CodeNotFound)
}

func filesWaitForTheirTurn(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	all := arrive(t, st, "51", "a", "b", "c")
	arrive(t, st, "52", "a")
	next := func(want string) incoming.Entry {
		t.Helper()
		entry, is, err := st.Kept().Next(ctx, "51")
		must(t, err)
		if is != (want != "") || entry.Media != want {
			t.Fatalf("next is %+v, want %q", entry, want)
		}
		return entry
	}
	if ids, err := st.Kept().Sessions(ctx); err != nil || fmt.Sprint(ids) != "[51 52]" {
		t.Fatalf("sessions %v, %v", ids, err)
	}
	next("a")
	later := time.Now().Add(time.Minute).Truncate(time.Millisecond).UTC()
	must(t, st.Kept().Retry(ctx, all[0].File, session.CodeFetchFailed, 3, later))
	next("b")
	settle(t, st, all[1], incoming.Kept, true)
	settle(t, st, all[1], incoming.Failed, false)
	settle(t, st, all[2], incoming.TooLarge, true)
	if entry := next("a"); entry.Attempts != 3 || entry.Cause != session.CodeFetchFailed || !entry.NextAt.Equal(later) {
		t.Fatalf("what failed is %+v", entry)
	}
	settle(t, st, all[0], incoming.Failed, true)
	next("")
	if u, err := st.Kept().Usage(ctx); err != nil || u != (incoming.Usage{Files: 1, Bytes: 99, Waiting: 1}) {
		t.Fatalf("usage %+v, %v", u, err)
	}
	must(t, st.Kept().Again(ctx, all[1].File))
	must(t, st.Kept().Again(ctx, all[0].File)) // no effect: the download failed and the file is not kept
	if entry := next("b"); entry.Attempts != 0 || entry.Cause != "" {
		t.Fatalf("what is fetched again is %+v", entry)
	}
}

func filesAreListedAndLookedUp(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	all := arrive(t, st, "51", "a", "b", "c", "d")
	for _, entry := range all[:3] {
		settle(t, st, entry, incoming.Kept, true)
	}
	which, err := st.Kept().Which(ctx, []string{all[0].File, all[3].File, "none"})
	if err != nil || fmt.Sprint(which) != fmt.Sprint([]string{all[0].File}) {
		t.Fatalf("kept are %v, %v", which, err)
	}
	if none, err := st.Kept().Which(ctx, nil); err != nil || len(none) > 0 {
		t.Fatalf("of none %v, %v", none, err)
	}
	var seen int
	for after := ""; ; {
		page, err := st.Kept().List(ctx, after, 2)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, entry := range page {
			if entry.File <= after || entry.State != incoming.Kept {
				t.Fatalf("after %s comes %+v", after, entry)
			}
			after = entry.File
			seen++
		}
	}
	if seen != 3 {
		t.Fatalf("%d files were listed", seen)
	}
	oldest, err := st.Kept().Oldest(ctx, 2)
	if err != nil || len(oldest) != 2 || oldest[0].Media != "a" || oldest[1].Media != "b" {
		t.Fatalf("the oldest are %+v, %v", oldest, err)
	}
}

func filesGoWithTheirEvents(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	began := time.Now()
	all := arrive(t, st, "51", "a", "b", "c", "d")
	settle(t, st, all[1], incoming.Kept, true)
	floor := func(before time.Time, want uint64) {
		t.Helper()
		if upTo, err := st.Kept().RetentionFloor(ctx, before); err != nil || upTo != want {
			t.Fatalf("floor %d, %v, want %d", upTo, err, want)
		}
	}
	floor(time.Time{}, 0)
	floor(began.Add(-time.Hour), 0)
	floor(time.Now().Add(time.Hour), 4)
	if n, _, err := st.Events().Prune(ctx, events.Cut{Keep: 2}, 10); err != nil || n != 2 {
		t.Fatalf("pruned %d, %v", n, err)
	}
	floor(time.Time{}, 2)
	for _, want := range []int{1, 1, 0} {
		if n, err := st.Kept().Expire(ctx, 2, 1); err != nil || n != want {
			t.Fatalf("expired %d, %v, want %d", n, err, want)
		}
	}
	settle(t, st, all[0], incoming.Kept, false) // its download ends after it has expired
	must(t, st.Kept().Discard(ctx, []string{all[2].File, "none"}))
	must(t, st.Kept().Discard(ctx, nil))
	gone, err := st.Kept().Gone(ctx, 10)
	if err != nil || len(gone) != 3 {
		t.Fatalf("gone are %v, %v", gone, err)
	}
	must(t, st.Kept().Forget(ctx, append(gone, all[3].File)))
	must(t, st.Kept().Forget(ctx, nil))
	if gone, err = st.Kept().Gone(ctx, 10); err != nil || len(gone) > 0 {
		t.Fatalf("gone are %v, %v", gone, err)
	}
	if _, err := st.Kept().Find(ctx, "51", "d"); err != nil {
		t.Fatalf("a file that must stay is gone: %v", err)
	}
}

func filesGoWithTheirSession(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	_, err := st.Sessions().SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	old := arrive(t, st, "51", "a")[0]
	arrive(t, st, "52", "a")
	settle(t, st, old, incoming.Kept, true)
	must(t, st.Sessions().Delete(ctx, "51"))
	_, err = st.Kept().Find(ctx, "51", "a")
	wantCode(t, err, session.CodeNotFound)
	if gone, err := st.Kept().Gone(ctx, 10); err != nil || fmt.Sprint(gone) != fmt.Sprint([]string{old.File}) {
		t.Fatalf("gone are %v, %v", gone, err)
	}
	// A new session with the same id gets the same file while the old one is still on the disk.
	_, err = st.Events().Forget(ctx, "51", 100, 100)
	must(t, err)
	if entry := arrive(t, st, "51", "a")[0]; entry.File == old.File || entry.State != incoming.Waiting {
		t.Fatalf("the new entry is %+v", entry)
	}
}

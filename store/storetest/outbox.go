package storetest

import (
	"testing"
	"time"

	"wasup/outbox"
	"wasup/session"
	"wasup/store"
)

func entry(id session.ID, key string) outbox.Entry {
	return outbox.Entry{
		Session: id, MessageID: outbox.NewMessageID(id, key), Key: key, BodyHash: "hash of it",
		To: "5491100000001@s.whatsapp.net", Text: "hola, mañana\x00 'quoted' ⚽", State: outbox.Sending,
	}
}

func beginNew(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	for _, key := range []string{"", "", "a key"} { // no key never meets no key
		given := entry("51", key)
		stored, existed, err := st.Outbox().Begin(ctx, given)
		must(t, err)
		if existed {
			t.Fatalf("new entry with key %q existed", key)
		}
		given.CreatedAt, given.UpdatedAt = stored.CreatedAt, stored.UpdatedAt
		if stored != given || stored.CreatedAt.IsZero() {
			t.Fatalf("stored %+v, want %+v", stored, given)
		}
	}
}

func beginTwice(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	first, _, err := st.Outbox().Begin(ctx, entry("51", "k"))
	must(t, err)
	other := entry("51", "k")
	other.BodyHash, other.Text, other.MessageID = "another", "another", "3EB0ANOTHER"
	stored, existed, err := st.Outbox().Begin(ctx, other)
	must(t, err)
	if !existed || stored != first {
		t.Fatalf("got %+v, %v; want the first entry %+v", stored, existed, first)
	}
}

func keysArePerSession(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	for _, id := range []session.ID{"51", "52"} {
		_, existed, err := st.Outbox().Begin(ctx, entry(id, "k"))
		must(t, err)
		if existed {
			t.Fatalf("key of %s existed already", id)
		}
	}
}

func finishKeepsTheFirstOutcome(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	begun, _, err := st.Outbox().Begin(ctx, entry("51", "k"))
	must(t, err)
	at := time.UnixMilli(1_780_000_000_000).UTC()
	must(t, st.Outbox().Finish(ctx, "51", begun.MessageID, outbox.Outcome{State: outbox.ServerAck, AckedAt: at}))
	must(t, st.Outbox().Finish(ctx, "51", begun.MessageID, outbox.Outcome{
		State: outbox.Failed, Failure: outbox.Failure{Code: session.CodeSendFailed},
	}))
	stored, existed, err := st.Outbox().Begin(ctx, entry("51", "k"))
	must(t, err)
	want := begun
	want.State, want.AckedAt, want.Text, want.UpdatedAt = outbox.ServerAck, at, "", stored.UpdatedAt
	if !existed || stored != want {
		t.Fatalf("stored %+v, want %+v", stored, want)
	}
}

func finishFailed(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	begun, _, err := st.Outbox().Begin(ctx, entry("51", "k"))
	must(t, err)
	refusal := outbox.Failure{Code: session.CodeRestricted, Status: 463, Message: "WhatsApp restricts this account"}
	must(t, st.Outbox().Finish(ctx, "51", begun.MessageID, outbox.Outcome{State: outbox.Failed, Failure: refusal}))
	stored, _, err := st.Outbox().Begin(ctx, entry("51", "k"))
	must(t, err)
	if stored.State != outbox.Failed || stored.Failure != refusal || stored.Text != "" || !stored.AckedAt.IsZero() {
		t.Fatalf("stored %+v", stored)
	}
}

func finishUnknown(t *testing.T, st *store.Store) {
	err := st.Outbox().Finish(bounded(t), "51", "3EB0", outbox.Outcome{State: outbox.ServerAck, AckedAt: time.Now()})
	wantCode(t, err, session.CodeNotFound)
}

func discard(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	for _, key := range []string{"unsettled", "settled"} {
		begun, _, err := st.Outbox().Begin(ctx, entry("51", key))
		must(t, err)
		if key == "settled" {
			must(t, st.Outbox().Finish(ctx, "51", begun.MessageID, outbox.Outcome{State: outbox.ServerAck, AckedAt: time.Now()}))
		}
		must(t, st.Outbox().Discard(ctx, "51", begun.MessageID))
		must(t, st.Outbox().Discard(ctx, "51", begun.MessageID))
		_, existed, err := st.Outbox().Begin(ctx, entry("51", key))
		must(t, err)
		if existed != (key == "settled") {
			t.Fatalf("%s entry is still there: %v", key, existed)
		}
	}
}

func prune(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		_, _, err := st.Outbox().Begin(ctx, entry("51", key))
		must(t, err)
	}
	if n, err := st.Outbox().Prune(ctx, time.Now().Add(-time.Hour), 3); err != nil || n != 0 {
		t.Fatalf("pruned %d, %v of entries that are new", n, err)
	}
	for _, want := range []int{3, 2, 0} {
		n, err := st.Outbox().Prune(ctx, time.Now().Add(time.Hour), 3)
		must(t, err)
		if n != want {
			t.Fatalf("pruned %d, want %d", n, want)
		}
	}
	if _, existed, err := st.Outbox().Begin(ctx, entry("51", "a")); err != nil || existed {
		t.Fatalf("a pruned entry existed: %v, %v", existed, err)
	}
}

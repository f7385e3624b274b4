package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
)

var heldTests = []test{
	{"held/another account holds what was accepted for the one before", handover},
	{"held/the same account changes nothing, and its numbers are learned", sameAccount},
	{"held/held messages keep their keys and their place, and retention leaves them", heldStay},
	{"held/a session that is not there is linked to nobody", claimForNobody},
}

var (
	firstAccount  = session.Account{JID: "5491100000001:3@s.whatsapp.net", LID: "111:3@lid", PushName: "Ana"}
	secondAccount = session.Account{JID: "34600111222:7@s.whatsapp.net", LID: "222:7@lid"}
)

// claimed logs an account in and returns what it has changed.
func claimed(t *testing.T, st *store.Store, account session.Account) outbox.Handover {
	t.Helper()
	done, err := st.Outbox().Claim(bounded(t), "51", account)
	must(t, err)
	return done
}

// ownedSince fails the test if the session does not say whether another account was linked before.
func ownedSince(t *testing.T, st *store.Store, changed bool) {
	t.Helper()
	since, err := st.Outbox().OwnedSince(bounded(t), "51")
	must(t, err)
	if since.IsZero() == changed || since.After(time.Now()) {
		t.Errorf("changed %t: owned since %s", changed, since)
	}
}

func handover(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51", "52")
	early := enqueued(t, st, entry("51", "early"))
	if done := claimed(t, st, firstAccount); done != (outbox.Handover{}) {
		t.Fatalf("the first account changed %+v", done)
	}
	ownedSince(t, st, false)
	var all []outbox.Entry
	for _, key := range []string{"queued", "sending", "acked", "failed"} {
		all = append(all, enqueued(t, st, entry("51", key)))
	}
	advanced(t, st, begun(&all[1]))
	advanced(t, st, acked(&all[2]))
	advanced(t, st, failed(&all[3]))
	other := enqueued(t, st, entry("52", "of another session"))

	done := claimed(t, st, secondAccount)
	ownedSince(t, st, true)
	if !done.Changed || done.Held != 3 || !done.Previous.Same(firstAccount) {
		t.Fatalf("the second account changed %+v", done)
	}
	for e, want := range map[*outbox.Entry]message.State{
		&early: message.Held, &all[0]: message.Held, &all[1]: message.Held, &all[2]: message.ServerAck, &all[3]: message.Failed, &other: message.Queued,
	} {
		if got := messageOf(t, st, e); got.State != want || want == message.Held && (!got.CanRequeue || got.Content.Text == "") {
			t.Errorf("%s is %+v, want %s", e.Key, got, want)
		}
	}
	page, due, err := st.Outbox().Next(ctx, "51", time.Now(), 10)
	if err != nil || len(page) != 0 || !due.IsZero() {
		t.Errorf("held messages are in the queue: %+v, %v", page, err)
	}
	if carried, err := st.Outbox().Advance(ctx, begun(&all[0])); err != nil || carried[0] {
		t.Errorf("an attempt of a held message began: %v", err)
	}
	logged, _, err := st.Events().Read(ctx, events.Query{Session: "51", Limit: 10, Types: []events.Type{events.TypeAccountChanged}})
	must(t, err)
	var told events.AccountChangedData
	if len(logged) != 1 || json.Unmarshal(logged[0].Data, &told) != nil || told.Held != 3 ||
		told.Previous.Phone != "5491100000001" || told.Account.LID != secondAccount.LID {
		t.Errorf("the log has %+v", logged)
	}
	if again := claimed(t, st, secondAccount); again.Changed {
		t.Errorf("the same account again changed %+v", again)
	}
	back := claimed(t, st, firstAccount)
	if !back.Changed || back.Held != 0 || messageOf(t, st, &early).State != message.Held {
		t.Errorf("the first account again changed %+v", back)
	}
}

func sameAccount(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	e := enqueued(t, st, entry("51", "k"))
	for _, account := range []session.Account{
		{JID: firstAccount.JID}, // the LID is not known yet
		firstAccount,            // it is learned
		{JID: firstAccount.JID}, // and not forgotten
		{JID: "5491100000099:4@s.whatsapp.net", LID: "111:4@lid"}, // the number has changed
		{JID: "5491100000099:5@s.whatsapp.net"},                   // the new number has been learned
	} {
		if done := claimed(t, st, account); done.Changed || messageOf(t, st, &e).State != message.Queued {
			t.Fatalf("%+v changed %+v", account, done)
		}
	}
	// Nobody is Ana any more who only has her old number.
	if done := claimed(t, st, session.Account{JID: firstAccount.JID, LID: "333:1@lid"}); !done.Changed || done.Held != 1 {
		t.Errorf("a number that went to somebody else changed %+v", done)
	}
}

func heldStay(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	claimed(t, st, firstAccount)
	var all []outbox.Entry
	for n := range 3 {
		e := entry("51", fmt.Sprint(n))
		if n == 2 {
			e.ExpiresAt = ackTime
		}
		all = append(all, enqueued(t, st, e))
	}
	claimed(t, st, secondAccount)
	counts, err := st.Outbox().HeldCounts(ctx)
	must(t, err)
	if len(counts) != 1 || counts["51"] != 3 {
		t.Errorf("counts are %v", counts)
	}
	page, err := st.Outbox().Held(ctx, "51", 2)
	must(t, err)
	if len(page) != 2 || page[0].ID != all[0].ID || page[1].ID != all[1].ID {
		t.Errorf("held are %+v", page)
	}
	stored, existed, err := st.Outbox().Enqueue(ctx, entry("51", "0"), time.Now().Add(time.Hour))
	if err != nil || !existed || stored.ID != all[0].ID || stored.State != message.Held {
		t.Errorf("the key of a held message gives %+v, %v, %v", stored, existed, err)
	}
	expired, _, err := st.Outbox().Expired(ctx, ackTime, 10)
	if err != nil || len(expired) != 1 || expired[0].ID != all[2].ID {
		t.Errorf("expired are %+v, %v", expired, err)
	}
	n, err := st.Outbox().Prune(ctx, outbox.Retention{Before: time.Now().Add(time.Hour), KeyBefore: time.Now().Add(time.Hour), Keep: 1, Limit: 10})
	if err != nil || n != 0 {
		t.Errorf("retention took %d held messages, %v", n, err)
	}
	listed, _, err := st.Outbox().List(ctx, "51", message.Filter{States: []message.State{message.Held}, Limit: 10})
	if err != nil || len(listed) != 3 || listed[0].ID != all[2].ID {
		t.Errorf("listed are %+v, %v", listed, err)
	}
	advanced(t, st, outbox.Change{Session: "51", ID: all[1].ID, From: []message.State{message.Held}, To: message.Queued})
	queue, _, err := st.Outbox().Next(ctx, "51", time.Now(), 10)
	if err != nil || len(queue) != 1 || queue[0].ID != all[1].ID {
		t.Errorf("the queue is %+v, %v", queue, err)
	}
	if gone, err := st.Outbox().Discard(ctx, "51", all[0].ID); err != nil || !gone {
		t.Errorf("a held message was not discarded: %v", err)
	}
}

func claimForNobody(t *testing.T, st *store.Store) {
	_, err := st.Outbox().Claim(bounded(t), "51", firstAccount)
	if session.CodeOf(err) != session.CodeNotFound {
		t.Errorf("error is %v", err)
	}
}

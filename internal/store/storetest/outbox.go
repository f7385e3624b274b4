package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
)

var outboxTests = []test{
	{"outbox/a new entry comes back as it was given", enqueueNew},
	{"outbox/the same key gives the stored entry", enqueueTwice},
	{"outbox/an old key is free again", oldKeysAreFree},
	{"outbox/a session that is not there has no messages", enqueueForNobody},
	{"outbox/changes are carried out from the states they name", advance},
	{"outbox/a refusal is kept, and with its content queued again", failAndRequeue},
	{"outbox/a poll keeps what its votes refer to", pollsKeepTheirAnswers},
	{"outbox/a change and its event are one", eventsOfChanges},
	{"outbox/only what was never begun can be discarded", discard},
	{"outbox/the queue is in the order of acceptance", queueOrder},
	{"outbox/what ran out is found", expiry},
	{"outbox/what was sent since a time is counted", sentToday},
	{"outbox/messages are listed in pages, by state", listMessages},
	{"outbox/retention takes what is old or too much, in batches", prune},
}

// entry is a message with content that a careless column would spoil.
func entry(id session.ID, key string) outbox.Entry {
	return outbox.Entry{BodyHash: "hash of it", Message: message.Message{
		Session: id, ID: outbox.NewMessageID(id, key, "hash of it"), Key: key, To: "5491100000001@s.whatsapp.net",
		Content: message.TextOf("hola, mañana\x00 'quoted' ⚽"), State: message.Queued,
	}}
}

// lodge makes a session's row.
func lodge(t *testing.T, st *store.Store, ids ...session.ID) {
	t.Helper()
	for _, id := range ids {
		_, err := st.Sessions().SetDesired(bounded(t), id, session.DesiredRun)
		must(t, err)
	}
}

// keysFrom is before every test.
var keysFrom = time.Unix(1_600_000_000, 0)

// enqueued stores a new entry of a session that exists.
func enqueued(t *testing.T, st *store.Store, e outbox.Entry) outbox.Entry {
	t.Helper()
	stored, existed, err := st.Outbox().Enqueue(bounded(t), e, keysFrom)
	must(t, err)
	if existed {
		t.Fatalf("new entry with key %q existed", e.Key)
	}
	return stored
}

func open() []message.State {
	return []message.State{message.Queued, message.Sending}
}

// advanced carries one change out.
func advanced(t *testing.T, st *store.Store, c outbox.Change) {
	t.Helper()
	carried, err := st.Outbox().Advance(bounded(t), c)
	must(t, err)
	if len(carried) != 1 || !carried[0] {
		t.Fatalf("change %+v was not carried out", c)
	}
}

func begun(e *outbox.Entry) outbox.Change {
	return outbox.Change{Session: e.Session, ID: e.ID, From: open(), To: message.Sending, Begun: 1}
}

var ackTime = time.UnixMilli(1_780_000_000_000).UTC()

func acked(e *outbox.Entry) outbox.Change {
	return outbox.Change{Session: e.Session, ID: e.ID, From: open(), To: message.ServerAck, AckedAt: ackTime}
}

func failed(e *outbox.Entry) outbox.Change {
	return outbox.Change{Session: e.Session, ID: e.ID, From: open(), To: message.Failed, Failure: message.Failure{
		Code: session.CodeRestricted, Status: 463, Message: "WhatsApp restricts this account",
	}}
}

func messageOf(t *testing.T, st *store.Store, e *outbox.Entry) message.Message {
	t.Helper()
	m, err := st.Outbox().Message(bounded(t), e.Session, e.ID)
	must(t, err)
	return m
}

func wantEntry(t *testing.T, got, want outbox.Entry) {
	t.Helper()
	got.UpdatedAt, want.UpdatedAt = time.Time{}, time.Time{}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("stored  %+v\nwanted %+v", got, want)
	}
}

func enqueueNew(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	for _, key := range []string{"", "", "a key"} { // no key never meets no key
		given := entry("51", key)
		given.SendAt, given.ExpiresAt = ackTime, ackTime.Add(time.Hour)
		given.Content = message.Content{
			Kind: message.KindImage, Text: "caption \x00", Mentions: []message.Address{{PN: "1@s.whatsapp.net"}},
			Media: &message.Media{File: "stored", Mime: "image/png", Size: 3, SHA256: "ab", Waveform: []byte{0, 100}},
		}
		stored := enqueued(t, st, given)
		given.CreatedAt = stored.CreatedAt
		wantEntry(t, stored, given)
		if stored.CreatedAt.IsZero() {
			t.Fatal("no time")
		}
		read := messageOf(t, st, &given)
		wantEntry(t, outbox.Entry{Message: read, BodyHash: given.BodyHash}, given)
	}
	used, err := st.Outbox().UsedFiles(bounded(t), []string{"other", "stored", ""})
	if !reflect.DeepEqual(used, []string{"stored"}) || err != nil {
		t.Fatalf("used are %q, %v", used, err)
	}
}

func enqueueTwice(t *testing.T, st *store.Store) {
	lodge(t, st, "51", "52")
	first := enqueued(t, st, entry("51", "k"))
	enqueued(t, st, entry("52", "k")) // keys are per session
	other := entry("51", "k")
	other.BodyHash, other.Content.Text, other.ID = "another", "another", "3EB0ANOTHER"
	stored, existed, err := st.Outbox().Enqueue(bounded(t), other, keysFrom)
	must(t, err)
	if !existed {
		t.Fatal("the key was taken twice")
	}
	wantEntry(t, stored, first)
	found, ok, err := st.Outbox().Find(bounded(t), "51", "k")
	must(t, err)
	wantEntry(t, found, first)
	if _, none, err := st.Outbox().Find(bounded(t), "51", "other"); !ok || none || err != nil {
		t.Fatalf("found %v, none %v, %v", ok, none, err)
	}
}

func oldKeysAreFree(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	first := enqueued(t, st, entry("51", "k"))
	later := time.Now().Add(time.Hour)
	if _, existed, err := st.Outbox().Enqueue(bounded(t), entry("51", "k"), later); err != nil || !existed {
		t.Fatalf("the key of an open message lost its meaning: %v, %v", existed, err)
	}
	advanced(t, st, acked(&first))
	second, existed, err := st.Outbox().Enqueue(bounded(t), entry("51", "k"), later)
	must(t, err)
	if existed || second.ID == first.ID || second.ID == "" {
		t.Fatalf("second is %+v, existed %v; the first one is %s", second, existed, first.ID)
	}
	if m := messageOf(t, st, &first); m.Key != "" || m.State != message.ServerAck {
		t.Fatalf("the first one is %+v", m)
	}
}

func enqueueForNobody(t *testing.T, st *store.Store) {
	_, _, err := st.Outbox().Enqueue(bounded(t), entry("51", ""), keysFrom)
	wantCode(t, err, session.CodeNotFound)
	lodge(t, st, "52")
	_, err = st.Sessions().SetDesired(bounded(t), "52", session.DesiredDelete)
	must(t, err)
	_, _, err = st.Outbox().Enqueue(bounded(t), entry("52", ""), keysFrom)
	wantCode(t, err, session.CodeNotFound)
	_, err = st.Outbox().Message(bounded(t), "51", "3EB0")
	wantCode(t, err, session.CodeUnknownMessage)
}

func advance(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	e := enqueued(t, st, entry("51", "k"))
	advanced(t, st, begun(&e))
	advanced(t, st, begun(&e))
	if m := messageOf(t, st, &e); m.State != message.Sending || m.Attempts != 2 || m.Content.Text == "" {
		t.Fatalf("begun twice it is %+v", m)
	}
	back := outbox.Change{Session: "51", ID: e.ID, From: []message.State{message.Sending}, To: message.Queued, Begun: -1}
	stale := back
	stale.Attempts = 1
	cancel := outbox.Change{Session: "51", ID: e.ID, From: []message.State{message.Queued}, To: message.Cancelled}
	carried, err := st.Outbox().Advance(bounded(t), stale, cancel, back, acked(&e), failed(&e), cancel)
	must(t, err)
	if want := []bool{false, false, true, true, false, false}; !slices.Equal(carried, want) {
		t.Fatalf("carried out %v, want %v", carried, want)
	}
	m := messageOf(t, st, &e)
	want := message.Content{Kind: message.KindText}
	if m.State != message.ServerAck || !m.AckedAt.Equal(ackTime) || m.Attempts != 1 || !reflect.DeepEqual(m.Content, want) || m.CanRequeue {
		t.Fatalf("in the end it is %+v", m)
	}
}

func pollsKeepTheirAnswers(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	for _, how := range []string{"acked", "read"} {
		given := entry("51", how)
		given.Content = message.Content{Kind: message.KindPoll, Poll: &message.Poll{Question: "?", Options: []string{"a", "b"}}}
		e := enqueued(t, st, given)
		if how == "acked" {
			advanced(t, st, acked(&e))
		} else {
			must(t, receive(t, st, &e, message.Read))
		}
		if m := messageOf(t, st, &e); m.Content.Poll == nil || len(m.Content.Poll.Options) != 2 {
			t.Fatalf("%s: the poll is %+v", how, m.Content)
		}
	}
}

func failAndRequeue(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	given := entry("51", "k")
	given.ExpiresAt = ackTime
	e := enqueued(t, st, given)
	anew := outbox.Change{Session: "51", ID: e.ID, From: []message.State{message.Failed}, To: message.Queued, Anew: true}
	if carried, err := st.Outbox().Advance(bounded(t), anew); err != nil || carried[0] {
		t.Fatalf("a queued message was queued again: %v, %v", carried, err)
	}
	advanced(t, st, begun(&e))
	advanced(t, st, failed(&e))
	m := messageOf(t, st, &e)
	if m.State != message.Failed || m.Failure != failed(&e).Failure || !m.CanRequeue || m.Content.Text != given.Content.Text {
		t.Fatalf("failed it is %+v", m)
	}
	advanced(t, st, anew)
	m = messageOf(t, st, &e)
	if m.State != message.Queued || m.Attempts != 0 || !m.ExpiresAt.IsZero() || m.Failure != (message.Failure{}) {
		t.Fatalf("queued again it is %+v", m)
	}
	// Whoever repeats a request keeps the attempts, because they may have brought the message to WhatsApp.
	advanced(t, st, begun(&e))
	advanced(t, st, failed(&e))
	anew.Begun, anew.ExpiresAt = 3, ackTime
	advanced(t, st, anew)
	if m = messageOf(t, st, &e); m.State != message.Queued || m.Attempts != 3 || !m.ExpiresAt.Equal(ackTime) {
		t.Fatalf("queued again with its attempts it is %+v", m)
	}
}

func eventsOfChanges(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	e := enqueued(t, st, entry("51", "k"))
	told := acked(&e)
	told.Events = []events.Event{outbox.Status("51", events.StatusData{ID: e.ID, State: "server_ack", At: ackTime})}
	carried, err := st.Outbox().Advance(bounded(t), told, told)
	must(t, err)
	bad := failed(&e)
	bad.From = []message.State{message.ServerAck}
	bad.Events = []events.Event{{Session: "51"}} // no type
	if _, err := st.Outbox().Advance(bounded(t), bad); err == nil {
		t.Fatal("an event without a type was stored")
	}
	list, _, err := st.Events().Read(bounded(t), events.Query{Session: "51"})
	must(t, err)
	if len(list) != 1 || list[0].Type != events.TypeStatus || !strings.Contains(string(list[0].Data), e.ID) || !carried[0] || carried[1] {
		t.Fatalf("the log has %+v after %v", list, carried)
	}
	if m := messageOf(t, st, &e); m.State != message.ServerAck {
		t.Fatalf("the message changed without its event: %+v", m)
	}
}

func discard(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	for _, state := range []string{"queued", "begun", "settled"} {
		e := enqueued(t, st, entry("51", state))
		switch state {
		case "begun":
			advanced(t, st, begun(&e))
		case "settled":
			advanced(t, st, acked(&e))
		}
		gone, err := st.Outbox().Discard(ctx, "51", e.ID)
		must(t, err)
		if gone != (state == "queued") {
			t.Fatalf("%s: discarded %v", state, gone)
		}
		if again, err := st.Outbox().Discard(ctx, "51", e.ID); again || err != nil {
			t.Fatalf("%s: discarded twice, %v", state, err)
		}
	}
}

func queueOrder(t *testing.T, st *store.Store) {
	lodge(t, st, "51", "52")
	now := ackTime
	var want []string
	for n := range 8 {
		e := entry("51", fmt.Sprint(n))
		switch n {
		case 1, 2: // one that is due by now, and one that is not
			e.SendAt = now.Add(time.Duration(n-1) * time.Minute)
		case 3:
			e = enqueued(t, st, e)
			advanced(t, st, acked(&e))
			continue
		case 5:
			e.SendAt = now.Add(-time.Minute)
		}
		e = enqueued(t, st, e)
		if n == 0 {
			advanced(t, st, begun(&e))
		}
		if n != 2 {
			want = append(want, e.ID)
		}
	}
	enqueued(t, st, entry("52", ""))
	for _, limit := range []int{2, 100} {
		page, due, err := st.Outbox().Next(bounded(t), "51", now, limit)
		must(t, err)
		var got []string
		for i := range page {
			got = append(got, page[i].ID)
		}
		if !slices.Equal(got, want[:min(limit, len(want))]) || (limit > 2 && !due.Equal(now.Add(time.Minute))) {
			t.Fatalf("of %d next are %v, due %v; want %v", limit, got, due, want)
		}
	}
	backlog, err := st.Outbox().Backlog(bounded(t))
	must(t, err)
	slices.SortFunc(backlog, func(a, b outbox.Backlog) int { return strings.Compare(string(a.Session), string(b.Session)) })
	if len(backlog) != 2 || backlog[0].Open != 7 || backlog[1].Open != 1 || !backlog[0].Oldest.Equal(now.Add(-time.Minute)) && backlog[0].Oldest.After(now) {
		t.Fatalf("backlog is %+v", backlog)
	}
	if page, due, err := st.Outbox().Next(bounded(t), "53", now, 5); len(page) != 0 || !due.IsZero() || err != nil {
		t.Fatalf("nobody's queue has %v, %v, %v", page, due, err)
	}
}

func expiry(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	for n, at := range []time.Time{{}, ackTime, ackTime.Add(time.Minute), ackTime.Add(-time.Minute)} {
		e := entry("51", fmt.Sprint(n))
		e.ExpiresAt = at
		e = enqueued(t, st, e)
		if n == 3 {
			advanced(t, st, acked(&e)) // in time
		}
	}
	page, next, err := st.Outbox().Expired(bounded(t), ackTime, 10)
	must(t, err)
	if len(page) != 1 || page[0].Key != "1" || !next.Equal(ackTime.Add(time.Minute)) {
		t.Fatalf("expired %+v, next %v", page, next)
	}
}

func sentToday(t *testing.T, st *store.Store) {
	lodge(t, st, "51", "52")
	for n, at := range []time.Time{ackTime.Add(-time.Hour), ackTime, ackTime.Add(time.Hour)} {
		for _, id := range []session.ID{"51", "52"} {
			e := enqueued(t, st, entry(id, fmt.Sprint(n)))
			c := acked(&e)
			c.AckedAt = at
			advanced(t, st, c)
		}
	}
	enqueued(t, st, entry("51", "queued"))
	if n, err := st.Outbox().Sent(bounded(t), "51", ackTime); n != 2 || err != nil {
		t.Fatalf("sent %d, %v; want 2", n, err)
	}
}

func listMessages(t *testing.T, st *store.Store) {
	lodge(t, st, "51", "52")
	var all []string
	for n := range 7 {
		e := enqueued(t, st, entry("51", fmt.Sprint(n)))
		enqueued(t, st, entry("52", fmt.Sprint(n)))
		switch n {
		case 1, 4:
			advanced(t, st, failed(&e))
		case 2:
			advanced(t, st, acked(&e))
		case 3:
			c := failed(&e)
			c.To, c.Failure = message.Cancelled, message.Failure{}
			advanced(t, st, c)
		}
		all = append(all, fmt.Sprint(n))
	}
	slices.Reverse(all)
	for _, test := range []struct {
		states []message.State
		want   []string
	}{
		{nil, all},
		{[]message.State{message.Failed}, []string{"4", "1"}},
		{[]message.State{message.Failed, message.Cancelled}, []string{"4", "3", "1"}},
		{[]message.State{message.Queued}, []string{"6", "5", "0"}},
		{[]message.State{message.ServerAck, message.Failed}, []string{"4", "2", "1"}},
		{[]message.State{message.Played}, nil},
	} {
		for _, limit := range []int{1, 2, 100, 0} {
			var got []string
			cursor := ""
			for pages := 0; ; pages++ {
				page, next, err := st.Outbox().List(bounded(t), "51", message.Filter{States: test.states, Cursor: cursor, Limit: limit})
				must(t, err)
				for i := range page {
					got = append(got, page[i].Key)
				}
				if cursor = next; next == "" {
					break
				}
				if len(page) != limit || pages > 10 {
					t.Fatalf("a page of %d in the middle", len(page))
				}
			}
			if !slices.Equal(got, test.want) {
				t.Fatalf("%v by %d: %v, want %v", test.states, limit, got, test.want)
			}
		}
	}
	for _, cursor := range []string{"!", "-1", "9999999999999999999999"} {
		_, _, err := st.Outbox().List(bounded(t), "51", message.Filter{Cursor: cursor})
		wantCode(t, err, session.CodeInvalidRequest)
	}
}

func prune(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		e := enqueued(t, st, entry("51", key))
		if key != "f" { // which is still to be sent, however old
			advanced(t, st, acked(&e))
			must(t, receive(t, st, &e, message.Delivered))
		}
	}
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for _, step := range []struct {
		what outbox.Retention
		want int
	}{
		{outbox.Retention{Before: past, KeyBefore: past, Limit: 3}, 0},
		{outbox.Retention{Before: past, KeyBefore: past, Keep: 1, Limit: 3}, 0}, // all keys are young
		{outbox.Retention{Before: past, KeyBefore: future, Keep: 4, Limit: 3}, 1},
		{outbox.Retention{Before: past, KeyBefore: future, Keep: 4, Limit: 3}, 0},
		{outbox.Retention{Before: future, Limit: 3}, 3},
		{outbox.Retention{Before: future, Limit: 3}, 1},
		{outbox.Retention{Before: future, Limit: 3}, 0},
	} {
		n, err := st.Outbox().Prune(ctx, step.what)
		must(t, err)
		if n != step.want {
			t.Fatalf("pruned %d of %+v, want %d", n, step.what, step.want)
		}
	}
	if _, existed, err := st.Outbox().Enqueue(ctx, entry("51", "a"), keysFrom); err != nil || existed {
		t.Fatalf("a pruned message existed: %v, %v", existed, err)
	}
	if _, existed, err := st.Outbox().Enqueue(ctx, entry("51", "f"), keysFrom); err != nil || !existed {
		t.Fatalf("an open message was pruned: %v, %v", existed, err)
	}
	var receipts int
	must(t, st.DB().QueryRow(ctx, "SELECT count(*) FROM wasup_receipt").Scan(&receipts))
	if receipts != 0 {
		t.Fatalf("%d receipts of messages that are gone", receipts)
	}
}

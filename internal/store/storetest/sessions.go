package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
)

var sessionTests = []test{
	{"sessions/a new store has none", noSessions},
	{"sessions/asking for one makes its row", setDesiredMakesTheRow},
	{"sessions/asking again keeps the rest of the row", setDesiredKeepsTheRest},
	{"sessions/what is observed leaves desired and device alone", saveObservedWritesOnlyItsColumns},
	{"sessions/what is observed does not bring a deleted one back", saveObservedMakesNoRow},
	{"sessions/a device is bound and unbound", bindDevice},
	{"sessions/a device belongs to the session that paired it last", deviceIsTakenOver},
	{"sessions/a deleted one is gone with its messages", deleteSession},
	{"sessions/bad ids and wishes are refused by name", refusesBadInput},
}

const device = "5491100000000:12@s.whatsapp.net"

func noSessions(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	records, err := st.Sessions().List(ctx)
	must(t, err)
	if len(records) != 0 {
		t.Fatalf("a new store lists %v", records)
	}
	_, found, err := st.Sessions().Load(ctx, "51")
	must(t, err)
	if found {
		t.Fatal("a new store has session 51")
	}
	jid, err := st.Sessions().DeviceOf(ctx, "51")
	must(t, err)
	if jid != "" {
		t.Fatalf("a session without a row has device %q", jid)
	}
	must(t, st.Ping(ctx))
}

func setDesiredMakesTheRow(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	before := time.Now().Truncate(time.Millisecond)
	made, err := st.Sessions().SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	if made.ID != "51" || made.Desired != session.DesiredRun || made.State != session.NotInitialized ||
		made.Cause != session.CauseNone || made.LastCause != session.CauseNone || made.DeviceJID != "" {
		t.Fatalf("new row is %+v", made)
	}
	if made.CreatedAt.Before(before) || !made.UpdatedAt.Equal(made.CreatedAt) || !made.ConnectedAt.IsZero() || !made.Until.IsZero() {
		t.Fatalf("times of the new row are %+v, made after %v", made, before)
	}
	loaded, found, err := st.Sessions().Load(ctx, "51")
	must(t, err)
	if !found || !reflect.DeepEqual(loaded, made) {
		t.Fatalf("loaded %+v, %v; want %+v", loaded, found, made)
	}
	_, err = st.Sessions().SetDesired(ctx, "5", session.DesiredStop)
	must(t, err)
	records, err := st.Sessions().List(ctx)
	must(t, err)
	if len(records) != 2 || records[0].ID != "5" || !reflect.DeepEqual(records[1], made) {
		t.Fatalf("listed %+v", records)
	}
}

func observed() session.Record {
	at := time.UnixMilli(1_780_000_000_123).UTC()
	return session.Record{
		ID: "51", Desired: session.DesiredDelete, DeviceJID: "someone else's",
		State: session.DisconnectedBanned, Cause: session.CauseTemporaryBan, Until: at.Add(time.Hour),
		LastError: "banned for a while", LastCause: session.CauseTemporaryBan,
		Account:     session.Account{JID: device, LID: "123:12@lid", PushName: "Ana ⚽"},
		ConnectedAt: at, DisconnectAt: at.Add(time.Minute),
	}
}

func setDesiredKeepsTheRest(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	first, err := sessions.SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	must(t, sessions.BindDevice(ctx, "51", device))
	must(t, sessions.SaveObserved(ctx, observed()))
	again, err := sessions.SetDesired(ctx, "51", session.DesiredStop)
	must(t, err)
	want := observed()
	want.Desired, want.DeviceJID, want.CreatedAt, want.UpdatedAt = session.DesiredStop, device, first.CreatedAt, again.UpdatedAt
	if !reflect.DeepEqual(again, want) {
		t.Fatalf("row is\n%+v, want\n%+v", again, want)
	}
}

func saveObservedWritesOnlyItsColumns(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	_, err := sessions.SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	must(t, sessions.BindDevice(ctx, "51", device))
	must(t, sessions.SaveObserved(ctx, observed()))
	loaded, _, err := sessions.Load(ctx, "51")
	must(t, err)
	want := observed()
	want.Desired, want.DeviceJID, want.CreatedAt, want.UpdatedAt = session.DesiredRun, device, loaded.CreatedAt, loaded.UpdatedAt
	if !reflect.DeepEqual(loaded, want) {
		t.Fatalf("row is\n%+v, want\n%+v", loaded, want)
	}
	if loaded.UpdatedAt.IsZero() || loaded.CreatedAt.IsZero() {
		t.Fatalf("row has no times: %+v", loaded)
	}
}

func saveObservedMakesNoRow(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	wantCode(t, st.Sessions().SaveObserved(ctx, observed()), session.CodeNotFound)
	if records, err := st.Sessions().List(ctx); err != nil || len(records) != 0 {
		t.Fatalf("listed %v, %v after observing a session without a row", records, err)
	}
}

func bindDevice(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	wantCode(t, sessions.BindDevice(ctx, "51", device), session.CodeNotFound)
	must(t, sessions.BindDevice(ctx, "51", "")) // nothing to unbind
	_, err := sessions.SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	for _, jid := range []string{device, device, "5491100000000:13@s.whatsapp.net", "", ""} {
		must(t, sessions.BindDevice(ctx, "51", jid))
		got, err := sessions.DeviceOf(ctx, "51")
		must(t, err)
		if got != jid {
			t.Fatalf("device is %q, want %q", got, jid)
		}
	}
}

func deviceIsTakenOver(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	for _, id := range []session.ID{"a", "b", "c", "d"} {
		_, err := sessions.SetDesired(ctx, id, session.DesiredRun)
		must(t, err)
	}
	must(t, sessions.BindDevice(ctx, "a", device))
	must(t, sessions.BindDevice(ctx, "c", "49151:1@s.whatsapp.net"))
	must(t, sessions.BindDevice(ctx, "b", device))
	// A takeover by a session that does not exist changes nothing.
	wantCode(t, sessions.BindDevice(ctx, "nobody", device), session.CodeNotFound)
	for id, want := range map[session.ID]string{"a": "", "b": device, "c": "49151:1@s.whatsapp.net", "d": ""} {
		got, err := sessions.DeviceOf(ctx, id)
		must(t, err)
		if got != want {
			t.Fatalf("device of %s is %q, want %q", id, got, want)
		}
	}
}

func deleteSession(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	for _, id := range []session.ID{"51", "52"} {
		_, err := sessions.SetDesired(ctx, id, session.DesiredRun)
		must(t, err)
		enqueued(t, st, entry(id, "key"))
	}
	must(t, sessions.Delete(ctx, "51"))
	must(t, sessions.Delete(ctx, "51"))
	records, err := sessions.List(ctx)
	must(t, err)
	if len(records) != 1 || records[0].ID != "52" {
		t.Fatalf("listed %+v after deleting 51", records)
	}
	lodge(t, st, "51")
	for id, want := range map[session.ID]bool{"51": false, "52": true} {
		_, existed, err := st.Outbox().Enqueue(ctx, entry(id, "key"), keysFrom)
		must(t, err)
		if existed != want {
			t.Fatalf("message of %s existed: %v, want %v", id, existed, want)
		}
	}
}

func refusesBadInput(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	_, err := st.Sessions().SetDesired(ctx, "No Such Id", session.DesiredRun)
	wantCode(t, err, session.CodeInvalidRequest)
	_, err = st.Sessions().SetDesired(ctx, "51", "dance")
	wantCode(t, err, session.CodeInvalidRequest)
	if records, err := st.Sessions().List(context.WithoutCancel(ctx)); err != nil || len(records) != 0 {
		t.Fatalf("listed %v, %v after refused writes", records, err)
	}
}

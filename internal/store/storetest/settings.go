package storetest

import (
	"reflect"
	"sync"
	"testing"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
)

var settingsTests = []test{
	{"settings/creating makes the row with them", createMakesTheRow},
	{"settings/only one of many callers creates", createOnce},
	{"settings/saving them leaves the rest of the row alone", saveSettingsKeepsTheRest},
	{"settings/other writes leave them alone", othersKeepTheSettings},
	{"settings/a deletion is not taken back", deletionIsNotTakenBack},
	{"settings/bad ones are refused", refusesBadSettings},
}

func someSettings() session.Settings {
	return session.Settings{
		Name:     "Tienda de Ana ⚽ 'quoted'",
		Metadata: map[string]string{"tenant": "acme", "note": "zero \x00 and \"quotes\" <b>", "empty": ""},
		Proxy:    "socks5://user:p%40ss@proxy.example:1080",
	}
}

func createMakesTheRow(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	made, err := st.Sessions().Create(ctx, "51", session.DesiredStop, someSettings())
	must(t, err)
	if made.ID != "51" || made.Desired != session.DesiredStop || made.State != session.NotInitialized ||
		made.Cause != session.CauseNone || made.LastCause != session.CauseNone || made.CreatedAt.IsZero() {
		t.Fatalf("new row is %+v", made)
	}
	if !reflect.DeepEqual(made.Settings, someSettings()) {
		t.Fatalf("settings are\n%+v, want\n%+v", made.Settings, someSettings())
	}
	bare, err := st.Sessions().Create(ctx, "52", session.DesiredRun, session.Settings{Metadata: map[string]string{}})
	must(t, err)
	if !reflect.DeepEqual(bare.Settings, session.Settings{}) {
		t.Fatalf("settings of a session without any are %+v", bare.Settings)
	}
	records, err := st.Sessions().List(ctx)
	must(t, err)
	if !reflect.DeepEqual(records, []session.Record{made, bare}) {
		t.Fatalf("listed\n%+v, want\n%+v", records, []session.Record{made, bare})
	}
}

func createOnce(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	const callers = 8
	var wait sync.WaitGroup
	errs := make(chan error, callers)
	for range callers {
		wait.Go(func() {
			_, err := st.Sessions().Create(ctx, "51", session.DesiredRun, someSettings())
			errs <- err
		})
	}
	wait.Wait()
	close(errs)
	made := 0
	for err := range errs {
		if err == nil {
			made++
			continue
		}
		wantCode(t, err, session.CodeExists)
		wantDiscreet(t, err)
	}
	if made != 1 {
		t.Fatalf("%d of %d callers made the session, want 1", made, callers)
	}
	_, err := st.Sessions().SetDesired(ctx, "51", session.DesiredDelete)
	must(t, err)
	_, err = st.Sessions().Create(ctx, "51", session.DesiredRun, session.Settings{})
	wantCode(t, err, session.CodeExists)
	must(t, st.Sessions().Delete(ctx, "51"))
	_, err = st.Sessions().Create(ctx, "51", session.DesiredRun, session.Settings{})
	must(t, err)
}

func saveSettingsKeepsTheRest(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	_, err := sessions.SaveSettings(ctx, "51", someSettings())
	wantCode(t, err, session.CodeNotFound)
	_, err = sessions.SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	must(t, sessions.BindDevice(ctx, "51", device))
	must(t, sessions.SaveObserved(ctx, observed()))
	want, _, err := sessions.Load(ctx, "51")
	must(t, err)
	for _, settings := range []session.Settings{someSettings(), {Name: "only a name"}, {}} {
		got, err := sessions.SaveSettings(ctx, "51", settings)
		must(t, err)
		want.Settings, want.UpdatedAt = settings, got.UpdatedAt
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("row is\n%+v, want\n%+v", got, want)
		}
		proxy, err := sessions.ProxyOf(ctx, "51")
		must(t, err)
		if proxy != settings.Proxy {
			t.Fatalf("proxy is %q, want %q", proxy, settings.Proxy)
		}
	}
	if proxy, err := sessions.ProxyOf(ctx, "nobody"); err != nil || proxy != "" {
		t.Fatalf("a session without a row has proxy %q, %v", proxy, err)
	}
}

func othersKeepTheSettings(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	_, err := sessions.Create(ctx, "51", session.DesiredRun, someSettings())
	must(t, err)
	must(t, sessions.SaveObserved(ctx, observed())) // this record has no settings
	must(t, sessions.BindDevice(ctx, "51", device))
	record, err := sessions.SetDesired(ctx, "51", session.DesiredStop)
	must(t, err)
	if !reflect.DeepEqual(record.Settings, someSettings()) {
		t.Fatalf("settings became %+v", record.Settings)
	}
}

func deletionIsNotTakenBack(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	_, err := sessions.Create(ctx, "51", session.DesiredRun, session.Settings{})
	must(t, err)
	for range 2 { // to ask for the deletion twice is no error
		_, err = sessions.SetDesired(ctx, "51", session.DesiredDelete)
		must(t, err)
	}
	for _, desired := range []session.Desired{session.DesiredRun, session.DesiredStop} {
		_, err := sessions.SetDesired(ctx, "51", desired)
		wantCode(t, err, session.CodeWrongState)
		wantDiscreet(t, err)
	}
	record, found, err := sessions.Load(ctx, "51")
	must(t, err)
	if !found || record.Desired != session.DesiredDelete {
		t.Fatalf("row is %+v, %v", record, found)
	}
	must(t, sessions.Delete(ctx, "51"))
	record, err = sessions.SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	if record.Desired != session.DesiredRun || record.CreatedAt.After(time.Now().Add(time.Hour)) {
		t.Fatalf("row is %+v", record)
	}
}

func refusesBadSettings(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	_, err := st.Sessions().SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	for name, settings := range map[string]session.Settings{
		"a proxy without a scheme":  {Proxy: "proxy.example:1080"},
		"a key with a space":        {Metadata: map[string]string{"a b": ""}},
		"a name with a zero byte":   {Name: "a\x00b"},
		"a name that is not UTF-8":  {Name: "\xff"},
		"a value that is not UTF-8": {Metadata: map[string]string{"a": "\xff"}},
	} {
		if _, err := st.Sessions().SaveSettings(ctx, "51", settings); session.CodeOf(err) != session.CodeInvalidRequest {
			t.Errorf("%s was saved: %v", name, err)
		}
		if _, err := st.Sessions().Create(ctx, "52", session.DesiredRun, settings); session.CodeOf(err) != session.CodeInvalidRequest {
			t.Errorf("%s was created: %v", name, err)
		}
	}
	_, err = st.Sessions().Create(ctx, "No Such Id", session.DesiredRun, session.Settings{})
	wantCode(t, err, session.CodeInvalidRequest)
	_, err = st.Sessions().Create(ctx, "52", "dance", session.Settings{})
	wantCode(t, err, session.CodeInvalidRequest)
	records, err := st.Sessions().List(ctx)
	must(t, err)
	if len(records) != 1 || !reflect.DeepEqual(records[0].Settings, session.Settings{}) {
		t.Fatalf("listed %+v after refused writes", records)
	}
}

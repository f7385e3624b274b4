package storetest

import (
	"testing"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
)

var unlinkTests = []test{
	{"unlink/a detached device leaves its session and is kept", detachDevice},
	{"unlink/a device that is linked anew is not to be unlinked", bindDetachedDevice},
}

func toUnlink(t *testing.T, st *store.Store) []session.Detached {
	t.Helper()
	marks, err := st.Sessions().ToUnlink(bounded(t))
	must(t, err)
	return marks
}

func detachDevice(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	_, err := sessions.Create(ctx, "51", session.DesiredStop, session.Settings{Proxy: "http://proxy.example:8080"})
	must(t, err)
	must(t, sessions.DetachDevice(ctx, "51"))
	must(t, sessions.DetachDevice(ctx, "nobody"))
	if marks := toUnlink(t, st); len(marks) != 0 {
		t.Fatalf("without a device: %+v", marks)
	}
	must(t, sessions.BindDevice(ctx, "51", device))
	before := time.Now().Truncate(time.Millisecond)
	must(t, sessions.DetachDevice(ctx, "51"))
	must(t, sessions.DetachDevice(ctx, "51"))
	bound, err := sessions.DeviceOf(ctx, "51")
	must(t, err)
	marks := toUnlink(t, st)
	if bound != "" || len(marks) != 1 || marks[0].Device != device || marks[0].Session != "51" || marks[0].Proxy != "http://proxy.example:8080" ||
		marks[0].Since.Before(before) || marks[0].Attempts != 0 || !marks[0].Next.IsZero() {
		t.Fatalf("bound %q, to unlink %+v", bound, marks)
	}
	must(t, sessions.Delete(ctx, "51")) // the mark outlives the session
	next := time.UnixMilli(1_780_000_000_123).UTC()
	must(t, sessions.UnlinkFailed(ctx, device, 3, next))
	if marks = toUnlink(t, st); len(marks) != 1 || marks[0].Attempts != 3 || !marks[0].Next.Equal(next) {
		t.Fatalf("after three attempts: %+v", marks)
	}
	for _, want := range []bool{true, false} {
		marked, err := sessions.MarkedToUnlink(ctx, device)
		must(t, err)
		removed, err := sessions.UnlinkOver(ctx, device)
		must(t, err)
		if marked != want || removed != want {
			t.Errorf("marked %t, removed %t; want %t", marked, removed, want)
		}
	}
	if marks = toUnlink(t, st); len(marks) != 0 {
		t.Fatalf("after the unlinking: %+v", marks)
	}
}

func bindDetachedDevice(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	sessions := st.Sessions()
	for _, id := range []session.ID{"51", "52"} {
		_, err := sessions.SetDesired(ctx, id, session.DesiredRun)
		must(t, err)
	}
	must(t, sessions.BindDevice(ctx, "51", device))
	must(t, sessions.DetachDevice(ctx, "51"))
	must(t, sessions.BindDevice(ctx, "52", device))
	bound, err := sessions.DeviceOf(ctx, "52")
	must(t, err)
	if marks := toUnlink(t, st); bound != device || len(marks) != 0 {
		t.Fatalf("bound %q, to unlink %+v", bound, marks)
	}
}

package sandbox_test

import (
	"reflect"
	"testing"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

func TestAppStateAndHistoryAreThereAfterARestart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	server := newServer(t, sandbox.Config{State: folder})
	ana, bruno := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent)
	chatting(t, bruno, ana, "before")
	first := newDevice(t, server)
	first.pair(ana)
	ctx := testContext(t)
	must(t, first.cli.SendAppState(ctx, appstate.BuildPin(bruno.LID(), true)))
	_, err := ana.WaitAppState(ctx, func(e phones.AppStateEntry) bool { return e.Index[0] == appstate.IndexPin })
	must(t, err)
	yes := true
	for range 25 { // enough for a snapshot
		must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Muted: &yes}))
	}
	before := ana.AppState()
	first.cli.Disconnect()
	closeServer(t, server)

	server = newServer(t, sandbox.Config{State: folder})
	ana, bruno = phoneOf(t, server, ana.Number()), phoneOf(t, server, bruno.Number())
	after := ana.AppState()
	if len(after) != len(before) {
		t.Fatalf("%d entries, expected %d", len(after), len(before))
	}
	for i := range after {
		if !reflect.DeepEqual(after[i].Index, before[i].Index) || after[i].Device != before[i].Device || !after[i].Time.Equal(before[i].Time) {
			t.Errorf("the entry %+v was %+v", after[i], before[i])
		}
	}
	again := openDevice(t, server, first.dsn)
	again.connect()
	must(t, again.cli.SendAppState(ctx, appstate.BuildPin(bruno.LID(), false)))
	second := newDevice(t, server)
	second.pair(ana)
	if got := texts(second.chunk(0, waHistorySync.HistorySync_INITIAL_BOOTSTRAP).GetConversations()[0]); len(got) != 1 || got[0] != "before" {
		t.Errorf("the history is %q", got)
	}
	settings, err := second.cli.Store.ChatSettings.GetChatSettings(ctx, bruno.LID())
	must(t, err)
	if settings.Pinned || settings.MutedUntil.IsZero() {
		t.Errorf("the chat is %+v", settings)
	}
	must(t, ana.NameContact(ctx, bruno.Number(), "Bruno"))
	wait(again, 0, func(e *events.Contact) bool { return e.JID == bruno.JID() })
	// A device that was linked before is not new: the phone does not send it the history again.
	// Pairing waits for the first messages of the phone only. The last parts of the history may not exist yet.
	eventually(t, func() bool { return server.Counters().HistoryChunks >= 3 })
	if got := server.Counters(); got.HistoryChunks != 3 || got.SyncErrors != 0 {
		t.Errorf("counters %+v", got)
	}
}

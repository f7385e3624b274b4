package interop_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox/phones"
)

func TestBaileysGetsTheHistoryAndTheAppStateOfItsPhone(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	ana, bruno := newPhone(t, server, "Ana"), newPhone(t, server, "Bruno")
	for i := range 15 {
		id, err := bruno.SendText(within(t), ana.Number(), fmt.Sprint("long ago ", i))
		must(t, err)
		_, err = ana.WaitMessage(within(t), func(m phones.Message) bool { return m.ID == id })
		must(t, err)
	}
	must(t, ana.NameContact(within(t), bruno.Number(), "Bruno Díaz"))
	yes := true
	// Enough patches for a snapshot with further patches after it.
	for range 30 {
		must(t, ana.ChangeChat(within(t), bruno.Number(), phones.ChatChange{Pinned: &yes}))
	}
	node := startTrusting(t, server)
	node.openAt(server, server.SecureURL(), string(server.CAPEM()), true)
	node.scanned(ana)

	// The newest messages come in the first part of the history, the oldest in a later one.
	for _, i := range []int{14, 0} {
		node.await("past", func(one told) bool { return one.Text == fmt.Sprint("long ago ", i) && one.Chat == bruno.LID().String() })
	}
	// A contact under the phone number comes from app state. The history would name the chat by its hidden id.
	node.await("contact", func(one told) bool { return one.Text == "Bruno Díaz" && one.ID == bruno.JID().String() })
	node.await("chat", func(one told) bool {
		return one.Chat == bruno.LID().String() && strings.Contains(one.Text, `"pinned":true`)
	})

	t.Run("later changes of the phone arrive", func(t *testing.T) {
		must(t, ana.ChangeChat(within(t), bruno.Number(), phones.ChatChange{Muted: &yes}))
		node.await("chat", func(one told) bool { return strings.Contains(one.Text, `"muted":true`) })
	})
	t.Run("the phone and another client read what Baileys changes", func(t *testing.T) {
		gopher := newPeer(t, server, ana)
		for _, name := range appstate.AllPatchNames {
			await(gopher, func(e *events.AppStateSyncComplete) bool { return e.Name == name })
		}
		node.do("chat", map[string]any{"to": bruno.LID().String(), "change": map[string]any{"pin": false}})
		await(gopher, func(e *events.Pin) bool { return e.JID == bruno.LID() && !e.Action.GetPinned() })
		entry, err := ana.WaitAppState(within(t), func(e phones.AppStateEntry) bool {
			return slices.Equal(e.Index, []string{appstate.IndexPin, bruno.LID().String()}) && e.Device != 0
		})
		must(t, err)
		if strings.Contains(string(entry.Value), `"pinned":true`) {
			t.Errorf("the phone reads %s", entry.Value)
		}
		// The other direction: Baileys gets what whatsmeow changes.
		must(t, gopher.cli.SendAppState(within(t), appstate.BuildMute(bruno.LID(), false, 0)))
		node.await("chat", func(one told) bool { return one.Text == `{"pinned":false,"archived":false,"muted":false}` })
	})
	if got := server.Counters(); got.SyncErrors != 0 {
		t.Errorf("the phone could not read %d patches", got.SyncErrors)
	}
}

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
	// So much that there is a snapshot with patches after it.
	for range 30 {
		must(t, ana.ChangeChat(within(t), bruno.Number(), phones.ChatChange{Pinned: &yes}))
	}
	node := startTrusting(t, server)
	node.openAt(server, server.SecureURL(), string(server.CAPEM()), true)
	node.scanned(ana)

	// The newest come in the message itself or in the first file, the oldest in another.
	for _, i := range []int{14, 0} {
		node.await("past", func(one told) bool { return one.Text == fmt.Sprint("long ago ", i) && one.Chat == bruno.LID().String() })
	}
	// Under the number, that is by app state: the history names the chat, which goes by its hidden address.
	node.await("contact", func(one told) bool { return one.Text == "Bruno Díaz" && one.ID == bruno.JID().String() })
	node.await("chat", func(one told) bool {
		return one.Chat == bruno.LID().String() && strings.Contains(one.Text, `"pinned":true`)
	})

	t.Run("what the phone changes later comes as well", func(t *testing.T) {
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
		// And the other way: what whatsmeow changes is told to Baileys.
		must(t, gopher.cli.SendAppState(within(t), appstate.BuildMute(bruno.LID(), false, 0)))
		node.await("chat", func(one told) bool { return one.Text == `{"pinned":false,"archived":false,"muted":false}` })
	})
	if got := server.Counters(); got.SyncErrors != 0 {
		t.Errorf("the phone could not read %d patches", got.SyncErrors)
	}
}

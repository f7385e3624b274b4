package sandbox_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

func TestANewDeviceGetsTheKeysAndTheStateOfItsPhone(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	ctx := testContext(t)
	must(t, ana.Rename(ctx, "Ana María"))
	must(t, ana.NameContact(ctx, bruno.Number(), "Bruno Díaz"))
	yes := true
	must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Pinned: &yes, Muted: &yes, MuteFor: time.Hour}))

	d := newDevice(t, server)
	d.pair(ana)

	if d.cli.Store.PushName != "Ana María" {
		t.Errorf("the client goes by %q", d.cli.Store.PushName)
	}
	contact, err := d.cli.Store.Contacts.GetContact(ctx, bruno.JID())
	must(t, err)
	if contact.FullName != "Bruno Díaz" || contact.FirstName != "Bruno" {
		t.Errorf("the contact is %+v", contact)
	}
	settings, err := d.cli.Store.ChatSettings.GetChatSettings(ctx, bruno.LID())
	must(t, err)
	if !settings.Pinned || time.Until(settings.MutedUntil) < 50*time.Minute || settings.Archived {
		t.Errorf("the chat is %+v", settings)
	}
	if got := server.Counters(); len(got.UnknownQueries) != 0 || got.SyncErrors != 0 {
		t.Errorf("counters %+v", got)
	}
}

func TestWhatAPhoneChangesReachesItsDevices(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	d := newDevice(t, server)
	d.pair(ana)
	ctx := testContext(t)
	yes, no := true, false

	must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Pinned: &yes}))
	wait(d, 0, func(e *events.Pin) bool { return e.JID == bruno.LID() && e.Action.GetPinned() })
	must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Archived: &yes}))
	wait(d, 0, func(e *events.Archive) bool { return e.JID == bruno.LID() && e.Action.GetArchived() })
	// An archived chat is no longer pinned.
	wait(d, 0, func(e *events.Pin) bool { return !e.Action.GetPinned() })
	must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Muted: &yes}))
	wait(d, 0, func(e *events.Mute) bool { return e.Action.GetMuted() && e.Action.GetMuteEndTimestamp() == -1 })
	must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Read: &no}))
	wait(d, 0, func(e *events.MarkChatAsRead) bool { return !e.Action.GetRead() })
	must(t, ana.NameContact(ctx, bruno.Number(), "Bruno"))
	wait(d, 0, func(e *events.Contact) bool {
		return e.JID == bruno.JID() && e.Action.GetFullName() == "Bruno" && e.Action.GetLidJID() == bruno.LID().String()
	})
	must(t, ana.Rename(ctx, "Anita"))
	wait(d, 0, func(e *events.PushNameSetting) bool { return e.Action.GetName() == "Anita" })
	id, err := bruno.SendText(ctx, ana.Number(), "star this")
	must(t, err)
	_, err = ana.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == id })
	must(t, err)
	must(t, ana.StarMessage(ctx, id, true))
	wait(d, 0, func(e *events.Star) bool { return e.MessageID == id && e.Action.GetStarred() && !e.IsFromMe })

	// Deleting a contact is the only change that removes an entry.
	must(t, ana.NameContact(ctx, bruno.Number(), ""))
	must(t, ana.NameContact(ctx, ana.Number(), "me"))
	wait(d, 0, func(e *events.Contact) bool { return e.Action.GetFullName() == "me" })
	if slices.ContainsFunc(ana.AppState(), func(e phones.AppStateEntry) bool {
		return e.Index[0] == "contact" && e.Index[1] == bruno.JID().String()
	}) {
		t.Error("the contact is still there")
	}
	chats := ana.Chats()
	i := slices.IndexFunc(chats, func(c phones.ChatInfo) bool { return c.JID == bruno.JID() })
	if i < 0 || !chats[i].Archived || !chats[i].Muted || !chats[i].MutedUntil.IsZero() || chats[i].Pinned || !chats[i].MarkedUnread || chats[i].Name != "" {
		t.Errorf("the chats are %+v", chats)
	}
}

func TestWhatADeviceChangesReachesThePhoneAndTheOtherDevices(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, phones.ScriptDeliver), newPhone(t, server, "")
	first, second := newDevice(t, server), newDevice(t, server)
	first.pair(ana)
	second.pair(ana)
	ctx := testContext(t)

	must(t, first.cli.SendAppState(ctx, appstate.BuildPin(bruno.LID(), true)))
	wait(second, 0, func(e *events.Pin) bool { return e.JID == bruno.LID() && e.Action.GetPinned() })
	entry, err := ana.WaitAppState(ctx, func(e phones.AppStateEntry) bool { return e.Index[0] == appstate.IndexPin })
	must(t, err)
	if entry.Device != first.cli.Store.ID.Device || entry.Collection != "regular_low" || !strings.Contains(string(entry.Value), `"pinned":true`) {
		t.Errorf("the phone has %+v %s", entry, entry.Value)
	}
	must(t, second.cli.SendAppState(ctx, appstate.BuildSettingPushName("Ana at work")))
	wait(first, 0, func(e *events.PushNameSetting) bool { return e.Action.GetName() == "Ana at work" })
	_, err = ana.WaitAppState(ctx, func(e phones.AppStateEntry) bool { return strings.Contains(string(e.Value), "Ana at work") })
	must(t, err)
	if ana.Name() != "Ana at work" {
		t.Errorf("the phone goes by %q", ana.Name())
	}
	// A chat that was marked as read on a device is read on the phone.
	id, err := bruno.SendText(ctx, ana.Number(), "hola")
	must(t, err)
	_, err = ana.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == id && m.Status == phones.StatusReceived })
	must(t, err)
	must(t, first.cli.SendAppState(ctx, appstate.BuildMarkChatAsRead(bruno.LID(), true, time.Now(), nil)))
	_, err = ana.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == id && m.Status == phones.StatusRead })
	must(t, err)
	if got := server.Counters(); got.SyncErrors != 0 {
		t.Errorf("the phone could not read %d patches", got.SyncErrors)
	}
}

func TestAChangeThatComesTooLateIsMadeAnew(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno, carla := newPhone(t, server, ""), newPhone(t, server, ""), newPhone(t, server, "")
	d := newDevice(t, server)
	d.pair(ana)
	ctx := testContext(t)
	// The client does not learn of the phone's changes: its query after the notification gets an error.
	_, err := server.SetFault(faults.Fault{Kind: faults.RefuseIQ, Code: 500, Match: "w:sync:app:state", Count: 1})
	must(t, err)
	feed, stop := server.Subscribe()
	defer stop()
	yes := true
	must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Pinned: &yes}))
	until(t, feed, func(e observe.Event) bool {
		return e.Kind == observe.EventFault && e.Detail == string(faults.RefuseIQ)
	})

	must(t, d.cli.SendAppState(ctx, appstate.BuildPin(carla.LID(), true)))

	if got := server.Counters().SyncConflicts; got != 1 {
		t.Errorf("%d conflicts, expected one", got)
	}
	// The client has applied the missing patch first, and then its own.
	wait(d, 0, func(e *events.Pin) bool { return e.JID == bruno.LID() })
	wait(d, 0, func(e *events.Pin) bool { return e.JID == carla.LID() })
	_, err = ana.WaitAppState(ctx, func(e phones.AppStateEntry) bool {
		return slices.Equal(e.Index, []string{appstate.IndexPin, carla.LID().String()})
	})
	must(t, err)
}

func TestALargeStateComesAsASnapshotAndInSeveralAnswers(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	ctx := testContext(t)
	first := newDevice(t, server)
	first.pair(ana)
	first.cli.Disconnect()
	for i := range 120 {
		on := i%2 == 0
		must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Pinned: &on}))
	}
	must(t, ana.NameContact(ctx, bruno.Number(), "Bruno"))
	// A client that is behind gets patches, more than fit in one answer.
	from := first.mark()
	first.connect()
	must(t, first.cli.FetchAppState(ctx, appstate.WAPatchRegularLow, false, false))
	pins := 0
	for _, event := range first.seen(from) {
		if _, ok := event.(*events.Pin); ok {
			pins++
		}
	}
	if pins < 120 {
		t.Errorf("%d pins, expected all 120", pins)
	}
	// A new client gets a snapshot, and continues from there.
	second := newDevice(t, server)
	second.pair(ana)
	if !slices.ContainsFunc(server.Media().List(), func(f media.File) bool { return f.Type == "md-app-state" && f.Downloads == 1 }) {
		t.Error("no snapshot was downloaded")
	}
	on := true
	must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Pinned: &on}))
	wait(second, 0, func(e *events.Pin) bool { return !e.FromFullSync && e.Action.GetPinned() })
	must(t, second.cli.SendAppState(ctx, appstate.BuildPin(bruno.LID(), false)))
	// A snapshot whose file is gone is created again.
	for _, file := range server.Media().List() {
		must(t, server.Media().Take(file.ID, 404, true))
	}
	third := newDevice(t, server)
	third.pair(ana)
	settings, err := third.cli.Store.ChatSettings.GetChatSettings(ctx, bruno.LID())
	must(t, err)
	if settings.Pinned {
		t.Error("the chat is pinned")
	}
}

func TestALargeChangeTravelsAsAFile(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana := newPhone(t, server, "")
	ctx := testContext(t)
	for i := range 150 {
		friend, err := server.AddPhone(phones.Config{Name: fmt.Sprintf("friend number %03d", i), Script: phones.ScriptSilent})
		must(t, err)
		_, err = ana.SendText(ctx, friend.Number(), "hola")
		must(t, err)
	}
	d := newDevice(t, server)
	d.pair(ana)
	contacts, err := d.cli.Store.Contacts.GetAllContacts(ctx)
	must(t, err)
	named := 0
	for _, contact := range contacts {
		if strings.HasPrefix(contact.FullName, "friend number") {
			named++
		}
	}
	if named != 150 {
		t.Errorf("%d contacts, expected 150", named)
	}
	if !slices.ContainsFunc(server.Media().List(), func(f media.File) bool { return f.Type == "md-app-state" && f.Downloads > 0 }) {
		t.Error("the change did not travel as a file")
	}
}

func TestADeviceAsksForAKeyThatItLacks(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	first, second := newDevice(t, server), newDevice(t, server)
	first.pair(ana)
	second.pair(ana)
	ctx := testContext(t)
	_, err := server.SetFault(faults.Fault{Kind: faults.WithholdSyncKeys, Count: 1})
	must(t, err)
	feed, stop := server.Subscribe()
	defer stop()
	// Unlinking a device changes the key.
	must(t, ana.Unlink(ctx, *second.cli.Store.ID))
	until(t, feed, func(e observe.Event) bool {
		return e.Kind == observe.EventFault && e.Detail == string(faults.WithholdSyncKeys)
	})
	yes := true
	must(t, ana.ChangeChat(ctx, bruno.Number(), phones.ChatChange{Pinned: &yes}))
	until(t, feed, func(e observe.Event) bool {
		return e.Kind == observe.EventPeer && e.Detail == "APP_STATE_SYNC_KEY_REQUEST"
	})
	wait(first, 0, func(e *events.Pin) bool { return e.JID == bruno.LID() && e.Action.GetPinned() })
}

func TestADeviceThatIsBrokenGetsACollectionInPlain(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno := newPhone(t, server, ""), newPhone(t, server, "")
	d := newDevice(t, server)
	d.pair(ana)
	ctx := testContext(t)
	must(t, ana.NameContact(ctx, bruno.Number(), "Bruno"))
	wait(d, 0, func(e *events.Contact) bool { return e.JID == bruno.JID() })
	name := appstate.WAPatchCriticalUnblockLow
	must(t, d.cli.Store.AppState.DeleteAppStateVersion(ctx, string(name)))
	from := d.mark()
	_, err := d.cli.SendPeerMessage(ctx, whatsmeow.BuildAppStateRecoveryRequest(name))
	must(t, err)
	wait(d, from, func(e *events.AppStateSyncComplete) bool { return e.Name == name && e.Recovery })
	// The client continues from the recovered collection.
	must(t, ana.NameContact(ctx, bruno.Number(), "Bruno again"))
	wait(d, from, func(e *events.Contact) bool { return e.Action.GetFullName() == "Bruno again" })
}

func TestAPhoneRefusesWhatCannotBeChanged(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana := newPhone(t, server, "")
	ctx := testContext(t)
	yes := true
	for what, test := range map[string]struct{ got, want error }{
		"nobody":     {ana.ChangeChat(ctx, "15550000000", phones.ChatChange{Pinned: &yes}), accounts.ErrUnknownContact},
		"nothing":    {ana.ChangeChat(ctx, ana.Number(), phones.ChatChange{}), phones.ErrNoChange},
		"long mute":  {ana.ChangeChat(ctx, ana.Number(), phones.ChatChange{Muted: &yes, MuteFor: 1 << 62}), phones.ErrBadMute},
		"no contact": {ana.NameContact(ctx, ana.Number(), ""), phones.ErrNoContact},
		"long name":  {ana.NameContact(ctx, ana.Number(), strings.Repeat("x", 101)), phones.ErrNameTooLong},
		"no name":    {ana.Rename(ctx, ""), phones.ErrBadName},
		"no message": {ana.StarMessage(ctx, "3A00", true), phones.ErrUnknownMessage},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: %v, expected %v", what, test.got, test.want)
		}
	}
	ana.SetOnline(false)
	if err := ana.Rename(ctx, "x"); !errors.Is(err, phones.ErrOffline) {
		t.Errorf("a phone that is off: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

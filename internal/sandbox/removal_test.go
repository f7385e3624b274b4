package sandbox_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/calls"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phones"
)

// removed takes a phone out of the server.
func removed(t *testing.T, server *sandbox.Server, phone *sandbox.Phone) {
	t.Helper()
	if err := server.RemovePhone(phone.Number()); err != nil {
		t.Fatal(err)
	}
}

func TestAListForgetsARemovedRecipient(t *testing.T) {
	folder := t.TempDir()
	server := newServer(t, sandbox.Config{State: folder})
	ana, bea, cid := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent)
	ctx := testContext(t)
	list, err := ana.CreateList(ctx, []string{bea.Number(), cid.Number(), cid.Number(), ana.Number()})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := bea.CreateList(ctx, []string{ana.Number()})
	if err != nil {
		t.Fatal(err)
	}
	removed(t, server, bea)
	for _, text := range []string{"before", "after"} {
		if _, err = ana.SendText(ctx, list.String(), text); err != nil {
			t.Fatalf("%s a restart: %v", text, err)
		}
		waitText(t, cid, text)
		if _, err = ana.SendText(ctx, theirs.String(), "x"); !errors.Is(err, accounts.ErrUnknownContact) {
			t.Errorf("the list of a removed phone: %v", err)
		}
		if text == "before" {
			closeServer(t, server)
			server = newServer(t, sandbox.Config{State: folder})
			ana, cid = phoneOf(t, server, ana.Number()), phoneOf(t, server, cid.Number())
		}
	}
}

func TestAStatusGoesToPartnersThatAreStillThere(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	ana, bea, cid := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent)
	for _, friend := range []*sandbox.Phone{bea, cid} {
		if _, err := ana.SendText(testContext(t), friend.Number(), "hi"); err != nil {
			t.Fatal(err)
		}
		waitText(t, friend, "hi")
	}
	removed(t, server, bea)
	if _, err := ana.SendText(testContext(t), phones.StatusChat, "on holiday"); err != nil {
		t.Fatal(err)
	}
	waitText(t, cid, "on holiday")
	if !slices.ContainsFunc(ana.Messages(), func(m phones.Message) bool { return m.Chat == bea.JID() }) {
		t.Error("the chat with the removed phone is gone")
	}
}

func TestAStatusAndTheRemovalOfAPartnerAtTheSameTime(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	ana := newPhone(t, server, phones.ScriptSilent)
	var friends []*sandbox.Phone
	for range 20 {
		friend := newPhone(t, server, phones.ScriptSilent)
		if _, err := ana.SendText(testContext(t), friend.Number(), "hi"); err != nil {
			t.Fatal(err)
		}
		friends = append(friends, friend)
	}
	done := make(chan error)
	go func() {
		for range 20 {
			if _, err := ana.SendText(context.Background(), phones.StatusChat, "on holiday"); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for _, friend := range friends {
		removed(t, server, friend)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestNobodyCallsOrTypesInAListOrTheStatuses(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	ana, bea := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent)
	list, err := ana.CreateList(testContext(t), []string{bea.Number()})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{list.String(), phones.StatusChat} {
		if _, err = ana.PlaceCall(testContext(t), phones.CallConfig{To: to}); !errors.Is(err, groups.ErrBroadcast) {
			t.Errorf("a call to %s: %v", to, err)
		}
		if err = ana.SendChatState(testContext(t), to, phones.StateComposing); !errors.Is(err, groups.ErrBroadcast) {
			t.Errorf("typing in %s: %v", to, err)
		}
	}
	if _, err = bea.SendText(testContext(t), list.String(), "x"); !errors.Is(err, groups.ErrNotOwner) {
		t.Errorf("a recipient writes to the list: %v", err)
	}
}

func TestTheCallsOfARemovedPhoneEnd(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	ana, bea, cid := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent)
	ctx := testContext(t)
	placed, err := ana.PlaceCall(ctx, phones.CallConfig{To: bea.Number()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := bea.PlaceCall(ctx, phones.CallConfig{To: cid.Number()})
	if err != nil {
		t.Fatal(err)
	}
	removed(t, server, bea)
	for phone, id := range map[*sandbox.Phone]string{ana: placed, cid: got} {
		if all := phone.Calls(); len(all) != 1 || all[0].ID != id || all[0].State != calls.Ended {
			t.Errorf("%+v", all)
		}
	}
}

func TestChannelsForgetARemovedPhone(t *testing.T) {
	folder := t.TempDir()
	server := newServer(t, sandbox.Config{State: folder})
	ana, bea := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent)
	if _, err := bea.CreateChannel(testContext(t), "News", []string{ana.Number()}); err != nil {
		t.Fatal(err)
	}
	more, err := ana.CreateChannel(testContext(t), "More", []string{bea.Number(), "+" + bea.Number(), bea.Number()})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(server.Channels()[1].Followers); n != 1 {
		t.Errorf("a follower that was named three times counts %d times", n)
	}
	if err = server.SaveState(); err != nil {
		t.Fatal(err)
	}
	removed(t, server, bea)
	for range 2 {
		if all := server.Channels(); len(all) != 1 || all[0].JID != more || len(all[0].Followers) != 0 {
			t.Errorf("%+v", all)
		}
		closeServer(t, server)
		server = newServer(t, sandbox.Config{State: folder})
	}
}

func TestTheBlockListForgetsARemovedPhone(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	ana, bea := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent)
	client := newDevice(t, server)
	client.pair(ana)
	if _, err := client.cli.UpdateBlocklist(testContext(t), bea.LID(), events.BlocklistChangeActionBlock); err != nil {
		t.Fatal(err)
	}
	removed(t, server, bea)
	if list, err := client.cli.GetBlocklist(testContext(t)); err != nil || len(list.JIDs) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAPhoneCannotHaveTheAliasOfAnother(t *testing.T) {
	folder := t.TempDir()
	server := newServer(t, sandbox.Config{State: folder})
	ana, err := server.AddPhone(phones.Config{Number: "5511987654321", Aliases: []string{"551187654321", "15550100001"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = server.AddPhone(phones.Config{Number: "551187654321"}); !errors.Is(err, accounts.ErrExists) {
		t.Errorf("a phone with the alias of another: %v", err)
	}
	if other := newPhone(t, server, phones.ScriptSilent); other.Number() == "15550100001" {
		t.Error("the generated number is an alias of another phone")
	}
	closeServer(t, server)
	server = newServer(t, sandbox.Config{State: folder})
	removed(t, server, phoneOf(t, server, ana.Number()))
	if _, err = server.AddPhone(phones.Config{Number: "551187654321"}); err != nil {
		t.Errorf("the alias of a removed phone: %v", err)
	}
	closeServer(t, server)
	newServer(t, sandbox.Config{State: folder})
}

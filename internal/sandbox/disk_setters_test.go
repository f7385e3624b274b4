package sandbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phones"
)

// setting is something that a person changes at the phone of Ana, who has no linked device: nothing else says there that
// something has to be saved. Bea is another one, in a group with her.
type setting struct {
	name   string
	before func(ana, bea *sandbox.Phone) // what is saved already
	change func(ctx context.Context, server *sandbox.Server, ana, bea *sandbox.Phone, group types.JID) error
	stays  func(server *sandbox.Server, ana, bea *sandbox.Phone, group types.JID) bool
}

func settings() []setting {
	info := func(server *sandbox.Server, group types.JID) (subject string, members int) {
		g, err := server.Group(group)
		if err != nil {
			return err.Error(), 0
		}
		return g.Subject, len(g.Members)
	}
	return []setting{
		{name: "the phone is off", change: func(_ context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) error {
			ana.SetOnline(false)
			return nil
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool { return !ana.Online() }},
		{name: "the phone is on again", before: func(ana, _ *sandbox.Phone) { ana.SetOnline(false) }, change: func(_ context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) error {
			ana.SetOnline(true)
			return nil
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool { return ana.Online() }},
		{name: "a message waits for the phone", before: func(ana, _ *sandbox.Phone) { ana.SetOnline(false) }, change: func(ctx context.Context, _ *sandbox.Server, ana, bea *sandbox.Phone, _ types.JID) error {
			_, err := bea.SendText(ctx, ana.Number(), "for later")
			return err
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			ana.SetOnline(true)
			_, err := ana.WaitMessage(ctx, func(m phones.Message) bool { return m.Text == "for later" })
			return err == nil
		}},
		{name: "another spelling of the number", change: func(ctx context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) error {
			return ana.Change(ctx, phones.Change{Aliases: &[]string{"5511987654321"}})
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool {
			return len(ana.Aliases()) == 1 && ana.Aliases()[0] == "5511987654321"
		}},
		{name: "the timer of a chat", change: func(ctx context.Context, _ *sandbox.Server, ana, bea *sandbox.Phone, _ types.JID) error {
			_, err := ana.SendMessage(ctx, phones.Outgoing{To: bea.Number(), Kind: phones.KindTimer, Expiration: 86_400})
			return err
		}, stays: func(_ *sandbox.Server, ana, bea *sandbox.Phone, _ types.JID) bool {
			return len(ana.Chats()) > 0 && ana.Chats()[0].Expiration == 86_400
		}},
		{name: "a broadcast list", change: func(ctx context.Context, _ *sandbox.Server, ana, bea *sandbox.Phone, _ types.JID) error {
			_, err := ana.CreateList(ctx, []string{bea.Number()})
			return err
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_, err := ana.SendText(ctx, "170000000001@broadcast", "to all")
			return err == nil
		}},
		{name: "a channel with a post", change: func(ctx context.Context, _ *sandbox.Server, ana, bea *sandbox.Phone, _ types.JID) error {
			channel, err := ana.CreateChannel(ctx, "News", []string{bea.Number()})
			if err == nil {
				_, err = ana.SendText(ctx, channel.String(), "first")
			}
			return err
		}, stays: func(server *sandbox.Server, ana, bea *sandbox.Phone, _ types.JID) bool {
			all := server.Channels()
			return len(all) == 1 && all[0].Owner == ana.JID() && all[0].Followers[0] == bea.JID() && len(all[0].Posts) == 1 && all[0].Posts[0].Number == 1
		}},
		{name: "a post in a channel", before: func(ana, bea *sandbox.Phone) {
			_, _ = ana.CreateChannel(context.Background(), "News", []string{bea.Number()})
		}, change: func(ctx context.Context, server *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) error {
			_, err := ana.SendText(ctx, server.Channels()[0].JID.String(), "first")
			return err
		}, stays: func(server *sandbox.Server, _, _ *sandbox.Phone, _ types.JID) bool {
			return len(server.Channels()) == 1 && len(server.Channels()[0].Posts) == 1
		}},
		{name: "the script", change: func(_ context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) error {
			return ana.SetScript(phones.ScriptSlow)
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool {
			return ana.Script() == phones.ScriptSlow
		}},
		{name: "the delay", change: func(_ context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) error {
			return ana.SetDelay(time.Minute)
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool { return ana.Delay() == time.Minute }},
		{name: "the passkey is required", change: func(_ context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) error {
			ana.RequirePasskey(true)
			return nil
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool { return ana.PasskeyRequired() }},
		{name: "the name", change: func(ctx context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) error {
			return ana.Rename(ctx, "Anna")
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool { return ana.Name() == "Anna" }},
		{name: "the about text", change: func(_ context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) error {
			return ana.SetAbout("at sea")
		}, stays: func(_ *sandbox.Server, ana, _ *sandbox.Phone, _ types.JID) bool { return ana.About() == "at sea" }},
		{name: "a group's name", change: func(ctx context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, group types.JID) error {
			subject := "Go"
			return ana.ChangeGroup(ctx, group, phones.GroupChange{Subject: &subject})
		}, stays: func(server *sandbox.Server, _, _ *sandbox.Phone, group types.JID) bool {
			subject, _ := info(server, group)
			return subject == "Go"
		}},
		{name: "a link to a group is revoked", change: func(ctx context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, group types.JID) error {
			link, err := ana.GroupLink(ctx, group, false)
			if err != nil {
				return err
			}
			if _, err = ana.GroupLink(ctx, group, true); err != nil {
				return err
			}
			return ana.SetAbout(link) // where the next server finds it
		}, stays: func(_ *sandbox.Server, ana, bea *sandbox.Phone, group types.JID) bool {
			ctx := context.Background()
			_, _, revoked := bea.JoinGroup(ctx, ana.About())
			fresh, err := ana.GroupLink(ctx, group, false)
			if err != nil {
				return false
			}
			jid, _, err := bea.JoinGroup(ctx, fresh)
			return errors.Is(revoked, groups.ErrInviteRevoked) && err == nil && jid == group
		}},
		{name: "who is in a group", change: func(ctx context.Context, _ *sandbox.Server, ana, _ *sandbox.Phone, group types.JID) error {
			return ana.LeaveGroup(ctx, group)
		}, stays: func(server *sandbox.Server, _, _ *sandbox.Phone, group types.JID) bool {
			_, members := info(server, group)
			return members == 1
		}},
		{name: "a group of one who was removed", change: func(_ context.Context, server *sandbox.Server, _, bea *sandbox.Phone, _ types.JID) error {
			return server.RemovePhone(bea.Number())
		}, stays: func(server *sandbox.Server, _, bea *sandbox.Phone, group types.JID) bool {
			_, members := info(server, group)
			return bea == nil && members == 1
		}},
	}
}

func TestWhatAPersonChangesIsSaved(t *testing.T) {
	for _, s := range settings() {
		for how, again := range map[string]func(*testing.T, *sandbox.Server, string) string{
			"and the server is killed": asKilled,
			"and the server is closed": func(t *testing.T, server *sandbox.Server, folder string) string {
				closeServer(t, server)
				return folder
			},
		} {
			t.Run(s.name+", "+how, func(t *testing.T) {
				folder := t.TempDir()
				server := newServer(t, sandbox.Config{State: folder})
				ana, bea := newPhone(t, server, phones.ScriptSilent), newPhone(t, server, phones.ScriptSilent)
				group := server.MakeGroup("Chess", ana, bea)
				if s.before != nil {
					s.before(ana, bea)
				}
				if err := server.SaveState(); err != nil {
					t.Fatal(err)
				}
				if err := s.change(testContext(t), server, ana, bea, group); err != nil {
					t.Fatal(err)
				}
				server = newServer(t, sandbox.Config{State: again(t, server, folder)})
				anew, _ := server.Phone(bea.Number())
				if !s.stays(server, phoneOf(t, server, ana.Number()), anew, group) {
					t.Error("it is not so any more")
				}
			})
		}
	}
}

package sandbox_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phones"
)

// newGroup makes a phone create a group.
func newGroup(t *testing.T, owner *sandbox.Phone, addressing string, members ...*sandbox.Phone) types.JID {
	t.Helper()
	wish := phones.NewGroup{Subject: "Friends", Addressing: addressing}
	for _, member := range members {
		wish.Members = append(wish.Members, member.Number())
	}
	jid, err := owner.CreateGroup(testContext(t), wish)
	if err != nil {
		t.Fatal(err)
	}
	return jid
}

func TestGroupMessagesGoBothWaysUnderSenderKeys(t *testing.T) {
	for _, addressing := range []string{groups.AddressingLID, groups.AddressingPN} {
		t.Run(addressing, func(t *testing.T) {
			server, own, client, peer := linked(t, phones.ScriptRead)
			third := newPhone(t, server, phones.ScriptRead)
			group := newGroup(t, own, addressing, peer, third)
			joined := wait[*events.JoinedGroup](client, 0, nil)
			if joined.JID != group || joined.Name != "Friends" || len(joined.Participants) != 3 || string(joined.AddressingMode) != addressing {
				t.Fatalf("the client joined %+v", joined)
			}
			for i, text := range []string{"one", "two"} {
				id := client.sendText(group, text)
				for _, phone := range []*sandbox.Phone{own, peer, third} {
					got := waitText(t, phone, text)
					if got.ID != id || got.From != own.JID() || got.Chat != group || got.FromMe != (phone == own) {
						t.Fatalf("%d: a phone has %+v", i, got)
					}
				}
				read := wait(client, 0, func(r *events.Receipt) bool {
					return r.Type == types.ReceiptTypeRead && r.MessageIDs[0] == id && (r.Sender.User == peer.LID().User || r.Sender.User == peer.Number())
				})
				if read.Chat != group {
					t.Errorf("read in %s", read.Chat)
				}
			}
			id, err := peer.SendGroupText(testContext(t), group, "from a phone")
			if err != nil {
				t.Fatal(err)
			}
			got := wait(client, 0, hasText("from a phone"))
			want := peer.LID()
			if addressing == groups.AddressingPN {
				want = peer.JID()
			}
			if got.Info.Chat != group || got.Info.Sender != want || !got.Info.IsGroup || got.Info.PushName != peer.Name() {
				t.Fatalf("the client got %+v", got.Info)
			}
			waitText(t, third, "from a phone")
			if err = client.cli.MarkRead(testContext(t), []string{id}, time.Now(), group, got.Info.Sender); err != nil {
				t.Fatal(err)
			}
			waitStatus(t, peer, id, phones.StatusRead)
			if counters := server.Counters(); counters.Retries != 0 || counters.Duplicates != 0 {
				t.Errorf("counters %+v", counters)
			}
			noUnknownQueries(t, server)
		})
	}
}

func TestTwoClientsAndASecondDeviceTalkInAGroup(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	onePhone, otherPhone := newPhone(t, server, ""), newPhone(t, server, "")
	one, other, second := newDevice(t, server), newDevice(t, server), newDevice(t, server)
	one.pair(onePhone)
	other.pair(otherPhone)
	second.pair(onePhone)
	info, err := one.cli.CreateGroup(testContext(t), whatsmeow.ReqCreateGroup{Name: "Both", Participants: []types.JID{otherPhone.JID()}})
	if err != nil {
		t.Fatal(err)
	}
	wait[*events.JoinedGroup](other, 0, nil)
	one.sendText(info.JID, "hello all")
	wait(other, 0, hasText("hello all"))
	if mirrored := wait(second, 0, hasText("hello all")); !mirrored.Info.IsFromMe || mirrored.Info.Chat != info.JID {
		t.Fatalf("the second device got %+v", mirrored.Info)
	}
	other.sendText(info.JID, "hello back")
	wait(one, 0, hasText("hello back"))
	wait(second, 0, hasText("hello back"))
	waitText(t, onePhone, "hello back")
	// Send a file, a reaction and a poll with a vote in the group.
	data := someBytes(1234)
	response, err := one.cli.SendMessage(testContext(t), info.JID, &waE2E.Message{ImageMessage: imageOf(one.upload(data, whatsmeow.MediaImage))})
	if err != nil {
		t.Fatal(err)
	}
	// The sender key, which comes with the message, is a separate event.
	image := wait(other, 0, func(m *events.Message) bool { return m.Info.ID == response.ID && m.Message.ImageMessage != nil })
	if got, err := other.cli.Download(testContext(t), image.Message.GetImageMessage()); err != nil || !bytes.Equal(got, data) {
		t.Fatal(err)
	}
	id := sendKind(t, otherPhone, phones.Outgoing{To: info.JID.String(), Kind: phones.KindPoll, Text: "?", Options: []string{"a", "b"}})
	poll := wait(one, 0, func(m *events.Message) bool { return m.Info.ID == id && m.Message.PollCreationMessage != nil })
	vote, err := one.cli.BuildPollVote(testContext(t), &poll.Info, []string{"b"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = one.cli.SendMessage(testContext(t), info.JID, vote); err != nil {
		t.Fatal(err)
	}
	waitID(t, otherPhone, id, func(m phones.Message) bool {
		return slices.Equal(m.Poll.Options[1].Voters, []types.JID{onePhone.JID()})
	})
	waitID(t, otherPhone, response.ID, nil)
	sendKind(t, otherPhone, phones.Outgoing{To: info.JID.String(), Kind: phones.KindReaction, Target: response.ID, Text: "👀"})
	waitID(t, onePhone, response.ID, func(m phones.Message) bool { return len(m.Reactions) == 1 })
	noUnknownQueries(t, server)
}

func TestAGroupIsManagedByAClient(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	third := newPhone(t, server, phones.ScriptSilent)
	ctx, cli := testContext(t), client.cli
	made, err := cli.CreateGroup(ctx, whatsmeow.ReqCreateGroup{Name: "Work", Participants: []types.JID{peer.JID()}, GroupAnnounce: types.GroupAnnounce{IsAnnounce: true}})
	if err != nil {
		t.Fatal(err)
	}
	jid := made.JID
	if _, err = peer.SendGroupText(ctx, jid, "may I?"); !errors.Is(err, groups.ErrNotAdmin) {
		t.Fatalf("writing among announcements: %v", err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	change := func(tag string, do func() error, seen func(*events.GroupInfo) bool) {
		t.Helper()
		from := client.mark()
		must(do())
		if got := wait(client, from, seen); got.JID != jid || got.Sender == nil || got.Sender.User != own.LID().User {
			t.Errorf("%s: %+v", tag, got)
		}
	}
	change("subject", func() error { return cli.SetGroupName(ctx, jid, "Office") }, func(g *events.GroupInfo) bool { return g.Name != nil && g.Name.Name == "Office" })
	change("topic", func() error { return cli.SetGroupTopic(ctx, jid, "", "", "about work") }, func(g *events.GroupInfo) bool { return g.Topic != nil && g.Topic.Topic == "about work" })
	change("topic again", func() error { return cli.SetGroupTopic(ctx, jid, "", "", "about play") }, func(g *events.GroupInfo) bool { return g.Topic != nil && g.Topic.Topic == "about play" })
	change("locked", func() error { return cli.SetGroupLocked(ctx, jid, true) }, func(g *events.GroupInfo) bool { return g.Locked != nil && g.Locked.IsLocked })
	change("open", func() error { return cli.SetGroupAnnounce(ctx, jid, false) }, func(g *events.GroupInfo) bool { return g.Announce != nil && !g.Announce.IsAnnounce })
	change("timer", func() error { return cli.SetDisappearingTimer(ctx, jid, 24*time.Hour, time.Time{}) }, func(g *events.GroupInfo) bool { return g.Ephemeral != nil && g.Ephemeral.DisappearingTimer == 86400 })
	change("no timer", func() error { return cli.SetDisappearingTimer(ctx, jid, 0, time.Time{}) }, func(g *events.GroupInfo) bool { return g.Ephemeral != nil && !g.Ephemeral.IsEphemeral })
	change("approval", func() error { return cli.SetGroupJoinApprovalMode(ctx, jid, true) }, func(g *events.GroupInfo) bool { return g.MembershipApprovalMode != nil })
	must(cli.SetGroupMemberAddMode(ctx, jid, types.GroupMemberAddModeAdmin))
	if err = cli.SetDisappearingTimer(ctx, jid, time.Hour, time.Time{}); !errors.Is(err, whatsmeow.ErrInvalidDisappearingTimer) {
		t.Errorf("a timer of one hour: %v", err)
	}
	for _, action := range []whatsmeow.ParticipantChange{whatsmeow.ParticipantChangeAdd, whatsmeow.ParticipantChangePromote, whatsmeow.ParticipantChangeDemote} {
		change(string(action), func() error {
			results, err := cli.UpdateGroupParticipants(ctx, jid, []types.JID{third.LID()}, action)
			if err == nil && (len(results) != 1 || results[0].Error != 0 || results[0].PhoneNumber != third.JID()) {
				t.Errorf("%s: %+v", action, results)
			}
			return err
		}, func(g *events.GroupInfo) bool { return len(g.Join)+len(g.Promote)+len(g.Demote) == 1 })
	}
	info, err := cli.GetGroupInfo(ctx, jid)
	must(err)
	if info.Name != "Office" || info.Topic != "about play" || !info.IsLocked || info.IsAnnounce || info.IsEphemeral || !info.IsJoinApprovalRequired ||
		info.MemberAddMode != types.GroupMemberAddModeAdmin || len(info.Participants) != 3 || !info.Participants[0].IsSuperAdmin || info.OwnerPN != own.JID() {
		t.Fatalf("the group is %+v", info)
	}
	if err := peer.ChangeGroup(ctx, jid, phones.GroupChange{Subject: proto.String("mine")}); !errors.Is(err, groups.ErrNotAdmin) {
		t.Errorf("renaming a locked group: %v", err)
	}
	results, err := cli.UpdateGroupParticipants(ctx, jid, []types.JID{peer.LID(), own.LID()}, whatsmeow.ParticipantChangeRemove)
	must(err)
	if results[0].Error != 0 || results[1].Error != 406 {
		t.Errorf("removing gave %+v", results)
	}
	joined, err := cli.GetJoinedGroups(ctx)
	must(err)
	if len(joined) != 1 || joined[0].JID != jid || len(joined[0].Participants) != 2 {
		t.Fatalf("joined %+v", joined)
	}
	if len(peer.Groups()) != 0 || len(third.Groups()) != 1 {
		t.Error("the phones are in other groups")
	}
	must(cli.LeaveGroup(ctx, jid))
	if _, err = cli.GetGroupInfo(ctx, jid); !errors.Is(err, whatsmeow.ErrNotInGroup) {
		t.Errorf("asking about a group that was left: %v", err)
	}
	if left, err := server.Group(jid); err != nil || len(left.Members) != 1 || left.Members[0].Role != groups.RoleAdmin {
		t.Errorf("left behind: %+v, %v", left, err)
	}
	if _, err = cli.GetGroupInfo(ctx, types.NewJID("120363009999999999", types.GroupServer)); !errors.Is(err, whatsmeow.ErrGroupNotFound) {
		t.Errorf("asking about no group: %v", err)
	}
	noUnknownQueries(t, server)
}

func TestInviteLinksLeadIntoGroups(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	third := newPhone(t, server, phones.ScriptSilent)
	ctx := testContext(t)
	group := newGroup(t, peer, "")
	link, err := peer.GroupLink(ctx, group, false)
	if err != nil || !strings.HasPrefix(link, phones.InviteLink) {
		t.Fatalf("%q, %v", link, err)
	}
	info, err := client.cli.GetGroupInfoFromLink(ctx, link)
	if err != nil || info.JID != group || info.Name != "Friends" {
		t.Fatalf("%+v, %v", info, err)
	}
	if jid, err := client.cli.JoinGroupWithLink(ctx, link); err != nil || jid != group {
		t.Fatalf("joined %s, %v", jid, err)
	}
	if joined := wait[*events.JoinedGroup](client, 0, nil); joined.Reason != "invite" {
		t.Errorf("joined by %q", joined.Reason)
	}
	if _, err = client.cli.GetGroupInviteLink(ctx, group, false); !errors.Is(err, whatsmeow.ErrGroupInviteLinkUnauthorized) {
		t.Errorf("the link for who is no admin: %v", err)
	}
	if err = peer.ChangeMembers(ctx, group, phones.PromoteMembers, own.Number()); err != nil {
		t.Fatal(err)
	}
	if got, err := client.cli.GetGroupInviteLink(ctx, group, false); err != nil || got != link {
		t.Errorf("%q, %v", got, err)
	}
	fresh, err := client.cli.GetGroupInviteLink(ctx, group, true)
	if err != nil || fresh == link {
		t.Fatalf("%q, %v", fresh, err)
	}
	if _, err = client.cli.GetGroupInfoFromLink(ctx, link); !errors.Is(err, whatsmeow.ErrInviteLinkRevoked) {
		t.Errorf("a revoked link: %v", err)
	}
	if _, err = client.cli.JoinGroupWithLink(ctx, "nonsense"); !errors.Is(err, whatsmeow.ErrInviteLinkInvalid) {
		t.Errorf("no link: %v", err)
	}
	// With approval, an account that follows the link has to wait.
	on := true
	if err = peer.ChangeGroup(ctx, group, phones.GroupChange{Approval: &on}); err != nil {
		t.Fatal(err)
	}
	if _, waiting, err := third.JoinGroup(ctx, fresh); err != nil || !waiting {
		t.Fatalf("waiting %v, %v", waiting, err)
	}
	requests, err := client.cli.GetGroupRequestParticipants(ctx, group)
	if err != nil || len(requests) != 1 || requests[0].JID != third.LID() {
		t.Fatalf("%+v, %v", requests, err)
	}
	if _, err = client.cli.UpdateGroupRequestParticipants(ctx, group, []types.JID{third.LID()}, whatsmeow.ParticipantChangeApprove); err != nil {
		t.Fatal(err)
	}
	if len(third.Groups()) != 1 {
		t.Error("the phone was not let in")
	}
	if err = third.LeaveGroup(ctx, group); err != nil || len(third.Groups()) != 0 {
		t.Errorf("leaving: %v", err)
	}
	noUnknownQueries(t, server)
}

func TestAGroupMessageWithoutItsKeyIsAskedForAgain(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	third := newPhone(t, server, phones.ScriptSilent)
	group := newGroup(t, own, "", peer, third)
	if _, err := server.SetFault(faults.Fault{Kind: faults.WithholdSenderKey, Account: peer.Number(), Count: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.SendGroupText(testContext(t), group, "who can read this?"); err != nil {
		t.Fatal(err)
	}
	wait[*events.UndecryptableMessage](client, 0, nil)
	wait(client, 0, hasText("who can read this?"))
	waitText(t, third, "who can read this?")
	waitText(t, own, "who can read this?")
	// In the other direction, a phone that has lost the client's session asks the client.
	client.sendText(group, "first")
	waitText(t, peer, "first")
	peer.ForgetSession(client.cli.Store.GetLID())
	client.sendText(group, "second")
	waitText(t, peer, "second")
	if retries := server.Counters().Retries; retries < 4 {
		t.Errorf("%d retries", retries)
	}
	noUnknownQueries(t, server)
}

func TestBadGroupsAreRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone, other := newPhone(t, server, ""), newPhone(t, server, "")
	ctx := testContext(t)
	for name, test := range map[string]struct {
		wish phones.NewGroup
		want error
	}{
		"no name":        {phones.NewGroup{}, groups.ErrBadSubject},
		"a long name":    {phones.NewGroup{Subject: strings.Repeat("n", 101)}, groups.ErrBadSubject},
		"nobody":         {phones.NewGroup{Subject: "x", Members: []string{"15550000000"}}, accounts.ErrUnknownContact},
		"bad addressing": {phones.NewGroup{Subject: "x", Addressing: "both"}, groups.ErrBadAddressing},
	} {
		if _, err := phone.CreateGroup(ctx, test.wish); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	group := newGroup(t, phone, "")
	if _, err := other.SendGroupText(ctx, group, "let me in"); !errors.Is(err, groups.ErrNotInGroup) {
		t.Errorf("writing from outside: %v", err)
	}
	if err := phone.ChangeMembers(ctx, group, "ban", other.Number()); !errors.Is(err, phones.ErrBadMemberChange) {
		t.Errorf("banning: %v", err)
	}
	if err := phone.ChangeMembers(ctx, group, phones.RemoveMembers, other.Number()); !errors.Is(err, groups.ErrMemberUnknown) {
		t.Errorf("removing a stranger: %v", err)
	}
	if err := server.RemovePhone(phone.Number()); err != nil {
		t.Fatal(err)
	}
	if info, err := server.Group(group); err != nil || len(info.Members) != 0 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestARequestToJoinGoesWithItsAccount(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	admin, leaver := newPhone(t, server, ""), newPhone(t, server, "")
	ctx := testContext(t)
	group := newGroup(t, admin, "")
	on := true
	if err := admin.ChangeGroup(ctx, group, phones.GroupChange{Approval: &on}); err != nil {
		t.Fatal(err)
	}
	link, err := admin.GroupLink(ctx, group, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, waiting, err := leaver.JoinGroup(ctx, link); err != nil || !waiting {
		t.Fatalf("waiting %v, %v", waiting, err)
	}
	if err := server.RemovePhone(leaver.Number()); err != nil {
		t.Fatal(err)
	}
	if info, err := server.Group(group); err != nil || len(info.Requests) != 0 || len(info.Members) != 1 {
		t.Errorf("the group is %+v, %v", info, err)
	}
}

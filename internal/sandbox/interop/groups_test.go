package interop_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// trio is a server with a client of each kind, and a phone without a client.
type trio struct {
	server            *sandbox.Server
	node              *script
	gopher            *peer
	ana, bruno, carla *sandbox.Phone
}

// talks sends a text to a group from each of the three, and waits until the others have it.
func (o trio) talks(t *testing.T, group types.JID, about string) {
	t.Helper()
	o.node.send("text", map[string]any{"to": group.String(), "text": about + " from node"})
	o.read(t, group, about+" from node")
	o.gopher.text(group, about+" from go")
	o.scriptReads(group, about+" from go")
	o.read(t, group, about+" from go")
	_, err := o.carla.SendGroupText(within(t), group, about+" from the phone")
	must(t, err)
	o.scriptReads(group, about+" from the phone")
	o.read(t, group, about+" from the phone")
}

func (o trio) scriptReads(group types.JID, text string) {
	o.node.t.Helper()
	o.node.await("message", func(one told) bool { return one.Text == text && one.Chat == group.String() && !one.FromMe })
}

// read waits until the phones and the peer have a text of a group. The peer gets no event for a text of its own.
func (o trio) read(t *testing.T, group types.JID, text string) {
	t.Helper()
	for _, phone := range []*sandbox.Phone{o.ana, o.bruno, o.carla} {
		_, err := phone.WaitMessage(within(t), func(m phones.Message) bool { return m.Text == text && m.Chat == group })
		if err != nil {
			t.Fatalf("%s has no %q in the group: %v", phone.Name(), text, err)
		}
	}
	own := func(m phones.Message) bool { return m.Text == text && m.FromMe }
	if slices.ContainsFunc(o.bruno.Messages(), own) {
		return
	}
	if chat := o.gopher.reads(text).Info.Chat; chat != group {
		t.Errorf("whatsmeow has %q in %s", text, chat)
	}
}

// knows checks the answers that both clients get when they ask for a group's metadata.
func (o trio) knows(t *testing.T, group types.JID, subject string, members int) {
	t.Helper()
	told := o.node.do("metadata", map[string]any{"group": group.String()})
	if told["subject"] != subject || told["members"] != float64(members) {
		t.Errorf("Baileys is told %v", told)
	}
	info, err := o.gopher.cli.GetGroupInfo(within(t), group)
	must(t, err)
	if info.Name != subject || len(info.Participants) != members {
		t.Errorf("whatsmeow is told %q with %d members", info.Name, len(info.Participants))
	}
}

func TestGroupsOfBaileysWhatsmeowAndAPhone(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	o := trio{server: server, ana: newPhone(t, server, "Ana"), bruno: newPhone(t, server, "Bruno"), carla: newPhone(t, server, "Carla")}
	o.node = startTrusting(t, server)
	o.node.pair(server, o.ana)
	o.gopher = newPeer(t, server, o.bruno)

	var group types.JID
	t.Run("Baileys makes one", func(t *testing.T) {
		made := o.node.do("group", map[string]any{"subject": "From Node", "members": []string{o.bruno.JID().String(), o.carla.JID().String()}})
		id, _ := made["id"].(string)
		var err error
		group, err = types.ParseJID(id)
		must(t, err)
		joined := await(o.gopher, func(e *events.JoinedGroup) bool { return e.JID == group })
		if joined.Name != "From Node" {
			t.Errorf("whatsmeow joined %q", joined.Name)
		}
		o.knows(t, group, "From Node", 3)
	})
	if t.Failed() {
		return
	}
	t.Run("everybody reads everybody", func(t *testing.T) {
		for i := range rounds() / 5 {
			o.talks(t, group, fmt.Sprint("round ", i))
		}
	})
	t.Run("an image, an edit and a revocation", func(t *testing.T) { o.changes(t, group) })
	t.Run("an added member reads new messages, a removed one does not", func(t *testing.T) { o.members(t, group) })
	t.Run("whatsmeow makes one", func(t *testing.T) {
		made, err := o.gopher.cli.CreateGroup(within(t), whatsmeow.ReqCreateGroup{Name: "From Go", Participants: []types.JID{o.ana.JID(), o.carla.JID()}})
		must(t, err)
		o.node.await("group", func(one told) bool { return one.message() == made.JID.String() && one.Text == "From Go" })
		o.knows(t, made.JID, "From Go", 3)
		o.talks(t, made.JID, "hello")
	})
	t.Run("the phone makes one", func(t *testing.T) {
		made, err := o.carla.CreateGroup(within(t), phones.NewGroup{Subject: "From Carla", Members: []string{o.ana.Number(), o.bruno.Number()}})
		must(t, err)
		o.node.await("group", func(one told) bool { return one.message() == made.String() && one.Text == "From Carla" })
		await(o.gopher, func(e *events.JoinedGroup) bool { return e.JID == made })
		o.knows(t, made, "From Carla", 3)
		o.talks(t, made, "welcome")
	})
	// A retry would hide a sender key that was not distributed correctly.
	if retries := server.Counters().Retries; retries != 0 {
		t.Errorf("%d messages could not be read at first", retries)
	}
}

// changes sends an image to a group, and changes texts there in both directions.
func (o trio) changes(t *testing.T, group types.JID) {
	data := someFile(1)
	id := o.node.sendFile(group.String(), "image", "image/png", data, "for all")
	o.gopher.opens(id, data)
	opens(t, o.carla, id, phones.KindImage, data)
	o.gopher.send(group, &waE2E.Message{ImageMessage: o.gopher.image(data, "for all from go")})
	o.node.opens(o.node.reads("for all from go"), data)

	given := map[string]any{"to": group.String(), "text": "wrong in the group"}
	id = o.node.send("text", given)
	given["message"], given["text"] = id, "right in the group"
	o.node.send("edit", given)
	o.gopher.change(id, waE2E.ProtocolMessage_MESSAGE_EDIT, "right in the group")
	changes(t, o.carla, id, edited("right in the group"))
	o.node.send("revoke", given)
	o.gopher.change(id, waE2E.ProtocolMessage_REVOKE, "")
	changes(t, o.carla, id, revoked)

	id = o.gopher.text(group, "wrong from go")
	o.node.reads("wrong from go")
	o.gopher.send(group, o.gopher.cli.BuildEdit(group, id, &waE2E.Message{Conversation: proto.String("right from go")}))
	o.node.await("edited", func(one told) bool { return one.message() == id && one.Text == "right from go" })
	changes(t, o.carla, id, edited("right from go"))
	o.gopher.send(group, o.gopher.cli.BuildRevoke(group, o.gopher.cli.Store.GetJID(), id))
	o.node.await("revoked", func(one told) bool { return one.message() == id })
	changes(t, o.carla, id, revoked)
}

// members adds a phone to a group and removes it again.
func (o trio) members(t *testing.T, group types.JID) {
	dora := newPhone(t, o.server, "Dora")
	change := func(name string) {
		t.Helper()
		done := o.node.do("members", map[string]any{"group": group.String(), "change": name, "members": []string{dora.JID().String()}})
		if statuses, _ := done["statuses"].([]any); len(statuses) != 1 || statuses[0] != "200" {
			t.Fatalf("%s: %v", name, done)
		}
	}
	change("add")
	o.knows(t, group, "From Node", 4)
	o.talks(t, group, "with Dora")
	for _, from := range []string{"node", "go", "the phone"} {
		has(t, dora, "with Dora from "+from)
	}
	change("remove")
	o.knows(t, group, "From Node", 3)
	o.talks(t, group, "without Dora")
	for _, message := range dora.Messages() {
		if strings.HasPrefix(message.Text, "without Dora") {
			t.Errorf("Dora has %q", message.Text)
		}
	}
}

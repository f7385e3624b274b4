package interop_test

import (
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// changes waits until a phone shows a message in its changed form.
func changes(t *testing.T, phone *sandbox.Phone, id string, became func(phones.Message) bool) {
	t.Helper()
	_, err := phone.WaitMessage(within(t), func(m phones.Message) bool { return m.ID == id && became(m) })
	if err != nil {
		t.Fatalf("%s does not show the change of %s: %v", phone.Name(), id, err)
	}
}

func edited(text string) func(phones.Message) bool {
	return func(m phones.Message) bool { return m.Edited && m.Text == text }
}

func revoked(m phones.Message) bool { return m.Revoked }

// change waits until the peer gets an edit or a revocation of a message.
func (p *peer) change(id string, kind waE2E.ProtocolMessage_Type, text string) {
	p.t.Helper()
	await(p, func(m *events.Message) bool {
		change := m.Message.GetProtocolMessage()
		said := change.GetEditedMessage()
		return change != nil && change.GetType() == kind && change.GetKey().GetID() == id &&
			(said.GetConversation() == text || said.GetExtendedTextMessage().GetText() == text)
	})
}

func TestEditsAndRevocationsGoBothWays(t *testing.T) {
	needNode(t)
	t.Parallel()
	server := newServer(t)
	ana, bruno, carla := newPhone(t, server, "Ana"), newPhone(t, server, "Bruno"), newPhone(t, server, "Carla")
	node := start(t)
	node.pair(server, ana)
	gopher := newPeer(t, server, bruno)

	t.Run("Baileys changes what it wrote", func(t *testing.T) {
		for _, to := range []*sandbox.Phone{bruno, carla} {
			given := map[string]any{"to": to.JID().String(), "text": "wrong"}
			given["message"] = node.send("text", given)
			id, _ := given["message"].(string)
			given["text"] = "right"
			node.send("edit", given)
			changes(t, to, id, edited("right"))
			changes(t, ana, id, edited("right"))
			if to == bruno {
				gopher.change(id, waE2E.ProtocolMessage_MESSAGE_EDIT, "right")
			}
			node.send("revoke", given)
			changes(t, to, id, revoked)
			changes(t, ana, id, revoked)
			if to == bruno {
				gopher.change(id, waE2E.ProtocolMessage_REVOKE, "")
			}
		}
	})
	t.Run("whatsmeow changes what it wrote", func(t *testing.T) {
		id := gopher.text(ana.JID(), "wrong from go")
		node.reads("wrong from go")
		gopher.send(ana.JID(), gopher.cli.BuildEdit(ana.JID(), id, &waE2E.Message{Conversation: proto.String("right from go")}))
		node.await("edited", func(one told) bool { return one.message() == id && one.Text == "right from go" })
		changes(t, ana, id, edited("right from go"))
		gopher.send(ana.JID(), gopher.cli.BuildRevoke(ana.JID(), gopher.cli.Store.GetJID(), id))
		node.await("revoked", func(one told) bool { return one.message() == id })
		changes(t, ana, id, revoked)
	})
	t.Run("a phone changes what it wrote", func(t *testing.T) {
		id, err := carla.SendText(within(t), ana.Number(), "wrong from the phone")
		must(t, err)
		node.reads("wrong from the phone")
		_, err = carla.SendMessage(within(t), phones.Outgoing{To: ana.Number(), Kind: phones.KindEdit, Target: id, Text: "right from the phone"})
		must(t, err)
		node.await("edited", func(one told) bool { return one.message() == id && one.Text == "right from the phone" })
		_, err = carla.SendMessage(within(t), phones.Outgoing{To: ana.Number(), Kind: phones.KindRevoke, Target: id})
		must(t, err)
		node.await("revoked", func(one told) bool { return one.message() == id })
	})
}

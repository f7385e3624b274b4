package whatsapp_test

import (
	"fmt"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/capture"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// TestWhatIsSentAgainSaysWhatTheFirstSaid: a device that lost its side of the session asks for messages of a group again.
// WhatsApp Web marks such a copy as it marks the first; whatsmeow does so only in part.
func TestWhatIsSentAgainSaysWhatTheFirstSaid(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	own, other := h.phone(), h.phone()
	h.link("a", own)
	h.link("b", other)
	a, b := h.open("a"), h.open("b")
	a.expect(session.SocketUp)
	b.expect(session.SocketUp)
	sender, device := a.inputs[0].Account.JID, b.inputs[0].Account.JID
	last := 0
	sends := func(from *life, to message.Recipient, content message.Content) string {
		t.Helper()
		last++
		id := fmt.Sprintf("3EB3%012d", last)
		if _, err := from.client.Send(testContext(t), message.Outgoing{ID: id, To: to, Content: content}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	log := h.server.Capture()
	// again waits until the message has been sent again to the device, and returns that stanza.
	again := func(id string) (found *waBinary.Node) {
		t.Helper()
		err := log.Wait(testContext(t), func() bool {
			for _, sent := range log.Stanzas(func(s *capture.Stanza) bool { return s.Tag == "message" && s.ID == id }) {
				node, err := sent.Node()
				if err != nil {
					t.Fatal(err)
				}
				if enc, direct := node.GetOptionalChildByTag("enc"); direct && enc.Attrs["type"] != "skmsg" {
					found = node
				}
			}
			return found != nil
		})
		if err != nil {
			t.Fatalf("%s was not sent again: %v", id, err)
		}
		return found
	}
	for round, mode := range []string{groups.AddressingLID, groups.AddressingPN} {
		jid, err := own.CreateGroup(testContext(t), phones.NewGroup{Subject: mode, Members: []string{other.Number()}, Addressing: mode})
		if err != nil {
			t.Fatal(err)
		}
		to := message.Recipient(jid.String())
		mine := sends(a, to, message.TextOf("helo"))
		h.untilDecrypted(device, 4*round+1)
		// After an answer, messages no longer begin a session, so they cannot be read without the one that is lost.
		sends(b, to, message.TextOf("hi"))
		h.untilDecrypted(sender, round+1)
		b.nothingMore()
		if _, err := h.store.DB().Exec(testContext(t), "DELETE FROM whatsmeow_sessions WHERE our_jid=$1", device); err != nil {
			t.Fatal(err)
		}
		if _, err := h.store.DB().Exec(testContext(t), "DELETE FROM whatsmeow_sender_keys WHERE our_jid=$1", device); err != nil {
			t.Fatal(err)
		}
		changes := []struct {
			what, edit string
			hidden     bool
			id         string
		}{
			{"edit", "1", true, sends(a, to, message.Content{Kind: message.KindEdit, Text: "hello", Target: &message.Ref{ID: mine}})},
			{"reaction taken back", "7", true, sends(a, to, message.Content{Kind: message.KindReaction, Target: &message.Ref{ID: mine, FromMe: true}})},
			{"revocation", "7", false, sends(a, to, message.Content{Kind: message.KindRevoke, Target: &message.Ref{ID: mine}})},
		}
		b = h.open("b")
		b.expect(session.SocketUp)
		for _, change := range changes {
			node := again(change.id)
			enc := node.GetChildByTag("enc")
			if node.Attrs["edit"] != change.edit || node.Attrs["addressing_mode"] != mode || (enc.Attrs["decrypt-fail"] != nil) != change.hidden {
				t.Errorf("the %s in a group by %s is sent again as %v with %v", change.what, mode, node.Attrs, enc.Attrs)
			}
		}
		h.untilDecrypted(device, 4*(round+1))
	}
	a.nothingMore()
	b.nothingMore()
}

package whatsapp_test

import (
	"errors"
	"fmt"
	"testing"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// secretsStored returns how many secrets of messages are in the database.
func (h *house) secretsStored() (n int) {
	h.t.Helper()
	if err := h.store.DB().QueryRow(testContext(h.t), "SELECT count(*) FROM whatsmeow_message_secrets").Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// TestAnnouncementsOfACommunityCanBeReactedTo: reactions to an announcement are encrypted with its secret. The secret is
// stored nowhere, and another run knows it, too.
func TestAnnouncementsOfACommunityCanBeReactedTo(t *testing.T) {
	h := newHearing(t)
	group, err := h.own.CreateGroup(testContext(t), phones.NewGroup{Subject: "News", Members: []string{h.peer.Number()}, Community: true})
	if err != nil {
		t.Fatal(err)
	}
	h.next(events.TypeGroup)
	to := message.Recipient(group.String())
	ids := map[string]message.Content{
		"3EB0000000000000000001": message.TextOf("the office is closed on Friday"),
		"3EB0000000000000000002": {Kind: message.KindLocation, Location: &message.Location{Latitude: -34.6, Longitude: -58.4, Name: "Office"}},
	}
	for id, content := range ids {
		if _, err := h.life.client.Send(testContext(t), message.Outgoing{ID: id, To: to, Content: content}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id }); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.secretsStored(); n != 0 {
		t.Errorf("%d secrets are stored", n)
	}
	h.life.nothingMore()
	h.life = h.open("51")
	h.life.expect(session.SocketUp)
	for id := range ids {
		h.send(h.peer, phones.Outgoing{To: group.String(), Kind: phones.KindReaction, Target: id, Text: "👍"})
		data, _ := h.message(events.TypeReaction)
		if c := data.Content; c.Unknown != "" || c.Reaction != "👍" || c.Target == nil || c.Target.ID != id || !c.Target.FromMe {
			t.Errorf("the reaction to %s is told as %+v", id, c)
		}
		if _, err := h.own.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id && len(m.Reactions) == 1 }); err != nil {
			t.Fatal(err)
		}
	}
	h.noSurprises()
}

// TestReactionsToAnnouncementsAreEncrypted: phones show no other reaction there. The announcement is one of somebody else, an
// own one, or one that the own phone sent.
func TestReactionsToAnnouncementsAreEncrypted(t *testing.T) {
	h := newHearing(t)
	group, err := h.own.CreateGroup(testContext(t), phones.NewGroup{Subject: "News", Members: []string{h.peer.Number()}, Community: true})
	if err != nil {
		t.Fatal(err)
	}
	h.next(events.TypeGroup)
	if err = h.own.ChangeMembers(testContext(t), group, phones.PromoteMembers, h.peer.Number()); err != nil {
		t.Fatal(err)
	}
	h.next(events.TypeGroup)
	to, last := message.Recipient(group.String()), 0
	sends := func(content message.Content) (string, error) {
		last++
		id := fmt.Sprintf("3EB4%016d", last)
		_, err := h.life.client.Send(testContext(t), message.Outgoing{ID: id, To: to, Content: content})
		return id, err
	}
	theirs := h.send(h.peer, phones.Outgoing{To: group.String(), Text: "from a member"})
	h.message(events.TypeMessage)
	mine, err := sends(message.TextOf("from the session"))
	if err != nil {
		t.Fatal(err)
	}
	both := []*sandbox.Phone{h.own, h.peer}
	for name, target := range map[string]message.Ref{
		"somebody else":           {ID: theirs, Sender: addressOf(h.peer)},
		"somebody else by number": {ID: theirs, Sender: message.Address{PN: h.peer.JID().String()}},
		"the session":             {ID: mine, FromMe: true},
	} {
		for _, emoji := range []string{"👍", "", "🎉"} {
			if _, err := sends(message.Content{Kind: message.KindReaction, Reaction: emoji, Target: &target}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, phone := range both {
				shows(t, phone, target.ID, func(m phones.Message) bool {
					if emoji == "" {
						return len(m.Reactions) == 0
					}
					return len(m.Reactions) == 1 && m.Reactions[0].Emoji == emoji && m.Reactions[0].From == h.own.JID()
				})
			}
		}
	}
	_, err = sends(message.Content{Kind: message.KindReaction, Reaction: "👍", Target: &message.Ref{ID: "3EB0UNKNOWN", Sender: addressOf(h.peer)}})
	var refused *session.Error
	if !errors.As(err, &refused) || refused.Code != session.CodeInvalidRequest || refused.Field != "target.id" {
		t.Errorf("a reaction to an unknown announcement: %v", err)
	}
}

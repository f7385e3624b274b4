package whatsapp_test

import (
	"errors"
	"strings"
	"testing"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// TestWhatSomebodyElseWroteIsNotChangedWithoutTheirName: phones ignore a change that names the wrong author, so a caller
// who names none is told.
func TestWhatSomebodyElseWroteIsNotChangedWithoutTheirName(t *testing.T) {
	h := newTrusting(t)
	ctx := testContext(t)
	other := h.phone()
	ids := 0
	change := func(to message.Recipient, kind message.Kind, target message.Ref) error {
		ids++
		out := message.Outgoing{ID: "3EB0CHANGE" + string(rune('A'+ids)), To: to, Content: message.Content{Kind: kind, Target: &target}}
		if kind == message.KindEdit {
			out.Content.Text = "x"
		}
		_, err := h.life.client.Send(ctx, out)
		return err
	}
	refused := func(what string, to message.Recipient, id string) {
		t.Helper()
		for _, target := range []message.Ref{{ID: id}, {ID: id, FromMe: true}, {ID: id, Sender: addressOf(h.own)}} {
			for _, kind := range []message.Kind{message.KindEdit, message.KindRevoke} {
				var e *session.Error
				err := change(to, kind, target)
				if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || !strings.HasPrefix(e.Field, "target.") ||
					kind == message.KindRevoke && e.Field != "target.sender" {
					t.Errorf("%s of %s with %+v: %v", kind, what, target, err)
				}
			}
		}
	}
	direct, _, _ := h.hear(phones.Outgoing{Text: "from the peer"}, events.TypeMessage)
	refused("a message of the peer by LID", message.Recipient(h.peer.LID().String()), direct)
	refused("a message of the peer by number", message.Recipient(h.peer.JID().String()), direct)
	for _, addressing := range []string{"lid", "pn"} {
		jid, err := h.peer.CreateGroup(ctx, phones.NewGroup{Subject: "Friends", Addressing: addressing, Members: []string{h.own.Number(), other.Number()}})
		h.must(err)
		h.next(events.TypeGroup, events.TypeReceipt)
		group := message.Recipient(jid.String())
		of := h.send(other, phones.Outgoing{To: jid.String(), Text: "from a member"})
		h.next(events.TypeMessage, events.TypeReceipt, events.TypeGroup)
		refused("a message in a group by "+addressing, group, of)
		// Named, it is the admin's right, of which phones decide; and what the own phone wrote is ours.
		h.must(change(group, message.KindRevoke, message.Ref{ID: of, Sender: addressOf(other)}))
		ours := h.send(h.own, phones.Outgoing{To: jid.String(), Text: "from the own phone"})
		h.next(events.TypeMessage, events.TypeReceipt, events.TypeGroup)
		h.must(change(group, message.KindRevoke, message.Ref{ID: ours}))
		shows(t, other, ours, func(m phones.Message) bool { return m.Revoked })
		h.must(change(group, message.KindRevoke, message.Ref{ID: "3EB0NOBODYKNOWS"}))
	}
	h.must(change(message.Recipient(h.peer.LID().String()), message.KindRevoke, message.Ref{ID: mine}))
	shows(t, h.peer, mine, func(m phones.Message) bool { return m.Revoked })
}

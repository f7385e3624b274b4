package whatsapp_test

import (
	"testing"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// TestAReplyByIDQuotesTheMessageAsItWas: the caller names the message, and the log knows what it said.
func TestAReplyByIDQuotesTheMessageAsItWas(t *testing.T) {
	h := newHearing(t)
	group, err := h.peer.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
	if err != nil {
		t.Fatal(err)
	}
	h.next(events.TypeGroup)
	peer := addressOf(h.peer)
	last := 0
	replies := func(to message.Recipient, ref message.Ref) phones.Message {
		t.Helper()
		last++
		id := "3EB00000000000000000" + string(rune('A'+last))
		out := message.Outgoing{ID: id, To: to, Content: message.Content{Kind: message.KindText, Text: "yes", Quote: &ref}}
		if _, err := h.life.client.Send(testContext(t), out); err != nil {
			t.Fatal(err)
		}
		return shows(t, h.peer, id, nil)
	}
	for _, said := range []struct {
		out  phones.Outgoing
		text string
	}{
		{phones.Outgoing{Kind: phones.KindText, Text: "are you open?"}, "are you open?"},
		{phones.Outgoing{Kind: phones.KindImage, Text: "this one", Media: &phones.Attachment{MIME: "image/png", Data: []byte(pixel)}}, "this one"},
		{phones.Outgoing{Kind: phones.KindDocument, Media: &phones.Attachment{MIME: "application/pdf", FileName: "order.pdf", Data: []byte("%PDF-1.4")}}, "order.pdf"},
		{phones.Outgoing{Kind: phones.KindPoll, Text: "when?", Options: []string{"now", "later"}, Selectable: 1}, "when?"},
		{phones.Outgoing{Kind: phones.KindLocation, Location: &phones.Location{Latitude: 1, Longitude: 2, Name: "Office"}}, "Office"},
	} {
		for _, to := range []message.Recipient{message.Recipient(h.own.Number()), message.Recipient(group.String())} {
			said.out.To = string(to)
			id := h.send(h.peer, said.out)
			h.message(events.TypeMessage)
			ref, chat := message.Ref{ID: id}, message.Recipient(peer.PN)
			if to.IsGroup() {
				ref.Sender, chat = message.Address{PN: peer.PN}, to
			}
			m := replies(chat, ref)
			if q := m.Quote; q == nil || q.ID != id || q.Kind != said.out.Kind || q.Text != said.text || !q.Found {
				t.Errorf("the reply to a %s in %s quotes %+v", said.out.Kind, to, m.Quote)
			}
		}
	}
	if m := replies(message.Recipient(peer.LID), message.Ref{ID: "3EB0UNKNOWN"}); m.Quote != nil {
		t.Errorf("a reply to an unknown message quotes %+v", m.Quote)
	}
	if m := replies(message.Recipient(peer.LID), message.Ref{ID: "3EB0UNKNOWN", Text: "as I said"}); m.Quote == nil || m.Quote.Text != "as I said" {
		t.Errorf("a reply with the text of an unknown message quotes %+v", m.Quote)
	}
	h.noSurprises()
}

// TestAReplyQuotesWhatPhonesShow: the newest text of a message, and nothing of one that was deleted.
func TestAReplyQuotesWhatPhonesShow(t *testing.T) {
	h := newHearing(t)
	group, err := h.peer.CreateGroup(testContext(t), phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
	h.must(err)
	h.next(events.TypeGroup)
	peer, last := addressOf(h.peer), 0
	for _, by := range []*sandbox.Phone{h.peer, h.own} {
		for _, chat := range []string{h.own.Number(), group.String()} {
			to, reply := chat, message.Recipient(peer.PN)
			if by == h.own && chat == h.own.Number() {
				to = h.peer.Number()
			}
			ref := message.Ref{Text: "as the caller remembers it", FromMe: by == h.own}
			if chat == group.String() {
				reply = message.Recipient(chat)
				if ref.Sender = peer; by == h.own {
					ref.Sender = addressOf(h.own)
				}
			}
			quote := func() *phones.Quote {
				t.Helper()
				last++
				return h.says("REPLY"+string(rune('A'+last)), string(reply), message.Content{Kind: message.KindText, Text: "yes", Quote: &ref}).Quote
			}
			ref.ID = h.send(by, phones.Outgoing{To: to, Kind: phones.KindImage, Text: "this one", Media: &phones.Attachment{MIME: "image/png", Data: []byte(pixel), Thumbnail: []byte("\xff\xd8\xffsmall")}})
			if data, _ := h.message(events.TypeMessage); string(data.Content.Media.Thumbnail) != "\xff\xd8\xffsmall" {
				t.Errorf("in %s the small picture is %q", chat, data.Content.Media.Thumbnail)
			}
			for _, text := range []string{"that one", "no, the other"} {
				h.send(by, phones.Outgoing{To: to, Kind: phones.KindEdit, Target: ref.ID, Text: text})
				h.message(events.TypeEdited)
				if q := quote(); q == nil || q.ID != ref.ID || q.Text != text || q.Kind != phones.KindImage || !q.Pictured {
					t.Errorf("in %s the quote of an edited message is %+v, want %q", chat, q, text)
				}
			}
			h.send(by, phones.Outgoing{To: to, Kind: phones.KindRevoke, Target: ref.ID})
			h.message(events.TypeRevoked)
			if q := quote(); q != nil {
				t.Errorf("in %s the quote of a deleted message is %+v", chat, q)
			}
		}
	}
	h.noSurprises()
}

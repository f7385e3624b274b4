package whatsapp_test

import (
	"encoding/json"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

var statuses = message.Address{Status: "status@broadcast"}

// statusOf makes the peer post a status and returns what was stored.
func (h *hearing) statusOf(out phones.Outgoing) events.MessageData {
	h.t.Helper()
	out.To = phones.StatusChat
	id := h.send(h.peer, out)
	data, event := h.message(events.TypeMessage)
	if data.ID != id || data.Chat != statuses || data.Sender != addressOf(h.peer) || data.FromMe {
		h.t.Fatalf("the status is kept as %s", event.Data)
	}
	return data
}

func TestAStatusHasAChatOfItsOwnAndIsAnsweredInTheOneWithItsAuthor(t *testing.T) {
	h := newHearing(t)
	h.hear(phones.Outgoing{Text: "hola"}, events.TypeMessage)
	posted := h.statusOf(phones.Outgoing{Text: "on holiday"})
	same(t, *posted.Content, message.TextOf("on holiday"))

	to, content, err := message.Addressed(message.StatusChat, message.Content{
		Kind: message.KindText, Text: "enjoy it", Quote: &message.Ref{ID: posted.ID, Sender: posted.Sender},
	})
	h.must(err)
	ack, err := h.life.client.Send(testContext(t), message.Outgoing{ID: "STATUSANSWER", To: to, Content: content})
	h.must(err)
	got, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == ack.MessageID })
	h.must(err)
	if got.Chat != h.own.JID() || got.Quote == nil || got.Quote.ID != posted.ID || !got.Quote.Found || got.Quote.Chat != phones.StatusChat || got.Quote.Text != "on holiday" {
		t.Errorf("the author sees %+v, quoting %+v", got, got.Quote)
	}

	to, content, err = message.Addressed(message.StatusChat, message.Content{
		Kind: message.KindReaction, Reaction: "💚", Target: &message.Ref{ID: posted.ID, Sender: posted.Sender},
	})
	h.must(err)
	_, err = h.life.client.Send(testContext(t), message.Outgoing{ID: "STATUSREACTION", To: to, Content: content})
	h.must(err)
	liked, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == posted.ID && len(m.Reactions) == 1 })
	h.must(err)
	if liked.Reactions[0].Emoji != "💚" || liked.Reactions[0].From != h.own.JID() {
		t.Errorf("the status has %+v", liked.Reactions)
	}
	if reaction, _ := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == "STATUSREACTION" }); reaction.Chat.String() != phones.StatusChat {
		t.Errorf("the reaction is in %s", reaction.Chat)
	}
}

func TestAStatusIsReadOnRequestOnly(t *testing.T) {
	h := newHearing(t)
	h.hear(phones.Outgoing{Text: "hola"}, events.TypeMessage)
	// Many, so that a mark which somebody makes a little later has left before the test ends.
	var posted events.MessageData
	for range 20 {
		posted = h.statusOf(phones.Outgoing{Text: "on holiday"})
		_, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == posted.ID && m.Status != phones.StatusSent })
		h.must(err)
	}
	mark := message.ReadMark{Chat: message.StatusChat, IDs: []string{posted.ID}}
	if err := h.life.client.MarkRead(testContext(t), mark); session.CodeOf(err) != session.CodeInvalidRequest {
		t.Errorf("without the author: %v", err)
	}
	mark.Sender = posted.Sender
	h.must(h.life.client.MarkRead(testContext(t), mark))
	_, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == posted.ID && m.Status == phones.StatusRead })
	h.must(err)
	for _, m := range h.peer.Messages() {
		if m.Status == phones.StatusRead && m.ID != posted.ID && m.Chat.String() == phones.StatusChat {
			t.Fatal("the author was told that somebody looked at a status, and nobody did")
		}
	}
}

func TestAnswersToOurStatusesSayWhichOne(t *testing.T) {
	h := newHearing(t)
	h.hear(phones.Outgoing{Text: "hola"}, events.TypeMessage)
	posted := h.send(h.own, phones.Outgoing{To: phones.StatusChat, Text: "open today"})
	data, _ := h.message(events.TypeMessage)
	if data.ID != posted || data.Chat != statuses || !data.FromMe {
		t.Fatalf("our own status is kept as %+v", data)
	}
	_, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == posted })
	h.must(err)
	_, said, _ := h.hear(phones.Outgoing{Text: "until when?", Quote: posted}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindText, Text: "until when?", Quote: &message.Ref{
		ID: posted, FromMe: true, Text: "open today", Kind: message.KindText, Chat: statuses,
	}})
	h.send(h.peer, phones.Outgoing{To: phones.StatusChat, Kind: phones.KindReaction, Target: posted, Text: "💚"})
	data, _ = h.message(events.TypeReaction)
	if data.Chat != statuses || data.Sender != addressOf(h.peer) {
		t.Errorf("the reaction is kept as %+v", data)
	}
	same(t, *data.Content, message.Content{Kind: message.KindReaction, Reaction: "💚", Target: &message.Ref{ID: posted, FromMe: true}})
}

func TestAMessageByAListIsInTheChatWithItsSender(t *testing.T) {
	h := newHearing(t)
	list, err := h.peer.CreateList(testContext(t), []string{h.own.Number()})
	h.must(err)
	id := h.send(h.peer, phones.Outgoing{To: list.String(), Text: "sale"})
	data, event := h.message(events.TypeMessage)
	if data.ID != id || data.Chat != addressOf(h.peer) || data.Sender != addressOf(h.peer) || !data.Broadcast || data.FromMe {
		t.Fatalf("kept as %s", event.Data)
	}
	// It is found again in that chat: an answer quotes it as it was.
	_, err = h.life.client.Send(testContext(t), message.Outgoing{ID: "LISTANSWER", To: message.Recipient(data.Chat.LID), Content: message.Content{
		Kind: message.KindText, Text: "what is on sale?", Quote: &message.Ref{ID: id, Sender: data.Sender},
	}})
	h.must(err)
	got, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == "LISTANSWER" })
	h.must(err)
	if got.Quote == nil || got.Quote.Text != "sale" {
		t.Errorf("the answer quotes %+v", got.Quote)
	}
	if _, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id && m.Status != phones.StatusSent }); err != nil {
		t.Errorf("the list's owner learns nothing of the delivery: %v", err)
	}
}

func TestAMessageToOurListIsInTheListAndSaysToWhomItWent(t *testing.T) {
	h := newHearing(t)
	list, err := h.own.CreateList(testContext(t), []string{h.peer.Number()})
	h.must(err)
	id := h.send(h.own, phones.Outgoing{To: list.String(), Text: "sale"})
	data, event := h.message(events.TypeMessage)
	if data.ID != id || data.Chat != (message.Address{List: list.String()}) || !data.FromMe || data.Broadcast ||
		len(data.Recipients) != 1 || data.Recipients[0] != addressOf(h.peer) {
		t.Fatalf("kept as %s", event.Data)
	}
	got, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id })
	h.must(err)
	if !got.Broadcast || got.Chat != h.own.JID() {
		t.Errorf("the recipient sees %+v", got)
	}
	receipt := h.next(events.TypeReceipt)
	var told events.ReceiptData
	h.must(json.Unmarshal(receipt.Data, &told))
	if told.Chat != (message.Address{List: list.String()}) || told.Sender.LID != addressOf(h.peer).LID {
		t.Errorf("the receipt is %s", receipt.Data)
	}
}

// A recipient of a list has its message in the chat with the account. Nobody else does, whatever a quote says.
func TestAnAnswerToAMessageOfOurListQuotesItAsItWas(t *testing.T) {
	h := newHearing(t)
	stranger := h.phone()
	list, err := h.own.CreateList(testContext(t), []string{h.peer.Number()})
	h.must(err)
	id := h.send(h.own, phones.Outgoing{To: list.String(), Text: "sale"})
	h.message(events.TypeMessage)
	_, err = h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id })
	h.must(err)
	h.next(events.TypeReceipt)
	_, content, _ := h.hear(phones.Outgoing{Text: "how much?", Quote: id, QuoteText: "for free"}, events.TypeMessage)
	if want := (message.Ref{ID: id, FromMe: true, Text: "sale", Kind: message.KindText}); content.Quote == nil || *content.Quote != want {
		t.Errorf("quoted %+v", content.Quote)
	}
	for _, elsewhere := range []string{"", "170000000009@broadcast"} {
		said := &waE2E.ContextInfo{
			StanzaID: &id, Participant: proto.String(h.own.LID().ToNonAD().String()), QuotedMessage: &waE2E.Message{Conversation: proto.String("for free")},
		}
		if elsewhere != "" {
			said.RemoteJID = &elsewhere
		}
		raw, err := proto.Marshal(&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("how much?"), ContextInfo: said}})
		h.must(err)
		content = h.hearFrom(stranger, phones.Outgoing{To: h.own.Number(), Kind: phones.KindRaw, Raw: raw}, events.TypeMessage)
		if q := content.Quote; q == nil || q.ID != id || !q.Claimed || q.Text != "for free" {
			t.Errorf("a stranger quotes %+v", q)
		}
	}
}

func TestAChannelHasAnAddressOfItsOwnAndTakesReactions(t *testing.T) {
	h := newHearing(t)
	jid, err := h.peer.CreateChannel(testContext(t), "News", []string{h.own.Number()})
	h.must(err)
	channel := message.Address{Channel: jid.String()}
	id := h.send(h.peer, phones.Outgoing{To: jid.String(), Text: "first"})
	data, event := h.message(events.TypeMessage)
	if data.ID != id || data.Chat != channel || data.Sender != channel || data.ServerID != 1 || data.FromMe {
		t.Fatalf("kept as %s", event.Data)
	}
	to, err := data.Chat.Recipient("to")
	h.must(err)
	react := func(id, emoji string, target message.Ref) error {
		_, err := h.life.client.Send(testContext(t), message.Outgoing{ID: id, To: to, Content: message.Content{Kind: message.KindReaction, Reaction: emoji, Target: &target}})
		return err
	}
	h.must(react("CHANNELREACTION1", "👍", message.Ref{ID: id}))
	if got := h.server.Channels()[0].Posts[0].Reactions; len(got) != 1 || got[0].Emoji != "👍" || got[0].From != h.own.JID() {
		t.Errorf("the post has %+v", got)
	}
	// The log knows the number better than the caller.
	h.must(react("CHANNELREACTION2", "", message.Ref{ID: id, ServerID: 101}))
	if got := h.server.Channels()[0].Posts[0].Reactions; len(got) != 0 {
		t.Errorf("the post still has %+v", got)
	}
	if err := react("CHANNELREACTION3", "👍", message.Ref{ID: "UNKNOWN"}); session.CodeOf(err) != session.CodeInvalidRequest {
		t.Errorf("a reaction to an unknown post: %v", err)
	}
	h.send(h.peer, phones.Outgoing{To: jid.String(), Kind: phones.KindEdit, Target: id, Text: "first of all"})
	data, _ = h.message(events.TypeEdited)
	same(t, *data.Content, message.Content{Kind: message.KindEdit, Text: "first of all", Target: &message.Ref{ID: id, Sender: channel}})
	h.must(h.life.client.MarkRead(testContext(t), message.ReadMark{Chat: to, IDs: []string{id}}))
}

func TestWhatCannotBeSentToAChatSaysSo(t *testing.T) {
	h := newHearing(t)
	for _, to := range []message.Recipient{message.StatusChat, "170000000001@broadcast", "120363400000000001@newsletter"} {
		if _, _, err := message.Addressed(to, message.TextOf("hola")); session.CodeOf(err) != session.CodeUnsupported {
			t.Errorf("a text to %s: %v", to, err)
		}
		if err := h.life.client.SetChatState(testContext(t), to, message.ChatTyping); session.CodeOf(err) != session.CodeUnsupported {
			t.Errorf("typing in %s: %v", to, err)
		}
	}
	if err := h.life.client.MarkRead(testContext(t), message.ReadMark{Chat: "170000000001@broadcast", IDs: []string{"A"}}); session.CodeOf(err) != session.CodeUnsupported {
		t.Errorf("reading in a list: %v", err)
	}
}

func TestAReactionToAStatusIsSentAgainToADeviceThatCannotReadIt(t *testing.T) {
	h := newHearing(t)
	h.hear(phones.Outgoing{Text: "hola"}, events.TypeMessage)
	_, err := h.life.client.Send(testContext(t), text("FIRST", h.peer.LID().String()))
	h.must(err)
	_, err = h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == "FIRST" })
	h.must(err)
	posted := h.statusOf(phones.Outgoing{Text: "on holiday"})
	device, err := types.ParseJID(h.bound("51"))
	h.must(err)
	h.peer.Sig.DeleteSession(h.own.Account.LIDJID(device.Device))
	to, content, err := message.Addressed(message.StatusChat, message.Content{
		Kind: message.KindReaction, Reaction: "💚", Target: &message.Ref{ID: posted.ID, Sender: posted.Sender},
	})
	h.must(err)
	_, err = h.life.client.Send(testContext(t), message.Outgoing{ID: "STATUSREACTION", To: to, Content: content})
	h.must(err)
	_, err = h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == posted.ID && len(m.Reactions) == 1 })
	h.must(err)
	if n := h.server.Counters(); n.Retries == 0 {
		t.Error("nothing was asked for again")
	}
}

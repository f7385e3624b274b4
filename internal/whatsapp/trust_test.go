package whatsapp_test

import (
	"context"
	"encoding/json"
	"testing"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

// mine is a message that the session has sent.
const mine = "3EB0MINE"

// newTrusting returns a session that has sent one message to the peer, and still knows its kind.
func newTrusting(t *testing.T) *hearing {
	t.Helper()
	h := &hearing{}
	h.house = newHouse(t, sandbox.Config{}, func(cfg *whatsapp.Config) {
		cfg.Sent = func(_ context.Context, _ session.ID, id string) (message.Message, bool, error) {
			// The outbox keeps the kind only once WhatsApp has a message (internal/store/storetest, advance).
			return message.Message{To: message.Recipient(h.peer.LID().String()), Content: message.Content{Kind: message.KindText}}, id == mine, nil
		}
	})
	h.own, h.peer = h.phone(), h.phone()
	h.life = h.ready("51", h.own)
	h.sendsTo(h.peer.LID().String(), h.peer)
	return h
}

// sendsTo makes the session send its message and waits until the phone has it.
func (h *hearing) sendsTo(to string, phone *sandbox.Phone) {
	h.t.Helper()
	_, err := h.life.client.Send(testContext(h.t), message.Outgoing{ID: mine, To: message.Recipient(to), Content: message.TextOf("mine")})
	h.must(err)
	_, err = phone.WaitMessage(testContext(h.t), func(m phones.Message) bool { return m.ID == mine })
	h.must(err)
}

// hearFrom makes a phone send something to a chat, and returns what was told.
func (h *hearing) hearFrom(phone *sandbox.Phone, out phones.Outgoing, of events.Type) message.Content {
	h.t.Helper()
	id := h.send(phone, out)
	event := h.next(of, events.TypeReceipt, events.TypeGroup)
	var data events.MessageData
	h.must(json.Unmarshal(event.Data, &data))
	if data.ID != id || data.Content == nil {
		h.t.Fatalf("told as %s", event.Data)
	}
	return *data.Content
}

func forgery(unknown string, target message.Ref) message.Content {
	return message.Content{Kind: message.KindUnknown, Unknown: unknown, Unauthorized: true, Target: &target}
}

const (
	editName   = "protocolMessage/MESSAGE_EDIT"
	revokeName = "protocolMessage/REVOKE"
)

// lying returns a message whose key claims that its sender wrote the message with this id.
func lying(t *testing.T, kind waE2E.ProtocolMessage_Type, chat, id string) []byte {
	t.Helper()
	raw, err := proto.Marshal(&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: kind.Enum(), Key: &waCommon.MessageKey{RemoteJID: &chat, FromMe: proto.Bool(true), ID: &id},
		EditedMessage: &waE2E.Message{Conversation: proto.String("I owe you money")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestNobodyEditsOrDeletesWhatTheSessionSaid(t *testing.T) {
	h := newTrusting(t)
	to, ours := h.own.Number(), message.Ref{ID: mine, FromMe: true}
	same(t, h.hearFrom(h.peer, phones.Outgoing{To: to, Kind: phones.KindEdit, Target: mine, Text: "I owe you money", Forged: true}, events.TypeMessage), forgery(editName, ours))
	same(t, h.hearFrom(h.peer, phones.Outgoing{To: to, Kind: phones.KindRevoke, Target: mine, Forged: true}, events.TypeMessage), forgery(revokeName, ours))
	// The sender claims to be the author of our message.
	theirs := message.Ref{ID: mine, Sender: addressOf(h.peer)}
	chat := h.own.LID().ToNonAD().String()
	same(t, h.hearFrom(h.peer, phones.Outgoing{To: to, Kind: phones.KindRaw, Raw: lying(t, waE2E.ProtocolMessage_MESSAGE_EDIT, chat, mine)}, events.TypeMessage), forgery(editName, theirs))
	same(t, h.hearFrom(h.peer, phones.Outgoing{To: to, Kind: phones.KindRaw, Raw: lying(t, waE2E.ProtocolMessage_REVOKE, chat, mine)}, events.TypeMessage), forgery(revokeName, theirs))
	for _, phone := range []*sandbox.Phone{h.own, h.peer} {
		shown, err := phone.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == mine })
		if h.must(err); shown.Text != "mine" || shown.Edited || shown.Revoked {
			t.Errorf("a phone shows %+v", shown)
		}
	}
	// What they said themselves, they may change.
	said, _, _ := h.hear(phones.Outgoing{Text: "helo"}, events.TypeMessage)
	own := message.Ref{ID: said, Sender: addressOf(h.peer)}
	same(t, h.hearFrom(h.peer, phones.Outgoing{To: to, Kind: phones.KindEdit, Target: said, Text: "hello"}, events.TypeEdited), message.Content{Kind: message.KindEdit, Text: "hello", Target: &own})
	same(t, h.hearFrom(h.peer, phones.Outgoing{To: to, Kind: phones.KindRevoke, Target: said}, events.TypeRevoked), message.Content{Kind: message.KindRevoke, Target: &own})
	// The account's own phone may change what the session said, and nothing of the peer's.
	same(t, h.hearFrom(h.own, phones.Outgoing{To: h.peer.Number(), Kind: phones.KindEdit, Target: said, Text: "no", Forged: true}, events.TypeMessage), forgery(editName, own))
	same(t, h.hearFrom(h.own, phones.Outgoing{To: h.peer.Number(), Kind: phones.KindRevoke, Target: mine}, events.TypeRevoked), message.Content{Kind: message.KindRevoke, Target: &ours})
	h.noSurprises()
}

func TestInAGroupOnlyAuthorsEditAndOnlyAdminsDeleteForOthers(t *testing.T) {
	h := newTrusting(t)
	ctx := testContext(t)
	other := h.phone()
	group, err := h.peer.CreateGroup(ctx, phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number(), other.Number()}})
	h.must(err)
	said, err := h.peer.SendGroupText(ctx, group, "the admin's")
	h.must(err)
	h.next(events.TypeMessage, events.TypeReceipt, events.TypeGroup)
	by, err := other.SendGroupText(ctx, group, "the member's")
	h.must(err)
	h.next(events.TypeMessage, events.TypeReceipt, events.TypeGroup)
	for _, phone := range []*sandbox.Phone{h.peer, other} { // they need each other's messages
		_, err = phone.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == by })
		h.must(err)
		_, err = phone.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == said })
		h.must(err)
	}
	to := group.String()
	admins, members := message.Ref{ID: said, Sender: addressOf(h.peer)}, message.Ref{ID: by, Sender: addressOf(other)}
	same(t, h.hearFrom(other, phones.Outgoing{To: to, Kind: phones.KindEdit, Target: said, Text: "x", Forged: true}, events.TypeMessage), forgery(editName, admins))
	same(t, h.hearFrom(other, phones.Outgoing{To: to, Kind: phones.KindRevoke, Target: said, Forged: true}, events.TypeMessage), forgery(revokeName, admins))
	// An admin edits for nobody either.
	same(t, h.hearFrom(h.peer, phones.Outgoing{To: to, Kind: phones.KindEdit, Target: by, Text: "x", Forged: true}, events.TypeMessage), forgery(editName, members))
	// Members are promoted and demoted: what counts is now.
	h.must(h.peer.ChangeMembers(ctx, group, phones.PromoteMembers, other.Number()))
	h.next(events.TypeGroup, events.TypeReceipt)
	same(t, h.hearFrom(other, phones.Outgoing{To: to, Kind: phones.KindRevoke, Target: said}, events.TypeRevoked), message.Content{Kind: message.KindRevoke, Target: &admins})
	h.must(h.peer.ChangeMembers(ctx, group, phones.DemoteMembers, other.Number()))
	h.next(events.TypeGroup, events.TypeReceipt)
	same(t, h.hearFrom(other, phones.Outgoing{To: to, Kind: phones.KindRevoke, Target: said, Forged: true}, events.TypeMessage), forgery(revokeName, admins))
	same(t, h.hearFrom(h.peer, phones.Outgoing{To: to, Kind: phones.KindRevoke, Target: by}, events.TypeRevoked), message.Content{Kind: message.KindRevoke, Target: &members})
	h.noSurprises()
}

func TestAQuoteSaysWhatTheMessageSaidOrThatItIsClaimed(t *testing.T) {
	h := newTrusting(t)
	said, _, _ := h.hear(phones.Outgoing{Text: "hola"}, events.TypeMessage)
	_, content, _ := h.hear(phones.Outgoing{Text: "yes", Quote: mine, QuoteText: "I owe you money"}, events.TypeMessage)
	if want := (message.Ref{ID: mine, FromMe: true, Text: "I owe you money", Kind: message.KindText, Claimed: true}); content.Quote == nil || *content.Quote != want {
		t.Errorf("quoted %+v", content.Quote)
	}
	_, content, _ = h.hear(phones.Outgoing{Text: "yes", Quote: said, QuoteText: "adiós"}, events.TypeMessage)
	if want := (message.Ref{ID: said, Sender: addressOf(h.peer), Text: "hola", Kind: message.KindText}); content.Quote == nil || *content.Quote != want {
		t.Errorf("quoted %+v", content.Quote)
	}
	raw, err := proto.Marshal(&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("yes"), ContextInfo: &waE2E.ContextInfo{
		StanzaID: proto.String("3EB0NEVER"), Participant: proto.String(h.own.LID().ToNonAD().String()), QuotedMessage: &waE2E.Message{Conversation: proto.String("I owe you money")},
	}}})
	h.must(err)
	_, content, _ = h.hear(phones.Outgoing{Kind: phones.KindRaw, Raw: raw}, events.TypeMessage)
	if want := (message.Ref{ID: "3EB0NEVER", FromMe: true, Text: "I owe you money", Kind: message.KindText, Claimed: true}); content.Quote == nil || *content.Quote != want {
		t.Errorf("quoted %+v", content.Quote)
	}
	h.noSurprises()
}

func TestACopyForOwnDevicesFromSomebodyElseIsNoMessage(t *testing.T) {
	h := newTrusting(t)
	raw, err := proto.Marshal(&waE2E.Message{DeviceSentMessage: &waE2E.DeviceSentMessage{
		DestinationJID: proto.String(h.peer.LID().ToNonAD().String()), Message: &waE2E.Message{Conversation: proto.String("I owe you money")},
	}})
	h.must(err)
	_, content, _ := h.hear(phones.Outgoing{Kind: phones.KindRaw, Raw: raw}, events.TypeMessage)
	same(t, content, message.Content{Kind: message.KindUnknown, Unknown: "deviceSentMessage", Unauthorized: true})
	h.noSurprises()
}

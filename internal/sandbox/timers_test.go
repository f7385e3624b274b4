package sandbox_test

import (
	"context"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

func marked(seconds uint32, at int64) *waE2E.Message {
	return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
		Text: proto.String("marked"), ContextInfo: &waE2E.ContextInfo{Expiration: &seconds, EphemeralSettingTimestamp: &at},
	}}
}

func TestPhonesMarkAndExpectTheTimerOfAChat(t *testing.T) {
	_, own, client, peer := linked(t, phones.ScriptRead)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	raw := func(m *waE2E.Message) phones.Message {
		t.Helper()
		sent, err := client.cli.SendMessage(ctx, peer.LID(), m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := peer.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == sent.ID })
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	timerOf := func(phone *sandbox.Phone, chat types.JID) uint32 {
		for _, c := range phone.Chats() {
			if c.JID == chat {
				return c.Expiration
			}
		}
		return 0
	}
	if m := raw(&waE2E.Message{Conversation: proto.String("stays")}); m.Stays {
		t.Error("in a chat without a timer a message is said to stay")
	}
	sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindTimer, Expiration: 86_400})
	if m := wait(client, 0, func(m *events.Message) bool {
		return m.Message.GetProtocolMessage().GetType() == waE2E.ProtocolMessage_EPHEMERAL_SETTING && m.Message.GetProtocolMessage() != nil
	}); m.Message.GetProtocolMessage().GetEphemeralSettingTimestamp() == 0 {
		t.Error("the setting has no time")
	}
	if m := raw(&waE2E.Message{Conversation: proto.String("unmarked")}); !m.Stays || m.Expiration != 0 {
		t.Errorf("a message without the timer: %+v", m)
	}
	if m := raw(&waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{Text: proto.String("👍")}}); m.Stays {
		t.Error("a reaction is no message that disappears")
	}
	id := sendKind(t, peer, phones.Outgoing{To: own.Number(), Text: "hello"})
	if m := wait(client, 0, hasID(id)); m.Message.GetExtendedTextMessage().GetContextInfo().GetExpiration() != 86_400 ||
		m.Message.GetExtendedTextMessage().GetContextInfo().GetEphemeralSettingTimestamp() == 0 {
		t.Errorf("the phone's own message is %v", m.Message)
	}
	// A newer setting that a message states holds, an older one does not, and the apps ignore timers that they do not offer.
	now := time.Now().Unix()
	raw(marked(604_800, now+5))
	raw(marked(7_776_000, now-100))
	raw(marked(12_345, now+10))
	if got := timerOf(peer, own.JID()); got != 604_800 {
		t.Errorf("the chat's timer is %d", got)
	}
	off := raw(marked(0, now+20))
	if off.Stays || timerOf(peer, own.JID()) != 0 {
		t.Errorf("the timer is off, and the message is %+v", off)
	}
	waitID(t, own, off.ID, nil) // the own phone has its copy
	if got := timerOf(own, peer.JID()); got != 0 {
		t.Errorf("the own phone still has %d", got)
	}

	group, err := peer.CreateGroup(ctx, phones.NewGroup{Subject: "Friends", Members: []string{own.Number()}})
	if err != nil {
		t.Fatal(err)
	}
	week := uint32(604_800)
	if err = peer.ChangeGroup(ctx, group, phones.GroupChange{Expiration: &week}); err != nil {
		t.Fatal(err)
	}
	id = sendKind(t, peer, phones.Outgoing{To: group.String(), Text: "hello"})
	if m := wait(client, 0, func(m *events.Message) bool {
		return m.Info.ID == id && m.Message.GetExtendedTextMessage() != nil
	}); m.Message.GetExtendedTextMessage().GetContextInfo().GetExpiration() != week {
		t.Errorf("the phone's message in the group is %v", m.Message)
	}
}

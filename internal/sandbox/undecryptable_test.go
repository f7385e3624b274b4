package sandbox_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

func TestWhatCannotBeDecryptedIsAskedForAndComesAgain(t *testing.T) {
	t.Parallel()
	server, own, client, peer := linked(t, "")
	ctx := testContext(t)
	group, err := peer.CreateGroup(ctx, phones.NewGroup{Subject: "Night shift", Members: []string{own.Number()}})
	must(t, err)
	for name, to := range map[string]string{"between two": own.Number(), "in a group": group.String()} {
		// The first message of a session is encrypted differently from later ones.
		for _, text := range []string{"first", "second"} {
			_, err := server.SetFault(faults.Fault{Kind: faults.BadCiphertext, Account: own.Number(), Count: 1})
			must(t, err)
			id, err := peer.SendText(ctx, to, text)
			must(t, err)
			broken := wait(client, 0, func(e *events.UndecryptableMessage) bool { return e.Info.ID == id })
			again := wait(client, 0, func(e *events.Message) bool { return e.Info.ID == id })
			if again.Message.GetConversation() != text || again.Info.Sender != broken.Info.Sender || again.RetryCount != 1 {
				t.Errorf("%s, %s: came again as %+v", name, text, again)
			}
		}
	}
	if n := server.Counters().Retries; n < 4 {
		t.Errorf("%d messages were asked for again", n)
	}
	// The fault does not affect messages from the client, and the client decrypts the next message at once.
	from := client.mark()
	id, err := peer.SendText(ctx, own.Number(), "whole")
	must(t, err)
	wait(client, from, func(e *events.Message) bool { return e.Info.ID == id && e.RetryCount == 0 })
	noUnknownQueries(t, server)
}

func TestAMessageThatNeverCanBeDecryptedIsGivenUp(t *testing.T) {
	t.Parallel()
	server, own, client, peer := linked(t, "")
	fault, err := server.SetFault(faults.Fault{Kind: faults.BadCiphertext, Account: own.Number()})
	must(t, err)
	feed, stop := server.Subscribe()
	defer stop()
	id, err := peer.SendText(testContext(t), own.Number(), "nobody will know")
	must(t, err)
	for count := range 4 {
		until(t, feed, func(e observe.Event) bool {
			return e.Kind == observe.EventFault && e.Detail == string(faults.BadCiphertext)
		})
		if count > 0 {
			continue
		}
		wait(client, 0, func(e *events.UndecryptableMessage) bool { return e.Info.ID == id })
	}
	server.ClearFault(fault)
	acknowledged(t, server, own)
}

func TestWhatMayBeSeenOnceIsAnnouncedOnly(t *testing.T) {
	t.Parallel()
	server, own, client, peer := linked(t, "")
	_, err := server.SetFault(faults.Fault{Kind: faults.Unavailable, Account: own.Number(), Variant: faults.VariantViewOnce, Count: 1})
	must(t, err)
	id, err := peer.SendMessage(testContext(t), phones.Outgoing{
		To: own.Number(), Kind: phones.KindImage, ViewOnce: true, Media: &phones.Attachment{Data: []byte("for one look")},
	})
	must(t, err)
	wait(client, 0, func(e *events.UndecryptableMessage) bool {
		return e.Info.ID == id && e.IsUnavailable && e.UnavailableType == events.UnavailableTypeViewOnce
	})
	acknowledged(t, server, own)
}

func TestAMessageOfAKindThatNobodyKnowsArrives(t *testing.T) {
	t.Parallel()
	server, own, client, peer := linked(t, "")
	ctx := testContext(t)
	unknown := protowire.AppendBytes(protowire.AppendTag(nil, 9999, protowire.BytesType), []byte("of next year"))
	for name, raw := range map[string][]byte{
		"a field that nobody knows": unknown,
		"a call of a business":      encoded(t, &waE2E.Message{BcallMessage: &waE2E.BCallMessage{SessionID: proto.String("7")}}),
	} {
		id, err := peer.SendMessage(ctx, phones.Outgoing{To: own.Number(), Kind: phones.KindRaw, Raw: raw})
		must(t, err)
		got := wait(client, 0, func(e *events.Message) bool { return e.Info.ID == id })
		if have := encoded(t, got.Message); string(have) != string(raw) {
			t.Errorf("%s came as %x, was sent as %x", name, have, raw)
		}
		seen, err := own.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == id })
		must(t, err)
		if seen.Kind != phones.KindUnknown {
			t.Errorf("%s is shown as %s", name, seen.Kind)
		}
	}
	// A message that can be decrypted has its content.
	text := encoded(t, &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("hola")}})
	id, err := peer.SendMessage(ctx, phones.Outgoing{To: own.Number(), Kind: phones.KindRaw, Raw: text})
	must(t, err)
	if seen, err := own.WaitMessage(ctx, func(m phones.Message) bool { return m.ID == id }); err != nil || seen.Kind != phones.KindText || seen.Text != "hola" {
		t.Errorf("%+v, %v", seen, err)
	}
	for name, out := range map[string]phones.Outgoing{
		"nothing raw":     {Kind: phones.KindRaw},
		"no message":      {Kind: phones.KindRaw, Raw: []byte{0xff}},
		"a text with raw": {Text: "hola", Raw: text},
		"a quote beside":  {Kind: phones.KindRaw, Raw: text, Quote: id},
	} {
		out.To = own.Number()
		if _, err := peer.SendMessage(ctx, out); err == nil {
			t.Errorf("%s was sent", name)
		}
	}
	noUnknownQueries(t, server)
}

func encoded(t *testing.T, m *waE2E.Message) []byte {
	t.Helper()
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	must(t, err)
	return raw
}

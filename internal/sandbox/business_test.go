package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/business"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
)

// TestWhatABusinessWroteIsThereAfterARestart: the file of its header, its choices, and what linked devices must not get.
func TestWhatABusinessWroteIsThereAfterARestart(t *testing.T) {
	folder := t.TempDir()
	server, own, peer, client := settledChat(t, folder)
	file := someBytes(20_000)
	offer := sendKind(t, peer, phones.Outgoing{
		To: own.Number(), Kind: phones.KindBusiness, Text: "Coming?", Media: &phones.Attachment{Data: file, MIME: "application/pdf", FileName: "map.pdf"},
		Business: &business.Content{Form: business.FormTemplate, Header: "Party", Choices: []business.Choice{{Kind: business.KindReply, ID: "yes", Text: "Yes"}}},
	})
	template := wait(client, 0, hasID(offer)).Message.GetTemplateMessage().GetHydratedTemplate()
	if template.GetHydratedContentText() != "Coming?" || template.GetDocumentMessage().GetFileName() != "map.pdf" {
		t.Fatalf("the client got %v", template)
	}
	masked := sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindBusiness, Text: "123456", Business: &business.Content{Form: business.FormMasked}})
	if got := wait(client, 0, hasID(masked)).Message; got.GetPlaceholderMessage() == nil || got.GetTemplateMessage() != nil {
		t.Fatalf("the client got %v", got)
	}
	waitID(t, own, masked, func(m phones.Message) bool { return m.Text == "123456" })
	client.cli.Disconnect()
	next := asKilled(t, server, folder)
	closeServer(t, server)
	server = newServer(t, sandbox.Config{State: next})
	client = openDevice(t, server, client.dsn)
	client.connect()
	own, peer = phoneOf(t, server, own.Number()), phoneOf(t, server, peer.Number())
	shown := waitID(t, own, offer, func(m phones.Message) bool { return m.Kind == phones.KindBusiness })
	if got, err := shown.Media.Bytes(); err != nil || !bytes.Equal(got, file) || shown.Text != "Coming?" || len(shown.Business.Choices) != 1 {
		t.Errorf("the phone shows %+v, %d bytes, %v", shown, len(got), err)
	}
	answer := sendKind(t, own, phones.Outgoing{To: peer.Number(), Kind: phones.KindChoice, Quote: offer, Options: []string{"yes"}})
	waitID(t, peer, answer, func(m phones.Message) bool {
		return m.Kind == phones.KindChoice && m.Text == "Yes" && m.Business.Chosen == "yes" && m.Quote.ID == offer && m.Quote.Kind == phones.KindBusiness && m.Quote.Text == "Coming?"
	})
	if got := wait(client, 0, hasID(answer)); !got.Info.IsFromMe || got.Message.GetTemplateButtonReplyMessage().GetSelectedID() != "yes" {
		t.Errorf("the client got %v", got.Message)
	}
}

// TestACodeIsMaskedWhenItIsSentAgain: a linked device that could not decrypt its placeholder does not get the code instead.
func TestACodeIsMaskedWhenItIsSentAgain(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptSilent)
	_, err := server.SetFault(faults.Fault{Kind: faults.BadCiphertext, Account: own.Number(), Count: 1})
	must(t, err)
	id := sendKind(t, peer, phones.Outgoing{To: own.Number(), Kind: phones.KindBusiness, Text: "123456", Business: &business.Content{Form: business.FormMasked}})
	wait(client, 0, func(e *events.UndecryptableMessage) bool { return e.Info.ID == id })
	if got := wait(client, 0, hasID(id)).Message; got.GetPlaceholderMessage() == nil || got.GetTemplateMessage() != nil {
		t.Errorf("the client got %v", got)
	}
}

func TestBusinessThatDoesNotFitTogetherIsRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	one, other := newPhone(t, server, ""), newPhone(t, server, "")
	group := newGroup(t, one, "", other)
	list := &business.Content{Form: business.FormList, Choices: []business.Choice{{Kind: business.KindRow, ID: "s", Text: "Small"}}}
	offer := sendKind(t, one, phones.Outgoing{To: other.Number(), Kind: phones.KindBusiness, Business: list})
	for name, test := range map[string]struct {
		out   phones.Outgoing
		field string
	}{
		"no business":       {phones.Outgoing{Kind: phones.KindBusiness}, "business"},
		"of a text":         {phones.Outgoing{Text: "x", Business: list}, "business"},
		"unknown form":      {phones.Outgoing{Kind: phones.KindBusiness, Business: &business.Content{Form: "poster"}}, "business.form"},
		"no product":        {phones.Outgoing{Kind: phones.KindBusiness, Business: &business.Content{Form: business.FormProduct}}, "business.items"},
		"a code in a group": {phones.Outgoing{To: group.String(), Kind: phones.KindBusiness, Business: &business.Content{Form: business.FormMasked}}, "business.form"},
		"nothing chosen":    {phones.Outgoing{Kind: phones.KindChoice, Quote: offer}, "options"},
		"of nothing":        {phones.Outgoing{Kind: phones.KindChoice, Options: []string{"s"}}, "options"},
		"not offered":       {phones.Outgoing{Kind: phones.KindChoice, Quote: offer, Options: []string{"l"}}, "options"},
		"of a reaction":     {phones.Outgoing{Kind: phones.KindReaction, Target: offer, Text: "x", Referral: &business.Referral{SourceID: "1"}}, "referral"},
	} {
		if test.out.To == "" {
			test.out.To = other.Number()
		}
		var bad *phones.OutgoingError
		if _, err := one.SendMessage(context.Background(), test.out); !errors.As(err, &bad) || bad.Field != test.field {
			t.Errorf("%s: %v, expected %s", name, err, test.field)
		}
	}
}

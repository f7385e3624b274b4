package whatsapp_test

import (
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/events"
	"wasup/internal/sandbox/phones"
)

func TestWhatAStrangerSendsIsKeptWithinTheLimits(t *testing.T) {
	h := newHearing(t)
	long := strings.Repeat("é", 70_000)
	mentions := make([]string, 1500)
	for i := range mentions {
		mentions[i] = h.own.JID().ToNonAD().String()
	}
	options := make([]*waE2E.PollCreationMessage_Option, 150)
	for i := range options {
		options[i] = &waE2E.PollCreationMessage_Option{OptionName: proto.String(strings.Repeat("é", 300))}
	}
	cards := make([]*waE2E.ContactMessage, 1100)
	for i := range cards {
		cards[i] = &waE2E.ContactMessage{DisplayName: proto.String("Ana"), Vcard: proto.String("BEGIN:VCARD\nEND:VCARD")}
	}
	hear := func(m *waE2E.Message) events.MessageData {
		t.Helper()
		raw, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		h.send(h.peer, phones.Outgoing{To: h.own.Number(), Kind: phones.KindRaw, Raw: raw})
		data, event := h.message(events.TypeMessage)
		if !data.Truncated || len(event.Data) > events.MaxData {
			t.Errorf("truncated is %t in %d bytes", data.Truncated, len(event.Data))
		}
		return data
	}
	text := hear(&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
		Text: &long, MatchedText: proto.String("https://example.com"), Title: &long, JPEGThumbnail: make([]byte, 100_000),
		ContextInfo: &waE2E.ContextInfo{MentionedJID: mentions, StanzaID: proto.String("3EB0"), QuotedMessage: &waE2E.Message{Conversation: &long}},
	}}).Content
	if len([]rune(text.Text)) != 65_536 || len([]rune(text.Quote.Text)) != 65_536 || len(text.Mentions) != 1024 ||
		len([]rune(text.Preview.Title)) != 1024 || text.Preview.Thumbnail != nil {
		t.Errorf("kept %d characters, %d quoted, %d mentions, a title of %d, a thumbnail of %d bytes", len([]rune(text.Text)),
			len([]rune(text.Quote.Text)), len(text.Mentions), len([]rune(text.Preview.Title)), len(text.Preview.Thumbnail))
	}
	poll := hear(&waE2E.Message{PollCreationMessage: &waE2E.PollCreationMessage{Name: &long, Options: options}}).Content.Poll
	if len(poll.Options) != 100 || len([]rune(poll.Options[0])) != 255 || len([]rune(poll.Question)) != 255 {
		t.Errorf("kept %d answers of %d characters", len(poll.Options), len([]rune(poll.Options[0])))
	}
	if got := hear(&waE2E.Message{ContactsArrayMessage: &waE2E.ContactsArrayMessage{Contacts: cards}}).Content.Contacts; len(got) != 1024 {
		t.Errorf("kept %d cards", len(got))
	}
	photo := hear(&waE2E.Message{ImageMessage: &waE2E.ImageMessage{
		Caption: proto.String("look"), DirectPath: &long, MediaKey: make([]byte, 32), JPEGThumbnail: make([]byte, 1<<20),
	}}).Content
	if photo.Text != "look" || photo.Media.ID != "" || photo.Media.Thumbnail != nil {
		t.Errorf("kept %+v", photo.Media)
	}
}

package message_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"wasup/internal/message"
	"wasup/internal/session"
)

const (
	somebody = "4915112345678@s.whatsapp.net"
	card     = "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD\n"
)

// good returns valid content of every kind that can be sent.
func good() map[message.Kind]message.Content {
	file := func(mime string) *message.Media { return &message.Media{File: "abc", Size: 10, Mime: mime} }
	voice := file(message.MimeVoice)
	voice.Waveform = make([]byte, 64)
	target := func() *message.Ref {
		return &message.Ref{ID: "3EB0", Sender: message.Address{PN: somebody}}
	}
	all := map[message.Kind]message.Content{
		message.KindText: {
			Text: "see https://example.com @4915112345678", Mentions: []message.Address{{PN: somebody, LID: "123456@lid"}},
			Quote: target(), Preview: &message.Preview{URL: "https://example.com", Title: "Example"},
		},
		message.KindImage: {Media: file("image/jpeg"), Text: "a caption"}, message.KindVideo: {Media: file("video/mp4")},
		message.KindAudio: {Media: file("audio/mpeg")}, message.KindVoice: {Media: voice},
		message.KindDocument: {Media: file("application/pdf")}, message.KindSticker: {Media: file("image/webp")},
		message.KindLocation: {Location: &message.Location{Latitude: -34.6, Longitude: -58.4}},
		message.KindContact:  {Contacts: []message.Card{{Name: "Ana", VCard: card}}},
		message.KindPoll:     {Poll: &message.Poll{Question: "When?", Options: []string{"a", "b"}, Selectable: 1}},
		message.KindReaction: {Reaction: "👍", Target: target()},
		message.KindEdit:     {Text: "better", Target: target()},
		message.KindRevoke:   {Target: target()},
	}
	for kind, content := range all {
		content.Kind = kind
		all[kind] = content
	}
	return all
}

func TestEveryKindHasGoodContent(t *testing.T) {
	contents := good()
	for _, kind := range message.SendableKinds() {
		content, ok := contents[kind]
		if !ok {
			t.Errorf("no content of the kind %s", kind)
		}
		for _, to := range []message.Recipient{somebody, "123456@lid", "120363041234567890@g.us"} {
			if err := (message.Outgoing{ID: "3EB0", To: to, Content: content}).Check(); err != nil {
				t.Errorf("%s to %s: %v", kind, to, err)
			}
		}
	}
}

func TestBadContentIsNamed(t *testing.T) {
	for i, test := range []struct {
		kind  message.Kind
		spoil func(*message.Content)
		field string
	}{
		{message.KindText, func(c *message.Content) { c.Kind = "song" }, "kind"},
		{message.KindText, func(c *message.Content) { c.Kind = message.KindPollVote }, "kind"},
		{message.KindText, func(c *message.Content) { c.Text, c.Preview = "", nil }, "text"},
		{message.KindText, func(c *message.Content) { c.Text = "\xff" }, "text"},
		{message.KindText, func(c *message.Content) { c.Text = strings.Repeat("ä", 65_537) }, "text"},
		{message.KindImage, func(c *message.Content) { c.Text = strings.Repeat("ä", 1025) }, "text"},
		{message.KindVoice, func(c *message.Content) { c.Text = "hm" }, "text"},
		{message.KindLocation, func(c *message.Content) { c.Text = "here" }, "text"},
		{message.KindText, func(c *message.Content) { c.Mentions[0] = message.Address{} }, "mentions[0]"},
		{message.KindText, func(c *message.Content) { c.Mentions[0].PN = "4915112345678" }, "mentions[0]"},
		{message.KindText, func(c *message.Content) { c.Mentions[0] = message.Address{Group: "12345@g.us"} }, "mentions[0]"},
		{message.KindText, func(c *message.Content) { c.Quote.ID = "" }, "quote.id"},
		{message.KindText, func(c *message.Content) { c.Quote.Sender.LID = "x@lid" }, "quote.sender"},
		{message.KindText, func(c *message.Content) { c.Preview.URL = "https://example.org" }, "preview.url"},
		{message.KindText, func(c *message.Content) { c.Preview.URL = "see" }, "preview.url"},
		{message.KindText, func(c *message.Content) { c.Preview.Thumbnail = []byte("GIF89a") }, "preview.thumbnail"},
		{message.KindText, func(c *message.Content) { c.Poll = &message.Poll{} }, "poll"},
		{message.KindRevoke, func(c *message.Content) { c.Quote = c.Target }, "quote"},
		{message.KindImage, func(c *message.Content) { c.Media = nil }, "media"},
		{message.KindImage, func(c *message.Content) { c.Media.File = "" }, "media.file"},
		{message.KindImage, func(c *message.Content) { c.Media.Size = 0 }, "media.size"},
		{message.KindImage, func(c *message.Content) { c.Media.Mime = "jpeg" }, "media.mime"},
		{message.KindImage, func(c *message.Content) { c.Media.Width = 65_536 }, "media.width"},
		{message.KindImage, func(c *message.Content) { c.Media.Thumbnail = make([]byte, 100) }, "media.thumbnail"},
		{message.KindDocument, func(c *message.Content) { c.Media.Name = "../x" }, "media.name"},
		{message.KindDocument, func(c *message.Content) { c.Media.ViewOnce = true }, "media.view_once"},
		{message.KindVideo, func(c *message.Content) { c.Media.Seconds = -1 }, "media.seconds"},
		{message.KindVideo, func(c *message.Content) { c.Media.Mime = "image/png" }, "media.mime"},
		{message.KindVoice, func(c *message.Content) { c.Media.Mime = "audio/mpeg" }, "media.mime"},
		{message.KindSticker, func(c *message.Content) { c.Media.Mime = "image/png" }, "media.mime"},
		{message.KindImage, func(c *message.Content) { c.Media.Mime = "" }, "media.mime"},
		{message.KindVoice, func(c *message.Content) { c.Media.Waveform[63] = 101 }, "media.waveform"},
		{message.KindVoice, func(c *message.Content) { c.Media.Waveform = c.Media.Waveform[1:] }, "media.waveform"},
		{message.KindLocation, func(c *message.Content) { c.Location = nil }, "location"},
		{message.KindLocation, func(c *message.Content) { c.Location.Latitude = 90.1 }, "location.latitude"},
		{message.KindLocation, func(c *message.Content) { c.Location.Longitude = -180.1 }, "location.longitude"},
		{message.KindLocation, func(c *message.Content) { c.Location.Live = true }, "location.live"},
		{message.KindContact, func(c *message.Content) { c.Contacts = nil }, "contacts"},
		{message.KindContact, func(c *message.Content) { c.Contacts[0].Name = " " }, "contacts[0].name"},
		{message.KindContact, func(c *message.Content) { c.Contacts[0].VCard = "Ana" }, "contacts[0].vcard"},
		{message.KindPoll, func(c *message.Content) { c.Poll.Question = "" }, "poll.question"},
		{message.KindPoll, func(c *message.Content) { c.Poll.Options = []string{"a"} }, "poll.options"},
		{message.KindPoll, func(c *message.Content) { c.Poll.Options = make([]string, 13) }, "poll.options"},
		{message.KindPoll, func(c *message.Content) { c.Poll.Options[1] = "a" }, "poll.options[1]"},
		{message.KindPoll, func(c *message.Content) { c.Poll.Options[1] = strings.Repeat("x", 101) }, "poll.options[1]"},
		{message.KindPoll, func(c *message.Content) { c.Poll.Selectable = 3 }, "poll.selectable"},
		{message.KindReaction, func(c *message.Content) { c.Target = nil }, "target"},
		{message.KindReaction, func(c *message.Content) { c.Reaction = "ok" }, "reaction"},
		{message.KindEdit, func(c *message.Content) { c.Text = "" }, "text"},
		{message.KindEdit, func(c *message.Content) { c.Target.ID = "" }, "target.id"},
		{message.KindRevoke, func(c *message.Content) { c.Target = nil }, "target"},
	} {
		t.Run(fmt.Sprintf("%d %s of %s", i, test.field, test.kind), func(t *testing.T) {
			content := good()[test.kind]
			test.spoil(&content)
			named(t, content.Check(), test.field)
		})
	}
}

func named(t *testing.T, err error, field string) {
	t.Helper()
	var e *session.Error
	if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != field || !strings.HasPrefix(e.Message, field+": ") {
		t.Errorf("got %v, want an error that names %s", err, field)
	}
}

func TestWhatIsMeantInAGroupHasAnAuthor(t *testing.T) {
	const group = "120363041234567890@g.us"
	reaction, reply := good()[message.KindReaction], good()[message.KindText]
	reaction.Target.Sender, reply.Quote.Sender = message.Address{}, message.Address{}
	named(t, reaction.CheckFor(group), "target.sender")
	named(t, reply.CheckFor(group), "quote.sender")
	for _, err := range []error{reaction.CheckFor(somebody), reply.CheckFor(somebody)} {
		if err != nil {
			t.Error(err)
		}
	}
	reaction.Target.FromMe = true
	if err := reaction.CheckFor(group); err != nil {
		t.Error(err)
	}
	text := message.Outgoing{ID: "3EB0", To: somebody, Content: message.TextOf("hi")}
	for field, spoil := range map[string]func(*message.Outgoing){
		"id": func(o *message.Outgoing) { o.ID = "" },
		"to": func(o *message.Outgoing) { o.To = "+49 151 12345678" },
	} {
		spoiled := text
		spoil(&spoiled)
		named(t, spoiled.Check(), field)
	}
}

func TestOneEmojiIsOne(t *testing.T) {
	target := &message.Ref{ID: "3EB0", FromMe: true}
	for _, emoji := range []string{
		"", "👍", "👍🏽", "❤️", "❤", "❤\ufe0e", "🇦🇷", "👩‍❤️‍👩", "👨‍👩‍👧‍👦", "1️⃣", "#️⃣", "*⃣", "©️", "‼️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☺", "🏻", "🅰️", "㊗️", "↔️", "Ⓜ️",
		"ℹ", "ℹ️", "™️", "〰️", // letters and punctuation by Unicode's categories
		"\U0001fae9", "\U0001fac6", "\U0001fabe", "\U0001fadc", "\U0001fa89", "\U0001fa8f", "\U0001fadf", "🇨🇶", // Unicode 16
		"\U0001faff", "\U0001fc00", "\U0001fa89\u200d\U0001fac6", // reserved for later versions
		"👩🏻‍❤️‍💋‍👩🏿", "👨🏻\u200d👩🏻\u200d👦🏻\u200d👦🏻", "🫱🏻‍🫲🏿", "🧑🏽‍🦽‍➡️", "🏳️‍🌈", "🏳️‍⚧️", "🏴‍☠️", "🕵🏻‍♂️", "⛓️‍💥",
	} {
		if err := (message.Content{Kind: message.KindReaction, Target: target, Reaction: emoji}).Check(); err != nil {
			t.Errorf("%q: %v", emoji, err)
		}
	}
	for _, text := range []string{"x", "1", "#", "1\ufe0f", "é", "\u200d", "👍\u200d", "\u200d👍", "🇦", "🇦🇷🇧", "👍\u20e3", "🏴\U000e0067", "\ufe0f", "€", "ªº", "中", "①\u20e3", "\U0001fbf5", "👍 ", "👍👍", "🇦🇷🇦🇷", "ok👍", "\x00", "!", "$", "👍\xff", strings.Repeat("👩‍", 20) + "👩"} {
		named(t, message.Content{Kind: message.KindReaction, Target: target, Reaction: text}.Check(), "reaction")
	}
}

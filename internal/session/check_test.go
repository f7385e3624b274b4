package session_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"wasup/internal/session"
)

const (
	somebody = "4915112345678@s.whatsapp.net"
	card     = "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD\n"
)

// good is content of every kind that can be sent.
func good() map[session.Kind]session.Content {
	file := func(mime string) *session.Media { return &session.Media{File: "abc", Size: 10, Mime: mime} }
	voice := file(session.MimeVoice)
	voice.Waveform = make([]byte, 64)
	target := func() *session.MessageRef {
		return &session.MessageRef{ID: "3EB0", Sender: session.Address{PN: somebody}}
	}
	all := map[session.Kind]session.Content{
		session.KindText: {
			Text: "see https://example.com @4915112345678", Mentions: []session.Address{{PN: somebody, LID: "123456@lid"}},
			Quote: target(), Preview: &session.Preview{URL: "https://example.com", Title: "Example"},
		},
		session.KindImage: {Media: file("image/jpeg"), Text: "a caption"}, session.KindVideo: {Media: file("video/mp4")},
		session.KindAudio: {Media: file("audio/mpeg")}, session.KindVoice: {Media: voice},
		session.KindDocument: {Media: file("application/pdf")}, session.KindSticker: {Media: file("image/webp")},
		session.KindLocation: {Location: &session.Location{Latitude: -34.6, Longitude: -58.4}},
		session.KindContact:  {Contacts: []session.Card{{Name: "Ana", VCard: card}}},
		session.KindPoll:     {Poll: &session.Poll{Question: "When?", Options: []string{"a", "b"}, Selectable: 1}},
		session.KindReaction: {Reaction: "👍", Target: target()},
		session.KindEdit:     {Text: "better", Target: target()},
		session.KindRevoke:   {Target: target()},
	}
	for kind, content := range all {
		content.Kind = kind
		all[kind] = content
	}
	return all
}

func TestEveryKindHasGoodContent(t *testing.T) {
	contents := good()
	for _, kind := range session.SendableKinds() {
		content, ok := contents[kind]
		if !ok {
			t.Errorf("no content of the kind %s", kind)
		}
		for _, to := range []session.Recipient{somebody, "123456@lid", "120363041234567890@g.us"} {
			if err := (session.Outgoing{ID: "3EB0", To: to, Content: content}).Check(); err != nil {
				t.Errorf("%s to %s: %v", kind, to, err)
			}
		}
	}
}

func TestBadContentIsNamed(t *testing.T) {
	for i, test := range []struct {
		kind  session.Kind
		spoil func(*session.Content)
		field string
	}{
		{session.KindText, func(c *session.Content) { c.Kind = "song" }, "kind"},
		{session.KindText, func(c *session.Content) { c.Kind = session.KindPollVote }, "kind"},
		{session.KindText, func(c *session.Content) { c.Text, c.Preview = "", nil }, "text"},
		{session.KindText, func(c *session.Content) { c.Text = "\xff" }, "text"},
		{session.KindText, func(c *session.Content) { c.Text = strings.Repeat("ä", 65_537) }, "text"},
		{session.KindImage, func(c *session.Content) { c.Text = strings.Repeat("ä", 1025) }, "text"},
		{session.KindVoice, func(c *session.Content) { c.Text = "hm" }, "text"},
		{session.KindLocation, func(c *session.Content) { c.Text = "here" }, "text"},
		{session.KindText, func(c *session.Content) { c.Mentions[0] = session.Address{} }, "mentions[0]"},
		{session.KindText, func(c *session.Content) { c.Mentions[0].PN = "4915112345678" }, "mentions[0]"},
		{session.KindText, func(c *session.Content) { c.Mentions[0] = session.Address{Group: "12345@g.us"} }, "mentions[0]"},
		{session.KindText, func(c *session.Content) { c.Quote.ID = "" }, "quote.id"},
		{session.KindText, func(c *session.Content) { c.Quote.Sender.LID = "x@lid" }, "quote.sender"},
		{session.KindText, func(c *session.Content) { c.Preview.URL = "https://example.org" }, "preview.url"},
		{session.KindText, func(c *session.Content) { c.Preview.URL = "see" }, "preview.url"},
		{session.KindText, func(c *session.Content) { c.Preview.Thumbnail = []byte("GIF89a") }, "preview.thumbnail"},
		{session.KindText, func(c *session.Content) { c.Poll = &session.Poll{} }, "poll"},
		{session.KindRevoke, func(c *session.Content) { c.Quote = c.Target }, "quote"},
		{session.KindImage, func(c *session.Content) { c.Media = nil }, "media"},
		{session.KindImage, func(c *session.Content) { c.Media.File = "" }, "media.file"},
		{session.KindImage, func(c *session.Content) { c.Media.Size = 0 }, "media.size"},
		{session.KindImage, func(c *session.Content) { c.Media.Mime = "jpeg" }, "media.mime"},
		{session.KindImage, func(c *session.Content) { c.Media.Width = 65_536 }, "media.width"},
		{session.KindImage, func(c *session.Content) { c.Media.Thumbnail = make([]byte, 100) }, "media.thumbnail"},
		{session.KindDocument, func(c *session.Content) { c.Media.Name = "../x" }, "media.name"},
		{session.KindDocument, func(c *session.Content) { c.Media.ViewOnce = true }, "media.view_once"},
		{session.KindVideo, func(c *session.Content) { c.Media.Seconds = -1 }, "media.seconds"},
		{session.KindVideo, func(c *session.Content) { c.Media.Mime = "image/png" }, "media.mime"},
		{session.KindVoice, func(c *session.Content) { c.Media.Mime = "audio/mpeg" }, "media.mime"},
		{session.KindSticker, func(c *session.Content) { c.Media.Mime = "image/png" }, "media.mime"},
		{session.KindImage, func(c *session.Content) { c.Media.Mime = "" }, "media.mime"},
		{session.KindVoice, func(c *session.Content) { c.Media.Waveform[63] = 101 }, "media.waveform"},
		{session.KindVoice, func(c *session.Content) { c.Media.Waveform = c.Media.Waveform[1:] }, "media.waveform"},
		{session.KindLocation, func(c *session.Content) { c.Location = nil }, "location"},
		{session.KindLocation, func(c *session.Content) { c.Location.Latitude = 90.1 }, "location.latitude"},
		{session.KindLocation, func(c *session.Content) { c.Location.Longitude = -180.1 }, "location.longitude"},
		{session.KindLocation, func(c *session.Content) { c.Location.Live = true }, "location.live"},
		{session.KindContact, func(c *session.Content) { c.Contacts = nil }, "contacts"},
		{session.KindContact, func(c *session.Content) { c.Contacts[0].Name = " " }, "contacts[0].name"},
		{session.KindContact, func(c *session.Content) { c.Contacts[0].VCard = "Ana" }, "contacts[0].vcard"},
		{session.KindPoll, func(c *session.Content) { c.Poll.Question = "" }, "poll.question"},
		{session.KindPoll, func(c *session.Content) { c.Poll.Options = []string{"a"} }, "poll.options"},
		{session.KindPoll, func(c *session.Content) { c.Poll.Options = make([]string, 13) }, "poll.options"},
		{session.KindPoll, func(c *session.Content) { c.Poll.Options[1] = "a" }, "poll.options[1]"},
		{session.KindPoll, func(c *session.Content) { c.Poll.Options[1] = strings.Repeat("x", 101) }, "poll.options[1]"},
		{session.KindPoll, func(c *session.Content) { c.Poll.Selectable = 3 }, "poll.selectable"},
		{session.KindReaction, func(c *session.Content) { c.Target = nil }, "target"},
		{session.KindReaction, func(c *session.Content) { c.Reaction = "ok" }, "reaction"},
		{session.KindEdit, func(c *session.Content) { c.Text = "" }, "text"},
		{session.KindEdit, func(c *session.Content) { c.Target.ID = "" }, "target.id"},
		{session.KindRevoke, func(c *session.Content) { c.Target = nil }, "target"},
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
	reaction, reply := good()[session.KindReaction], good()[session.KindText]
	reaction.Target.Sender, reply.Quote.Sender = session.Address{}, session.Address{}
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
	text := session.Outgoing{ID: "3EB0", To: somebody, Content: session.TextOf("hi")}
	for field, spoil := range map[string]func(*session.Outgoing){
		"id": func(o *session.Outgoing) { o.ID = "" },
		"to": func(o *session.Outgoing) { o.To = "+49 151 12345678" },
	} {
		spoiled := text
		spoil(&spoiled)
		named(t, spoiled.Check(), field)
	}
}

func TestOneEmojiIsOne(t *testing.T) {
	target := &session.MessageRef{ID: "3EB0", FromMe: true}
	for _, emoji := range []string{"", "👍", "👍🏽", "❤️", "🇦🇷", "👩‍❤️‍👩", "👨‍👩‍👧‍👦", "1️⃣", "#️⃣", "©️", "‼️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☺"} {
		if err := (session.Content{Kind: session.KindReaction, Target: target, Reaction: emoji}).Check(); err != nil {
			t.Errorf("%q: %v", emoji, err)
		}
	}
	for _, text := range []string{"x", "1", "👍 ", "👍👍", "🇦🇷🇦🇷", "ok👍", "\x00", "!", "$", "👍\xff", strings.Repeat("👩‍", 20) + "👩"} {
		named(t, session.Content{Kind: session.KindReaction, Target: target, Reaction: text}.Check(), "reaction")
	}
}

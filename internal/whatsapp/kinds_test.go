package whatsapp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/media/outgoing"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
	sandboxphones "wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

// office is a house that stores files, with a session in READY and a friend to write to.
type office struct {
	*house
	*life
	folder      *outgoing.Folder
	own, friend *sandbox.Phone
	last        int
}

func newOffice(t *testing.T, cfg sandbox.Config, change ...func(*whatsapp.Config)) *office {
	t.Helper()
	folder, err := outgoing.New(outgoing.Options{Dir: filepath.Join(t.TempDir(), "media")})
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, cfg, append(change, func(c *whatsapp.Config) { c.Files = folder })...)
	o := &office{house: h, folder: folder, own: h.phone(), friend: h.phone()}
	o.life = h.ready("a", o.own)
	return o
}

// done closes the run and fails on unexpected inputs and on requests that the server does not know.
func (o *office) done() {
	o.house.t.Helper()
	o.nothingMore()
	o.noSurprises()
}

func (o *office) t() testing.TB { return o.house.t }

func (o *office) keep(data []byte, hint message.FileHint) *message.Media {
	o.t().Helper()
	known, err := o.folder.Put(testContext(o.t()), bytes.NewReader(data), hint)
	if err != nil {
		o.t().Fatal(err)
	}
	return &known
}

// send sends a message and returns its id.
func (o *office) send(to message.Recipient, content message.Content) string {
	o.t().Helper()
	id, err := o.try(to, content)
	if err != nil {
		o.t().Fatalf("%s to %s: %v", content.Kind, to, err)
	}
	return id
}

func (o *office) try(to message.Recipient, content message.Content) (string, error) {
	o.last++
	id := fmt.Sprintf("3EB0%018d", o.last)
	ack, err := o.client.Send(testContext(o.t()), message.Outgoing{ID: id, To: to, Content: content})
	if err == nil && (ack.MessageID != id || ack.At.IsZero()) {
		o.t().Errorf("%s was acknowledged with %+v", id, ack)
	}
	return id, err
}

func (o *office) toFriend() message.Recipient { return message.Recipient(o.friend.JID().String()) }

// group creates a group of the session's account, the friend and a third phone.
func (o *office) group(addressing string) (message.Recipient, *sandbox.Phone) {
	o.t().Helper()
	third := o.phone()
	jid, err := o.friend.CreateGroup(testContext(o.t()), sandboxphones.NewGroup{Subject: "Friends", Addressing: addressing, Members: []string{o.own.Number(), third.Number()}})
	if err != nil {
		o.t().Fatal(err)
	}
	return message.Recipient(jid.String()), third
}

// shows waits until the phone shows the message in a form that as accepts.
func shows(t testing.TB, phone *sandbox.Phone, id string, as func(sandboxphones.Message) bool) sandboxphones.Message {
	t.Helper()
	got, err := phone.WaitMessage(testContext(t), func(m sandboxphones.Message) bool { return m.ID == id && (as == nil || as(m)) })
	if err != nil {
		for _, m := range phone.Messages() {
			t.Logf("it shows %+v", m)
		}
		t.Fatalf("the phone never showed %s so: %v", id, err)
	}
	return got
}

func address(phone *sandbox.Phone) message.Address {
	return message.Address{LID: phone.LID().String(), PN: phone.JID().String()}
}

const pixel = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"

// voiceNote returns a voice note of one second, in the format that the folder checks.
func voiceNote() []byte {
	page := func(position, flags, number byte, packet []byte) []byte {
		head := append([]byte("OggS"), 0, flags, 0, position, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0)
		return append(append(head, 1, byte(len(packet))), packet...)
	}
	head := append([]byte("OpusHead"), 1, 1, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0)
	return slices.Concat(page(0, 2, 0, head), page(0, 0, 1, []byte("OpusTags\x00\x00\x00\x00\x00\x00\x00\x00")), page(0xbb, 4, 2, someBytes(100)))
}

// files returns a file for each kind that has one, each with its own type.
func (o *office) files() map[message.Kind]*message.Media {
	video := append([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"), someBytes(300_000)...)
	sticker := append([]byte("RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\xff\x01\x00\xff\x01\x00"), someBytes(1000)...)
	files := map[message.Kind]*message.Media{
		message.KindImage:    o.keep([]byte(pixel), message.FileHint{}),
		message.KindVideo:    o.keep(video, message.FileHint{}),
		message.KindAudio:    o.keep(append([]byte("RIFF\x88\x13\x00\x00WAVEfmt "), someBytes(5000)...), message.FileHint{}),
		message.KindVoice:    o.keep(voiceNote(), message.FileHint{}),
		message.KindDocument: o.keep(append([]byte("%PDF-1.7\n"), someBytes(70_000)...), message.FileHint{Name: "invoice.pdf"}),
		message.KindSticker:  o.keep(sticker, message.FileHint{}),
	}
	files[message.KindVideo].Seconds, files[message.KindVideo].Thumbnail, files[message.KindVideo].Animated = 7, []byte("\xff\xd8\xff\xe0"), true
	return files
}

// sandboxKind returns the sandbox's name of a kind.
func sandboxKind(kind message.Kind) sandboxphones.Kind {
	if kind == message.KindVoice {
		return sandboxphones.KindAudio
	}
	return sandboxphones.Kind(kind)
}

func TestFilesOfEveryKindArriveByteForByte(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	group, third := o.group(groups.AddressingLID)
	for kind, file := range o.files() {
		plain := o.plain(file)
		content := message.Content{Kind: kind, Media: file, Quote: &message.Ref{ID: "3EB0AA", Sender: address(o.friend), Text: "send it"}}
		if kind == message.KindImage || kind == message.KindVideo || kind == message.KindDocument {
			content.Text = "the " + string(kind)
		}
		for to, phones := range map[message.Recipient][]*sandbox.Phone{o.toFriend(): {o.friend, o.own}, group: {o.friend, third, o.own}} {
			id := o.send(to, content)
			for _, phone := range phones {
				got := shows(t, phone, id, nil)
				if got.Kind != sandboxKind(kind) || got.Text != content.Text || got.Media == nil || got.Type != "media" {
					t.Fatalf("%s came as %+v", kind, got)
				}
				if data, err := got.Media.Bytes(); err != nil || !bytes.Equal(data, plain) {
					t.Fatalf("%s came as %d bytes, %v", kind, len(data), err)
				}
				if m := got.Media; m.MIME != file.Mime || m.Size != len(plain) || m.Width != file.Width || m.Height != file.Height ||
					m.Seconds != file.Seconds || m.Voice != (kind == message.KindVoice) || m.Animated != (file.Animated && kind == message.KindSticker) || m.GIF != (file.Animated && kind == message.KindVideo) || !bytes.Equal(m.Thumbnail, file.Thumbnail) {
					t.Errorf("%s came as %+v of %+v", kind, m, file)
				}
				if got.Quote == nil || got.Quote.ID != "3EB0AA" || got.Quote.Text != "send it" || got.Quote.From != o.friend.JID() {
					t.Errorf("%s answers %+v", kind, got.Quote)
				}
				if kind == message.KindVoice && !bytes.Equal(got.Media.Waveform, file.Waveform) || kind == message.KindDocument && got.Media.FileName != "invoice.pdf" {
					t.Errorf("%s came as %+v", kind, got.Media)
				}
			}
		}
	}
	o.done()
}

func (o *office) plain(file *message.Media) []byte {
	o.t().Helper()
	f, err := o.folder.Open(file.File)
	if err != nil {
		o.t().Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var data bytes.Buffer
	if _, err = data.ReadFrom(f); err != nil {
		o.t().Fatal(err)
	}
	return data.Bytes()
}

func TestWhatIsViewedOnceSaysSo(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	files := o.files()
	for _, kind := range []message.Kind{message.KindImage, message.KindVideo, message.KindVoice} {
		files[kind].ViewOnce = true
		got := shows(t, o.friend, o.send(o.toFriend(), message.Content{Kind: kind, Media: files[kind]}), nil)
		if !got.ViewOnce || got.Kind != sandboxKind(kind) {
			t.Errorf("%s came as %+v", kind, got)
		}
	}
	o.done()
}

func TestTextsMentionQuoteAndPreview(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	for _, addressing := range []string{groups.AddressingLID, groups.AddressingPN} {
		group, _ := o.group(addressing)
		for _, to := range []message.Recipient{o.toFriend(), message.Recipient(o.friend.LID().String()), group} {
			for number, who := range map[string]message.Address{
				o.friend.Number():   address(o.friend),
				o.friend.LID().User: address(o.friend),
				o.friend.JID().User: {PN: o.friend.JID().String()},
			} {
				content := message.Content{
					Kind: message.KindText, Text: "@" + number + " see https://example.com", Mentions: []message.Address{who},
					Quote:   &message.Ref{ID: "3EB0BB", FromMe: true, Text: "what I said"},
					Preview: &message.Preview{URL: "https://example.com", Title: "Example", Description: "of a page"},
				}
				got := shows(t, o.friend, o.send(to, content), nil)
				if got.Kind != sandboxphones.KindText || got.Text != content.Text || !slices.Equal(got.Mentions, []types.JID{o.friend.JID()}) ||
					got.Quote == nil || got.Quote.ID != "3EB0BB" || got.Quote.Text != "what I said" || got.Quote.From != o.own.JID() ||
					got.Preview == nil || *got.Preview != (sandboxphones.LinkPreview{URL: "https://example.com", Title: "Example", Description: "of a page"}) {
					t.Errorf("to %s it came as %+v, %+v", to, got, got.Quote)
				}
			}
		}
	}
	// In a chat with one person, a quoted message without an author was written by that person.
	reply := message.Content{Kind: message.KindText, Text: "yes", Quote: &message.Ref{ID: "3EB0CC", Text: "well?"}}
	if got := shows(t, o.friend, o.send(o.toFriend(), reply), nil); got.Quote == nil || got.Quote.From != o.friend.JID() {
		t.Errorf("it answers %+v", got.Quote)
	}
	o.done()
}

func TestPlacesAndContactsArrive(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	place := message.Content{Kind: message.KindLocation, Location: &message.Location{Latitude: -34.6, Longitude: 0, Name: "Obelisco", Address: "Street 1"}}
	got := shows(t, o.friend, o.send(o.toFriend(), place), nil)
	if got.Kind != sandboxphones.KindLocation || *got.Location != (sandboxphones.Location{Latitude: -34.6, Name: "Obelisco", Address: "Street 1"}) {
		t.Errorf("it came as %+v", got.Location)
	}
	cards := []message.Card{{Name: "Ana", VCard: "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD"}, {Name: "Bruno", VCard: "BEGIN:VCARD\nVERSION:3.0\nFN:Bruno\nEND:VCARD"}}
	one := shows(t, o.friend, o.send(o.toFriend(), message.Content{Kind: message.KindContact, Contacts: cards[:1]}), nil)
	if one.Kind != sandboxphones.KindContact || *one.Contact != sandboxphones.Contact(cards[0]) {
		t.Errorf("it came as %+v", one.Contact)
	}
	two := shows(t, o.friend, o.send(o.toFriend(), message.Content{Kind: message.KindContact, Contacts: cards}), nil)
	if two.Kind != sandboxphones.KindContact || !slices.Equal(two.Contacts, []sandboxphones.Contact{sandboxphones.Contact(cards[0]), sandboxphones.Contact(cards[1])}) {
		t.Errorf("they came as %+v", two.Contacts)
	}
	o.done()
}

func TestVotesOnOurPollsCanBeCast(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	group, third := o.group(groups.AddressingLID)
	announcements, err := o.own.CreateGroup(testContext(t), sandboxphones.NewGroup{Subject: "News", Community: true, Members: []string{o.friend.Number()}})
	if err != nil {
		t.Fatal(err)
	}
	// A phone does not show a poll whose version is not the one for the chat and the number of answers.
	for _, test := range []struct {
		to         message.Recipient
		voter      *sandbox.Phone
		selectable int
	}{
		{o.toFriend(), o.friend, 1},
		{o.toFriend(), o.friend, 2},
		{o.toFriend(), o.friend, 0},
		{group, third, 1},
		{group, third, 2},
		{message.Recipient(announcements.String()), o.friend, 1},
		{message.Recipient(announcements.String()), o.friend, 2},
	} {
		asked := message.Content{Kind: message.KindPoll, Poll: &message.Poll{Question: "Where?", Options: []string{"here", "there", "nowhere"}, Selectable: test.selectable}}
		id := o.send(test.to, asked)
		got := shows(t, test.voter, id, nil)
		if got.Kind != sandboxphones.KindPoll || got.Text != "Where?" || got.Poll.Selectable != test.selectable || len(got.Poll.Options) != 3 || got.Type != "poll" || got.Hidden {
			t.Fatalf("%+v came as %+v", test, got)
		}
		chat := string(test.to)
		if !test.to.IsGroup() {
			chat = o.own.Number()
		}
		if chat != announcements.String() { // where members do not write
			if _, err := test.voter.SendMessage(testContext(t), sandboxphones.Outgoing{To: chat, Kind: sandboxphones.KindVote, Target: id, Options: []string{"there"}}); err != nil {
				t.Fatal(err)
			}
			// The account's own phone decrypts the vote with the secret that came with the poll.
			shows(t, o.own, id, func(m sandboxphones.Message) bool {
				return slices.Equal(m.Poll.Options[1].Voters, []types.JID{test.voter.JID()})
			})
		}
		if secret, err := whatsapp.MessageSecret(testContext(t), o.client, test.to, id); err != nil || len(secret) != 32 {
			t.Errorf("the secret is not kept: %d bytes, %v", len(secret), err)
		}
	}
	o.done()
}

func TestAPollThatIsSentAgainKeepsItsSecret(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	group, third := o.group(groups.AddressingLID)
	asked := message.Content{Kind: message.KindPoll, Poll: &message.Poll{Question: "Where?", Options: []string{"here", "there"}, Selectable: 1}}
	for to, voter := range map[message.Recipient]*sandbox.Phone{o.toFriend(): o.friend, group: third} {
		id := o.send(to, asked)
		// Another run sends it again, as after a crash. The phones keep the first copy.
		o.nothingMore()
		o.life = o.open("a")
		o.expect(session.SocketUp)
		if _, err := o.client.Send(testContext(t), message.Outgoing{ID: id, To: to, Content: asked}); err != nil {
			t.Fatal(err)
		}
		shows(t, voter, id, func(m sandboxphones.Message) bool { return m.Copies == 2 && m.Kind == sandboxphones.KindPoll })
		chat := string(to)
		if !to.IsGroup() {
			chat = o.own.Number()
		}
		if _, err := voter.SendMessage(testContext(t), sandboxphones.Outgoing{To: chat, Kind: sandboxphones.KindVote, Target: id, Options: []string{"there"}}); err != nil {
			t.Fatal(err)
		}
		shows(t, o.own, id, func(m sandboxphones.Message) bool {
			return slices.Equal(m.Poll.Options[1].Voters, []types.JID{voter.JID()})
		})
	}
	o.done()
}

func TestReactionsEditsAndRevocationsChangeWhatThePhonesShow(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	for _, addressing := range []string{"", groups.AddressingLID, groups.AddressingPN} {
		to, chat := o.toFriend(), o.own.Number()
		if addressing != "" {
			to, _ = o.group(addressing)
			chat = string(to)
		}
		theirs, err := o.friend.SendText(testContext(t), o.own.Number(), "hi")
		if to.IsGroup() {
			theirs, err = o.friend.SendMessage(testContext(t), sandboxphones.Outgoing{To: chat, Kind: sandboxphones.KindText, Text: "hi"})
		}
		if err != nil {
			t.Fatal(err)
		}
		shows(t, o.own, theirs, nil)
		mine := o.send(to, message.TextOf("helo"))
		target := &message.Ref{ID: theirs, Sender: address(o.friend)}
		both := func(id string, as func(sandboxphones.Message) bool) {
			t.Helper()
			for _, phone := range []*sandbox.Phone{o.friend, o.own} {
				shows(t, phone, id, as)
			}
		}
		// change sends a change. A phone that cannot decrypt it shows nothing, not "Waiting for this message". Only a
		// revocation is not marked like that.
		change := func(content message.Content) {
			t.Helper()
			id := o.send(to, content)
			both(id, nil)
			for _, phone := range []*sandbox.Phone{o.friend, o.own} {
				if hidden := shows(t, phone, id, nil).Hidden; hidden != (content.Kind != message.KindRevoke) {
					t.Errorf("a %s to %s is marked: %t", content.Kind, to, hidden)
				}
			}
		}
		if shows(t, o.friend, mine, nil).Hidden {
			t.Errorf("a text to %s is marked", to)
		}
		change(message.Content{Kind: message.KindReaction, Target: target, Reaction: "👍"})
		both(theirs, func(m sandboxphones.Message) bool {
			return len(m.Reactions) == 1 && m.Reactions[0].Emoji == "👍" && m.Reactions[0].From == o.own.JID()
		})
		change(message.Content{Kind: message.KindReaction, Target: &message.Ref{ID: mine, FromMe: true}, Reaction: "🎉"})
		both(mine, func(m sandboxphones.Message) bool { return len(m.Reactions) == 1 && m.Reactions[0].Emoji == "🎉" })
		change(message.Content{Kind: message.KindReaction, Target: target})
		both(theirs, func(m sandboxphones.Message) bool { return len(m.Reactions) == 0 })
		change(message.Content{Kind: message.KindEdit, Target: &message.Ref{ID: mine}, Text: "hello"})
		both(mine, func(m sandboxphones.Message) bool { return m.Edited && m.Text == "hello" })
		change(message.Content{Kind: message.KindRevoke, Target: &message.Ref{ID: mine, Sender: address(o.own)}})
		both(mine, func(m sandboxphones.Message) bool { return m.Revoked && m.Text == "" })
	}
	o.done()
}

func TestAnAdministratorRevokesWhatOthersWrote(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	jid, err := o.own.CreateGroup(testContext(t), sandboxphones.NewGroup{Subject: "Ours", Members: []string{o.friend.Number()}})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := o.friend.SendGroupText(testContext(t), jid, "spam")
	if err != nil {
		t.Fatal(err)
	}
	shows(t, o.own, theirs, nil)
	o.send(message.Recipient(jid.String()), message.Content{Kind: message.KindRevoke, Target: &message.Ref{ID: theirs, Sender: address(o.friend)}})
	for _, phone := range []*sandbox.Phone{o.own, o.friend} {
		shows(t, phone, theirs, func(m sandboxphones.Message) bool { return m.Revoked })
	}
	o.done()
}

func TestAChangeThatIsSentAgainIsMadeOnce(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	mine := o.send(o.toFriend(), message.TextOf("helo"))
	shows(t, o.friend, mine, nil)
	messages := len(o.friend.Messages())
	for i, content := range []message.Content{
		{Kind: message.KindReaction, Target: &message.Ref{ID: mine, FromMe: true}, Reaction: "👍"},
		{Kind: message.KindEdit, Target: &message.Ref{ID: mine}, Text: "hello"},
		{Kind: message.KindRevoke, Target: &message.Ref{ID: mine}},
	} {
		out := message.Outgoing{ID: fmt.Sprintf("3EB0FFFFFFFFFFFFFF%04d", i), To: o.toFriend(), Content: content}
		for range 2 { // a new run each time, as after a crash
			o.nothingMore()
			o.life = o.open("a")
			o.expect(session.SocketUp)
			if _, err := o.client.Send(testContext(t), out); err != nil {
				t.Fatal(err)
			}
		}
		shows(t, o.friend, mine, func(m sandboxphones.Message) bool {
			return len(m.Reactions) == 1 && (i < 1 || m.Edited && m.Text == "hello" || m.Revoked) && m.Revoked == (i == 2)
		})
	}
	final := o.send(o.toFriend(), message.TextOf("done"))
	shows(t, o.friend, final, nil)
	seen := 0
	for _, m := range o.friend.Messages() {
		if m.Kind == sandboxphones.KindText {
			seen++
		}
	}
	if seen != messages+1 {
		t.Errorf("the phone shows %d texts, want %d", seen, messages+1)
	}
	o.done()
}

func TestAFileIsUploadedOnceForManyRecipients(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	file := o.keep(append([]byte("%PDF-1.7\n"), someBytes(10_000)...), message.FileHint{})
	other, err := o.folder.Use(testContext(t), file.File) // the reference that another message would have
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range []*message.Media{file, &other, file} {
		to := o.phone()
		got := shows(t, to, o.send(message.Recipient(to.JID().String()), message.Content{Kind: message.KindDocument, Media: m}), nil)
		if data, err := got.Media.Bytes(); err != nil || !bytes.Equal(data, o.plain(file)) {
			t.Errorf("%d: %d bytes, %v", i, len(data), err)
		}
		if got.Media.FileName != "file.pdf" {
			t.Errorf("it is called %q", got.Media.FileName)
		}
	}
	if n := o.server.Counters().Uploads; n != 1 {
		t.Errorf("uploaded %d times", n)
	}
	o.done()
}

func TestAnUploadThatFailsIsSaidToBe(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	file := func() message.Content {
		return message.Content{Kind: message.KindDocument, Media: o.keep(append([]byte("%PDF-1.7\n"), someBytes(10_000)...), message.FileHint{})}
	}
	// If the upload secret has expired early, a new one is requested.
	if _, err := o.server.SetFault(faults.Fault{Kind: faults.MediaUpload, Code: 401, Count: 1}); err != nil {
		t.Fatal(err)
	}
	shows(t, o.friend, o.send(o.toFriend(), file()), nil)

	content := file()
	var err error
	for code, want := range map[int]session.Code{
		507: session.CodeUploadFailed, 401: session.CodeUploadFailed, 413: session.CodeMediaTooLarge, 415: session.CodeSendFailed,
	} {
		fault := o.fault(faults.Fault{Kind: faults.MediaUpload, Code: code})
		_, err = o.try(o.toFriend(), content)
		var e *session.Error
		if !errors.As(err, &e) || e.Code != want || e.Retryable() != (want == session.CodeUploadFailed) || e.Session != "a" || e.Message == "" {
			t.Errorf("%d: got %v", code, err)
		}
		o.server.ClearFault(fault)
	}
	shows(t, o.friend, o.send(o.toFriend(), content), nil) // the next attempt succeeds

	changed := file()
	changed.Media.SHA256 = strings.Repeat("0", 64)
	_, err = o.try(o.toFriend(), changed)
	wantCode(t, err, session.CodeMediaGone)
	missing := file()
	if err = o.folder.Remove(missing.Media.File); err != nil {
		t.Fatal(err)
	}
	_, err = o.try(o.toFriend(), missing)
	wantCode(t, err, session.CodeMediaGone)
	o.done()
}

func TestAnUploadEndsWithItsRunAndInTime(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	content := message.Content{Kind: message.KindDocument, Media: o.keep(append([]byte("%PDF-1.7\n"), someBytes(10_000)...), message.FileHint{})}
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	_, err := o.client.Send(ctx, message.Outgoing{ID: "3EB0FF", To: message.Recipient(o.friend.LID().String()), Content: content})
	wantCode(t, err, session.CodeDisconnected)
	ctx, cancel = context.WithTimeout(testContext(t), 0)
	defer cancel()
	_, err = o.client.Send(ctx, message.Outgoing{ID: "3EB0FF", To: message.Recipient(o.friend.LID().String()), Content: content})
	wantCode(t, err, session.CodeUploadFailed)
	o.done()
}

func TestWhatCannotBeSentIsNamed(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	group, _ := o.group(groups.AddressingLID)
	theirs := &message.Ref{ID: "3EB0AA", Sender: address(o.friend)}
	for field, content := range map[string]message.Content{
		"kind":          {},
		"poll.options":  {Kind: message.KindPoll, Poll: &message.Poll{Question: "?", Options: []string{"one"}}},
		"media":         {Kind: message.KindImage},
		"text":          {Kind: message.KindText},
		"target.sender": {Kind: message.KindEdit, Target: theirs, Text: "not mine"},
	} {
		_, err := o.try(o.toFriend(), content)
		wantField(t, err, field)
	}
	_, err := o.try(o.toFriend(), message.Content{Kind: message.KindRevoke, Target: theirs})
	wantField(t, err, "target.sender")
	_, err = o.try(group, message.Content{Kind: message.KindReaction, Target: &message.Ref{ID: "3EB0AA"}, Reaction: "👍"})
	wantField(t, err, "target.sender")
	o.done()
}

func TestGroupsThatCannotBeWrittenTo(t *testing.T) {
	o := newOffice(t, sandbox.Config{})
	for to, says := range map[message.Recipient]string{
		"120363000000000000@g.us": "no such group",
		o.strangers():             "not in this group",
	} {
		_, err := o.try(to, message.TextOf("hello?"))
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeSendFailed || !strings.Contains(e.Message, says) {
			t.Errorf("%s: %v", to, err)
		}
	}
	o.done()
}

// strangers creates a group without the session's account.
func (o *office) strangers() message.Recipient {
	o.t().Helper()
	jid, err := o.friend.CreateGroup(testContext(o.t()), sandboxphones.NewGroup{Subject: "Theirs", Members: []string{o.phone().Number()}})
	if err != nil {
		o.t().Fatal(err)
	}
	return message.Recipient(jid.String())
}

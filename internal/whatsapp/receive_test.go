package whatsapp_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// hearing is a house with a session in READY that stores what it receives.
type hearing struct {
	*house
	life      *life
	own, peer *sandbox.Phone
	known     uint64 // the log's position up to which the test has read
}

func newHearing(t *testing.T) *hearing {
	t.Helper()
	h := &hearing{house: newHouse(t, sandbox.Config{})}
	h.own, h.peer = h.phone(), h.phone()
	h.life = h.ready("51", h.own)
	return h
}

// next waits for the next event of a type. Events before it must be of the types in pass.
func (h *hearing) next(of events.Type, pass ...events.Type) events.Event {
	h.t.Helper()
	ctx := testContext(h.t)
	for {
		found, _, err := h.store.Events().Read(ctx, events.Query{Session: "51", After: h.known})
		if err != nil {
			h.t.Fatal(err)
		}
		for i := range found {
			h.known = found[i].Pos
			if found[i].Type == of {
				return found[i]
			}
			if !slices.Contains(pass, found[i].Type) {
				h.t.Fatalf("%s %s came before %s", found[i].Type, found[i].Data, of)
			}
		}
		select {
		case <-h.store.Events().Appended():
		case <-ctx.Done():
			h.t.Fatalf("no %s came", of)
		}
	}
}

// message waits for the next message event of a type and decodes it.
func (h *hearing) message(of events.Type) (events.MessageData, events.Event) {
	h.t.Helper()
	return h.messageAfter(of, events.TypeReceipt)
}

// messageAfter is message; events before it may be of the types in pass.
func (h *hearing) messageAfter(of events.Type, pass ...events.Type) (events.MessageData, events.Event) {
	h.t.Helper()
	event := h.next(of, pass...)
	var data events.MessageData
	if err := json.Unmarshal(event.Data, &data); err != nil {
		h.t.Fatal(err)
	}
	return data, event
}

func addressOf(phone *sandbox.Phone) message.Address {
	return message.Address{LID: phone.LID().ToNonAD().String(), PN: phone.JID().ToNonAD().String()}
}

func (h *hearing) send(phone *sandbox.Phone, out phones.Outgoing) string {
	h.t.Helper()
	id, err := phone.SendMessage(testContext(h.t), out)
	if err != nil {
		h.t.Fatalf("%s: %v", out.Kind, err)
	}
	return id
}

// hear makes the peer send something and returns what was stored.
func (h *hearing) hear(out phones.Outgoing, of events.Type) (string, message.Content, events.Event) {
	h.t.Helper()
	out.To = h.own.Number()
	id := h.send(h.peer, out)
	data, event := h.message(of)
	if data.ID != id || data.FromMe || data.Chat != addressOf(h.peer) || data.Sender != addressOf(h.peer) || data.At.IsZero() ||
		data.PushName != h.peer.Name() || data.Content == nil {
		h.t.Fatalf("%s is kept as %s", out.Kind, event.Data)
	}
	return id, *data.Content, event
}

func same(t *testing.T, got, want message.Content) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("kept\n%+v, want\n%+v", got, want)
	}
}

func TestTextsAreKeptWithWhatGoesWithThem(t *testing.T) {
	h := newHearing(t)
	first, said, event := h.hear(phones.Outgoing{Text: "hola ⚽"}, events.TypeMessage)
	same(t, said, message.TextOf("hola ⚽"))
	if event.Seq != 1 || event.Key == "" || event.Session != "51" {
		t.Errorf("%+v", event)
	}
	_, said, _ = h.hear(phones.Outgoing{
		Text: "see https://example.com @" + h.own.Number(), Quote: first, Mentions: []string{h.own.Number()},
		Preview: &phones.LinkPreview{URL: "https://example.com", Title: "Example", Description: "of a page"},
	}, events.TypeMessage)
	same(t, said, message.Content{
		Kind: message.KindText, Text: "see https://example.com @" + h.own.Number(), Mentions: []message.Address{addressOf(h.own)},
		Quote:   &message.Ref{ID: first, Sender: addressOf(h.peer), Text: "hola ⚽", Kind: message.KindText},
		Preview: &message.Preview{URL: "https://example.com", Title: "Example", Description: "of a page"},
	})
	h.send(h.peer, phones.Outgoing{To: h.own.Number(), Text: "soon gone", Expiration: 86400})
	if data, _ := h.message(events.TypeMessage); data.Expires != 86400 || data.Content.Text != "soon gone" {
		t.Errorf("%+v", data)
	}
	// The account's own phone writes: the session receives it as its own message.
	id := h.send(h.own, phones.Outgoing{To: h.peer.Number(), Text: "from my phone"})
	if data, _ := h.message(events.TypeMessage); data.ID != id || !data.FromMe || data.Chat != addressOf(h.peer) || data.Sender != addressOf(h.own) {
		t.Errorf("%+v", data)
	}
	h.noSurprises()
}

func TestFilesOfEveryKindAreKeptAndFetchedByteForByte(t *testing.T) {
	h := newHearing(t)
	for _, test := range []struct {
		kind phones.Kind
		file phones.Attachment
		want message.Kind
		is   func(*message.Media) bool
	}{
		{phones.KindImage, phones.Attachment{MIME: "image/png", Width: 40, Height: 30}, message.KindImage, func(m *message.Media) bool { return m.Width == 40 && m.Height == 30 && m.Mime == "image/png" }},
		{phones.KindVideo, phones.Attachment{Seconds: 7, Width: 64, Height: 48}, message.KindVideo, func(m *message.Media) bool { return m.Seconds == 7 && m.Height == 48 }},
		{phones.KindVideo, phones.Attachment{Seconds: 2, GIF: true}, message.KindVideo, func(m *message.Media) bool { return m.Animated && m.Seconds == 2 && !m.Round }},
		{phones.KindAudio, phones.Attachment{Seconds: 3, Voice: true, Waveform: []byte{0, 50, 100}}, message.KindVoice, func(m *message.Media) bool { return m.Seconds == 3 && bytes.Equal(m.Waveform, []byte{0, 50, 100}) }},
		{phones.KindAudio, phones.Attachment{Seconds: 4}, message.KindAudio, func(m *message.Media) bool { return m.Seconds == 4 }},
		{phones.KindDocument, phones.Attachment{MIME: "application/pdf", FileName: "invoice.pdf"}, message.KindDocument, func(m *message.Media) bool { return m.Name == "invoice.pdf" && m.Mime == "application/pdf" }},
		{phones.KindSticker, phones.Attachment{Width: 512, Height: 512, Animated: true}, message.KindSticker, func(m *message.Media) bool { return m.Animated && m.Width == 512 }},
	} {
		test.file.Data = someBytes(30_000)
		out := phones.Outgoing{Kind: test.kind, Media: &test.file}
		caption := test.want == message.KindImage || test.want == message.KindDocument
		if caption {
			out.Text = "look"
		}
		_, said, event := h.hear(out, events.TypeMessage)
		m := said.Media
		if said.Kind != test.want || m == nil || m.ID == "" || m.Size != 30_000 || len(m.SHA256) != 64 || m.ViewOnce || !test.is(m) || (said.Text == "look") != caption {
			t.Fatalf("%s is kept as %s", test.want, event.Data)
		}
		carrier, err := h.store.Events().Media(testContext(t), "51", m.ID)
		if err != nil || carrier.Pos != event.Pos || carrier.Remote == nil || bytes.Contains(event.Data, carrier.Remote.Key) {
			t.Fatalf("the carrier is %+v, %v", carrier, err)
		}
		to, err := os.Create(filepath.Join(t.TempDir(), "fetched"))
		if err != nil {
			t.Fatal(err)
		}
		err = h.life.client.(message.Client).FetchMedia(testContext(t), *carrier.Remote, to)
		_ = to.Close()
		got, readErr := os.ReadFile(to.Name())
		if err != nil || readErr != nil || !bytes.Equal(got, test.file.Data) {
			t.Fatalf("%s: fetched %d bytes, %v, %v", test.want, len(got), err, readErr)
		}
	}
	_, said, _ := h.hear(phones.Outgoing{Kind: phones.KindImage, ViewOnce: true, Media: &phones.Attachment{Data: someBytes(100)}}, events.TypeMessage)
	if !said.Media.ViewOnce {
		t.Errorf("%+v", said.Media)
	}
	h.noSurprises()
}

func TestPlacesContactsAndPollsAreKept(t *testing.T) {
	h := newHearing(t)
	_, said, _ := h.hear(phones.Outgoing{Kind: phones.KindLocation, Location: &phones.Location{Latitude: -34.6, Longitude: -58.4, Name: "Obelisco", Address: "Av. 9 de Julio"}}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindLocation, Location: &message.Location{Latitude: -34.6, Longitude: -58.4, Name: "Obelisco", Address: "Av. 9 de Julio"}})
	card := "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD"
	_, said, _ = h.hear(phones.Outgoing{Kind: phones.KindContact, Contact: &phones.Contact{Name: "Ana", VCard: card}}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindContact, Contacts: []message.Card{{Name: "Ana", VCard: card}}})
	poll, said, _ := h.hear(phones.Outgoing{Kind: phones.KindPoll, Text: "When?", Options: []string{"Monday", "Tuesday"}, Selectable: 1}, events.TypeMessage)
	same(t, said, message.Content{Kind: message.KindPoll, Poll: &message.Poll{Question: "When?", Options: []string{"Monday", "Tuesday"}, Selectable: 1}})
	_, said, _ = h.hear(phones.Outgoing{Kind: phones.KindVote, Target: poll, Options: []string{"Tuesday"}}, events.TypePollVote)
	same(t, said, message.Content{
		Kind: message.KindPollVote, Target: &message.Ref{ID: poll, Sender: addressOf(h.peer)}, Options: []string{"Tuesday"},
	})
	_, said, _ = h.hear(phones.Outgoing{Kind: phones.KindVote, Target: poll}, events.TypePollVote)
	same(t, said, message.Content{Kind: message.KindPollVote, Target: &message.Ref{ID: poll, Sender: addressOf(h.peer)}})
	h.noSurprises()
}

func TestReactionsEditsRevocationsAndTimersAreKept(t *testing.T) {
	h := newHearing(t)
	if _, err := h.life.client.Send(testContext(t), message.Outgoing{ID: "3EB0MINE", To: message.Recipient(h.peer.LID().String()), Content: message.TextOf("mine")}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == "3EB0MINE" }); err != nil {
		t.Fatal(err)
	}
	theirs, _, _ := h.hear(phones.Outgoing{Text: "helo"}, events.TypeMessage)
	_, said, _ := h.hear(phones.Outgoing{Kind: phones.KindReaction, Target: "3EB0MINE", Text: "👍"}, events.TypeReaction)
	same(t, said, message.Content{Kind: message.KindReaction, Reaction: "👍", Target: &message.Ref{ID: "3EB0MINE", FromMe: true}})
	_, said, _ = h.hear(phones.Outgoing{Kind: phones.KindReaction, Target: theirs, Text: ""}, events.TypeReaction)
	same(t, said, message.Content{Kind: message.KindReaction, Target: &message.Ref{ID: theirs, Sender: addressOf(h.peer)}})
	_, said, _ = h.hear(phones.Outgoing{Kind: phones.KindEdit, Target: theirs, Text: "hello"}, events.TypeEdited)
	same(t, said, message.Content{Kind: message.KindEdit, Text: "hello", Target: &message.Ref{ID: theirs, Sender: addressOf(h.peer)}})
	_, said, _ = h.hear(phones.Outgoing{Kind: phones.KindRevoke, Target: theirs}, events.TypeRevoked)
	same(t, said, message.Content{Kind: message.KindRevoke, Target: &message.Ref{ID: theirs, Sender: addressOf(h.peer)}})
	h.sets(h.peer, h.own.Number(), 86400)
	h.noSurprises()
}

func TestReceiptsAreKeptWithWhoseTheyAre(t *testing.T) {
	h := newHearing(t)
	if _, err := h.life.client.Send(testContext(t), message.Outgoing{ID: "3EB0MINE", To: message.Recipient(h.peer.JID().String()), Content: message.TextOf("mine")}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.peer.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == "3EB0MINE" }); err != nil {
		t.Fatal(err)
	}
	if err := h.peer.MarkRead(testContext(t), "3EB0MINE"); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for !seen[events.ReceiptRead] || !seen[events.ReceiptDelivered] {
		var data events.ReceiptData
		if err := json.Unmarshal(h.next(events.TypeReceipt).Data, &data); err != nil {
			t.Fatal(err)
		}
		if data.FromMe || !slices.Equal(data.IDs, []string{"3EB0MINE"}) || data.Chat != addressOf(h.peer) || data.Sender != addressOf(h.peer) || data.Device != 0 || data.At.IsZero() {
			t.Errorf("%+v", data)
		}
		key := data.Status
		if seen[key] {
			t.Errorf("%s came twice", key)
		}
		seen[key] = true
	}
}

func TestGroupsAndTheirChangesAreKept(t *testing.T) {
	h := newHearing(t)
	third := h.phone()
	ctx := testContext(t)
	group, err := h.peer.CreateGroup(ctx, phones.NewGroup{Subject: "Friends", Members: []string{h.own.Number()}})
	if err != nil {
		t.Fatal(err)
	}
	changed := func(name, value string, members ...*sandbox.Phone) {
		t.Helper()
		var data events.GroupData
		if err := json.Unmarshal(h.next(events.TypeGroup, events.TypeReceipt).Data, &data); err != nil {
			t.Fatal(err)
		}
		if data.Group.Group != group.String() || data.Change != name || data.Value != value || data.By != addressOf(h.peer) || data.At.IsZero() || len(data.Members) != len(members) {
			t.Fatalf("%+v, want %s %q", data, name, value)
		}
		for i, m := range members {
			if data.Members[i] != addressOf(m) {
				t.Errorf("member %+v, want %+v", data.Members[i], addressOf(m))
			}
		}
	}
	changed(events.GroupJoined, "Friends", h.own)
	id, err := h.peer.SendGroupText(ctx, group, "hi all")
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := h.message(events.TypeMessage); data.ID != id || data.Chat != (message.Address{Group: group.String()}) || data.Sender != addressOf(h.peer) || data.Content.Text != "hi all" {
		t.Errorf("%+v", data)
	}
	for _, change := range []struct {
		do   phones.MemberChange
		name string
	}{
		{phones.AddMembers, events.GroupAdded},
		{phones.PromoteMembers, events.GroupPromoted},
		{phones.DemoteMembers, events.GroupDemoted},
		{phones.RemoveMembers, events.GroupRemoved},
	} {
		if err := h.peer.ChangeMembers(ctx, group, change.do, third.Number()); err != nil {
			t.Fatal(err)
		}
		changed(change.name, "", third)
	}
	subject, text, on := "Best friends", "What for", true
	if err := h.peer.ChangeGroup(ctx, group, phones.GroupChange{Subject: &subject}); err != nil {
		t.Fatal(err)
	}
	changed(events.GroupName, subject)
	if err := h.peer.ChangeGroup(ctx, group, phones.GroupChange{Description: &text}); err != nil {
		t.Fatal(err)
	}
	changed(events.GroupDescription, text)
	if err := h.peer.ChangeGroup(ctx, group, phones.GroupChange{Locked: &on}); err != nil {
		t.Fatal(err)
	}
	changed(events.GroupSettings, "locked")
	if err := h.peer.LeaveGroup(ctx, group); err != nil {
		t.Fatal(err)
	}
	changed(events.GroupLeft, "", h.peer)
	h.noSurprises()
}

package whatsapp_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	sandboxphones "wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

// TestAnEditHasTheFormOfItsMessage: phones ignore an edit in another form. What is sent in the tests is known by id.
func TestAnEditHasTheFormOfItsMessage(t *testing.T) {
	known := map[string]message.Message{}
	o := newOffice(t, sandbox.Config{}, func(cfg *whatsapp.Config) {
		cfg.Sent = func(_ context.Context, _ session.ID, id string) (message.Message, bool, error) {
			sent, is := known[id]
			return sent, is, nil
		}
	})
	group, _ := o.group("lid")
	files := o.files()
	for _, to := range []message.Recipient{o.toFriend(), group} {
		for kind, content := range map[message.Kind]message.Content{
			message.KindText:     message.TextOf("helo"),
			message.KindImage:    {Kind: message.KindImage, Media: files[message.KindImage], Text: "helo"},
			message.KindVideo:    {Kind: message.KindVideo, Media: files[message.KindVideo], Text: "helo"},
			message.KindDocument: {Kind: message.KindDocument, Media: files[message.KindDocument], Text: "helo"},
		} {
			id := o.send(to, content)
			known[id] = message.Message{To: to, Content: content, State: message.ServerAck, AckedAt: time.Now()}
			shows(t, o.friend, id, nil)
			o.send(to, message.Content{Kind: message.KindEdit, Target: &message.Ref{ID: id}, Text: "hello"})
			for _, phone := range []*sandbox.Phone{o.friend, o.own} {
				shows(t, phone, id, func(m sandboxphones.Message) bool {
					return m.Edited && m.Text == "hello" && string(m.Kind) == string(kind)
				})
			}
		}
	}
	known["3EB0OLD"] = message.Message{To: o.toFriend(), Content: message.TextOf("old"), State: message.ServerAck, AckedAt: time.Now().Add(-time.Hour)}
	_, err := o.try(o.toFriend(), message.Content{Kind: message.KindEdit, Target: &message.Ref{ID: "3EB0OLD"}, Text: "new"})
	wantField(t, err, "target.id")
	o.done()
}

// nothingSent is the outbox of a session that has sent nothing.
func nothingSent(cfg *whatsapp.Config) {
	cfg.Sent = func(context.Context, session.ID, string) (message.Message, bool, error) {
		return message.Message{}, false, nil
	}
}

// written makes the account's phone write a message, and waits until the session has it in its log.
func (o *office) written(t *testing.T, out sandboxphones.Outgoing) (id string) {
	t.Helper()
	id, err := o.own.SendMessage(testContext(t), out)
	if err != nil {
		t.Fatalf("%s: %v", out.Kind, err)
	}
	o.heard(t, func(e events.Event) bool {
		var data events.MessageData
		return e.Type == events.TypeMessage && json.Unmarshal(e.Data, &data) == nil && data.ID == id
	})
	return id
}

func TestWhatThePhoneWroteIsEditedInItsForm(t *testing.T) {
	o := newOffice(t, sandbox.Config{}, nothingSent)
	group, third := o.group("lid")
	edit := func(to message.Recipient, id string) error {
		_, err := o.try(to, message.Content{Kind: message.KindEdit, Target: &message.Ref{ID: id, FromMe: true}, Text: "hello"})
		return err
	}
	file := func(mime, name string) *sandboxphones.Attachment {
		return &sandboxphones.Attachment{MIME: mime, FileName: name, Data: []byte("%PDF-1.4")}
	}
	for _, to := range []message.Recipient{o.toFriend(), message.Recipient(o.friend.LID().String()), group} {
		for _, out := range []sandboxphones.Outgoing{
			{Kind: sandboxphones.KindText, Text: "helo"},
			{Kind: sandboxphones.KindImage, Text: "helo", Media: file("image/png", "")},
			{Kind: sandboxphones.KindVideo, Text: "helo", Media: file("video/mp4", "")},
			{Kind: sandboxphones.KindDocument, Text: "helo", Media: file("application/pdf", "a.pdf")},
		} {
			out.To = string(to)
			id := o.written(t, out)
			if err := edit(to, id); err != nil {
				t.Fatalf("%s to %s: %v", out.Kind, to, err)
			}
			for _, phone := range []*sandbox.Phone{o.friend, o.own} {
				shows(t, phone, id, func(m sandboxphones.Message) bool { return m.Edited && m.Text == "hello" && m.Kind == out.Kind })
			}
			// In another chat.
			wantField(t, edit(message.Recipient(third.JID().String()), id), "target.id")
		}
		poll := o.written(t, sandboxphones.Outgoing{To: string(to), Kind: sandboxphones.KindPoll, Text: "when?", Options: []string{"now", "later"}, Selectable: 1})
		wantField(t, edit(to, poll), "target.id")
		wantField(t, edit(to, "3EB0NOBODY"), "target.id")
	}
	old := o.written(t, sandboxphones.Outgoing{To: o.friend.Number(), Kind: sandboxphones.KindText, Text: "old"})
	o.makeOld(t, old)
	wantField(t, edit(o.toFriend(), old), "target.id")
	gone := o.written(t, sandboxphones.Outgoing{To: o.friend.Number(), Kind: sandboxphones.KindText, Text: "gone"})
	if _, err := o.own.SendMessage(testContext(t), sandboxphones.Outgoing{To: o.friend.Number(), Kind: sandboxphones.KindRevoke, Target: gone}); err != nil {
		t.Fatal(err)
	}
	o.heard(t, func(e events.Event) bool { return e.Type == events.TypeRevoked })
	wantField(t, edit(o.toFriend(), gone), "target.id")
	o.done()
}

// makeOld sets the time of a message in the log back by an hour.
func (o *office) makeOld(t *testing.T, id string) {
	t.Helper()
	found, _, err := o.store.Events().Read(testContext(t), events.Query{Types: []events.Type{events.TypeMessage}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		var data events.MessageData
		if err = json.Unmarshal(e.Data, &data); err != nil || data.ID != id {
			continue
		}
		data.At = data.At.Add(-time.Hour)
		text, err := json.Marshal(data)
		if err == nil {
			_, err = o.store.DB().Exec(testContext(t), "UPDATE wasup_event SET data=$1 WHERE pos=$2", string(text), int64(e.Pos))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAChangeInAnotherChatIsRefused: phones ignore it, and WhatsApp's server cannot tell. A person's chat has several
// addresses.
func TestAChangeInAnotherChatIsRefused(t *testing.T) {
	known := map[string]message.Message{}
	o := newOffice(t, sandbox.Config{}, func(cfg *whatsapp.Config) {
		cfg.Sent = func(_ context.Context, _ session.ID, id string) (message.Message, bool, error) {
			sent, is := known[id]
			return sent, is, nil
		}
	})
	group, _ := o.group("lid")
	friend, stranger := o.house.written("551187654321", "5511987654321"), o.phone()
	spellings := []message.Recipient{byNumber(friend.Number()), byNumber("5511987654321"), message.Recipient(friend.LID().String())}
	others := []message.Recipient{byNumber(stranger.Number()), message.Recipient(stranger.LID().String()), group}
	for _, to := range spellings {
		for _, change := range []message.Content{
			{Kind: message.KindEdit, Text: "hello"}, {Kind: message.KindReaction, Reaction: "👍"}, {Kind: message.KindRevoke},
		} {
			id := o.send(to, message.TextOf("helo"))
			known[id] = message.Message{To: to, Content: message.TextOf("helo"), State: message.ServerAck, AckedAt: time.Now()}
			change.Target = &message.Ref{ID: id, FromMe: true}
			for _, other := range others {
				_, err := o.try(other, change)
				wantField(t, err, "target.id")
			}
			for _, same := range spellings {
				o.send(same, change)
			}
			shows(t, friend, id, func(m sandboxphones.Message) bool { return m.Edited || m.Revoked || len(m.Reactions) == 1 })
		}
	}
	for id, sent := range map[string]message.Message{"3EB0GROUP": {To: group}, "3EB0OTHER": {To: others[0]}} {
		_, err := o.try(spellings[0], message.Content{Kind: message.KindRevoke, Target: &message.Ref{ID: id, FromMe: true}})
		known[id] = sent
		if err != nil {
			t.Errorf("a message that is not known: %v", err)
		}
		_, err = o.try(spellings[0], message.Content{Kind: message.KindRevoke, Target: &message.Ref{ID: id, FromMe: true}})
		wantField(t, err, "target.id")
	}
	o.done()
}

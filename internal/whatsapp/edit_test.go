package whatsapp_test

import (
	"context"
	"testing"
	"time"

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
			known[id] = message.Message{Content: content, State: message.ServerAck, AckedAt: time.Now()}
			shows(t, o.friend, id, nil)
			o.send(to, message.Content{Kind: message.KindEdit, Target: &message.Ref{ID: id}, Text: "hello"})
			for _, phone := range []*sandbox.Phone{o.friend, o.own} {
				shows(t, phone, id, func(m sandboxphones.Message) bool {
					return m.Edited && m.Text == "hello" && string(m.Kind) == string(kind)
				})
			}
		}
	}
	known["3EB0OLD"] = message.Message{Content: message.TextOf("old"), State: message.ServerAck, AckedAt: time.Now().Add(-time.Hour)}
	_, err := o.try(o.toFriend(), message.Content{Kind: message.KindEdit, Target: &message.Ref{ID: "3EB0OLD"}, Text: "new"})
	wantField(t, err, "target.id")
	o.done()
}

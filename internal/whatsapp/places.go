package whatsapp

import (
	"cmp"
	"context"
	"errors"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
)

// This file sends what can be sent to statuses and channels: reactions.

// reactToPost reacts to a post of a channel. Such a reaction is not encrypted: WhatsApp's server counts it. whatsmeow's
// NewsletterSendReaction does not wait for the acknowledgement.
func (s *sending) reactToPost(ctx context.Context, channel types.JID, msg message.Outgoing) (message.Ack, error) {
	number, err := s.translator().ServerID(ctx, channel, msg.Content.Target.ID)
	if err != nil {
		return message.Ack{}, codes.StoreError(opSend, s.run.Session, err)
	}
	if number = cmp.Or(number, msg.Content.Target.ServerID); number == 0 {
		return message.Ack{}, s.messaging.invalidIn(opSend, "target.server_id", "expected the server_id of the post's event: wasup does not have the event")
	}
	attrs := waBinary.Attrs{"to": channel, "id": msg.ID, "server_id": number, "type": "reaction"}
	reaction := waBinary.Node{Tag: "reaction", Attrs: waBinary.Attrs{}}
	if msg.Content.Reaction == "" {
		attrs["edit"] = string(types.EditAttributeSenderRevoke)
	} else {
		reaction.Attrs["code"] = msg.Content.Reaction
	}
	ctx, done := requestContext(ctx)
	defer done()
	if err := s.exchange(ctx, msg.ID, waBinary.Node{Tag: "message", Attrs: attrs, Content: []waBinary.Node{reaction}}); err != nil {
		return message.Ack{}, s.failed(&leftError{err})
	}
	return message.Ack{MessageID: msg.ID, At: time.Now().UTC().Truncate(time.Second)}, nil
}

// unsupported adds the operation and the session to the error of a chat in which it is not possible.
func (m *messaging) unsupported(op string, err error) error {
	var known *session.Error
	if errors.As(err, &known) {
		known.Op, known.Session = op, m.run.Session
	}
	return err
}

package outbound

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/message"
)

// checkTarget refuses a change of an own message that phones ignore: one in another chat than the message's, and an edit
// that comes too late, or of a message that has no text or is not known. It sets edited.
func (c *composing) checkTarget(ctx context.Context) error {
	ref := c.out.Content.Target
	if ref == nil || ref.Chat.Status != "" || !c.isOwn(ref, c.ownUnlessNamed()) {
		return nil
	}
	kind := c.out.Content.Kind
	sent, is, err := c.sentHere(ctx, ref)
	if err == nil && is && kind == message.KindEdit {
		err = sent.CheckEdit(time.Now()) // before the log is searched: so it is searched for 20 minutes at most
	}
	if err != nil || kind == message.KindRevoke {
		return err
	}
	seen, known, err := c.seenHere(ctx, ref)
	switch {
	case err != nil:
		return err
	case seen.Revoked:
		return c.invalid("target.id", "expected a message that is still there: this one was deleted")
	case kind != message.KindEdit:
		return nil
	case is:
		c.edited = sent.Content.Kind
		return nil
	case known:
		c.edited = seen.Content.Kind
		other := message.Message{Session: c.c.Session, ID: ref.ID, Content: seen.Content, State: message.ServerAck, AckedAt: seen.At}
		return other.CheckEdit(time.Now())
	case c.c.Sent != nil && c.c.Seen != nil:
		return c.invalid("target.id", "expected a message of this chat that the session has sent, or has seen another device of its account send")
	default:
		return nil
	}
}

// sentHere returns a message that the session has sent to this chat. It fails if the session has sent it to another chat.
func (c *composing) sentHere(ctx context.Context, ref *message.Ref) (sent message.Message, is bool, err error) {
	if c.c.Sent == nil {
		return sent, false, nil
	}
	if sent, is, err = c.c.Sent(ctx, c.c.Session, ref.ID); err == nil && is {
		err = c.checkChat(ctx, sent.To)
	}
	return sent, is, err
}

// seenHere returns a message of this chat that a device of the account has sent, as it is now.
func (c *composing) seenHere(ctx context.Context, ref *message.Ref) (seen message.Seen, is bool, err error) {
	jid, lid := c.c.Own()
	if c.c.Seen == nil || jid.IsEmpty() && lid.IsEmpty() {
		return seen, false, nil
	}
	if lid.IsEmpty() {
		lid = jid
	}
	return c.c.Seen(ctx, c.chat, lid.ToNonAD(), ref.ID)
}

// checkChat fails if a recipient is not this chat. A person has an address by LID and one by number. Of one of each kind it
// is not known whether they are the same person's: otherwise both would be the LID.
func (c *composing) checkChat(ctx context.Context, to message.Recipient) error {
	chat, err := c.c.Chat(ctx, to)
	if err != nil || chat == c.chat || isPerson(chat) && isPerson(c.chat) && chat.Server != c.chat.Server {
		return err
	}
	return c.invalid("target.id", "expected a message of this chat")
}

func isPerson(chat types.JID) bool {
	return chat.Server == types.DefaultUserServer || chat.Server == types.HiddenUserServer
}

// edit replaces the text or the caption of an own message. Phones ignore an edit in another form than the message has: a
// caption is edited by a message of the same kind.
func (c *composing) edit() (*waE2E.Message, error) {
	target := c.out.Content.Target
	if !c.isOwn(target, true) {
		return nil, c.invalid("target.sender", "expected a message of the session's own account: others cannot be edited")
	}
	return &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Key: c.key(), Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), EditedMessage: c.editedContent(),
		TimestampMS: proto.Int64(time.Now().UnixMilli()),
	}}}}, nil
}

// editedContent returns the new text as a message of the kind of the one that is edited.
func (c *composing) editedContent() *waE2E.Message {
	text, info := proto.String(c.out.Content.Text), c.contextInfo()
	switch c.edited {
	case message.KindImage:
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{Caption: text, ContextInfo: info}}
	case message.KindVideo:
		return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{Caption: text, ContextInfo: info}}
	case message.KindDocument:
		return &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{Caption: text, ContextInfo: info}}
	default:
		return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: text, ContextInfo: info}}
	}
}

// revoke deletes a message for everyone: an own message, or as an administrator of a group a message of somebody else.
func (c *composing) revoke() (*waE2E.Message, error) {
	target := c.out.Content.Target
	if !c.isOwn(target, true) && c.chat.Server != types.GroupServer {
		return nil, c.invalid("target.sender", "expected a message of the session's own account: those of others can be revoked in groups only")
	}
	return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: c.key(),
	}}, nil
}

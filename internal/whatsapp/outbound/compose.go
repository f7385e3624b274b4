// Package outbound puts outgoing messages into WhatsApp's format.
//
// It owns the shapes of the messages that wasup sends. It neither encrypts nor sends them; files are uploaded by a
// function that it gets.
package outbound

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/message"
	"wasup/internal/session"
)

const op = "send"

// Composer puts the outgoing messages of one linked device into WhatsApp's format.
type Composer struct {
	Session session.ID
	Own     func() (jid, lid types.JID) // the addresses of the session's own account; each may be empty
	Client  *whatsmeow.Client
	// Announcements reports whether a chat is the group for the announcements of a community.
	Announcements func(ctx context.Context, chat types.JID) (bool, error)
	// Upload uploads a message's file, or returns what WhatsApp answered to an earlier upload.
	Upload func(ctx context.Context, kind message.Kind, file *message.Media) (*whatsmeow.UploadResponse, error)
}

// Compose returns a message to a chat, given by its current address, in WhatsApp's format. It uploads the message's
// file, if there is one. Recipients show the first copy that arrives, so every attempt produces the same message, except
// for times and for what whatsmeow chooses at random. It returns a *session.Error that names the field, if the message
// cannot be sent.
func (c *Composer) Compose(ctx context.Context, chat types.JID, out message.Outgoing) (*waE2E.Message, error) {
	w := &composing{c, chat, out}
	switch content := out.Content; content.Kind {
	case message.KindText:
		return w.text(), nil
	case message.KindImage, message.KindVideo, message.KindAudio, message.KindVoice, message.KindDocument, message.KindSticker:
		return w.file(ctx)
	case message.KindLocation:
		return w.location(), nil
	case message.KindContact:
		return w.contacts(), nil
	case message.KindPoll:
		return w.poll(ctx)
	case message.KindReaction:
		return w.reaction(), nil
	case message.KindEdit:
		return w.edit()
	case message.KindRevoke:
		return w.revoke()
	default:
		return nil, w.invalid("kind", "expected a kind that can be sent")
	}
}

// composing composes one message.
type composing struct {
	c    *Composer
	chat types.JID // the chat's current address
	out  message.Outgoing
}

func (c *composing) invalid(field, expected string) error {
	return &session.Error{Code: session.CodeInvalidRequest, Op: op, Session: c.c.Session, Field: field, Message: field + ": " + expected}
}

func (c *composing) text() *waE2E.Message {
	content, info := &c.out.Content, c.contextInfo()
	if info == nil && content.Preview == nil {
		return &waE2E.Message{Conversation: proto.String(content.Text)}
	}
	text := &waE2E.ExtendedTextMessage{Text: proto.String(content.Text), ContextInfo: info}
	if p := content.Preview; p != nil {
		text.MatchedText, text.Title, text.Description = &p.URL, optional(p.Title), optional(p.Description)
		text.JPEGThumbnail = p.Thumbnail
		text.PreviewType = waE2E.ExtendedTextMessage_NONE.Enum()
	}
	return &waE2E.Message{ExtendedTextMessage: text}
}

func (c *composing) location() *waE2E.Message {
	place := c.out.Content.Location
	return &waE2E.Message{LocationMessage: &waE2E.LocationMessage{
		DegreesLatitude: &place.Latitude, DegreesLongitude: &place.Longitude,
		Name: optional(place.Name), Address: optional(place.Address), URL: optional(place.URL), ContextInfo: c.contextInfo(),
	}}
}

func (c *composing) contacts() *waE2E.Message {
	cards := c.out.Content.Contacts
	list := make([]*waE2E.ContactMessage, len(cards))
	for i := range cards {
		list[i] = &waE2E.ContactMessage{DisplayName: &cards[i].Name, Vcard: &cards[i].VCard}
	}
	if len(list) == 1 {
		list[0].ContextInfo = c.contextInfo()
		return &waE2E.Message{ContactMessage: list[0]}
	}
	return &waE2E.Message{ContactsArrayMessage: &waE2E.ContactsArrayMessage{
		DisplayName: proto.String(fmt.Sprintf("%d contacts", len(list))), Contacts: list, ContextInfo: c.contextInfo(),
	}}
}

// poll uses the version of WhatsApp's polls that fits: 3 if one answer may be chosen, 1 if several may, and 2 for both
// among the announcements of a community.
func (c *composing) poll(ctx context.Context) (*waE2E.Message, error) {
	secret, err := c.messageSecret()
	if err != nil {
		return nil, err
	}
	announcement, err := c.c.Announcements(ctx, c.chat)
	if err != nil {
		return nil, err
	}
	asked := c.out.Content.Poll
	options := make([]*waE2E.PollCreationMessage_Option, len(asked.Options))
	for i := range asked.Options {
		options[i] = &waE2E.PollCreationMessage_Option{OptionName: &asked.Options[i]}
	}
	poll := &waE2E.PollCreationMessage{
		Name: &asked.Question, Options: options, SelectableOptionsCount: proto.Uint32(uint32(asked.Selectable)), ContextInfo: c.contextInfo(),
	}
	content := &waE2E.Message{MessageContextInfo: &waE2E.MessageContextInfo{MessageSecret: secret}}
	switch {
	case announcement:
		content.PollCreationMessageV2 = poll
	case asked.Selectable == 1:
		content.PollCreationMessageV3 = poll
	default:
		content.PollCreationMessage = poll
	}
	return content, nil
}

// messageSecret returns the secret that encrypts votes on this message. whatsmeow would choose a new secret at every
// attempt and store the last one, but recipients show the first copy, so their votes could not be decrypted. So the
// secret is derived from a secret of the device, the recipient and the message's id.
func (c *composing) messageSecret() ([]byte, error) {
	identity := c.c.Client.Store.IdentityKey
	if identity == nil || identity.Priv == nil {
		return nil, &session.Error{Code: session.CodeDisconnected, Op: op, Session: c.c.Session}
	}
	const size = 32
	secret, err := hkdf.Key(sha256.New, identity.Priv[:], nil, "wasup message secret\x00"+string(c.out.To)+"\x00"+c.out.ID, size)
	if err != nil {
		return nil, &session.Error{Code: session.CodeInternal, Op: op, Session: c.c.Session, Err: err}
	}
	return secret, nil
}

func (c *composing) reaction() *waE2E.Message {
	return &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{
		Key: c.key(c.out.Content.Target, false), Text: proto.String(c.out.Content.Reaction), SenderTimestampMS: proto.Int64(time.Now().UnixMilli()),
	}}
}

func (c *composing) edit() (*waE2E.Message, error) {
	target := c.out.Content.Target
	if !c.isOwn(target, true) {
		return nil, c.invalid("target.sender", "expected a message of the session's own account: others cannot be edited")
	}
	content := &waE2E.Message{Conversation: proto.String(c.out.Content.Text)}
	if info := c.contextInfo(); info != nil {
		content = &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String(c.out.Content.Text), ContextInfo: info}}
	}
	return &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Key: c.key(target, true), Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), EditedMessage: content,
		TimestampMS: proto.Int64(time.Now().UnixMilli()),
	}}}}, nil
}

// revoke deletes a message for everyone: an own message, or as an administrator of a group a message of somebody else.
func (c *composing) revoke() (*waE2E.Message, error) {
	target := c.out.Content.Target
	if !c.isOwn(target, true) && c.chat.Server != types.GroupServer {
		return nil, c.invalid("target.sender", "expected a message of the session's own account: those of others can be revoked in groups only")
	}
	return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: c.key(target, true),
	}}, nil
}

// isOwn reports whether the session's account wrote a message. ifUnnamed is the result if the reference names no
// author.
func (c *composing) isOwn(ref *message.Ref, ifUnnamed bool) bool {
	if ref.Sender.IsZero() {
		return ref.FromMe || ifUnnamed
	}
	pn, lid := c.c.Own()
	return isUser(ref.Sender.PN, pn) || isUser(ref.Sender.LID, lid)
}

func isUser(address string, jid types.JID) bool {
	user, _, _ := strings.Cut(address, "@")
	return user != "" && user == jid.User
}

// key refers to another message of the chat, from our point of view.
func (c *composing) key(ref *message.Ref, ifUnnamed bool) *waCommon.MessageKey {
	own := c.isOwn(ref, ifUnnamed)
	key := &waCommon.MessageKey{RemoteJID: proto.String(c.chat.String()), FromMe: &own, ID: &ref.ID}
	if !own && c.chat.Server == types.GroupServer {
		key.Participant = proto.String(ref.Sender.String())
	}
	return key
}

// contextInfo returns the mentions and the quote of the message, or nil if it has neither.
func (c *composing) contextInfo() *waE2E.ContextInfo {
	content := &c.out.Content
	if len(content.Mentions) == 0 && content.Quote == nil {
		return nil
	}
	info := &waE2E.ContextInfo{}
	for _, who := range content.Mentions {
		info.MentionedJID = append(info.MentionedJID, mentioned(who, content.Text))
	}
	if ref := content.Quote; ref != nil {
		info.StanzaID, info.Participant = &ref.ID, optional(c.author(ref))
		info.QuotedMessage = quoted(ref)
	}
	return info
}

// mentioned returns the form of the address that occurs in the text: a phone searches the text for exactly that number.
func mentioned(who message.Address, text string) string {
	if user, _, _ := strings.Cut(who.PN, "@"); user != "" && strings.Contains(text, "@"+user) {
		return who.PN
	}
	return who.String()
}

// author returns who wrote a quoted message, in the form in which the chat is addressed if both forms are known.
func (c *composing) author(ref *message.Ref) string {
	if c.isOwn(ref, false) {
		pn, lid := c.c.Own()
		if c.chat.Server == types.DefaultUserServer || lid.IsEmpty() {
			return pn.ToNonAD().String()
		}
		return lid.ToNonAD().String()
	}
	if ref.Sender.IsZero() { // in a chat with one person, that person is the author
		return c.chat.String()
	}
	return ref.Sender.String()
}

// quoted returns what a phone shows of a quoted message.
func quoted(ref *message.Ref) *waE2E.Message {
	text := optional(ref.Text)
	switch ref.Kind {
	case message.KindImage:
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{Caption: text}}
	case message.KindVideo:
		return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{Caption: text}}
	case message.KindAudio, message.KindVoice:
		return &waE2E.Message{AudioMessage: &waE2E.AudioMessage{PTT: proto.Bool(ref.Kind == message.KindVoice)}}
	case message.KindDocument:
		return &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{Caption: text}}
	case message.KindSticker:
		return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{}}
	case message.KindLocation:
		return &waE2E.Message{LocationMessage: &waE2E.LocationMessage{Name: text}}
	case message.KindContact:
		return &waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: text}}
	case message.KindPoll:
		return &waE2E.Message{PollCreationMessage: &waE2E.PollCreationMessage{Name: text}}
	default:
		return &waE2E.Message{Conversation: proto.String(ref.Text)}
	}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func count(n int) *uint32 {
	if n <= 0 {
		return nil
	}
	return proto.Uint32(uint32(n))
}

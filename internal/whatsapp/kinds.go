package whatsapp

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/message"
	"wasup/internal/session"
)

// letter is a message while it is put into WhatsApp's form. What is made of one message is the same at every attempt, but
// for times and for what whatsmeow draws at random, because recipients show the first copy that reaches them.
type letter struct {
	s    *sending
	chat types.JID // as messages are addressed in it
	out  message.Outgoing
}

// compose gives a message WhatsApp's form. It uploads the file of one that has one.
func (s *sending) compose(ctx context.Context, chat types.JID, out message.Outgoing) (*waE2E.Message, error) {
	l := letter{s, chat, out}
	switch content := out.Content; content.Kind {
	case message.KindText:
		return l.text(), nil
	case message.KindImage, message.KindVideo, message.KindAudio, message.KindVoice, message.KindDocument, message.KindSticker:
		return l.file(ctx)
	case message.KindLocation:
		return l.location(), nil
	case message.KindContact:
		return l.contacts(), nil
	case message.KindPoll:
		return l.poll()
	case message.KindReaction:
		return l.reaction(), nil
	case message.KindEdit:
		return l.edit()
	case message.KindRevoke:
		return l.revoke()
	default:
		return nil, s.messaging.invalidIn(opSend, "kind", "expected one that can be sent")
	}
}

func (l *letter) text() *waE2E.Message {
	content, around := &l.out.Content, l.around()
	if around == nil && content.Preview == nil {
		return &waE2E.Message{Conversation: proto.String(content.Text)}
	}
	text := &waE2E.ExtendedTextMessage{Text: proto.String(content.Text), ContextInfo: around}
	if p := content.Preview; p != nil {
		text.MatchedText, text.Title, text.Description = &p.URL, optional(p.Title), optional(p.Description)
		text.JPEGThumbnail = p.Thumbnail
		text.PreviewType = waE2E.ExtendedTextMessage_NONE.Enum()
	}
	return &waE2E.Message{ExtendedTextMessage: text}
}

func (l *letter) location() *waE2E.Message {
	place := l.out.Content.Location
	return &waE2E.Message{LocationMessage: &waE2E.LocationMessage{
		DegreesLatitude: &place.Latitude, DegreesLongitude: &place.Longitude,
		Name: optional(place.Name), Address: optional(place.Address), URL: optional(place.URL), ContextInfo: l.around(),
	}}
}

func (l *letter) contacts() *waE2E.Message {
	cards := l.out.Content.Contacts
	list := make([]*waE2E.ContactMessage, len(cards))
	for i := range cards {
		list[i] = &waE2E.ContactMessage{DisplayName: &cards[i].Name, Vcard: &cards[i].VCard}
	}
	if len(list) == 1 {
		list[0].ContextInfo = l.around()
		return &waE2E.Message{ContactMessage: list[0]}
	}
	return &waE2E.Message{ContactsArrayMessage: &waE2E.ContactsArrayMessage{
		DisplayName: proto.String(fmt.Sprintf("%d contacts", len(list))), Contacts: list, ContextInfo: l.around(),
	}}
}

// poll asks in the oldest of WhatsApp's forms: the one that whatsmeow marks as a poll for the server.
func (l *letter) poll() (*waE2E.Message, error) {
	secret, err := l.secret()
	if err != nil {
		return nil, err
	}
	asked := l.out.Content.Poll
	options := make([]*waE2E.PollCreationMessage_Option, len(asked.Options))
	for i := range asked.Options {
		options[i] = &waE2E.PollCreationMessage_Option{OptionName: &asked.Options[i]}
	}
	return &waE2E.Message{
		PollCreationMessage: &waE2E.PollCreationMessage{
			Name: &asked.Question, Options: options, SelectableOptionsCount: proto.Uint32(uint32(asked.Selectable)), ContextInfo: l.around(),
		},
		MessageContextInfo: &waE2E.MessageContextInfo{MessageSecret: secret},
	}, nil
}

// secret is what votes on this message are encrypted with. whatsmeow stores it when it sends and would draw another one
// at the next attempt, of which the recipients show only the first: their votes could not be read. So it follows from a
// secret of the device and the message's id.
func (l *letter) secret() ([]byte, error) {
	identity := l.s.wa.Store.IdentityKey
	if identity == nil || identity.Priv == nil {
		return nil, &session.Error{Code: session.CodeDisconnected, Op: opSend, Session: l.s.run.Session}
	}
	const size = 32
	secret, err := hkdf.Key(sha256.New, identity.Priv[:], nil, "wasup message secret\x00"+string(l.out.To)+"\x00"+l.out.ID, size)
	if err != nil {
		return nil, &session.Error{Code: session.CodeInternal, Op: opSend, Session: l.s.run.Session, Err: err}
	}
	return secret, nil
}

func (l *letter) reaction() *waE2E.Message {
	return &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{
		Key: l.key(l.out.Content.Target, false), Text: proto.String(l.out.Content.Reaction), SenderTimestampMS: proto.Int64(time.Now().UnixMilli()),
	}}
}

func (l *letter) edit() (*waE2E.Message, error) {
	target := l.out.Content.Target
	if !l.own(target, true) {
		return nil, l.s.messaging.invalidIn(opSend, "target.sender", "expected a message of the session's own account: others cannot be edited")
	}
	content := &waE2E.Message{Conversation: proto.String(l.out.Content.Text)}
	if around := l.around(); around != nil {
		content = &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String(l.out.Content.Text), ContextInfo: around}}
	}
	return &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Key: l.key(target, true), Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), EditedMessage: content,
		TimestampMS: proto.Int64(time.Now().UnixMilli()),
	}}}}, nil
}

// revoke takes an own message back, or, as an administrator of a group, one of others.
func (l *letter) revoke() (*waE2E.Message, error) {
	target := l.out.Content.Target
	if !l.own(target, true) && l.chat.Server != types.GroupServer {
		return nil, l.s.messaging.invalidIn(opSend, "target.sender", "expected a message of the session's own account: those of others can be revoked in groups only")
	}
	return &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: l.key(target, true),
	}}, nil
}

// own reports whether the session's account wrote a message. unnamed is what holds where the author is not named.
func (l *letter) own(ref *message.Ref, unnamed bool) bool {
	if ref.Sender.IsZero() {
		return ref.FromMe || unnamed
	}
	pn, lid := l.s.account.addresses()
	return isUser(ref.Sender.PN, pn) || isUser(ref.Sender.LID, lid)
}

func isUser(address string, jid types.JID) bool {
	user, _, _ := strings.Cut(address, "@")
	return user != "" && user == jid.User
}

// key names another message of the chat, from our point of view.
func (l *letter) key(ref *message.Ref, unnamed bool) *waCommon.MessageKey {
	own := l.own(ref, unnamed)
	key := &waCommon.MessageKey{RemoteJID: proto.String(l.chat.String()), FromMe: &own, ID: &ref.ID}
	if !own && l.chat.Server == types.GroupServer {
		key.Participant = proto.String(ref.Sender.String())
	}
	return key
}

// around is whom a message mentions and what it answers; nil for neither.
func (l *letter) around() *waE2E.ContextInfo {
	content := &l.out.Content
	if len(content.Mentions) == 0 && content.Quote == nil {
		return nil
	}
	info := &waE2E.ContextInfo{}
	for _, who := range content.Mentions {
		info.MentionedJID = append(info.MentionedJID, mentioned(who, content.Text))
	}
	if ref := content.Quote; ref != nil {
		info.StanzaID, info.Participant = &ref.ID, optional(l.author(ref))
		info.QuotedMessage = quoted(ref)
	}
	return info
}

// mentioned is the address that the text names: a phone looks in the text for the number of exactly that one.
func mentioned(who message.Address, text string) string {
	if user, _, _ := strings.Cut(who.PN, "@"); user != "" && strings.Contains(text, "@"+user) {
		return who.PN
	}
	return who.String()
}

// author is who wrote a quoted message, in the way that the chat is addressed where both are known.
func (l *letter) author(ref *message.Ref) string {
	if l.own(ref, false) {
		pn, lid := l.s.account.addresses()
		if l.chat.Server == types.DefaultUserServer || lid.IsEmpty() {
			return pn.ToNonAD().String()
		}
		return lid.ToNonAD().String()
	}
	if ref.Sender.IsZero() { // of a chat with one person, who it is then
		return l.chat.String()
	}
	return ref.Sender.String()
}

// quoted is what a phone shows of a message that is answered.
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

// Package outbound puts outgoing messages into WhatsApp's format.
//
// It owns the shapes of the messages that wasup sends. It neither encrypts nor sends them; files are uploaded by a
// function that it gets.
package outbound

import (
	"context"
	"errors"
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
	"wasup/internal/whatsapp/secrets"
	"wasup/internal/whatsapp/timers"
)

const op = "send"

// Composer puts the outgoing messages of one linked device into WhatsApp's format.
type Composer struct {
	Session session.ID
	Own     func() (jid, lid types.JID) // the addresses of the session's own account; each may be empty
	Client  *whatsmeow.Client
	// Sent returns a message that the session sent, and false if it is no longer known. It may be nil.
	Sent func(ctx context.Context, id session.ID, messageID string) (sent message.Message, is bool, err error)
	// Seen returns a message that was received, or that a device of the account sent, by its chat and author, and false for
	// any other. It may be nil.
	Seen func(ctx context.Context, chat, author types.JID, id string) (seen message.Seen, is bool, err error)
	// Chat returns the current address of a chat.
	Chat func(ctx context.Context, to message.Recipient) (types.JID, error)
	// People returns the addresses of people as WhatsApp writes them.
	People func(ctx context.Context, people []message.Address) ([]message.Address, error)
	// Member returns how a group addresses a person: by LID or by phone number.
	Member func(ctx context.Context, group types.JID, who message.Address) (types.JID, error)
	// Timer returns the disappearing timer of a chat.
	Timer func(ctx context.Context, chat types.JID) (message.Timer, error)
	// Announcements reports whether a chat is the group for the announcements of a community.
	Announcements func(ctx context.Context, chat types.JID) (bool, error)
	// Upload uploads a message's file, or returns what WhatsApp answered to an earlier upload.
	Upload func(ctx context.Context, kind message.Kind, file *message.Media) (*whatsmeow.UploadResponse, error)
	// Foreign reports whether the log has a message of a chat that somebody else wrote. It may be nil.
	Foreign func(ctx context.Context, chat types.JID, id string) (bool, error)
}

// Compose returns a message to a chat, given by its current address, in WhatsApp's format. It uploads the message's
// file, if there is one. Recipients show the first copy that arrives, so every attempt produces the same message, except
// for times and for what whatsmeow chooses at random. It returns a *session.Error that names the field, if the message
// cannot be sent.
func (c *Composer) Compose(ctx context.Context, chat types.JID, out message.Outgoing) (*waE2E.Message, error) {
	w := &composing{c: c, chat: chat, out: out}
	if err := w.addressPeople(ctx); err != nil {
		return nil, err
	}
	if err := w.checkTarget(ctx); err != nil {
		return nil, err
	}
	if err := w.addressAuthors(ctx); err != nil {
		return nil, err
	}
	if err := w.checkForeign(ctx); err != nil {
		return nil, err
	}
	msg, err := w.content(ctx)
	if err != nil {
		return nil, err
	}
	return msg, w.addSecret(msg)
}

// composing composes one message.
type composing struct {
	c    *Composer
	chat types.JID // the chat's current address
	out  message.Outgoing
	// quoted and target are the authors of the messages that this one refers to, as the chat addresses them.
	quoted, target string
	quote          *waE2E.Message // what a phone shows of the quoted message; nil: nothing is quoted
	timer          message.Timer  // of the chat
	edited         message.Kind   // the kind of the message that is edited
}

// addressAuthors sets quoted, quote and target.
func (c *composing) addressAuthors(ctx context.Context) (err error) {
	if ref := c.out.Content.Quote; ref != nil {
		if c.quoted, err = c.author(ctx, ref); err != nil {
			return err
		}
		if c.quote, err = c.quoteOf(ctx, ref); err != nil {
			return err
		}
	}
	if ref := c.out.Content.Target; ref != nil && ref.Chat.Status != "" {
		c.target = c.chat.String() // the author of the status, to whom the reaction goes
		return nil
	}
	if ref := c.out.Content.Target; ref != nil && c.isGroup() && !c.isOwn(ref, c.ownUnlessNamed()) {
		c.target, err = c.author(ctx, ref)
	}
	return err
}

// content returns the message without its secret.
func (c *composing) content(ctx context.Context) (*waE2E.Message, error) {
	if !c.out.Content.Kind.HasMedia() { // otherwise after the upload, which may take minutes
		if err := c.readTimer(ctx); err != nil {
			return nil, err
		}
	}
	switch c.out.Content.Kind {
	case message.KindText:
		return c.text(), nil
	case message.KindImage, message.KindVideo, message.KindAudio, message.KindVoice, message.KindDocument, message.KindSticker:
		return c.file(ctx)
	case message.KindLocation:
		return c.location(), nil
	case message.KindContact:
		return c.contacts(), nil
	case message.KindPoll:
		return c.poll(ctx)
	case message.KindReaction:
		return c.reaction(ctx)
	case message.KindEdit:
		return c.edit()
	case message.KindRevoke:
		return c.revoke()
	default:
		return nil, c.invalid("kind", "expected a kind that can be sent")
	}
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
	announcement, err := c.c.Announcements(ctx, c.chat)
	if err != nil {
		return nil, err
	}
	content, poll := pollOf(c.out.Content.Poll, announcement)
	poll.ContextInfo = c.contextInfo()
	return content, nil
}

// pollOf returns a poll in the version that fits, and the part that all versions have.
func pollOf(asked *message.Poll, announcement bool) (*waE2E.Message, *waE2E.PollCreationMessage) {
	options := make([]*waE2E.PollCreationMessage_Option, len(asked.Options))
	for i := range asked.Options {
		options[i] = &waE2E.PollCreationMessage_Option{OptionName: &asked.Options[i]}
	}
	poll := &waE2E.PollCreationMessage{
		Name: &asked.Question, Options: options, SelectableOptionsCount: proto.Uint32(uint32(asked.Selectable)),
	}
	content := &waE2E.Message{}
	switch {
	case announcement:
		content.PollCreationMessageV2 = poll
	case asked.Selectable == 1:
		content.PollCreationMessageV3 = poll
	default:
		content.PollCreationMessage = poll
	}
	return content, poll
}

// addSecret adds the message's secret, with which others encrypt votes, reactions and answers. Every kind has one, as
// the official clients do it; only a reaction has none. Every attempt has the same secret: recipients show the first
// copy that arrives.
func (c *composing) addSecret(msg *waE2E.Message) error {
	if msg.ReactionMessage != nil || msg.EncReactionMessage != nil {
		return nil
	}
	identity := c.c.Client.Store.IdentityKey
	if identity == nil || identity.Priv == nil {
		return &session.Error{Code: session.CodeDisconnected, Op: op, Session: c.c.Session}
	}
	secret, err := secrets.Of(identity, c.out.ID)
	if err != nil {
		return &session.Error{Code: session.CodeInternal, Op: op, Session: c.c.Session, Err: err}
	}
	msg.MessageContextInfo = &waE2E.MessageContextInfo{MessageSecret: secret}
	return nil
}

// reaction is encrypted with the secret of its target if that is an announcement of a community: phones ignore others there.
func (c *composing) reaction(ctx context.Context) (*waE2E.Message, error) {
	reaction := &waE2E.ReactionMessage{
		Key: c.key(), Text: proto.String(c.out.Content.Reaction), SenderTimestampMS: proto.Int64(time.Now().UnixMilli()),
	}
	announcement, err := c.c.Announcements(ctx, c.chat)
	if err != nil || !announcement {
		return &waE2E.Message{ReactionMessage: reaction}, err
	}
	author, err := c.secretHolder(ctx)
	if err != nil {
		return nil, err
	}
	source := types.MessageSource{Chat: c.chat, Sender: author, IsGroup: true}
	sealed, err := c.c.Client.EncryptReaction(ctx, &types.MessageInfo{MessageSource: source, ID: c.out.Content.Target.ID}, reaction)
	switch {
	case errors.Is(err, whatsmeow.ErrOriginalMessageSecretNotFound):
		return nil, c.invalid("target.id", "expected a message that the session has sent or received: a reaction to an announcement is encrypted with its secret")
	case err != nil:
		return nil, err
	}
	return &waE2E.Message{EncReactionMessage: sealed}, nil
}

// secretHolder returns the address under which the store of secrets is asked for the target's secret.
func (c *composing) secretHolder(ctx context.Context) (types.JID, error) {
	ref := c.out.Content.Target
	author, err := c.author(ctx, ref)
	if err != nil {
		return types.JID{}, err
	}
	holder, err := types.ParseJID(author)
	if err != nil || !c.isOwn(ref, false) {
		return holder, err
	}
	// The answer names the author by the account's other address (secrets.Store), and the encryption needs the group's.
	jid, lid := c.c.Own()
	if holder.Server == types.HiddenUserServer {
		return jid.ToNonAD(), nil
	}
	return lid.ToNonAD(), nil
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

// ownUnlessNamed reports whether the session's account is the author of a target that names none. An edit or a deletion
// is about an own message.
func (c *composing) ownUnlessNamed() bool { return c.out.Content.Kind != message.KindReaction }

func (c *composing) isGroup() bool { return c.chat.Server == types.GroupServer }

// key refers to the target, from our point of view. Phones find a message of a group by the group, the id and the author
// in exactly the group's form, and ignore a change that names another.
func (c *composing) key() *waCommon.MessageKey {
	ref := c.out.Content.Target
	own := c.isOwn(ref, c.ownUnlessNamed())
	chat := c.chat
	if ref.Chat.Status != "" {
		chat = types.StatusBroadcastJID
	}
	return &waCommon.MessageKey{RemoteJID: proto.String(chat.String()), FromMe: &own, ID: &ref.ID, Participant: optional(c.target)}
}

// readTimer sets timer. Reactions and revocations belong to another message and carry none.
func (c *composing) readTimer(ctx context.Context) (err error) {
	switch c.out.Content.Kind {
	case message.KindReaction, message.KindRevoke:
		return nil
	default:
		if c.c.Timer != nil {
			c.timer, err = c.c.Timer(ctx, c.chat)
		}
		return err
	}
}

// contextInfo returns the mentions, the quote and the disappearing timer of the message, or nil if it has none of them.
func (c *composing) contextInfo() *waE2E.ContextInfo {
	return timers.Mark(c.references(), c.timer, c.isGroup())
}

// references returns the mentions and the quote of the message, or nil if it has neither.
func (c *composing) references() *waE2E.ContextInfo {
	content := &c.out.Content
	if len(content.Mentions) == 0 && c.quote == nil {
		return nil
	}
	info := &waE2E.ContextInfo{}
	for _, who := range content.Mentions {
		info.MentionedJID = append(info.MentionedJID, mentioned(who, content.Text))
	}
	if c.quote != nil {
		info.StanzaID, info.Participant, info.QuotedMessage = &content.Quote.ID, optional(c.quoted), c.quote
		info.RemoteJID = optional(content.Quote.Chat.Status)
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

// author returns who wrote a message of this chat, in the form in which the chat addresses people.
func (c *composing) author(ctx context.Context, ref *message.Ref) (string, error) {
	who := ref.Sender
	jid, lid := c.c.Own()
	jid, lid = jid.ToNonAD(), lid.ToNonAD()
	switch own := c.isOwn(ref, false); {
	case own && c.isGroup():
		who = message.Address{}
		if who.PN = jid.String(); !lid.IsEmpty() {
			who.LID = lid.String()
		}
	case own && (c.chat.Server == types.DefaultUserServer || lid.IsEmpty()):
		return jid.String(), nil
	case own:
		return lid.String(), nil
	case !c.isGroup():
		return c.chat.String(), nil // the author is the other person, whatever the caller called them
	}
	member, err := c.c.Member(ctx, c.chat, who)
	return member.String(), err
}

// quoteOf returns what phones show of a quoted message: the message as it is now, otherwise what the caller says of it. It
// returns nil if nothing is known, because phones would show an empty bubble, and if the message was deleted: the quote
// would bring it back.
func (c *composing) quoteOf(ctx context.Context, ref *message.Ref) (*waE2E.Message, error) {
	said := message.Content{Kind: ref.Kind, Text: ref.Text}
	author, err := types.ParseJID(c.quoted)
	if err != nil || c.c.Seen == nil {
		return quoted(&said), nil
	}
	chat := c.chat
	if ref.Chat.Status != "" {
		chat = types.StatusBroadcastJID
	}
	seen, is, err := c.c.Seen(ctx, chat, author, ref.ID)
	if err != nil || seen.Revoked {
		return nil, err
	}
	if is {
		said = seen.Content
	}
	if seen.Partial && said.Text == "" {
		said.Text = ref.Text
	}
	if said.Kind != message.KindPoll || said.Poll == nil {
		return quoted(&said), nil
	}
	announcement, err := c.c.Announcements(ctx, c.chat)
	if err != nil {
		return nil, err
	}
	poll, _ := pollOf(said.Poll, announcement)
	return poll, nil
}

// quoted returns what phones show of quoted content, or nil if they would show nothing.
func quoted(said *message.Content) *waE2E.Message {
	text, media := optional(said.Text), said.Media
	if media == nil {
		media = &message.Media{}
	}
	switch said.Kind {
	case message.KindImage:
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
			Caption: text, Mimetype: optional(media.Mime), Width: count(media.Width), Height: count(media.Height), JPEGThumbnail: media.Thumbnail,
		}}
	case message.KindVideo:
		return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{
			Caption: text, Mimetype: optional(media.Mime), Width: count(media.Width), Height: count(media.Height),
			Seconds: count(media.Seconds), JPEGThumbnail: media.Thumbnail,
		}}
	case message.KindAudio, message.KindVoice:
		return &waE2E.Message{AudioMessage: &waE2E.AudioMessage{
			PTT: trueOrNil(said.Kind == message.KindVoice), Mimetype: optional(media.Mime), Seconds: count(media.Seconds),
		}}
	case message.KindDocument:
		return &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{
			Caption: text, Mimetype: optional(media.Mime), FileName: optional(media.Name), Title: optional(media.Name), JPEGThumbnail: media.Thumbnail,
		}}
	case message.KindSticker:
		return &waE2E.Message{StickerMessage: &waE2E.StickerMessage{Mimetype: optional(media.Mime)}}
	case message.KindLocation:
		return &waE2E.Message{LocationMessage: quotedPlace(said)}
	default:
		return quotedWords(said)
	}
}

func quotedPlace(said *message.Content) *waE2E.LocationMessage {
	place := said.Location
	if place == nil {
		return &waE2E.LocationMessage{Name: optional(said.Text)}
	}
	return &waE2E.LocationMessage{
		DegreesLatitude: &place.Latitude, DegreesLongitude: &place.Longitude, Name: optional(place.Name), Address: optional(place.Address),
	}
}

// quotedWords returns content of which phones show only words: a name, a question, a text.
func quotedWords(said *message.Content) *waE2E.Message {
	switch {
	case said.Kind == message.KindContact && len(said.Contacts) > 0:
		card := &said.Contacts[0]
		return &waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: &card.Name, Vcard: &card.VCard}}
	case said.Words() == "":
		return nil
	case said.Kind == message.KindContact:
		return &waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: &said.Text}}
	case said.Kind == message.KindPoll:
		return &waE2E.Message{PollCreationMessage: &waE2E.PollCreationMessage{Name: &said.Text}}
	default:
		return &waE2E.Message{Conversation: optional(said.Words())}
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

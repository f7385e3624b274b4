package inbound

import (
	"cmp"
	"context"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"wasup/internal/message"
)

// reading translates the content of one message.
type reading struct {
	t        *translation
	event    *events.Message
	viewOnce bool
}

// content returns the content of a message. A kind that this version does not know is named in Unknown.
func (r *reading) content(m *waE2E.Message) message.Content {
	out, known := r.standalone(m)
	if !known {
		out, known = r.referring(m)
		known = known && (out.Target != nil || out.Kind == message.KindUnknown) // a change of no message changes nothing
	}
	if !known {
		out = message.Content{Kind: message.KindUnknown, Unknown: kindName(m)}
	}
	r.addContext(contextOf(m), &out)
	r.addPart(contextOf(m), &out)
	out.Spoiler, out.Question = isWrappedIn(r.event.Message, "spoilerMessage"), isWrappedIn(r.event.Message, "questionMessage")
	return out
}

// standalone returns content that does not refer to another message.
func (r *reading) standalone(m *waE2E.Message) (message.Content, bool) {
	switch {
	case m.Conversation != nil:
		return message.TextOf(m.GetConversation()), true
	case m.ExtendedTextMessage != nil:
		return extendedText(m.GetExtendedTextMessage()), true
	case m.LocationMessage != nil:
		l := m.GetLocationMessage()
		return located("locationMessage", l.GetComment(), message.Location{
			Latitude: l.GetDegreesLatitude(), Longitude: l.GetDegreesLongitude(),
			Name: l.GetName(), Address: l.GetAddress(), URL: l.GetURL(), Live: l.GetIsLive(),
		}), true
	case m.LiveLocationMessage != nil:
		l := m.GetLiveLocationMessage()
		return located("liveLocationMessage", l.GetCaption(), message.Location{
			Latitude: l.GetDegreesLatitude(), Longitude: l.GetDegreesLongitude(), Live: true,
		}), true
	case m.ContactMessage != nil:
		return message.Content{Kind: message.KindContact, Contacts: []message.Card{cardOf(m.GetContactMessage())}}, true
	case m.ContactsArrayMessage != nil:
		out := message.Content{Kind: message.KindContact}
		for _, each := range m.GetContactsArrayMessage().GetContacts() {
			out.Contacts = append(out.Contacts, cardOf(each))
		}
		return out, true
	}
	if m.AlbumMessage != nil {
		return albumContent(m.GetAlbumMessage()), true
	}
	if poll := pollOf(m); poll != nil {
		return pollContent(poll), true
	}
	if out, ok := (commercial{r}).business(m); ok {
		return out, true
	}
	if said, is := r.occasional(m); is {
		return said, true
	}
	return r.file(m)
}

// located returns a location with its text. Coordinates that are no place make it a message of an unknown kind.
func located(name, text string, place message.Location) message.Content {
	if !onEarth(place.Latitude, place.Longitude) {
		return message.Content{Kind: message.KindUnknown, Unknown: name, Text: text}
	}
	return message.Content{Kind: message.KindLocation, Text: text, Location: &place}
}

func extendedText(m *waE2E.ExtendedTextMessage) message.Content {
	out := message.TextOf(m.GetText())
	if m.GetMatchedText() != "" && (m.GetTitle() != "" || m.GetDescription() != "" || len(m.GetJPEGThumbnail()) > 0) {
		out.Preview = &message.Preview{
			URL: m.GetMatchedText(), Title: m.GetTitle(), Description: m.GetDescription(), Thumbnail: m.GetJPEGThumbnail(),
		}
	}
	return out
}

func cardOf(m *waE2E.ContactMessage) message.Card {
	return message.Card{Name: m.GetDisplayName(), VCard: m.GetVcard()}
}

// pollOf returns the poll of a message, in any of the versions with this structure, or nil.
func pollOf(m *waE2E.Message) *waE2E.PollCreationMessage {
	return cmp.Or(m.GetPollCreationMessage(), m.GetPollCreationMessageV2(), m.GetPollCreationMessageV3(),
		m.GetPollCreationMessageV5(), m.GetPollCreationMessageV6())
}

func pollContent(m *waE2E.PollCreationMessage) message.Content {
	poll := &message.Poll{Question: m.GetName(), Options: []string{}}
	for _, option := range m.GetOptions() {
		poll.Options = append(poll.Options, option.GetOptionName())
	}
	poll.Selectable = int(within(m.GetSelectableOptionsCount(), uint64(len(poll.Options))))
	poll.Quiz, poll.HiddenNames = m.GetPollType() == waE2E.PollType_QUIZ, m.GetHideParticipantName()
	poll.Correct, poll.EndsAt = m.GetCorrectAnswer().GetOptionName(), pollEnd(m.GetEndTime())
	return message.Content{Kind: message.KindPoll, Poll: poll}
}

// pollEnd returns when a poll ends. Whether phones write seconds or milliseconds is not documented; no date that JSON can
// say is both.
func pollEnd(at int64) time.Time {
	if at > lastSecond {
		at /= 1000
	}
	return dateOf(at)
}

// referring returns content that refers to another message.
func (r *reading) referring(m *waE2E.Message) (message.Content, bool) {
	switch {
	case m.ReactionMessage != nil:
		return message.Content{
			Kind: message.KindReaction, Reaction: m.GetReactionMessage().GetText(), Target: r.ref(m.GetReactionMessage().GetKey()),
		}, true
	case m.EncReactionMessage != nil:
		return r.encryptedReaction(m), true
	case m.PollUpdateMessage != nil:
		return r.vote(m), true
	case m.SecretEncryptedMessage.GetSecretEncType() == waE2E.SecretEncryptedMessage_MESSAGE_EDIT && m.SecretEncryptedMessage != nil:
		return r.encryptedEdit(m), true
	}
	if said, is := r.about(m); is {
		return said, true
	}
	switch p := m.GetProtocolMessage(); {
	case p == nil:
		return message.Content{}, false
	case p.GetType() == waE2E.ProtocolMessage_REVOKE:
		target := r.ref(p.GetKey())
		if !r.mayRevoke(target) {
			return unauthorized("protocolMessage/REVOKE", target), true
		}
		return message.Content{Kind: message.KindRevoke, Target: target}, true
	case p.GetType() == waE2E.ProtocolMessage_MESSAGE_EDIT:
		return r.edit("protocolMessage/MESSAGE_EDIT", p.GetKey(), p.GetEditedMessage()), true
	default:
		return message.Content{Kind: message.KindUnknown, Unknown: "protocolMessage/" + p.GetType().String()}, true
	}
}

// edit returns an edit with the message's new text or caption and what goes with it. name is WhatsApp's name for its kind.
// What has neither a text nor a caption says nothing about those of the message.
func (r *reading) edit(name string, key *waCommon.MessageKey, now *waE2E.Message) message.Content {
	target := r.ref(key)
	if !r.isAuthor(target) {
		return unauthorized(name, target)
	}
	now, _ = unwrapped(now)
	if now == nil {
		return unreadable(name, target)
	}
	said, _ := r.standalone(now)
	switch said.Kind {
	case message.KindText, message.KindImage, message.KindVideo, message.KindDocument, message.KindInteractive, message.KindEvent:
	default:
		return unreadable(name, target)
	}
	r.addContext(contextOf(now), &said)
	out := message.Content{
		Kind: message.KindEdit, Target: target, Text: said.Text, Mentions: said.Mentions, Preview: said.Preview, Event: said.Event,
	}
	out.Interactive = said.Interactive
	return out
}

// ref returns the message that a key refers to, or nil if it names none. The key is from the point of view of its sender.
func (r *reading) ref(key *waCommon.MessageKey) *message.Ref {
	if key.GetID() == "" {
		return nil
	}
	ref := &message.Ref{ID: idOf(key.GetID())}
	info := &r.event.Info
	if key.GetRemoteJID() == types.StatusBroadcastJID.String() {
		r.inChat(key.GetRemoteJID(), ref)
	}
	switch {
	case key.GetFromMe():
		ref.Sender, ref.FromMe = r.t.address(info.Sender, info.SenderAlt), info.IsFromMe
	case info.IsGroup:
		ref.Sender = r.t.parseAddress(key.GetParticipant()) // without a participant the author is unknown
		if ref.Sender.IsZero() {
			return ref
		}
	case info.IsFromMe:
		ref.Sender = r.t.chatOf(&info.MessageSource)
	default:
		ref.FromMe = true
	}
	if ref.FromMe = ref.FromMe || r.t.isOwn(ref.Sender); ref.FromMe {
		ref.Sender = message.Address{}
	}
	return ref
}

// addContext adds what content of any kind may have: quote, mentions, from where it was forwarded, and expiration.
func (r *reading) addContext(info *waE2E.ContextInfo, out *message.Content) {
	if info == nil {
		return
	}
	out.Expires = int(within(info.GetExpiration(), maxExpiration))
	out.Referral = referralOf(info)
	// Cut before anybody is looked up: a message has room for 20,000.
	out.Mentions = append(out.Mentions, r.t.parseAddresses(atMost(r.t, info.GetMentionedJID(), message.MaxMentions))...)
	out.MentionsAll = info.GetNonJIDMentions() > 0
	for _, each := range atMost(r.t, info.GetGroupMentions(), maxGroupMentions) {
		if group, ok := parseJID(each.GetGroupJID()); ok && group.Server == types.GroupServer {
			out.GroupMentions = append(out.GroupMentions, message.GroupMention{Group: addressOf(group), Name: each.GetGroupSubject()})
		}
	}
	out.Forwarded = forwarded(info)
	out.Quote = r.quote(info, out.Answer != nil)
}

// forwarded returns from where a message was forwarded, or nil if it was not.
func forwarded(info *waE2E.ContextInfo) *message.Forwarded {
	post := info.GetForwardedNewsletterMessageInfo()
	if !info.GetIsForwarded() && info.GetForwardingScore() == 0 && post == nil {
		return nil
	}
	out := &message.Forwarded{Times: int(min(info.GetForwardingScore(), maxForwards)), ChannelName: post.GetNewsletterName()}
	if channel, ok := parseJID(post.GetNewsletterJID()); ok && channel.Server == types.NewsletterServer {
		out.Channel, out.ServerID = addressOf(channel), int(max(0, post.GetServerMessageID()))
	}
	return out
}

// quote returns the message that another one replies to, or nil. always: also one that is not known, and of which the
// reply says nothing.
func (r *reading) quote(info *waE2E.ContextInfo, always bool) *message.Ref {
	if info.GetStanzaID() == "" {
		return nil
	}
	ref := &message.Ref{ID: idOf(info.GetStanzaID()), Sender: r.t.parseAddress(info.GetParticipant())}
	if ref.FromMe = r.t.isOwn(ref.Sender); ref.FromMe {
		ref.Sender = message.Address{}
	}
	r.inChat(info.GetRemoteJID(), ref)
	said, known := r.storedIn(info.GetRemoteJID(), ref)
	quoted, _ := unwrapped(info.GetQuotedMessage())
	if !known && quoted == nil && !always {
		return nil
	}
	// Of what WhatsApp has acknowledged, the outbox keeps the kind only.
	if ref.Claimed = !known || said.IsKindOnly() && quoted != nil; ref.Claimed {
		kind := said.Kind
		said = r.claimed(quoted)
		said.Kind = cmp.Or(kind, said.Kind)
	}
	ref.Text, ref.Kind, ref.Product = said.Words(), said.Kind, said.Product
	return ref
}

// claimed returns what a quote says that a message said, or the zero value if that cannot be told.
func (r *reading) claimed(quoted *waE2E.Message) message.Content {
	if quoted == nil {
		return message.Content{}
	}
	if comment := quoted.GetCommentMessage(); comment != nil {
		said := message.Content{}
		if inner, _ := unwrapped(comment.GetMessage()); inner != nil {
			said, _ = r.standalone(inner)
		}
		said.Kind = message.KindComment
		return said
	}
	said, _ := r.standalone(quoted)
	return said
}

// contextOf returns the context of the message's content, whatever its kind, or nil.
func contextOf(m *waE2E.Message) (info *waE2E.ContextInfo) {
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Message() == nil || field.IsList() {
			return true
		}
		if part, has := value.Message().Interface().(interface{ GetContextInfo() *waE2E.ContextInfo }); has {
			info = part.GetContextInfo()
		}
		return info == nil
	})
	if info == nil {
		info = innerContext(m)
	}
	return info
}

// encryptedReaction decrypts a reaction to an announcement of a community. It is encrypted with a secret of that
// message.
func (r *reading) encryptedReaction(m *waE2E.Message) message.Content {
	key := m.GetEncReactionMessage().GetTargetMessageKey()
	var opened *waE2E.ReactionMessage
	err := r.open(key, func(ctx context.Context) (err error) {
		opened, err = r.t.c.Client.DecryptReaction(ctx, r.eventWith(m))
		return err
	})
	if err != nil {
		return unreadable("encReactionMessage", r.ref(key))
	}
	return message.Content{Kind: message.KindReaction, Reaction: opened.GetText(), Target: r.ref(key)}
}

func (r *reading) encryptedEdit(m *waE2E.Message) message.Content {
	const name = "secretEncryptedMessage"
	key := m.GetSecretEncryptedMessage().GetTargetMessageKey()
	if target := r.ref(key); !r.isAuthor(target) {
		return unauthorized(name, target)
	}
	var opened *waE2E.Message
	err := r.open(key, func(ctx context.Context) (err error) {
		opened, err = r.t.c.Client.DecryptSecretEncryptedMessage(ctx, r.eventWith(m))
		return err
	})
	if err != nil {
		return unreadable(name, r.ref(key))
	}
	inner, _ := unwrapped(opened)
	if p := inner.GetProtocolMessage(); p.GetEditedMessage() != nil {
		return r.edit(name, cmp.Or(p.GetKey(), key), p.GetEditedMessage())
	}
	return r.edit(name, key, inner)
}

// eventWith returns the event with an unwrapped message.
func (r *reading) eventWith(m *waE2E.Message) *events.Message {
	e := *r.event
	e.Message = m
	if e.Message.MessageContextInfo == nil && e.RawMessage.GetMessageContextInfo() != nil {
		e.Message = proto.CloneOf(m)
		e.Message.MessageContextInfo = e.RawMessage.GetMessageContextInfo()
	}
	// The secret is stored by chat and sender, without the device.
	e.Info.Sender = e.Info.Sender.ToNonAD()
	return &e
}

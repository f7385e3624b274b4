package inbound

import (
	"fmt"
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventlog "wasup/internal/events"
	"wasup/internal/message"
)

// message translates a message of any kind. Most kinds become message.received. Messages that refer to another one have
// their own event types. Messages between devices (keys, history, app state) give no event.
func (t *translation) message(e *events.Message) []eventlog.Event {
	content, viewOnce := unwrapped(e.Message)
	if content == nil || hasNoContent(content) {
		return nil
	}
	if e.RawMessage.GetDeviceSentMessage() != nil && !e.Info.IsFromMe {
		// Only the account's own devices write such a message, to tell each other what they sent. Phones ignore any other.
		said := unauthorized("deviceSentMessage", nil)
		return t.messageEvent(&e.Info, eventlog.TypeMessage, &said)
	}
	if t.setsTimer(e) && !t.offline {
		return nil
	}
	if content.PlaceholderMessage != nil {
		return t.withheld(&e.Info, content.GetPlaceholderMessage())
	}
	reading := reading{t: t, event: e, viewOnce: viewOnce || e.IsViewOnce}
	said := reading.content(content)
	if e.NewsletterMeta != nil && !e.NewsletterMeta.EditTS.IsZero() {
		said = t.editedPost(&e.Info, said)
	}
	of := eventlog.TypeMessage
	switch said.Kind {
	case message.KindEdit:
		of = eventlog.TypeEdited
	case message.KindRevoke:
		of = eventlog.TypeRevoked
	case message.KindReaction:
		of = eventlog.TypeReaction
	case message.KindPollVote:
		of = eventlog.TypePollVote
	case message.KindEventResponse:
		of = eventlog.TypeEventResponse
	case message.KindPin:
		of = eventlog.TypePinned
	case message.KindKeep:
		of = eventlog.TypeKept
	default:
	}
	return t.messageEvent(&e.Info, of, &said, editOf(e)...)
}

// editOf distinguishes the versions of a newsletter's message, which have the same id.
func editOf(e *events.Message) []any {
	if e.NewsletterMeta == nil || e.NewsletterMeta.EditTS.IsZero() {
		return nil
	}
	return []any{e.NewsletterMeta.EditTS.UnixMilli()}
}

// undecryptable translates a message that cannot be decrypted yet.
func (t *translation) undecryptable(e *events.UndecryptableMessage) []eventlog.Event {
	data := t.data(&e.Info, nil)
	data.Unavailable = strings.TrimSuffix(string(e.UnavailableType), "_unavailable_fanout") // some servers write it in full
	return []eventlog.Event{t.event(eventlog.TypeUndecryptable, messageKey(&e.Info), data, nil)}
}

// messageEvent returns an event about a message, with its content if it is known.
func (t *translation) messageEvent(info *types.MessageInfo, of eventlog.Type, content *message.Content, version ...any) []eventlog.Event {
	data := t.data(info, content)
	var remote *message.Remote
	if content != nil && content.Media != nil {
		remote = content.Media.Remote
	}
	return []eventlog.Event{t.event(of, messageKey(info, version...), data, remote)}
}

// messageKey returns the key of a message's event. It contains the addresses as they arrived: a repeated delivery has
// the same ones.
func messageKey(info *types.MessageInfo, version ...any) string {
	chat := info.Chat.String()
	switch {
	case info.IsIncomingBroadcast() && !info.IsFromMe:
		chat = info.Sender.ToNonAD().String() // what comes by a list is in the chat with its sender
	case info.Chat.IsBroadcastList():
		chat = ownLists
	}
	return digest(append([]any{chat, info.Sender.ToNonAD(), info.ID}, version...)...)
}

func (t *translation) data(info *types.MessageInfo, content *message.Content) eventlog.MessageData {
	data := eventlog.MessageData{
		Broadcast: info.IsIncomingBroadcast(), Recipients: t.recipients(&info.MessageSource), ServerID: serverIDOf(info),
		ID: idOf(info.ID), FromMe: info.IsFromMe, PushName: info.PushName, At: Moment(info.Timestamp), Content: content, Truncated: t.cut,
		Chat: t.chatOf(&info.MessageSource), Sender: t.address(info.Sender, info.SenderAlt),
	}
	if content != nil {
		data.Expires = content.Expires
	}
	return data
}

func (t *translation) chatOf(source *types.MessageSource) message.Address {
	switch {
	case source.IsIncomingBroadcast():
		return t.address(source.Sender, source.SenderAlt)
	case source.Chat.Server != types.DefaultUserServer && source.Chat.Server != types.HiddenUserServer:
		return t.address(source.Chat)
	case source.IsFromMe:
		return t.address(source.Chat, source.RecipientAlt)
	default:
		return t.address(source.Chat, source.SenderAlt.ToNonAD())
	}
}

// unwrapped removes the wrappers of a message: for disappearing messages, view-once messages and others. All wrappers
// have the same type, so wrappers that WhatsApp adds later are removed, too.
func unwrapped(m *waE2E.Message) (inner *waE2E.Message, viewOnce bool) {
	for range 8 {
		name, wrapper := wrapperOf(m)
		if wrapper == nil {
			return m, viewOnce
		}
		if name == "viewOnceMessage" || name == "viewOnceMessageV2" || name == "viewOnceMessageV2Extension" {
			viewOnce = true
		}
		m = wrapper
	}
	return m, viewOnce
}

// isWrappedIn reports whether one of the wrappers of a message has this name.
func isWrappedIn(m *waE2E.Message, name string) bool {
	for range 8 {
		this, inner := wrapperOf(m)
		if this == name || inner == nil {
			return this == name
		}
		m = inner
	}
	return false
}

func wrapperOf(m *waE2E.Message) (name string, inner *waE2E.Message) {
	if m == nil {
		return "", nil
	}
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Message() == nil || field.IsList() {
			return true
		}
		if wrapper, is := value.Message().Interface().(*waE2E.FutureProofMessage); is {
			name, inner = string(field.Name()), wrapper.GetMessage()
		}
		return inner == nil
	})
	return name, inner
}

// hasNoContent reports whether a message contains nothing for people.
func hasNoContent(m *waE2E.Message) bool {
	if p := m.GetProtocolMessage(); p != nil {
		switch p.GetType() {
		case waE2E.ProtocolMessage_REVOKE, waE2E.ProtocolMessage_MESSAGE_EDIT:
			return p.GetKey() == nil
		case waE2E.ProtocolMessage_EPHEMERAL_SETTING, waE2E.ProtocolMessage_SHARE_PHONE_NUMBER, waE2E.ProtocolMessage_LIMIT_SHARING,
			waE2E.ProtocolMessage_STATUS_MENTION_MESSAGE:
			return false
		default:
			return true
		}
	}
	return kindName(m) == ""
}

// kindName returns WhatsApp's name for the kind of a message, or the number of an unknown field. It returns "" for a
// message that contains only keys.
func kindName(m *waE2E.Message) (name string) {
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		switch field.Name() {
		case "messageContextInfo", "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage",
			"stickerSyncRmrMessage", "groupRootKeyShare", "rootSecretDistributeMessage", "messageHistoryBundle", "messageHistoryNotice":
			return true
		default:
			name = string(field.Name())
			return false
		}
	})
	if unknown := m.ProtoReflect().GetUnknown(); name == "" && len(unknown) > 0 {
		if number, _, size := protowire.ConsumeField(unknown); size > 0 {
			name = fmt.Sprintf("field %d", number)
		}
	}
	return name
}

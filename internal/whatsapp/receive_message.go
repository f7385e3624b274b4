package whatsapp

import (
	"fmt"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventlog "wasup/internal/events"
	"wasup/internal/message"
)

// message tells a message of any kind. Most kinds are message.received; what is about another message has types of its
// own. Nothing is told of what devices say to each other: keys, history, states of the app.
func (t *translation) message(e *events.Message) []eventlog.Event {
	content, viewOnce := unwrapped(e.Message)
	if content == nil || silent(content) {
		return nil
	}
	reading := reading{t: t, event: e, viewOnce: viewOnce || e.IsViewOnce}
	said := reading.content(content)
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
	default:
	}
	return t.bare(&e.Info, of, &said, editOf(e)...)
}

// editOf tells the versions of a newsletter's message apart, which have one id.
func editOf(e *events.Message) []any {
	if e.NewsletterMeta == nil || e.NewsletterMeta.EditTS.IsZero() {
		return nil
	}
	return []any{e.NewsletterMeta.EditTS.UnixMilli()}
}

// undecryptable tells a message that cannot be read yet.
func (t *translation) undecryptable(e *events.UndecryptableMessage) []eventlog.Event {
	data := t.data(&e.Info, nil)
	data.Unavailable = string(e.UnavailableType)
	return []eventlog.Event{t.event(eventlog.TypeUndecryptable, messageKey(&e.Info), data, nil)}
}

// bare is an event about a message, with its content where it is known.
func (t *translation) bare(info *types.MessageInfo, of eventlog.Type, content *message.Content, version ...any) []eventlog.Event {
	data := t.data(info, content)
	var remote *message.Remote
	if content != nil && content.Media != nil {
		remote = content.Media.Remote
	}
	return []eventlog.Event{t.event(of, messageKey(info, version...), data, remote)}
}

// messageKey drops repetitions. It has the addresses as they came: a delivery that is repeated has the same ones.
func messageKey(info *types.MessageInfo, version ...any) string {
	return digest(append([]any{info.Chat, info.Sender.ToNonAD(), info.ID}, version...)...)
}

func (t *translation) data(info *types.MessageInfo, content *message.Content) eventlog.MessageData {
	data := eventlog.MessageData{
		ID: info.ID, FromMe: info.IsFromMe, PushName: info.PushName, At: info.Timestamp.UTC(), Content: content,
		Chat: t.chatOf(&info.MessageSource), Sender: t.address(info.Sender, info.SenderAlt),
	}
	if content != nil {
		data.Expires = content.Expires
	}
	return data
}

func (t *translation) chatOf(source *types.MessageSource) message.Address {
	switch {
	case source.Chat.Server != types.DefaultUserServer && source.Chat.Server != types.HiddenUserServer:
		return t.address(source.Chat)
	case source.IsFromMe:
		return t.address(source.Chat, source.RecipientAlt)
	default:
		return t.address(source.Chat, source.SenderAlt.ToNonAD())
	}
}

// unwrapped takes a message out of what it is wrapped in, for disappearing, viewing once, and whatever WhatsApp thinks of
// next: all wrappers have one type.
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

func wrapperOf(m *waE2E.Message) (name string, inner *waE2E.Message) {
	if m == nil {
		return "", nil
	}
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Message() == nil || field.IsList() {
			return true
		}
		switch wrapper := value.Message().Interface().(type) {
		case *waE2E.FutureProofMessage:
			name, inner = string(field.Name()), wrapper.GetMessage()
		case *waE2E.DeviceSentMessage:
			name, inner = string(field.Name()), wrapper.GetMessage()
		}
		return inner == nil
	})
	return name, inner
}

// silent reports what carries nothing for people.
func silent(m *waE2E.Message) bool {
	if p := m.GetProtocolMessage(); p != nil {
		switch p.GetType() {
		case waE2E.ProtocolMessage_REVOKE, waE2E.ProtocolMessage_MESSAGE_EDIT:
			return p.GetKey() == nil
		case waE2E.ProtocolMessage_EPHEMERAL_SETTING, waE2E.ProtocolMessage_SHARE_PHONE_NUMBER, waE2E.ProtocolMessage_LIMIT_SHARING:
			return false
		default:
			return true
		}
	}
	return kindName(m) == ""
}

// kindName is what WhatsApp calls the kind of a message, or the number of a field that this version has no name for; ""
// where it is about keys only.
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

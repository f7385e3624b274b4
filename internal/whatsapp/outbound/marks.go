package outbound

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
)

// Marks is what the stanza of a message says about the message outside of the encryption. whatsmeow leaves it out in
// groups and in messages that are sent again.
type Marks struct {
	// Hide: a device that cannot decrypt the message shows nothing. Otherwise it shows "Waiting for this message".
	Hide bool
}

// MarksOf returns the marks of a message, which may be nil. It hides what changes another message, as WhatsApp Web does
// (WAWebE2EProtoUtils.decryptFailAttributeFromProtobuf), and revocations, as whatsmeow does in chats with one person.
func MarksOf(m *waE2E.Message) Marks {
	for _, inner := range []*waE2E.Message{m.GetDeviceSentMessage().GetMessage(), m.GetEphemeralMessage().GetMessage()} {
		if inner != nil {
			return MarksOf(inner)
		}
	}
	change := m.GetProtocolMessage()
	return Marks{
		Hide: m.GetReactionMessage() != nil || m.GetEncReactionMessage() != nil || m.GetPollUpdateMessage() != nil ||
			m.GetEditedMessage() != nil || m.GetKeepInChatMessage() != nil || m.GetPinInChatMessage() != nil ||
			change.GetEditedMessage() != nil || (change.GetKey() != nil && change.GetType() == waE2E.ProtocolMessage_REVOKE),
	}
}

// Set adds the marks to a message stanza where they are missing, and reports whether any was.
func (m Marks) Set(stanza *waBinary.Node) (changed bool) {
	if m.Hide {
		list := stanza.GetChildByTag("participants")
		for _, holder := range append(list.GetChildrenByTag("to"), *stanza) {
			for _, enc := range holder.GetChildrenByTag("enc") {
				changed = setAttr(enc.Attrs, "decrypt-fail", "hide") || changed
			}
		}
	}
	return changed
}

// setAttr sets an attribute and reports whether it had another value.
func setAttr(attrs waBinary.Attrs, name, value string) bool {
	if attrs[name] == value {
		return false
	}
	attrs[name] = value
	return true
}

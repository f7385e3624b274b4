package outbound

import (
	"slices"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// Marks is what the stanza of a message says about the message outside of the encryption. whatsmeow leaves some of it
// out: Hide in groups and in messages that are sent again, Poll in all versions of polls but the first.
type Marks struct {
	// Hide: a device that cannot decrypt the message shows nothing. Otherwise it shows "Waiting for this message".
	Hide bool
	// Poll: the message asks a poll. Phones do not show a poll whose stanza does not say so.
	Poll bool
	// Status: the message is a reaction to a status. It is encrypted for the devices of the status's author and our own,
	// like a message to the author, but its stanza goes to the chat of statuses (WhatsApp Web, WAWebSendReactionMsgAction).
	Status bool
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
		Status: m.GetReactionMessage().GetKey().GetRemoteJID() == types.StatusBroadcastJID.String(),
		Poll:   m.GetPollCreationMessage() != nil || m.GetPollCreationMessageV2() != nil || m.GetPollCreationMessageV3() != nil,
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
	if m.Status {
		changed = toStatuses(stanza) || changed
	}
	if m.Poll {
		changed = setAttr(stanza.Attrs, "type", "poll") || changed
		if !hasPollType(stanza) {
			stanza.Content = append(stanza.GetChildren(), waBinary.Node{Tag: "meta", Attrs: waBinary.Attrs{"polltype": "creation"}})
			changed = true
		}
	}
	return changed
}

// toStatuses addresses a stanza to the chat of statuses. It removes what only messages to a person have.
func toStatuses(stanza *waBinary.Node) (changed bool) {
	if to, is := stanza.Attrs["to"].(types.JID); is && to.Device != 0 {
		return false // sent again to one device that asked for it
	}
	delete(stanza.Attrs, "peer_recipient_pn")
	stanza.Attrs["addressing_mode"] = string(types.AddressingModeLID)
	stanza.Content = slices.DeleteFunc(stanza.GetChildren(), func(child waBinary.Node) bool { return child.Tag == "tctoken" || child.Tag == "cstoken" })
	return setAttr(stanza.Attrs, "to", types.StatusBroadcastJID)
}

func hasPollType(stanza *waBinary.Node) bool {
	return slices.ContainsFunc(stanza.GetChildrenByTag("meta"), func(meta waBinary.Node) bool { return meta.Attrs["polltype"] != nil })
}

// setAttr sets an attribute and reports whether it had another value.
func setAttr(attrs waBinary.Attrs, name string, value any) bool {
	if attrs[name] == value {
		return false
	}
	attrs[name] = value
	return true
}

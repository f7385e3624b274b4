package outbound

import (
	"slices"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// Marks is what the stanza of a message says about the message outside of the encryption. whatsmeow says some of it in
// another way than WhatsApp Web, and leaves some of it out, above all in messages that are sent again to one device.
type Marks struct {
	// Hide: a device that cannot decrypt the message shows nothing. Otherwise it shows "Waiting for this message".
	Hide bool
	// Revoke: the message deletes another one. Such a message is never hidden: there are reports that WhatsApp's server
	// drops one that is.
	Revoke bool
	// Poll: the message asks a poll. Phones do not show a poll whose stanza does not say so.
	Poll bool
	// ViewOnce: the message is to be opened once.
	ViewOnce bool
	// Link: the message is a text with a preview of a link.
	Link bool
	// Edit is how the message changes another one: the attribute edit of its stanza. It is "" for most messages.
	Edit types.EditAttribute
	// Addressing is how the message's group addresses people. It is "" for a chat with one person, and where whatsmeow
	// says it.
	Addressing types.AddressingMode
	// Status: the message is a reaction to a status. It is encrypted for the devices of the status's author and our own,
	// like a message to the author, but its stanza goes to the chat of statuses (WhatsApp Web, WAWebSendReactionMsgAction).
	Status bool
}

// MarksOf returns the marks that follow from a message, which may be nil. It hides what changes another message except
// revocations, as WhatsApp Web does (WAWebE2EProtoUtils.decryptFailAttributeFromProtobuf).
func MarksOf(m *waE2E.Message) Marks {
	for _, inner := range []*waE2E.Message{m.GetDeviceSentMessage().GetMessage(), m.GetEphemeralMessage().GetMessage()} {
		if inner != nil {
			return MarksOf(inner)
		}
	}
	change := m.GetProtocolMessage()
	marks := Marks{
		Status:   m.GetReactionMessage().GetKey().GetRemoteJID() == types.StatusBroadcastJID.String(),
		Revoke:   change.GetKey() != nil && change.GetType() == waE2E.ProtocolMessage_REVOKE,
		Poll:     m.GetPollCreationMessage() != nil || m.GetPollCreationMessageV2() != nil || m.GetPollCreationMessageV3() != nil,
		ViewOnce: m.GetViewOnceMessage() != nil || m.GetViewOnceMessageV2() != nil || m.GetViewOnceMessageV2Extension() != nil,
		Link:     strings.TrimSpace(m.GetExtendedTextMessage().GetMatchedText()) != "",
		Hide: m.GetReactionMessage() != nil || m.GetEncReactionMessage() != nil || m.GetPollUpdateMessage() != nil ||
			m.GetEditedMessage() != nil || m.GetKeepInChatMessage() != nil || m.GetPinInChatMessage() != nil || change.GetEditedMessage() != nil,
	}
	switch {
	case marks.Revoke && !change.GetKey().GetFromMe():
		marks.Edit = types.EditAttributeAdminRevoke
	case marks.Revoke, m.GetReactionMessage() != nil && m.GetReactionMessage().GetText() == "":
		marks.Edit = types.EditAttributeSenderRevoke
	case m.GetEditedMessage() != nil || change.GetEditedMessage() != nil:
		marks.Edit = types.EditAttributeMessageEdit
	}
	return marks
}

// Set adds the marks to a message stanza where they are missing, and reports whether it changed the stanza.
func (m Marks) Set(stanza *waBinary.Node) (changed bool) {
	set := func(attrs waBinary.Attrs, name, value string) {
		if text, is := attrs[name].(string); !is || text != value {
			attrs[name], changed = value, true
		}
	}
	if m.Status {
		changed = toStatuses(stanza) || changed
	}
	for _, enc := range append(copiesIn(stanza), stanza.GetChildrenByTag("enc")...) {
		if _, hidden := enc.Attrs["decrypt-fail"]; hidden && m.Revoke {
			delete(enc.Attrs, "decrypt-fail")
			changed = true
		} else if m.Hide {
			set(enc.Attrs, "decrypt-fail", "hide")
		}
	}
	if m.Link {
		set(stanza.Attrs, "type", "media")
		for _, enc := range contentsIn(stanza) {
			set(enc.Attrs, "mediatype", "url")
		}
	}
	if m.Edit != types.EditAttributeEmpty {
		set(stanza.Attrs, "edit", string(m.Edit))
	}
	if m.Addressing != "" {
		set(stanza.Attrs, "addressing_mode", string(m.Addressing))
	}
	if m.Poll {
		set(stanza.Attrs, "type", "poll")
		changed = addMeta(stanza, "polltype", "creation") || changed
	}
	if m.ViewOnce {
		changed = addMeta(stanza, "view_once", "true") || changed
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
	if stanza.Attrs["to"] == types.StatusBroadcastJID {
		return false
	}
	stanza.Attrs["to"] = types.StatusBroadcastJID
	return true
}

// copiesIn returns the ciphertexts of a stanza that are each for one device.
func copiesIn(stanza *waBinary.Node) (all []waBinary.Node) {
	list := stanza.GetChildByTag("participants")
	for _, to := range list.GetChildrenByTag("to") {
		all = append(all, to.GetChildrenByTag("enc")...)
	}
	return all
}

// contentsIn returns the ciphertexts of a stanza that hold the message. In a group, the copies for single devices hold
// only the key of the one that is for all.
func contentsIn(stanza *waBinary.Node) []waBinary.Node {
	if shared := stanza.GetChildrenByTag("enc"); len(shared) > 0 {
		return shared
	}
	return copiesIn(stanza)
}

// addMeta adds a node meta with an attribute, unless a node meta has the attribute. It reports whether it did.
func addMeta(stanza *waBinary.Node, name, value string) bool {
	has := func(meta waBinary.Node) bool { return meta.Attrs[name] != nil }
	if slices.ContainsFunc(stanza.GetChildrenByTag("meta"), has) {
		return false
	}
	stanza.Content = append(stanza.GetChildren(), waBinary.Node{Tag: "meta", Attrs: waBinary.Attrs{name: value}})
	return true
}

package phones

import (
	"cmp"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/business"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/kinds"
)

// readContent fills a message from its decrypted content.
func (p *codec) readContent(content *waE2E.Message, into *Message) {
	into.secret = content.GetMessageContextInfo().GetMessageSecret()
	content, into.ViewOnce = kinds.Unwrap(content)
	if secret := content.GetMessageContextInfo().GetMessageSecret(); secret != nil {
		into.secret = secret
	}
	switch {
	case content.Conversation != nil:
		into.Kind, into.Text = KindText, content.GetConversation()
	case content.ExtendedTextMessage != nil:
		p.readText(content.ExtendedTextMessage, into)
	case content.LocationMessage != nil:
		m := content.LocationMessage
		into.Kind = KindLocation
		into.Location = &Location{Latitude: finite(m.GetDegreesLatitude()), Longitude: finite(m.GetDegreesLongitude()), Name: m.GetName(), Address: m.GetAddress()}
		p.readContext(m.GetContextInfo(), into)
	case content.ContactMessage != nil:
		m := content.ContactMessage
		into.Kind, into.Contact = KindContact, &Contact{Name: m.GetDisplayName(), VCard: m.GetVcard()}
		p.readContext(m.GetContextInfo(), into)
	case content.ContactsArrayMessage != nil:
		m := content.ContactsArrayMessage
		into.Kind = KindContact
		for _, card := range m.GetContacts() {
			into.Contacts = append(into.Contacts, Contact{Name: card.GetDisplayName(), VCard: card.GetVcard()})
		}
		if len(into.Contacts) > 0 {
			into.Contact = &into.Contacts[0]
		}
		p.readContext(m.GetContextInfo(), into)
	case pollOf(content, into.chat) != nil:
		p.readPoll(pollOf(content, into.chat), into)
	case content.ReactionMessage != nil:
		into.Kind, into.Text = KindReaction, content.ReactionMessage.GetText()
		p.readKey(content.ReactionMessage.GetKey(), into)
		if into.chat.Group().Community() {
			into.Target = "" // a reaction to an announcement of a community has to be encrypted with its secret
		}
	case content.EncReactionMessage != nil:
		p.readReaction(content.EncReactionMessage, into)
	case content.PollUpdateMessage != nil:
		into.Kind = KindVote
		p.readKey(content.PollUpdateMessage.GetPollCreationMessageKey(), into)
		p.readVote(content.PollUpdateMessage.GetVote(), into)
	case content.ProtocolMessage != nil:
		p.readProtocol(content.ProtocolMessage, into)
	default:
		if !p.readBusiness(content, into) {
			p.readSpecial(content, into)
			p.readMedia(content, into)
		}
	}
}

// pollOf returns the poll of a message, nil if it has none that a phone shows. Among the announcements of a community a
// poll has version 2. Elsewhere it has version 3 if one option may be chosen, and version 1 if several may. In a poll of
// version 1 people may choose several, even if it says one.
func pollOf(content *waE2E.Message, in groups.Chat) *waE2E.PollCreationMessage {
	announcement := in.Group().Community()
	switch {
	case announcement:
		return content.GetPollCreationMessageV2()
	case content.GetPollCreationMessageV3().GetSelectableOptionsCount() == 1:
		return content.GetPollCreationMessageV3()
	case content.GetPollCreationMessage().GetSelectableOptionsCount() == 1:
		poll := proto.CloneOf(content.GetPollCreationMessage())
		poll.SelectableOptionsCount = nil
		return poll
	default:
		return content.GetPollCreationMessage()
	}
}

func (p *codec) readText(m *waE2E.ExtendedTextMessage, into *Message) {
	into.Kind, into.Text = KindText, m.GetText()
	if m.GetMatchedText() != "" {
		into.Preview = &LinkPreview{URL: m.GetMatchedText(), Title: m.GetTitle(), Description: m.GetDescription()}
	}
	p.readContext(m.GetContextInfo(), into)
}

func (p *codec) readPoll(m *waE2E.PollCreationMessage, into *Message) {
	into.Kind, into.Text = KindPoll, m.GetName()
	into.Poll = &Poll{Selectable: int(m.GetSelectableOptionsCount())}
	for _, option := range m.GetOptions() {
		into.Poll.Options = append(into.Poll.Options, PollOption{Name: option.GetOptionName()})
	}
	p.readContext(m.GetContextInfo(), into)
}

func (p *codec) readMedia(content *waE2E.Message, into *Message) {
	switch {
	case content.ImageMessage != nil:
		m := content.ImageMessage
		into.Kind, into.Text, into.Media = KindImage, m.GetCaption(), p.mediaOf(KindImage, m)
		into.Media.Width, into.Media.Height, into.Media.Thumbnail = int(m.GetWidth()), int(m.GetHeight()), m.GetJPEGThumbnail()
		into.ViewOnce = into.ViewOnce || m.GetViewOnce()
		p.readContext(m.GetContextInfo(), into)
	case content.VideoMessage != nil:
		m := content.VideoMessage
		into.Kind, into.Text, into.Media = KindVideo, m.GetCaption(), p.mediaOf(KindVideo, m)
		into.Media.Width, into.Media.Height, into.Media.Thumbnail = int(m.GetWidth()), int(m.GetHeight()), m.GetJPEGThumbnail()
		into.Media.Seconds, into.Media.GIF = int(m.GetSeconds()), m.GetGifPlayback()
		into.ViewOnce = into.ViewOnce || m.GetViewOnce()
		p.readContext(m.GetContextInfo(), into)
	case content.AudioMessage != nil:
		m := content.AudioMessage
		into.Kind, into.Media = KindAudio, p.mediaOf(KindAudio, m)
		into.Media.Seconds, into.Media.Voice, into.Media.Waveform = int(m.GetSeconds()), m.GetPTT(), m.GetWaveform()
		into.ViewOnce = into.ViewOnce || m.GetViewOnce()
		p.readContext(m.GetContextInfo(), into)
	case content.DocumentMessage != nil:
		m := content.DocumentMessage
		into.Kind, into.Text, into.Media = KindDocument, m.GetCaption(), p.mediaOf(KindDocument, m)
		into.Media.FileName, into.Media.Thumbnail = m.GetFileName(), m.GetJPEGThumbnail()
		p.readContext(m.GetContextInfo(), into)
	case content.StickerMessage != nil:
		m := content.StickerMessage
		into.Kind, into.Media = KindSticker, p.mediaOf(KindSticker, m)
		into.Media.Width, into.Media.Height, into.Media.Animated = int(m.GetWidth()), int(m.GetHeight()), m.GetIsAnimated()
		p.readContext(m.GetContextInfo(), into)
	}
}

func (p *codec) readProtocol(m *waE2E.ProtocolMessage, into *Message) {
	switch m.GetType() {
	case waE2E.ProtocolMessage_REVOKE:
		into.Kind = KindRevoke
		// REVOKE is 0, the value of a missing type as well. Only a message with a key is a revocation.
		if m.GetKey() == nil {
			into.Kind = KindUnknown
		}
		p.readKey(m.GetKey(), into)
	case waE2E.ProtocolMessage_MESSAGE_EDIT:
		into.Kind, into.Text, into.form = KindEdit, textOf(m.GetEditedMessage()), formOf(m.GetEditedMessage())
		p.readKey(m.GetKey(), into)
	case waE2E.ProtocolMessage_EPHEMERAL_SETTING:
		into.Kind, into.Expiration = KindTimer, m.GetEphemeralExpiration()
	default:
		// Other types are not shown to people.
	}
}

// readContext reads whom a message mentions, which message it answers and when it disappears.
func (p *codec) readContext(info *waE2E.ContextInfo, into *Message) {
	into.Expiration = info.GetExpiration()
	for _, name := range info.GetMentionedJID() {
		into.Mentions = append(into.Mentions, p.byNumber(name))
	}
	if info.GetStanzaID() == "" {
		return
	}
	into.Quote = &Quote{
		ID: info.GetStanzaID(), From: p.byNumber(info.GetParticipant()), Text: textOf(info.GetQuotedMessage()), Kind: shownKind(info.GetQuotedMessage()),
		Chat: info.GetRemoteJID(), Found: p.finds(info, into.chat), Pictured: pictured(info.GetQuotedMessage()),
	}
}

// pictured reports whether a quoted message has a small picture.
func pictured(quoted *waE2E.Message) bool {
	return len(quoted.GetImageMessage().GetJPEGThumbnail())+len(quoted.GetVideoMessage().GetJPEGThumbnail())+
		len(quoted.GetDocumentMessage().GetJPEGThumbnail()) > 0
}

// quotedQuestion returns the question of a quoted poll of any version.
func quotedQuestion(quoted *waE2E.Message) string {
	return cmp.Or(quoted.GetPollCreationMessage(), quoted.GetPollCreationMessageV2(), quoted.GetPollCreationMessageV3()).GetName()
}

// shownKind returns the kind of message that a quote shows, or "" if it shows an empty bubble.
func shownKind(quoted *waE2E.Message) Kind {
	switch {
	case quoted.GetAudioMessage() != nil:
		return KindAudio
	case quoted.GetStickerMessage() != nil:
		return KindSticker
	case quoted.GetLocationMessage() != nil:
		return KindLocation
	case quoted.GetContactMessage().GetDisplayName() != "":
		return KindContact
	case quotedQuestion(quoted) != "":
		return KindPoll
	case quoted.GetExtendedTextMessage() != nil && textOf(quoted) == "":
		return ""
	case business.Words(quoted) != "":
		return KindBusiness
	default:
		return formOf(quoted)
	}
}

// finds reports whether the phone finds a quoted message in the chat. In a group it compares the author as it is, so it
// does not find a message whose author is named in the form that the group does not use.
func (p *codec) finds(info *waE2E.ContextInfo, in groups.Chat) bool {
	jid, err := types.ParseJID(info.GetParticipant())
	if err != nil || in.Shared != nil && jid.Server != in.Server() {
		return false
	}
	if name := info.GetRemoteJID(); name != "" {
		if in, err = p.Net.Groups.Chat(name); err != nil {
			return false
		}
	}
	quoted, found := p.journal.find(p.Net.Dir.Find(jid), info.GetStanzaID())
	return found && quoted.chat == in
}

// formOf returns the kind of message whose text or caption an edit replaces, or "" if it replaces none.
func formOf(edited *waE2E.Message) Kind {
	switch {
	case edited.GetConversation() != "", edited.GetExtendedTextMessage() != nil:
		return KindText
	case edited.GetImageMessage() != nil:
		return KindImage
	case edited.GetVideoMessage() != nil:
		return KindVideo
	case edited.GetDocumentMessage() != nil:
		return KindDocument
	default:
		return ""
	}
}

// editedContent returns the new text of a message as a message of its kind.
func editedContent(kind Kind, text *string) *waE2E.Message {
	switch kind {
	case KindImage:
		return &waE2E.Message{ImageMessage: &waE2E.ImageMessage{Caption: text}}
	case KindVideo:
		return &waE2E.Message{VideoMessage: &waE2E.VideoMessage{Caption: text}}
	case KindDocument:
		return &waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{Caption: text}}
	default:
		return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: text}}
	}
}

// textOf returns the text or caption of a quoted message. It ignores what the quoted message quotes in turn, because
// quotes may be nested as deep as a message is long.
func textOf(content *waE2E.Message) string {
	switch {
	case content.GetConversation() != "":
		return content.GetConversation()
	case content.GetExtendedTextMessage() != nil:
		return content.GetExtendedTextMessage().GetText()
	case content.GetImageMessage() != nil:
		return content.GetImageMessage().GetCaption()
	case content.GetVideoMessage() != nil:
		return content.GetVideoMessage().GetCaption()
	case content.GetDocumentMessage() != nil:
		return cmp.Or(content.GetDocumentMessage().GetCaption(), content.GetDocumentMessage().GetFileName())
	case content.GetContactMessage() != nil:
		return content.GetContactMessage().GetDisplayName()
	default:
		return cmp.Or(quotedQuestion(content), content.GetLocationMessage().GetName(), business.Words(content))
	}
}

// byNumber returns the phone number JID of an account that is named by number or hidden id. Unknown names stay as they
// are.
func (p *codec) byNumber(name string) types.JID {
	jid, err := types.ParseJID(name)
	if err != nil {
		return types.EmptyJID
	}
	if found := p.Net.Dir.Find(jid); found != nil {
		return found.JID(0)
	}
	return jid
}

// readKey finds the message that another one is about. A key is written from its sender's point of view. In a group,
// phones compare the key as it is: a key with another group, or with a member in the form that the group does not use,
// is about no message.
func (p *codec) readKey(key *waCommon.MessageKey, into *Message) {
	into.Target = key.GetID()
	shared := into.chat.Shared
	switch {
	case shared != nil && key.GetRemoteJID() != shared.Address().String():
	case key.GetFromMe():
		into.about = into.author
	case key.GetParticipant() != "":
		if jid, err := types.ParseJID(key.GetParticipant()); err == nil && (shared == nil || jid.Server == shared.Server()) {
			into.about = p.Net.Dir.Find(jid)
		}
	case shared != nil:
	case into.author == p.Account:
		into.about = into.chat.Account
	default:
		into.about = p.Account
	}
}

// readVote decrypts a vote. It ignores votes on polls that the phone does not have.
func (p *codec) readVote(vote *waE2E.PollEncValue, into *Message) {
	poll, _ := p.journal.find(into.about, into.Target)
	if poll.Poll == nil || poll.secret == nil {
		return
	}
	choice, err := openVote(vote, &poll, into.author)
	if err != nil {
		p.Net.Log.Debug("phone could not read a vote", "id", into.ID, "err", err)
		return
	}
	into.Poll = choice
}

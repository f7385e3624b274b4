package phones

import (
	"crypto/sha256"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waWeb"
)

// webMessage returns a message in the form in which phones send it to their devices, with its reactions and votes. It
// returns nil if the phone does not have the content.
func (p *phoneHistory) webMessage(m *Message, changes []Message) *waWeb.WebMessageInfo {
	web := &waWeb.WebMessageInfo{
		Key: p.journal.keyFor(m), MessageTimestamp: proto.Uint64(uint64(m.Time.Unix())), Status: webStatus(m).Enum(), MessageSecret: m.secret,
	}
	if !m.FromMe {
		web.PushName = optional(m.Name)
	}
	if m.chat.Shared != nil {
		web.Participant = proto.String(m.author.JIDOn(m.chat.Server(), 0).String())
	}
	if m.Revoked {
		web.MessageStubType = waWeb.WebMessageInfo_REVOKE.Enum()
		return web
	}
	content := new(waE2E.Message)
	if m.raw == nil || proto.Unmarshal(m.raw, content) != nil {
		return nil
	}
	if m.Edited {
		content = &waE2E.Message{Conversation: proto.String(m.Text), MessageContextInfo: content.MessageContextInfo}
	}
	web.Message = content
	if m.Expiration > 0 {
		web.EphemeralDuration = &m.Expiration
	}
	for i := range changes {
		if change := &changes[i]; change.about == m.author && change.chat == m.chat {
			p.addChange(web, m, change)
		}
	}
	return web
}

func webStatus(m *Message) waWeb.WebMessageInfo_Status {
	switch m.Status {
	case StatusSent:
		return waWeb.WebMessageInfo_SERVER_ACK
	case StatusRead:
		return waWeb.WebMessageInfo_READ
	default:
		return waWeb.WebMessageInfo_DELIVERY_ACK
	}
}

// addChange adds a vote, or a reaction that is still there. Edits and revocations are part of the message already.
func (p *phoneHistory) addChange(web *waWeb.WebMessageInfo, m, change *Message) {
	key := &waCommon.MessageKey{
		RemoteJID: proto.String(change.chat.Hidden().String()), ID: proto.String(change.ID), FromMe: proto.Bool(change.author == p.Account),
	}
	if change.chat.Shared != nil && change.author != p.Account {
		key.Participant = proto.String(change.author.JIDOn(change.chat.Server(), 0).String())
	}
	at := proto.Int64(change.Time.UnixMilli())
	switch change.Kind {
	case KindReaction:
		for _, reaction := range m.Reactions {
			// An account has at most one reaction: its last one.
			if reaction.From == change.From && reaction.Emoji == change.Text && reaction.Time.Equal(change.Time) {
				web.Reactions = append(web.Reactions, &waWeb.Reaction{Key: key, Text: proto.String(change.Text), SenderTimestampMS: at})
			}
		}
	case KindVote:
		if change.Poll == nil {
			return
		}
		vote := new(waE2E.PollVoteMessage)
		for _, option := range change.Poll.Options {
			sum := sha256.Sum256([]byte(option.Name))
			vote.SelectedOptions = append(vote.SelectedOptions, sum[:])
		}
		web.PollUpdates = append(web.PollUpdates, &waWeb.PollUpdate{PollUpdateMessageKey: key, Vote: vote, SenderTimestampMS: at})
	default:
	}
}

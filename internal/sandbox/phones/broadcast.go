package phones

import (
	"context"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
)

// This file has what is special about statuses and broadcast lists. Both are sent like messages to a group.

// StatusChat is the chat of all statuses. A phone posts a status by sending it there.
const StatusChat = "status@broadcast"

// CreateList creates a broadcast list of the phone and returns its address. It fails with accounts.ErrUnknownContact,
// groups.ErrNoRecipients or groups.ErrFull.
func (p *memberships) CreateList(ctx context.Context, recipients []string) (types.JID, error) {
	if err := ctx.Err(); err != nil {
		return types.EmptyJID, err
	}
	list, err := p.Net.Dir.Contacts(recipients)
	if err != nil {
		return types.EmptyJID, err
	}
	made, err := p.Net.Groups.Lists.Create(p.Account, list)
	if err != nil {
		return types.EmptyJID, err
	}
	return made.Address(), nil
}

// chatOf returns the chat in which a phone shows a message. What came by a broadcast list belongs to the chat with its
// owner.
func (p *handset) chatOf(d accounts.Delivery) groups.Chat {
	in := groups.Chat{Shared: p.Net.Groups.FindShared(d.Group)}
	if in.Shared == nil || in.IsList() && d.From.Account != p.Account {
		return groups.Chat{Account: d.From.Account}
	}
	return in
}

// isForAuthor reports whether a message is a reaction to a status. It is encrypted for the devices of the status's author
// and the phone's own, and sent to the chat of all statuses (WhatsApp Web, WAWebSendReactionMsgAction).
func (m *sentMessage) isForAuthor() bool { return m.kind == KindReaction && m.chat.IsStatuses() }

// encryptForAuthor encrypts a reaction to a status.
func (p *sender) encryptForAuthor(message sentMessage) []waBinary.Node {
	return []waBinary.Node{{Tag: "participants", Content: p.encryptForAll(sentMessage{
		chat: groups.Chat{Account: message.about}, kind: message.kind, plain: message.plain, copied: message.copied,
	})}}
}

// quotable finds the message that another one answers: one of the same chat, or a status of the other person.
func (p *codec) quotable(to groups.Chat, id string) (Message, bool) {
	if found, ok := p.journal.inChat(to, id); ok || to.Account == nil {
		return found, ok
	}
	found, ok := p.journal.find(to.Account, id)
	return found, ok && found.chat.IsStatuses()
}

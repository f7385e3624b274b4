package groups

import (
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
)

// Chat is a chat with an account or a group: one of the two is set.
type Chat struct {
	Account *accounts.Account
	Group   *Group
}

// JID returns the address of the chat. Accounts are named by phone number.
func (c Chat) JID() types.JID {
	if c.Group != nil {
		return c.Group.JID
	}
	return c.Account.JID(0)
}

// Hidden returns the address of the chat in messages. Accounts are named by hidden id.
func (c Chat) Hidden() types.JID {
	if c.Group != nil {
		return c.Group.JID
	}
	return c.Account.LIDJID(0)
}

// Chat finds an account by number or JID, or a group by JID. It fails with accounts.ErrUnknownContact.
func (s *Set) Chat(name string) (Chat, error) {
	if jid, err := types.ParseJID(name); err == nil && (jid.Server == types.GroupServer || jid.Server == types.BroadcastServer) {
		if found := s.FindShared(jid); found != nil {
			return Chat{Group: found}, nil
		}
	}
	found, err := s.dir.Contact(name)
	return Chat{Account: found}, err
}

// ChatState is a chat on disk: an account by its hidden id, or a group.
type ChatState struct {
	LID   string    `json:"lid,omitempty"`
	Group types.JID `json:"group"`
}

// State returns the chat as it is stored on disk.
func (c Chat) State() ChatState {
	if c.Group != nil {
		return ChatState{Group: c.Group.JID}
	}
	return ChatState{LID: accounts.LIDOf(c.Account)}
}

// ChatOf returns the chat that a ChatState names. It returns false if the account or group was removed.
func (s *Set) ChatOf(state ChatState) (Chat, bool) {
	if !state.Group.IsEmpty() {
		found := s.FindShared(state.Group)
		return Chat{Group: found}, found != nil
	}
	found := s.dir.Hidden(state.LID)
	return Chat{Account: found}, found != nil
}

package groups

import (
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
)

// Chat is where a message belongs: an account or a group.
type Chat struct {
	Account *accounts.Account
	Group   *Group
}

// JID is the address of the chat; accounts go by their number.
func (c Chat) JID() types.JID {
	if c.Group != nil {
		return c.Group.JID
	}
	return c.Account.JID(0)
}

// Hidden is the address of the chat in messages: accounts go by their hidden id.
func (c Chat) Hidden() types.JID {
	if c.Group != nil {
		return c.Group.JID
	}
	return c.Account.LIDJID(0)
}

// Chat finds an account by number or JID, or a group by JID.
func (s *Set) Chat(name string) (Chat, error) {
	if jid, err := types.ParseJID(name); err == nil && jid.Server == types.GroupServer {
		if found := s.Find(jid); found != nil {
			return Chat{Group: found}, nil
		}
	}
	found, err := s.dir.Contact(name)
	return Chat{Account: found}, err
}

// ChatState names an account by its hidden id, or a group.
type ChatState struct {
	LID   string    `json:"lid,omitempty"`
	Group types.JID `json:"group"`
}

// State is the chat as it is kept.
func (c Chat) State() ChatState {
	if c.Group != nil {
		return ChatState{Group: c.Group.JID}
	}
	return ChatState{LID: accounts.LIDOf(c.Account)}
}

// ChatOf finds a chat; false when its account or group was removed.
func (s *Set) ChatOf(state ChatState) (Chat, bool) {
	if !state.Group.IsEmpty() {
		found := s.Find(state.Group)
		return Chat{Group: found}, found != nil
	}
	found := s.dir.Hidden(state.LID)
	return Chat{Account: found}, found != nil
}

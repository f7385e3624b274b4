package groups

import (
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
)

// Shared is a chat of several accounts, in which a message is encrypted once for all: a *Group, a *List or the *Statuses.
type Shared interface {
	// Address is the JID of the chat.
	Address() types.JID
	// Mode says how members are named (AddressingLID or AddressingPN), Server is the server of these names.
	Mode() string
	Server() string
	// Has reports whether an account takes part.
	Has(a *accounts.Account) bool
	// MaySend returns nil if an account may write, otherwise ErrNotInGroup, ErrNotAdmin or ErrNotOwner. reacts says that
	// it sends a reaction.
	MaySend(a *accounts.Account, reacts bool) error
	// Audience lists the accounts that get what an account writes, itself included.
	Audience(author *accounts.Account) []*accounts.Account
}

// Chat is a chat with an account, or a shared one: one of the two is set.
type Chat struct {
	Account *accounts.Account
	Shared  Shared
}

// Group returns the group, or nil for any other chat.
func (c Chat) Group() *Group {
	g, _ := c.Shared.(*Group)
	return g
}

// IsStatuses reports whether the chat is that of all statuses.
func (c Chat) IsStatuses() bool {
	_, is := c.Shared.(*Statuses)
	return is
}

// IsList reports whether the chat is a broadcast list.
func (c Chat) IsList() bool {
	_, is := c.Shared.(*List)
	return is
}

// Server returns the server of the JIDs with which messages of the chat name accounts.
func (c Chat) Server() string {
	if c.Shared != nil {
		return c.Shared.Server()
	}
	return types.HiddenUserServer
}

// JID returns the address of the chat. Accounts are named by phone number.
func (c Chat) JID() types.JID {
	if c.Shared != nil {
		return c.Shared.Address()
	}
	return c.Account.JID(0)
}

// Hidden returns the address of the chat in messages. Accounts are named by hidden id.
func (c Chat) Hidden() types.JID {
	if c.Shared != nil {
		return c.Shared.Address()
	}
	return c.Account.LIDJID(0)
}

// FindShared returns the group, the broadcast list or the statuses with this JID, or nil.
func (s *Set) FindShared(jid types.JID) Shared {
	if jid == types.StatusBroadcastJID {
		return s.statuses
	}
	if list := s.Lists.find(jid); list != nil {
		return list
	}
	if g := s.Find(jid); g != nil {
		return g
	}
	return nil
}

// Chat finds an account by number or JID, or a shared chat by JID. It fails with accounts.ErrUnknownContact.
func (s *Set) Chat(name string) (Chat, error) {
	if jid, err := types.ParseJID(name); err == nil {
		if found := s.FindShared(jid); found != nil {
			return Chat{Shared: found}, nil
		}
	}
	found, err := s.dir.Contact(name)
	return Chat{Account: found}, err
}

// ChatState is a chat on disk: an account by its hidden id, or a shared chat.
type ChatState struct {
	LID   string    `json:"lid,omitempty"`
	Group types.JID `json:"group"`
}

// State returns the chat as it is stored on disk.
func (c Chat) State() ChatState {
	if c.Shared != nil {
		return ChatState{Group: c.Shared.Address()}
	}
	return ChatState{LID: accounts.LIDOf(c.Account)}
}

// ChatOf returns the chat that a ChatState names. It returns false if the account or the shared chat was removed.
func (s *Set) ChatOf(state ChatState) (Chat, bool) {
	if !state.Group.IsEmpty() {
		found := s.FindShared(state.Group)
		return Chat{Shared: found}, found != nil
	}
	found := s.dir.Hidden(state.LID)
	return Chat{Account: found}, found != nil
}

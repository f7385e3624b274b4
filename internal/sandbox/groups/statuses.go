package groups

import (
	"slices"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
)

// Statuses is the chat of all statuses. Everybody posts there, for the accounts with which they have a chat or a group. No
// query and no notification tells of it.
type Statuses struct{ set *Set }

// Address returns status@broadcast.
func (*Statuses) Address() types.JID { return types.StatusBroadcastJID }

// Mode returns AddressingLID.
func (*Statuses) Mode() string { return AddressingLID }

// Server returns the server of hidden ids.
func (*Statuses) Server() string { return types.HiddenUserServer }

// Has returns true: everybody may have a status.
func (*Statuses) Has(*accounts.Account) bool { return true }

// MaySend returns nil.
func (*Statuses) MaySend(*accounts.Account, bool) error { return nil }

// Audience lists the author and the accounts with which the author has a chat or a group.
func (s *Statuses) Audience(author *accounts.Account) []*accounts.Account {
	known := append([]*accounts.Account{author}, author.Phone.Partners()...)
	for _, common := range s.set.Of(author) {
		known = append(known, common.Accounts()...)
	}
	return distinct(known)
}

// distinct leaves out the accounts that come again.
func distinct(list []*accounts.Account) []*accounts.Account {
	seen := make(map[*accounts.Account]bool, len(list))
	return slices.DeleteFunc(list, func(a *accounts.Account) bool {
		again := seen[a]
		seen[a] = true
		return again
	})
}

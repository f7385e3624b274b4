package groups

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/observe"
)

// This file has the two kinds of chats that are sent like groups and are none: broadcast lists, and everybody's statuses.
// Clients know them by their addresses only. No query and no notification tells of them.

// ErrNoRecipients means that a broadcast list would have no recipients.
var ErrNoRecipients = errors.New("a broadcast list needs at least one recipient")

// audience says who gets the messages of a group.
type audience string

const (
	toMembers audience = ""
	// toList: the recipients of a broadcast list. Only its owner writes, and the recipients do not know each other.
	toList audience = "list"
	// toAcquaintances: who has a chat or a group with the author. The statuses of all accounts are one such group.
	toAcquaintances audience = "statuses"
)

// CreateList creates a broadcast list and returns it. It fails with ErrNoRecipients or ErrFull.
func (s *Set) CreateList(owner *accounts.Account, recipients []*accounts.Account) (*Group, error) {
	g := &Group{set: s, audience: toList, Addressing: AddressingLID, creator: owner, created: time.Now(), announce: true, members: []member{{owner, RoleSuperAdmin}}}
	for _, a := range recipients {
		if g.index(a) < 0 {
			g.members = append(g.members, member{a, RoleMember})
		}
	}
	switch {
	case len(g.members) < 2:
		return nil, ErrNoRecipients
	case len(g.members) > MaxMembers:
		return nil, ErrFull
	}
	s.mu.Lock()
	s.last++
	g.JID = types.NewJID(fmt.Sprintf("17%010d", s.last), types.BroadcastServer)
	s.byJID[g.JID] = g
	s.mu.Unlock()
	s.observer.Emit(observe.Event{Kind: observe.EventGroup, Account: owner.Number, Detail: "list " + g.JID.String()})
	return g, nil
}

// statuses returns the chat of all statuses.
func (s *Set) statuses() *Group {
	return &Group{set: s, JID: types.StatusBroadcastJID, Addressing: AddressingLID, audience: toAcquaintances}
}

// IsList reports whether the group is a broadcast list.
func (g *Group) IsList() bool { return g != nil && g.audience == toList }

// IsStatuses reports whether the group is the chat of all statuses.
func (g *Group) IsStatuses() bool { return g != nil && g.audience == toAcquaintances }

// Audience lists the accounts that get what an account writes, itself included.
func (g *Group) Audience(author *accounts.Account) []*accounts.Account {
	if !g.IsStatuses() {
		return g.Accounts()
	}
	known := append([]*accounts.Account{author}, author.Phone.Partners()...)
	for _, common := range g.set.Of(author) {
		known = append(known, common.Accounts()...)
	}
	seen := make(map[*accounts.Account]bool, len(known))
	return slices.DeleteFunc(known, func(a *accounts.Account) bool {
		again := seen[a]
		seen[a] = true
		return again
	})
}

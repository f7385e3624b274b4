package groups

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/observe"
)

// Errors of broadcast lists.
var (
	ErrNoRecipients = errors.New("a broadcast list needs at least one recipient")
	ErrNotOwner     = errors.New("only the owner of a broadcast list may write to it")
	// ErrBroadcast means that somebody calls a broadcast list or the statuses, or types there.
	ErrBroadcast = errors.New("broadcast lists and statuses have no calls and no chat states")
)

// List is a broadcast list. Only its owner writes, and the recipients do not know each other. Clients know it by its
// address only: no query and no notification tells of it. The lock of its Lists guards the recipients.
type List struct {
	lists      *Lists
	jid        types.JID
	owner      *accounts.Account
	recipients []*accounts.Account
}

// Lists holds all broadcast lists.
type Lists struct {
	dir      *accounts.Directory
	observer *observe.Observer

	mu      setLock
	byJID   map[types.JID]*List
	removed []types.JID // since the lists were saved
	last    int64
}

func newLists(dir *accounts.Directory, observer *observe.Observer) *Lists {
	return &Lists{dir: dir, observer: observer, byJID: make(map[types.JID]*List)}
}

// Create creates a broadcast list. It fails with accounts.ErrUnknownContact, ErrNoRecipients or ErrFull.
func (s *Lists) Create(owner *accounts.Account, recipients []*accounts.Account) (*List, error) {
	others := distinct(slices.DeleteFunc(slices.Clone(recipients), func(a *accounts.Account) bool { return a == owner }))
	switch {
	case len(others) == 0:
		return nil, ErrNoRecipients
	case len(others) >= MaxMembers:
		return nil, ErrFull
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dir.Has(owner) || len(s.dir.Present(others)) != len(others) {
		return nil, accounts.ErrUnknownContact // one was removed meanwhile
	}
	s.last++
	l := &List{lists: s, jid: types.NewJID(fmt.Sprintf("17%010d", s.last), types.BroadcastServer), owner: owner, recipients: others}
	s.byJID[l.jid] = l
	s.observer.Emit(observe.Event{Kind: observe.EventGroup, Account: owner.Number, Detail: "list " + l.jid.String()})
	return l, nil
}

// find returns the list with this JID, or nil.
func (s *Lists) find(jid types.JID) *List {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byJID[jid.ToNonAD()]
}

// Forget removes the lists of an account that was removed, and the account from the lists of others.
func (s *Lists) Forget(a *accounts.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for jid, l := range s.byJID {
		if l.owner == a {
			delete(s.byJID, jid)
			s.removed = append(s.removed, jid)
		}
		l.recipients = slices.DeleteFunc(l.recipients, func(other *accounts.Account) bool { return other == a })
	}
}

// Address returns the JID of the list.
func (l *List) Address() types.JID { return l.jid }

// Mode returns AddressingLID.
func (*List) Mode() string { return AddressingLID }

// Server returns the server of hidden ids.
func (*List) Server() string { return types.HiddenUserServer }

// Has reports whether an account is the owner or a recipient.
func (l *List) Has(a *accounts.Account) bool { return slices.Contains(l.Audience(a), a) }

// MaySend returns nil for the owner, ErrNotOwner for a recipient and ErrNotInGroup for any other account.
func (l *List) MaySend(a *accounts.Account, _ bool) error {
	switch {
	case a == l.owner:
		return nil
	case l.Has(a):
		return ErrNotOwner
	default:
		return ErrNotInGroup
	}
}

// Audience lists the owner and the recipients.
func (l *List) Audience(*accounts.Account) []*accounts.Account {
	return append([]*accounts.Account{l.owner}, l.Recipients()...)
}

// Recipients lists the recipients.
func (l *List) Recipients() []*accounts.Account {
	l.lists.mu.RLock()
	defer l.lists.mu.RUnlock()
	return slices.Clone(l.recipients)
}

// KeyList is the prefix of the keys of the records of broadcast lists: b/JID.
const KeyList = "b/"

// listState is a broadcast list on disk. Accounts are named by their hidden ids.
type listState struct {
	JID        types.JID `json:"jid"`
	Number     int64     `json:"number"` // the number of the newest list
	Owner      string    `json:"owner"`
	Recipients []string  `json:"recipients"`
}

// Collect emits a record for each list, if all is set or a list changed since the last call that succeeded.
func (s *Lists) Collect(all bool, emit func(string, any) error) error {
	s.mu.RWMutex.Lock()
	defer s.mu.Unlock()
	if !s.mu.changed.Load() && !all {
		return nil
	}
	for _, jid := range s.removed {
		if err := emit(KeyList+jid.String(), nil); err != nil {
			return err
		}
	}
	for _, l := range s.byJID {
		state := listState{JID: l.jid, Number: s.last, Owner: accounts.LIDOf(l.owner)}
		for _, a := range l.recipients {
			state.Recipients = append(state.Recipients, accounts.LIDOf(a))
		}
		if err := emit(KeyList+l.jid.String(), state); err != nil {
			return err
		}
	}
	s.removed = nil
	s.mu.changed.Store(false)
	return nil
}

// Restore adds a list from its record. It skips a list whose owner's account was removed.
func (s *Lists) Restore(raw json.RawMessage) error {
	var state listState
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("%w: %w", disk.ErrRecord, err)
	}
	owner := s.dir.Hidden(state.Owner)
	if owner == nil || state.JID.Server != types.BroadcastServer {
		return nil
	}
	l := &List{lists: s, jid: state.JID, owner: owner}
	for _, lid := range state.Recipients {
		if a := s.dir.Hidden(lid); a != nil {
			l.recipients = append(l.recipients, a)
		}
	}
	s.last = max(s.last, state.Number)
	s.byJID[l.jid] = l
	return nil
}

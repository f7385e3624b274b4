// Package groups is the groups, who is in them, and what may be done to them by whom.
//
// It tells members what changes; messages to a group are not its affair.
package groups

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/observe"
)

// Errors of groups.
var (
	ErrUnknown        = errors.New("no such group")
	ErrNotInGroup     = errors.New("not in this group")
	ErrNotAdmin       = errors.New("only admins of the group may do that")
	ErrBadSubject     = errors.New("not a name for a group: expected 1 to 100 characters")
	ErrBadDescription = errors.New("not a description: expected at most 2048 characters, written after the one that is there")
	ErrFull           = errors.New("the group would have too many members")
	ErrInviteRevoked  = errors.New("the invite link was revoked")
	ErrInviteUnknown  = errors.New("not an invite link")
	ErrBadExpiration  = errors.New("not a time for messages to stay: expected 0, 86400, 604800 or 7776000 seconds")
	ErrBadAddressing  = errors.New("not an addressing mode: expected lid or pn")
	ErrMemberUnknown  = errors.New("not a member of the group")
	ErrOwnerStays     = errors.New("the creator of a group stays its admin")
)

// The ways in which a group names its members.
const (
	AddressingLID = "lid"
	AddressingPN  = "pn"
)

const (
	MaxMembers     = 1024
	maxSubject     = 100
	maxDescription = 2048
)

// Role is what a member of a group may do.
type Role string

// The roles. The creator of a group is its superadmin.
const (
	RoleMember     Role = ""
	RoleAdmin      Role = "admin"
	RoleSuperAdmin Role = "superadmin"
)

// Member is an account in a group.
type Member struct {
	JID  types.JID `json:"jid"`
	LID  types.JID `json:"lid"`
	Role Role      `json:"role"`
}

// Info describes a group.
type Info struct {
	JID         types.JID
	Subject     string
	Description string
	Creator     types.JID
	Created     time.Time
	// Addressing says whether messages name members by hidden id (lid) or number (pn).
	Addressing string
	Members    []Member
	// Announce lets only admins write, Locked only admins change the name and the like, Approval only admins
	// let people in who come with the link, AdminAdds only admins add others.
	Announce, Locked, Approval, AdminAdds bool
	// Expiration is after how many seconds messages disappear, 0 when they stay.
	Expiration uint32
	// Requests are those who wait to be let in.
	Requests []types.JID
}

// Group is a group. What changes is guarded by the lock of the set that it is in.
type Group struct {
	set        *Set
	JID        types.JID
	Addressing string
	creator    *accounts.Account
	created    time.Time

	subject, description wording

	members                               []member
	announce, locked, approval, adminAdds bool
	expiration                            uint32
	invite                                string
	requests                              []joinRequest
	version                               int
	picture                               media.Picture
}

// wording is a text that somebody gave a group; id is that of a description.
type wording struct {
	text, id string
	by       *accounts.Account
	at       time.Time
}

type member struct {
	account *accounts.Account
	role    Role
}

type joinRequest struct {
	account *accounts.Account
	at      time.Time
}

// Set knows every group. Its lock is held for reading and changing them, never while something is sent.
type Set struct {
	dir      *accounts.Directory
	courier  *accounts.Courier
	observer *observe.Observer
	log      *slog.Logger

	mu     setLock
	byJID  map[types.JID]*Group
	byLink map[string]*Group
	// revoked are links that once led somewhere.
	revoked map[string]bool
	last    int64
}

// setLock guards groups. Who takes it to change something cannot forget to say so.
type setLock struct {
	sync.RWMutex
	changed atomic.Bool // since the groups were saved
}

// Lock also notes that something changes.
func (l *setLock) Lock() {
	l.RWMutex.Lock()
	l.changed.Store(true)
}

// NewSet makes a set without groups.
func NewSet(dir *accounts.Directory, courier *accounts.Courier, observer *observe.Observer, log *slog.Logger) *Set {
	return &Set{
		dir: dir, courier: courier, observer: observer, log: log,
		byJID: make(map[types.JID]*Group), byLink: make(map[string]*Group), revoked: make(map[string]bool),
	}
}

// Find gives the group with an address, nil when there is none.
func (s *Set) Find(jid types.JID) *Group {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byJID[jid.ToNonAD()]
}

// add enters a new group under an id of its own.
func (s *Set) add(g *Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	g.set = s
	g.JID = types.NewJID(fmt.Sprintf("12036300%010d", s.last), types.GroupServer)
	s.byJID[g.JID] = g
	s.link(g)
}

// link gives a group a new invite link. The caller holds the lock.
func (s *Set) link(g *Group) {
	if g.invite != "" {
		delete(s.byLink, g.invite)
		s.revoked[g.invite] = true
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	g.invite = strings.NewReplacer("-", "A", "_", "B").Replace(base64.RawURLEncoding.EncodeToString(raw[:]))
	s.byLink[g.invite] = g
}

// Linked finds the group that an invite link leads to.
func (s *Set) Linked(code string) (*Group, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch g := s.byLink[code]; {
	case g != nil:
		return g, nil
	case s.revoked[code]:
		return nil, ErrInviteRevoked
	default:
		return nil, ErrInviteUnknown
	}
}

// Of lists the groups that an account is in, oldest first.
func (s *Set) Of(a *accounts.Account) []*Group {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var groups []*Group
	for _, g := range s.byJID {
		if g.index(a) >= 0 {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b *Group) int { return strings.Compare(a.JID.User, b.JID.User) })
	return groups
}

// Server is the address space in which the group names its members.
func (g *Group) Server() string {
	if g.Addressing == AddressingPN {
		return types.DefaultUserServer
	}
	return types.HiddenUserServer
}

// index finds a member, -1 when it is none. The caller holds the lock.
func (g *Group) index(a *accounts.Account) int {
	return slices.IndexFunc(g.members, func(m member) bool { return m.account == a })
}

// admin says whether an account is an admin. The caller holds the lock.
func (g *Group) admin(a *accounts.Account) bool {
	at := g.index(a)
	return at >= 0 && g.members[at].role != RoleMember
}

// IsAdmin says whether an account is an admin.
func (g *Group) IsAdmin(a *accounts.Account) bool {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.admin(a)
}

// Accounts lists the members.
func (g *Group) Accounts() []*accounts.Account {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	list := make([]*accounts.Account, 0, len(g.members))
	for _, m := range g.members {
		list = append(list, m.account)
	}
	return list
}

// MaySend says whether an account may write.
func (g *Group) MaySend(a *accounts.Account) error {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	switch {
	case g.index(a) < 0:
		return ErrNotInGroup
	case g.announce && !g.admin(a):
		return ErrNotAdmin
	default:
		return nil
	}
}

// Info describes the group.
func (g *Group) Info() Info {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	info := Info{
		JID: g.JID, Subject: g.subject.text, Description: g.description.text, Creator: g.creator.JID(0), Created: g.created, Addressing: g.Addressing,
		Announce: g.announce, Locked: g.locked, Approval: g.approval, AdminAdds: g.adminAdds, Expiration: g.expiration,
	}
	for _, m := range g.members {
		info.Members = append(info.Members, Member{JID: m.account.JID(0), LID: m.account.LIDJID(0), Role: m.role})
	}
	for _, r := range g.requests {
		info.Requests = append(info.Requests, r.account.JID(0))
	}
	return info
}

// CurrentPicture is the group's picture.
func (g *Group) CurrentPicture() media.Picture {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.picture
}

// ChangePicture returns the picture that there was.
func (g *Group) ChangePicture(next media.Picture) media.Picture {
	g.set.mu.Lock()
	defer g.set.mu.Unlock()
	before := g.picture
	g.picture = next
	return before
}

// List describes all groups, oldest first.
func (s *Set) List() []Info {
	s.mu.RLock()
	all := make([]*Group, 0, len(s.byJID))
	for _, g := range s.byJID {
		all = append(all, g)
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b *Group) int { return strings.Compare(a.JID.User, b.JID.User) })
	infos := make([]Info, 0, len(all))
	for _, g := range all {
		infos = append(infos, g.Info())
	}
	return infos
}

// Package groups holds the groups, their members and settings, and checks who may change what.
//
// It tells members about changes. Messages to groups are the business of package routing.
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
	ErrBadSubject     = errors.New("invalid group name: expected 1 to 100 characters")
	ErrBadDescription = errors.New("invalid description: expected at most 2048 characters, replacing the current description")
	ErrFull           = errors.New("the group would have too many members")
	ErrInviteRevoked  = errors.New("the invite link was revoked")
	ErrInviteUnknown  = errors.New("not an invite link")
	ErrBadExpiration  = errors.New("invalid expiration: expected 0, 86400, 604800 or 7776000 seconds")
	ErrBadAddressing  = errors.New("unknown addressing mode: expected lid or pn")
	ErrMemberUnknown  = errors.New("not a member of the group")
	ErrOwnerStays     = errors.New("the creator of a group stays its admin")
)

// The addressing modes: members are named by hidden id (lid) or by phone number (pn).
const (
	AddressingLID = "lid"
	AddressingPN  = "pn"
)

const (
	MaxMembers     = 1024
	maxSubject     = 100
	maxDescription = 2048
)

// Role says what a member of a group may do.
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
	// Addressing says whether messages name members by hidden id (lid) or phone number (pn).
	Addressing string
	Members    []Member
	// Announce: only admins may write. Locked: only admins may change the name, the description and the like. Approval:
	// admins have to approve those who join by link. AdminAdds: only admins may add members.
	Announce, Locked, Approval, AdminAdds bool
	// Community: the group is the announcements of a community. Admins write, everybody reacts, and reactions are
	// encrypted with the secret of the announcement.
	Community bool
	// Expiration is after how many seconds messages disappear. 0 means never.
	Expiration uint32
	// Requests are the accounts that wait for approval to join.
	Requests []types.JID
}

// Group is a group. The lock of its set guards what changes.
type Group struct {
	set        *Set
	JID        types.JID
	Addressing string
	creator    *accounts.Account
	created    time.Time

	subject, description wording

	members                               []member
	announce, locked, approval, adminAdds bool
	community                             bool // never changes
	expiration                            uint32
	invite                                string
	revoked                               []string // the codes of earlier invite links
	requests                              []joinRequest
	version                               int
	picture                               media.Picture
}

// wording is the subject or description of a group, and who set it. Only a description has an id.
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

// Set holds all groups, and the other shared chats. Its lock is held to read and change them, never while something is sent.
type Set struct {
	dir      *accounts.Directory
	courier  *accounts.Courier
	observer *observe.Observer
	log      *slog.Logger

	Lists    *Lists
	statuses *Statuses

	mu    setLock
	byJID map[types.JID]*Group
	// byLink holds the groups by the codes of their invite links, revoked ones included.
	byLink map[string]*Group
	last   int64
}

// setLock guards the groups and notes each change, so that no setter can forget to.
type setLock struct {
	sync.RWMutex
	changed atomic.Bool // since the groups were saved
}

// Lock locks for writing and notes that something changes.
func (l *setLock) Lock() {
	l.RWMutex.Lock()
	l.changed.Store(true)
}

// NewSet returns an empty set.
func NewSet(dir *accounts.Directory, courier *accounts.Courier, observer *observe.Observer, log *slog.Logger) *Set {
	s := &Set{
		dir: dir, courier: courier, observer: observer, log: log,
		byJID: make(map[types.JID]*Group), byLink: make(map[string]*Group), Lists: newLists(dir, observer),
	}
	s.statuses = &Statuses{s}
	return s
}

// Find returns the group with this JID, or nil.
func (s *Set) Find(jid types.JID) *Group {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byJID[jid.ToNonAD()]
}

// add adds a new group and gives it an id.
func (s *Set) add(g *Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	g.set = s
	g.members = slices.DeleteFunc(g.members, func(m member) bool { return !s.dir.Has(m.account) }) // removed meanwhile
	g.JID = types.NewJID(fmt.Sprintf("12036300%010d", s.last), types.GroupServer)
	s.byJID[g.JID] = g
	s.link(g)
}

// link gives a group a new invite link and revokes the old one. The caller holds the lock.
func (s *Set) link(g *Group) {
	if g.invite != "" {
		g.revoked = append(g.revoked, g.invite)
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	g.invite = strings.NewReplacer("-", "A", "_", "B").Replace(base64.RawURLEncoding.EncodeToString(raw[:]))
	s.byLink[g.invite] = g
}

// Linked finds the group of an invite code. It fails with ErrInviteRevoked or ErrInviteUnknown.
func (s *Set) Linked(code string) (*Group, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch g := s.byLink[code]; {
	case g == nil:
		return nil, ErrInviteUnknown
	case g.invite != code:
		return nil, ErrInviteRevoked
	default:
		return g, nil
	}
}

// Of lists the groups of an account, oldest first.
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

// Address returns the JID of the group.
func (g *Group) Address() types.JID { return g.JID }

// Mode returns the addressing mode of the group.
func (g *Group) Mode() string { return g.Addressing }

// Audience lists the members.
func (g *Group) Audience(*accounts.Account) []*accounts.Account { return g.Accounts() }

// Server returns the server of the JIDs with which the group names its members.
func (g *Group) Server() string {
	if g.Addressing == AddressingPN {
		return types.DefaultUserServer
	}
	return types.HiddenUserServer
}

// index returns the position of a member, -1 if the account is not a member. The caller holds the lock.
func (g *Group) index(a *accounts.Account) int {
	return slices.IndexFunc(g.members, func(m member) bool { return m.account == a })
}

// admin reports whether an account is an admin. The caller holds the lock.
func (g *Group) admin(a *accounts.Account) bool {
	at := g.index(a)
	return at >= 0 && g.members[at].role != RoleMember
}

// IsAdmin reports whether an account is an admin. No group has none.
func (g *Group) IsAdmin(a *accounts.Account) bool {
	if g == nil {
		return false
	}
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.admin(a)
}

// Has reports whether an account is a member.
func (g *Group) Has(a *accounts.Account) bool {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.index(a) >= 0
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

// Community reports whether the group is the announcements of a community. No group is none.
func (g *Group) Community() bool { return g != nil && g.community }

// MaySend returns nil if an account may write to the group, otherwise ErrNotInGroup or ErrNotAdmin. reacts says that it
// sends a reaction.
func (g *Group) MaySend(a *accounts.Account, reacts bool) error {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	switch {
	case g.index(a) < 0:
		return ErrNotInGroup
	case g.announce && !g.admin(a) && !(g.community && reacts):
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
		JID: g.JID, Subject: g.subject.text, Description: g.description.text, Created: g.created, Addressing: g.Addressing,
		Announce: g.announce, Locked: g.locked, Approval: g.approval, AdminAdds: g.adminAdds, Community: g.community,
		Expiration: g.expiration,
	}
	if g.creator != nil {
		info.Creator = g.creator.JID(0)
	}
	for _, m := range g.members {
		info.Members = append(info.Members, Member{JID: m.account.JID(0), LID: m.account.LIDJID(0), Role: m.role})
	}
	for _, r := range g.requests {
		info.Requests = append(info.Requests, r.account.JID(0))
	}
	return info
}

// CurrentPicture returns the group's picture.
func (g *Group) CurrentPicture() media.Picture {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.picture
}

// ChangePicture sets the group's picture and returns the previous one.
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

package sandbox

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
)

// Errors of groups.
var (
	ErrUnknownGroup   = errors.New("no such group")
	ErrNotInGroup     = errors.New("not in this group")
	ErrNotAdmin       = errors.New("only admins of the group may do that")
	ErrBadSubject     = errors.New("not a name for a group: expected 1 to 100 characters")
	ErrBadDescription = errors.New("not a description: expected at most 2048 characters, written after the one that is there")
	ErrGroupFull      = errors.New("the group would have too many members")
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
	maxMembers     = 1024
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

// GroupMember is an account in a group.
type GroupMember struct {
	JID  types.JID `json:"jid"`
	LID  types.JID `json:"lid"`
	Role Role      `json:"role"`
}

// GroupInfo describes a group.
type GroupInfo struct {
	JID         types.JID
	Subject     string
	Description string
	Creator     types.JID
	Created     time.Time
	// Addressing says whether messages name members by hidden id (lid) or number (pn).
	Addressing string
	Members    []GroupMember
	// Announce lets only admins write, Locked only admins change the name and the like, Approval only admins
	// let people in who come with the link, AdminAdds only admins add others.
	Announce, Locked, Approval, AdminAdds bool
	// Expiration is after how many seconds messages disappear, 0 when they stay.
	Expiration uint32
	// Requests are those who wait to be let in.
	Requests []types.JID
}

// group is a group. What changes is guarded by the lock of the set that it is in.
type group struct {
	set        *groupSet
	jid        types.JID
	addressing string
	creator    *account
	created    time.Time

	subject, description wording

	members                               []member
	announce, locked, approval, adminAdds bool
	expiration                            uint32
	invite                                string
	requests                              []joinRequest
	version                               int
	picture                               picture
}

// wording is a text that somebody gave a group; id is that of a description.
type wording struct {
	text, id string
	by       *account
	at       time.Time
}

type member struct {
	account *account
	role    Role
}

type joinRequest struct {
	account *account
	at      time.Time
}

// groupSet knows every group. Its lock is held for reading and changing them, never while something is sent.
type groupSet struct {
	dir      *directory
	courier  *courier
	observer *observe.Observer
	log      *slog.Logger

	mu     sync.RWMutex
	byJID  map[types.JID]*group
	byLink map[string]*group
	// revoked are links that once led somewhere.
	revoked map[string]bool
	last    int64
}

func newGroupSet(dir *directory, courier *courier, observer *observe.Observer, log *slog.Logger) *groupSet {
	return &groupSet{
		dir: dir, courier: courier, observer: observer, log: log,
		byJID: make(map[types.JID]*group), byLink: make(map[string]*group), revoked: make(map[string]bool),
	}
}

func (s *groupSet) find(jid types.JID) *group {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byJID[jid.ToNonAD()]
}

// add enters a new group under an id of its own.
func (s *groupSet) add(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	g.set = s
	g.jid = types.NewJID(fmt.Sprintf("12036300%010d", s.last), types.GroupServer)
	s.byJID[g.jid] = g
	s.link(g)
}

// link gives a group a new invite link. The caller holds the lock.
func (s *groupSet) link(g *group) {
	if g.invite != "" {
		delete(s.byLink, g.invite)
		s.revoked[g.invite] = true
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	g.invite = strings.NewReplacer("-", "A", "_", "B").Replace(base64.RawURLEncoding.EncodeToString(raw[:]))
	s.byLink[g.invite] = g
}

// linked finds the group that an invite link leads to.
func (s *groupSet) linked(code string) (*group, error) {
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

// of lists the groups that an account is in, oldest first.
func (s *groupSet) of(a *account) []*group {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var groups []*group
	for _, g := range s.byJID {
		if g.index(a) >= 0 {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b *group) int { return strings.Compare(a.jid.User, b.jid.User) })
	return groups
}

// server is the address space in which the group names its members.
func (g *group) server() string {
	if g.addressing == AddressingPN {
		return types.DefaultUserServer
	}
	return types.HiddenUserServer
}

// index finds a member, -1 when it is none. The caller holds the lock.
func (g *group) index(a *account) int {
	return slices.IndexFunc(g.members, func(m member) bool { return m.account == a })
}

// admin says whether an account is an admin. The caller holds the lock.
func (g *group) admin(a *account) bool {
	at := g.index(a)
	return at >= 0 && g.members[at].role != RoleMember
}

func (g *group) isAdmin(a *account) bool {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.admin(a)
}

// accounts lists the members.
func (g *group) accounts() []*account {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	list := make([]*account, 0, len(g.members))
	for _, m := range g.members {
		list = append(list, m.account)
	}
	return list
}

// maySend says whether an account may write.
func (g *group) maySend(a *account) error {
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

// info describes the group.
func (g *group) info() GroupInfo {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	info := GroupInfo{
		JID: g.jid, Subject: g.subject.text, Description: g.description.text, Creator: g.creator.jid(0), Created: g.created, Addressing: g.addressing,
		Announce: g.announce, Locked: g.locked, Approval: g.approval, AdminAdds: g.adminAdds, Expiration: g.expiration,
	}
	for _, m := range g.members {
		info.Members = append(info.Members, GroupMember{JID: m.account.jid(0), LID: m.account.lidJID(0), Role: m.role})
	}
	for _, r := range g.requests {
		info.Requests = append(info.Requests, r.account.jid(0))
	}
	return info
}

// Groups lists all groups, oldest first.
func (s *Server) Groups() []GroupInfo {
	s.groups.mu.RLock()
	all := make([]*group, 0, len(s.groups.byJID))
	for _, g := range s.groups.byJID {
		all = append(all, g)
	}
	s.groups.mu.RUnlock()
	slices.SortFunc(all, func(a, b *group) int { return strings.Compare(a.jid.User, b.jid.User) })
	infos := make([]GroupInfo, 0, len(all))
	for _, g := range all {
		infos = append(infos, g.info())
	}
	return infos
}

// Group describes one group.
func (s *Server) Group(jid types.JID) (GroupInfo, error) {
	g := s.groups.find(jid)
	if g == nil {
		return GroupInfo{}, fmt.Errorf("%w: %s", ErrUnknownGroup, jid)
	}
	return g.info(), nil
}

func (g *group) currentPicture() picture {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.picture
}

// changePicture returns the picture that there was.
func (g *group) changePicture(next picture) picture {
	g.set.mu.Lock()
	defer g.set.mu.Unlock()
	before := g.picture
	g.picture = next
	return before
}

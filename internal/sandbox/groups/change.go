package groups

import (
	"errors"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// Wish describes a group to be created.
type Wish struct {
	Subject, Addressing string
	Members             []*accounts.Account
	// Community makes the group the announcements of a community.
	Community bool

	announce, locked, approval, adminAdds bool
	expiration                            uint32
}

// Create creates a group and tells all its members.
func (s *Set) Create(actor *accounts.Account, wish Wish) (*Group, error) {
	if err := CheckSubject(wish.Subject); err != nil {
		return nil, err
	}
	if err := CheckExpiration(wish.expiration); err != nil {
		return nil, err
	}
	now := time.Now()
	wish.announce = wish.announce || wish.Community
	g := &Group{
		community:  wish.Community,
		Addressing: wish.Addressing, creator: actor, created: now, subject: wording{text: wish.Subject, by: actor, at: now},
		announce: wish.announce, locked: wish.locked, approval: wish.approval, adminAdds: wish.adminAdds, expiration: wish.expiration,
		members: []member{{actor, RoleSuperAdmin}},
	}
	for _, a := range wish.Members {
		if g.index(a) < 0 {
			g.members = append(g.members, member{a, RoleMember})
		}
	}
	if len(g.members) > MaxMembers {
		return nil, ErrFull
	}
	s.add(g)
	s.observer.Emit(observe.Event{Kind: observe.EventGroup, Account: actor.Number, Detail: "create " + g.JID.String()})
	s.notifyGroup(g, actor, s.createNode(g, "new"), g.Accounts())
	return g, nil
}

// CheckSubject fails with ErrBadSubject if a text cannot be the name of a group.
func CheckSubject(subject string) error {
	if subject == "" || utf8.RuneCountInString(subject) > maxSubject || !utf8.ValidString(subject) {
		return ErrBadSubject
	}
	return nil
}

// CheckExpiration fails with ErrBadExpiration if messages of a group cannot disappear after this number of seconds. 0
// means never.
func CheckExpiration(seconds uint32) error {
	if !slices.Contains([]uint32{0, 86_400, 604_800, 7_776_000}, seconds) {
		return ErrBadExpiration
	}
	return nil
}

// right says which members may make a change of a group.
type right int

const (
	unlessLocked right = iota // every member, in a locked group only admins
	adminsOnly
)

// MayChange returns nil if an account may change a group, otherwise ErrNotInGroup or ErrNotAdmin. switches says whether
// the change is about more than subject, description and expiration: only admins may make such a change.
func (s *Set) MayChange(g *Group, actor *accounts.Account, switches bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if switches {
		return g.mayChange(actor, adminsOnly)
	}
	return g.mayChange(actor, unlessLocked)
}

// mayChange returns nil if an account has the right to change the group. The caller holds the lock.
func (g *Group) mayChange(actor *accounts.Account, needed right) error {
	switch {
	case g.index(actor) < 0:
		return ErrNotInGroup
	case (needed == adminsOnly || g.locked) && !g.admin(actor):
		return ErrNotAdmin
	default:
		return nil
	}
}

// changeGroup checks that the actor has the right to change a group, calls change and sends the node that change returns
// to the members. change runs under the lock of the set.
func (s *Set) changeGroup(g *Group, actor *accounts.Account, needed right, change func() (*waBinary.Node, error)) error {
	s.mu.Lock()
	var node *waBinary.Node
	err := g.mayChange(actor, needed)
	if err == nil {
		node, err = change()
	}
	s.mu.Unlock()
	if err != nil || node == nil {
		return err
	}
	s.observer.Emit(observe.Event{Kind: observe.EventGroup, Account: actor.Number, Detail: node.Tag + " " + g.JID.String()})
	s.notifyGroup(g, actor, *node, g.Accounts())
	return nil
}

// SetSubject changes the name of a group.
func (s *Set) SetSubject(g *Group, actor *accounts.Account, subject string) error {
	if err := CheckSubject(subject); err != nil {
		return err
	}
	return s.changeGroup(g, actor, unlessLocked, func() (*waBinary.Node, error) {
		g.subject = wording{text: subject, by: actor, at: time.Now()}
		attrs := waBinary.Attrs{"subject": subject, "s_t": stanza.Now(), "s_o": actor.JIDOn(g.Server(), 0)}
		if g.Addressing == AddressingLID {
			attrs["s_o_pn"] = actor.JID(0)
		}
		return &waBinary.Node{Tag: "subject", Attrs: attrs}, nil
	})
}

// CheckDescription fails with ErrBadDescription if a text cannot be the description of a group.
func CheckDescription(text string) error {
	if utf8.RuneCountInString(text) > maxDescription || !utf8.ValidString(text) {
		return ErrBadDescription
	}
	return nil
}

// DescriptionOf returns the id of a group's description.
func (s *Set) DescriptionOf(g *Group) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return g.description.id
}

// SetDescription changes the description of a group. previous is the id of the description that it replaces. If that is
// not the current one it fails with ErrBadDescription, so that two people who write at the same time do not overwrite
// each other.
func (s *Set) SetDescription(g *Group, actor *accounts.Account, previous, id, text string) error {
	if err := CheckDescription(text); err != nil {
		return err
	}
	return s.changeGroup(g, actor, unlessLocked, func() (*waBinary.Node, error) {
		if previous != g.description.id {
			return nil, ErrBadDescription
		}
		g.description = wording{text: text, id: id, by: actor, at: time.Now()}
		node := &waBinary.Node{Tag: "description", Attrs: waBinary.Attrs{"id": id}}
		node.Content = []waBinary.Node{{Tag: "body", Content: []byte(text)}}
		if text == "" {
			node.Content = []waBinary.Node{{Tag: "delete"}}
		}
		return node, nil
	})
}

// SetSwitch turns one of the on/off settings on or off. tag is the wire name: locked, unlocked, announcement or
// not_announcement.
func (s *Set) SetSwitch(g *Group, actor *accounts.Account, tag string) error {
	return s.changeGroup(g, actor, adminsOnly, func() (*waBinary.Node, error) {
		g.version++
		switch tag {
		case "locked", "unlocked":
			g.locked = tag == "locked"
			return &waBinary.Node{Tag: tag}, nil
		default:
			g.announce = tag == "announcement"
			return &waBinary.Node{Tag: tag, Attrs: waBinary.Attrs{"v_id": strconv.Itoa(g.version)}}, nil
		}
	})
}

// SetExpiration sets after how many seconds messages disappear. 0 means never.
func (s *Set) SetExpiration(g *Group, actor *accounts.Account, seconds uint32) error {
	if err := CheckExpiration(seconds); err != nil {
		return err
	}
	return s.changeGroup(g, actor, unlessLocked, func() (*waBinary.Node, error) {
		g.expiration = seconds
		if seconds == 0 {
			return &waBinary.Node{Tag: "not_ephemeral"}, nil
		}
		return &waBinary.Node{Tag: "ephemeral", Attrs: waBinary.Attrs{"expiration": strconv.FormatUint(uint64(seconds), 10), "trigger": "1"}}, nil
	})
}

// SetApproval sets whether admins have to approve accounts that join by link. Turning it off discards waiting requests.
func (s *Set) SetApproval(g *Group, actor *accounts.Account, on bool) error {
	return s.changeGroup(g, actor, adminsOnly, func() (*waBinary.Node, error) {
		g.approval = on
		if !on {
			g.requests = nil
		}
		state := "off"
		if on {
			state = "on"
		}
		return &waBinary.Node{Tag: "membership_approval_mode", Content: []waBinary.Node{{Tag: "group_join", Attrs: waBinary.Attrs{"state": state}}}}, nil
	})
}

// SetAdminAdds sets whether only admins may add members.
func (s *Set) SetAdminAdds(g *Group, actor *accounts.Account, on bool) error {
	return s.changeGroup(g, actor, adminsOnly, func() (*waBinary.Node, error) {
		g.adminAdds = on
		mode := "all_member_add"
		if on {
			mode = "admin_add"
		}
		return &waBinary.Node{Tag: "member_add_mode", Content: []byte(mode)}, nil
	})
}

// Invite returns the code of a group's invite link. With revoke it makes a new one and revokes the old.
func (s *Set) Invite(g *Group, actor *accounts.Account, revoke bool) (string, error) {
	var code string
	err := s.changeGroup(g, actor, adminsOnly, func() (*waBinary.Node, error) {
		if !revoke {
			code = g.invite
			return nil, nil
		}
		s.link(g)
		code = g.invite
		return &waBinary.Node{Tag: "invite", Attrs: waBinary.Attrs{"code": code}}, nil
	})
	return code, err
}

// The changes of members, as named on the wire.
const (
	MemberAdd     = "add"
	MemberRemove  = "remove"
	MemberPromote = "promote"
	MemberDemote  = "demote"
)

// ChangeMembers adds, removes, promotes or demotes accounts. The map has an entry for each account: nil if the change
// was made, otherwise the error.
func (s *Set) ChangeMembers(g *Group, actor *accounts.Account, action string, list []*accounts.Account) (map[*accounts.Account]error, error) {
	results := make(map[*accounts.Account]error, len(list))
	var done []*accounts.Account
	before := g.Accounts()
	s.mu.Lock()
	switch {
	case g.index(actor) < 0:
		s.mu.Unlock()
		return nil, ErrNotInGroup
	case (action != MemberAdd || g.adminAdds) && !g.admin(actor):
		s.mu.Unlock()
		return nil, ErrNotAdmin
	}
	for _, a := range list {
		results[a] = g.changeMember(action, a)
		if results[a] == nil {
			done = append(done, a)
		}
	}
	s.mu.Unlock()
	if len(done) > 0 {
		s.tellMembers(g, actor, action, done, before)
	}
	return results, nil
}

// changeMember makes one change for one account. The caller holds the lock.
func (g *Group) changeMember(action string, a *accounts.Account) error {
	at := g.index(a)
	switch {
	case action == MemberAdd && at >= 0:
		return ErrAlreadyMember
	case action == MemberAdd && len(g.members) >= MaxMembers:
		return ErrFull
	case action == MemberAdd && !g.set.dir.Has(a):
		return accounts.ErrUnknownContact // it was removed meanwhile
	case action == MemberAdd:
		g.members = append(g.members, member{a, RoleMember})
		g.withdraw(a)
	case at < 0:
		return ErrMemberUnknown
	case a == g.creator && action != MemberPromote:
		return ErrOwnerStays
	case action == MemberRemove:
		g.members = slices.Delete(g.members, at, at+1)
	case action == MemberPromote && g.members[at].role == RoleMember:
		g.members[at].role = RoleAdmin
	case action == MemberDemote:
		g.members[at].role = RoleMember
	}
	g.version++
	return nil
}

// withdraw discards an account's request to join, if there is one. The caller holds the lock.
func (g *Group) withdraw(a *accounts.Account) {
	g.requests = slices.DeleteFunc(g.requests, func(r joinRequest) bool { return r.account == a })
}

// tellMembers tells the members before the change about it, and new members about the group.
func (s *Set) tellMembers(g *Group, actor *accounts.Account, action string, done, before []*accounts.Account) {
	s.observer.Emit(observe.Event{Kind: observe.EventGroup, Account: actor.Number, Detail: action + " " + g.JID.String()})
	node := waBinary.Node{Tag: action, Attrs: waBinary.Attrs{"v_id": strconv.Itoa(g.currentVersion()), "prev_v_id": "0"}}
	var list []waBinary.Node
	for _, a := range done {
		list = append(list, memberNode(g, member{account: a}))
	}
	node.Content = list
	s.notifyGroup(g, actor, node, before)
	if action == MemberAdd {
		s.notifyGroup(g, actor, s.createNode(g, ""), done)
	}
}

func (g *Group) currentVersion() int {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.version
}

// Leave removes an account from a group. If no admin is left, the oldest member becomes one.
func (s *Set) Leave(g *Group, actor *accounts.Account) error {
	before := g.Accounts()
	s.mu.Lock()
	at := g.index(actor)
	if at < 0 {
		s.mu.Unlock()
		return ErrNotInGroup
	}
	g.members = slices.Delete(g.members, at, at+1)
	g.version++
	heir := -1
	if !slices.ContainsFunc(g.members, func(m member) bool { return m.role != RoleMember }) && len(g.members) > 0 {
		heir = 0
		g.members[0].role = RoleAdmin
	}
	var next *accounts.Account
	if heir >= 0 {
		next = g.members[heir].account
	}
	s.mu.Unlock()
	s.tellMembers(g, actor, MemberRemove, []*accounts.Account{actor}, before)
	if next != nil {
		s.tellMembers(g, next, MemberPromote, []*accounts.Account{next}, g.Accounts())
	}
	return nil
}

// Join adds an account that comes with an invite link. If the group needs approval, the account has to wait for an
// admin instead and waiting is true.
func (s *Set) Join(g *Group, a *accounts.Account) (waiting bool, err error) {
	before := g.Accounts()
	s.mu.Lock()
	switch {
	case g.index(a) >= 0:
		s.mu.Unlock()
		return false, ErrAlreadyMember
	case g.approval:
		if !slices.ContainsFunc(g.requests, func(r joinRequest) bool { return r.account == a }) {
			g.requests = append(g.requests, joinRequest{a, time.Now()})
		}
		s.mu.Unlock()
		return true, nil
	}
	err = g.changeMember(MemberAdd, a)
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	node := waBinary.Node{Tag: MemberAdd, Attrs: waBinary.Attrs{"reason": "invite"}, Content: []waBinary.Node{memberNode(g, member{account: a})}}
	s.notifyGroup(g, a, node, before)
	s.notifyGroup(g, a, s.createNode(g, "invite"), []*accounts.Account{a})
	return false, nil
}

// Decide approves or rejects join requests. The map has an entry for each account: nil if it was decided, otherwise the
// error.
func (s *Set) Decide(g *Group, actor *accounts.Account, approve bool, list []*accounts.Account) (map[*accounts.Account]error, error) {
	s.mu.Lock()
	if !g.admin(actor) {
		s.mu.Unlock()
		return nil, ErrNotAdmin
	}
	results, waiting := make(map[*accounts.Account]error, len(list)), []*accounts.Account{}
	for _, a := range list {
		results[a] = ErrMemberUnknown
		if at := slices.IndexFunc(g.requests, func(r joinRequest) bool { return r.account == a }); at >= 0 {
			g.requests = slices.Delete(g.requests, at, at+1)
			results[a] = nil
			waiting = append(waiting, a)
		}
	}
	s.mu.Unlock()
	if !approve || len(waiting) == 0 {
		return results, nil
	}
	added, err := s.ChangeMembers(g, actor, MemberAdd, waiting)
	for a, failed := range added {
		results[a] = failed
	}
	return results, err
}

// Forget takes an account that was removed out of all its groups and broadcast lists, and discards its requests to join
// others: an admin could still approve them.
func (s *Set) Forget(a *accounts.Account) {
	s.Lists.Forget(a)
	s.mu.Lock()
	for _, g := range s.byJID {
		g.withdraw(a)
	}
	s.mu.Unlock()
	for _, g := range s.Of(a) {
		if err := s.Leave(g, a); err != nil {
			s.log.Debug("account could not leave a group", "err", err)
		}
	}
}

var ErrAlreadyMember = errors.New("already in the group")

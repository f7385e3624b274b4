package sandbox

import (
	"errors"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// groupWish is what a new group is to be.
type groupWish struct {
	subject, addressing                   string
	members                               []*account
	announce, locked, approval, adminAdds bool
	expiration                            uint32
}

// createGroup makes a group and tells everybody who is in it.
func (s *groupSet) createGroup(actor *account, wish groupWish) (*group, error) {
	if err := checkSubject(wish.subject); err != nil {
		return nil, err
	}
	if !validExpiration(wish.expiration) {
		return nil, ErrBadExpiration
	}
	now := time.Now()
	g := &group{
		addressing: wish.addressing, creator: actor, created: now, subject: wording{text: wish.subject, by: actor, at: now},
		announce: wish.announce, locked: wish.locked, approval: wish.approval, adminAdds: wish.adminAdds, expiration: wish.expiration,
		members: []member{{actor, RoleSuperAdmin}},
	}
	for _, a := range wish.members {
		if g.index(a) < 0 {
			g.members = append(g.members, member{a, RoleMember})
		}
	}
	if len(g.members) > maxMembers {
		return nil, ErrGroupFull
	}
	s.add(g)
	s.observer.Emit(observe.Event{Kind: observe.EventGroup, Account: actor.number, Detail: "create " + g.jid.String()})
	s.notifyGroup(g, actor, s.createNode(g, "new"), g.accounts())
	return g, nil
}

func checkSubject(subject string) error {
	if subject == "" || utf8.RuneCountInString(subject) > maxSubject || !utf8.ValidString(subject) {
		return ErrBadSubject
	}
	return nil
}

// validExpiration says whether messages of a group may stay so many seconds.
func validExpiration(seconds uint32) bool {
	return slices.Contains([]uint32{0, 86_400, 604_800, 7_776_000}, seconds)
}

// changeGroup checks that the actor may change a group, changes it, and tells the members what the change
// function returns. It runs under the lock of all groups.
func (s *groupSet) changeGroup(g *group, actor *account, adminsOnly func() bool, change func() (*waBinary.Node, error)) error {
	s.mu.Lock()
	node, err := func() (*waBinary.Node, error) {
		if g.index(actor) < 0 {
			return nil, ErrNotInGroup
		}
		if adminsOnly() && !g.admin(actor) {
			return nil, ErrNotAdmin
		}
		return change()
	}()
	s.mu.Unlock()
	if err != nil || node == nil {
		return err
	}
	s.observer.Emit(observe.Event{Kind: observe.EventGroup, Account: actor.number, Detail: node.Tag + " " + g.jid.String()})
	s.notifyGroup(g, actor, *node, g.accounts())
	return nil
}

func always() bool { return true }

// setSubject gives a group another name.
func (s *groupSet) setSubject(g *group, actor *account, subject string) error {
	if err := checkSubject(subject); err != nil {
		return err
	}
	return s.changeGroup(g, actor, func() bool { return g.locked }, func() (*waBinary.Node, error) {
		g.subject = wording{text: subject, by: actor, at: time.Now()}
		attrs := waBinary.Attrs{"subject": subject, "s_t": stanza.Now(), "s_o": actor.jidOn(g.server(), 0)}
		if g.addressing == AddressingLID {
			attrs["s_o_pn"] = actor.jid(0)
		}
		return &waBinary.Node{Tag: "subject", Attrs: attrs}, nil
	})
}

// setDescription gives a group another description. previous is the id of the one that it replaces: two people
// who write at the same time do not overwrite each other.
func (s *groupSet) setDescription(g *group, actor *account, previous, id, text string) error {
	if utf8.RuneCountInString(text) > maxDescription || !utf8.ValidString(text) || id == "" {
		return ErrBadDescription
	}
	return s.changeGroup(g, actor, func() bool { return g.locked }, func() (*waBinary.Node, error) {
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

// setSwitch turns one of the settings that are on or off. tag is as on the wire: locked, unlocked, announcement or
// not_announcement.
func (s *groupSet) setSwitch(g *group, actor *account, tag string) error {
	return s.changeGroup(g, actor, always, func() (*waBinary.Node, error) {
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

// setExpiration says after how many seconds messages disappear, 0 that they stay.
func (s *groupSet) setExpiration(g *group, actor *account, seconds uint32) error {
	if !validExpiration(seconds) {
		return ErrBadExpiration
	}
	return s.changeGroup(g, actor, func() bool { return g.locked }, func() (*waBinary.Node, error) {
		g.expiration = seconds
		if seconds == 0 {
			return &waBinary.Node{Tag: "not_ephemeral"}, nil
		}
		return &waBinary.Node{Tag: "ephemeral", Attrs: waBinary.Attrs{"expiration": strconv.FormatUint(uint64(seconds), 10), "trigger": "1"}}, nil
	})
}

// setApproval says whether admins have to let in who comes with the link; nobody waits any more when they do not.
func (s *groupSet) setApproval(g *group, actor *account, on bool) error {
	return s.changeGroup(g, actor, always, func() (*waBinary.Node, error) {
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

// setAdminAdds says whether only admins add members.
func (s *groupSet) setAdminAdds(g *group, actor *account, on bool) error {
	return s.changeGroup(g, actor, always, func() (*waBinary.Node, error) {
		g.adminAdds = on
		mode := "all_member_add"
		if on {
			mode = "admin_add"
		}
		return &waBinary.Node{Tag: "member_add_mode", Content: []byte(mode)}, nil
	})
}

// invite returns the code of a group's invite link, a new one if the old is to be revoked.
func (s *groupSet) invite(g *group, actor *account, revoke bool) (string, error) {
	var code string
	err := s.changeGroup(g, actor, always, func() (*waBinary.Node, error) {
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

// The changes of members, as on the wire.
const (
	memberAdd     = "add"
	memberRemove  = "remove"
	memberPromote = "promote"
	memberDemote  = "demote"
)

// changeMembers adds, removes, promotes or demotes. The answer has an error for each account, nil where it was
// done.
func (s *groupSet) changeMembers(g *group, actor *account, action string, list []*account) (map[*account]error, error) {
	results := make(map[*account]error, len(list))
	var done []*account
	adminsOnly := func() bool { return action != memberAdd || g.adminAdds }
	before := g.accounts()
	s.mu.Lock()
	switch {
	case g.index(actor) < 0:
		s.mu.Unlock()
		return nil, ErrNotInGroup
	case adminsOnly() && !g.admin(actor):
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

// changeMember changes one member. The caller holds the lock.
func (g *group) changeMember(action string, a *account) error {
	at := g.index(a)
	switch {
	case action == memberAdd && at >= 0:
		return errAlreadyMember
	case action == memberAdd && len(g.members) >= maxMembers:
		return ErrGroupFull
	case action == memberAdd:
		g.members = append(g.members, member{a, RoleMember})
		g.requests = slices.DeleteFunc(g.requests, func(r joinRequest) bool { return r.account == a })
	case at < 0:
		return ErrMemberUnknown
	case a == g.creator && action != memberPromote:
		return ErrOwnerStays
	case action == memberRemove:
		g.members = slices.Delete(g.members, at, at+1)
	case action == memberPromote && g.members[at].role == RoleMember:
		g.members[at].role = RoleAdmin
	case action == memberDemote:
		g.members[at].role = RoleMember
	}
	g.version++
	return nil
}

// tellMembers tells those who were and are there about a change, and those who are new about the group.
func (s *groupSet) tellMembers(g *group, actor *account, action string, done, before []*account) {
	s.observer.Emit(observe.Event{Kind: observe.EventGroup, Account: actor.number, Detail: action + " " + g.jid.String()})
	node := waBinary.Node{Tag: action, Attrs: waBinary.Attrs{"v_id": strconv.Itoa(g.currentVersion()), "prev_v_id": "0"}}
	var list []waBinary.Node
	for _, a := range done {
		list = append(list, memberNode(g, member{account: a}))
	}
	node.Content = list
	s.notifyGroup(g, actor, node, before)
	if action == memberAdd {
		s.notifyGroup(g, actor, s.createNode(g, ""), done)
	}
}

func (g *group) currentVersion() int {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.version
}

// leave takes an account out of a group. When the last admin goes, the oldest member takes over.
func (s *groupSet) leave(g *group, actor *account) error {
	before := g.accounts()
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
	var next *account
	if heir >= 0 {
		next = g.members[heir].account
	}
	s.mu.Unlock()
	s.tellMembers(g, actor, memberRemove, []*account{actor}, before)
	if next != nil {
		s.tellMembers(g, next, memberPromote, []*account{next}, g.accounts())
	}
	return nil
}

// join lets an account in that comes with an invite link, or has it wait for an admin.
func (s *groupSet) join(g *group, a *account) (waiting bool, err error) {
	before := g.accounts()
	s.mu.Lock()
	switch {
	case g.index(a) >= 0:
		s.mu.Unlock()
		return false, errAlreadyMember
	case g.approval:
		if !slices.ContainsFunc(g.requests, func(r joinRequest) bool { return r.account == a }) {
			g.requests = append(g.requests, joinRequest{a, time.Now()})
		}
		s.mu.Unlock()
		return true, nil
	}
	err = g.changeMember(memberAdd, a)
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	node := waBinary.Node{Tag: memberAdd, Attrs: waBinary.Attrs{"reason": "invite"}, Content: []waBinary.Node{memberNode(g, member{account: a})}}
	s.notifyGroup(g, a, node, before)
	s.notifyGroup(g, a, s.createNode(g, "invite"), []*account{a})
	return false, nil
}

// decide lets those in who wait, or sends them away.
func (s *groupSet) decide(g *group, actor *account, approve bool, list []*account) (map[*account]error, error) {
	s.mu.Lock()
	if !g.admin(actor) {
		s.mu.Unlock()
		return nil, ErrNotAdmin
	}
	results, waiting := make(map[*account]error, len(list)), []*account{}
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
	added, err := s.changeMembers(g, actor, memberAdd, waiting)
	for a, failed := range added {
		results[a] = failed
	}
	return results, err
}

// forgetMember takes an account that is removed out of all groups.
func (s *groupSet) forgetMember(a *account) {
	for _, g := range s.of(a) {
		if err := s.leave(g, a); err != nil {
			s.log.Debug("account could not leave a group", "err", err)
		}
	}
}

var errAlreadyMember = errors.New("already in the group")

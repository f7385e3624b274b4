package groups

import (
	"errors"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/stanza"
)

// groupErrors maps errors of groups to the errors that WhatsApp answers with.
var groupErrors = []struct {
	err  error
	wire *stanza.QueryError
}{
	{ErrUnknown, stanza.ErrNotFound},
	{ErrNotInGroup, stanza.ErrForbidden},
	{ErrNotAdmin, stanza.ErrNotAuthorized},
	{ErrBadSubject, stanza.ErrNotAcceptable},
	{ErrBadDescription, stanza.ErrConflict},
	{ErrFull, stanza.ErrFull},
	{ErrInviteRevoked, stanza.ErrGone},
	{ErrInviteUnknown, stanza.ErrNotAcceptable},
	{ErrBadExpiration, stanza.ErrBadRequest},
	{ErrMemberUnknown, stanza.ErrNotFound},
	{ErrOwnerStays, stanza.ErrNotAcceptable},
	{ErrAlreadyMember, stanza.ErrConflict},
}

func wireError(err error) *stanza.QueryError {
	if err == nil {
		return nil
	}
	for _, known := range groupErrors {
		if errors.Is(err, known.err) {
			return known.wire
		}
	}
	return stanza.ErrBadRequest
}

// groupHandler answers a query about one group. child is the first child of the query.
type groupHandler func(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error)

// Queries returns the handlers of all queries about groups, by namespace, type and first child.
func (s *Set) Queries() map[string]accounts.QueryHandler {
	table := map[string]groupHandler{
		"get query": s.queryGroup,
		"set subject": func(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
			return nil, s.SetSubject(g, actor, string(stanza.Bytes(child)))
		},
		"set description":              s.setDescriptionQuery,
		"set ephemeral":                s.setEphemeral,
		"set not_ephemeral":            s.setEphemeral,
		"set membership_approval_mode": s.setApprovalQuery,
		"set member_add_mode": func(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
			return nil, s.SetAdminAdds(g, actor, string(stanza.Bytes(child)) == "admin_add")
		},
		"get membership_approval_requests": s.queryRequests,
		"set membership_requests_action":   s.decideQuery,
		"get sub_groups":                   emptyChild,
		"get linked_groups_participants":   emptyChild,
	}
	for _, action := range []string{MemberAdd, MemberRemove, MemberPromote, MemberDemote} {
		table["set "+action] = s.changeMembersQuery
	}
	for _, tag := range []string{"locked", "unlocked", "announcement", "not_announcement"} {
		table["set "+tag] = func(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
			return nil, s.SetSwitch(g, actor, child.Tag)
		}
	}
	handlers := map[string]accounts.QueryHandler{
		"w:g2 get participating": s.queryGroups,
		"w:g2 set create":        s.queryCreateGroup,
		"w:g2 set leave":         s.queryLeave,
		"w:g2 get invite":        s.queryInvite,
		"w:g2 set invite":        s.queryInvite,
	}
	for name, handle := range table {
		handlers["w:g2 "+name] = s.onGroup(handle)
	}
	return handlers
}

// onGroup makes a query handler that looks up the group of the query. It refuses accounts that are not members.
func (s *Set) onGroup(handle groupHandler) accounts.QueryHandler {
	return func(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
		g := s.Find(stanza.JID(query, "to"))
		if g == nil {
			return nil, stanza.ErrNotFound
		}
		if !g.Has(dev.Account) {
			return nil, stanza.ErrForbidden
		}
		answer, err := handle(g, dev.Account, &query.GetChildren()[0])
		return answer, wireError(err)
	}
}

// Has reports whether an account is a member.
func (g *Group) Has(a *accounts.Account) bool {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.index(a) >= 0
}

func emptyChild(_ *Group, _ *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	return []waBinary.Node{{Tag: child.Tag}}, nil
}

func (s *Set) queryGroup(g *Group, _ *accounts.Account, _ *waBinary.Node) ([]waBinary.Node, error) {
	return []waBinary.Node{s.groupNode(g)}, nil
}

func (s *Set) setDescriptionQuery(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	body := child.GetChildByTag("body")
	previous, id := stanza.Attr(child, "prev"), stanza.Attr(child, "id")
	if id == "" {
		// The short form has no ids: it replaces whatever is there.
		id, previous = stanza.NewID(), s.DescriptionOf(g)
	}
	return nil, s.SetDescription(g, actor, previous, id, string(stanza.Bytes(&body)))
}

// DescriptionOf returns the id of a group's description.
func (s *Set) DescriptionOf(g *Group) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return g.description.id
}

func (s *Set) setEphemeral(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	if child.Tag == "not_ephemeral" {
		return nil, s.SetExpiration(g, actor, 0)
	}
	seconds, err := strconv.ParseUint(stanza.Attr(child, "expiration"), 10, 32)
	if err != nil || seconds == 0 {
		return nil, ErrBadExpiration
	}
	return nil, s.SetExpiration(g, actor, uint32(seconds))
}

func (s *Set) setApprovalQuery(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	state := child.GetChildByTag("group_join")
	return nil, s.SetApproval(g, actor, stanza.Attr(&state, "state") == "on")
}

func (s *Set) changeMembersQuery(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	jids, list := s.dir.Named(child)
	results, err := s.ChangeMembers(g, actor, child.Tag, withoutUnknown(list))
	if err != nil {
		return nil, err
	}
	return []waBinary.Node{{Tag: child.Tag, Content: resultNodes(g, jids, list, results)}}, nil
}

// resultNodes lists the named accounts, each with its error if the change was not made.
func resultNodes(g *Group, jids []types.JID, list []*accounts.Account, results map[*accounts.Account]error) []waBinary.Node {
	var answers []waBinary.Node
	for i, a := range list {
		node := waBinary.Node{Tag: "participant", Attrs: waBinary.Attrs{"jid": jids[i]}}
		failed := stanza.ErrNotFound
		if a != nil {
			node = memberNode(g, member{account: a})
			failed = wireError(results[a])
		}
		if failed != nil {
			node.Attrs["error"] = strconv.Itoa(failed.Code)
		}
		answers = append(answers, node)
	}
	return answers
}

func (s *Set) queryRequests(g *Group, actor *accounts.Account, _ *waBinary.Node) ([]waBinary.Node, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !g.admin(actor) {
		return nil, ErrNotAdmin
	}
	var waiting []waBinary.Node
	for _, r := range g.requests {
		waiting = append(waiting, waBinary.Node{Tag: "membership_approval_request", Attrs: waBinary.Attrs{
			"jid": r.account.JIDOn(g.Server(), 0), "request_time": strconv.FormatInt(r.at.Unix(), 10), "request_method": "invite_link",
		}})
	}
	return []waBinary.Node{{Tag: "membership_approval_requests", Content: waiting}}, nil
}

func (s *Set) decideQuery(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	actions := child.GetChildren()
	if len(actions) == 0 {
		return nil, ErrMemberUnknown
	}
	action := &actions[0]
	jids, list := s.dir.Named(action)
	results, err := s.Decide(g, actor, action.Tag == "approve", withoutUnknown(list))
	if err != nil {
		return nil, err
	}
	answer := waBinary.Node{Tag: action.Tag, Content: resultNodes(g, jids, list, results)}
	return []waBinary.Node{{Tag: child.Tag, Content: []waBinary.Node{answer}}}, nil
}

// queryGroups lists the groups of the account.
func (s *Set) queryGroups(dev *accounts.Device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	var list []waBinary.Node
	for _, g := range s.Of(dev.Account) {
		list = append(list, s.groupNode(g))
	}
	return []waBinary.Node{{Tag: "groups", Content: list}}, nil
}

func (s *Set) queryCreateGroup(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("create")
	_, list := s.dir.Named(&request)
	wish := Wish{Subject: stanza.Attr(&request, "subject"), Addressing: AddressingLID, Members: withoutUnknown(list)}
	for _, child := range request.GetChildren() {
		switch child.Tag {
		case "locked":
			wish.locked = true
		case "announcement":
			wish.announce = true
		case "member_add_mode":
			wish.adminAdds = string(stanza.Bytes(&child)) == "admin_add"
		case "membership_approval_mode":
			state := child.GetChildByTag("group_join")
			wish.approval = stanza.Attr(&state, "state") == "on"
		case "ephemeral":
			seconds, err := strconv.ParseUint(stanza.Attr(&child, "expiration"), 10, 32)
			if err != nil {
				return nil, stanza.ErrBadRequest
			}
			wish.expiration = uint32(seconds)
		case "parent", "linked_parent":
			// The sandbox has no communities.
			return nil, stanza.ErrNotImplemented
		}
	}
	g, err := s.Create(dev.Account, wish)
	if err != nil {
		return nil, wireError(err)
	}
	return []waBinary.Node{s.groupNode(g)}, nil
}

func (s *Set) queryLeave(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("leave")
	var answers []waBinary.Node
	for _, child := range request.GetChildrenByTag("group") {
		jid := stanza.JID(&child, "id")
		g := s.Find(jid)
		if g == nil {
			return nil, stanza.ErrNotFound
		}
		if err := s.Leave(g, dev.Account); err != nil {
			return nil, wireError(err)
		}
		answers = append(answers, waBinary.Node{Tag: "group", Attrs: waBinary.Attrs{"id": jid}})
	}
	return []waBinary.Node{{Tag: "leave", Content: answers}}, nil
}

// queryInvite handles two queries. Sent to a group, it returns the group's invite link, or a new one (type "set"). Sent
// without a group, it describes the group of the code, or joins it (type "set").
func (s *Set) queryInvite(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request, set := query.GetChildByTag("invite"), stanza.Attr(query, "type") == "set"
	if to := stanza.JID(query, "to"); to.User != "" {
		g := s.Find(to)
		if g == nil {
			return nil, stanza.ErrNotFound
		}
		code, err := s.Invite(g, dev.Account, set)
		if err != nil {
			return nil, wireError(err)
		}
		return []waBinary.Node{{Tag: "invite", Attrs: waBinary.Attrs{"code": code}}}, nil
	}
	g, err := s.Linked(stanza.Attr(&request, "code"))
	if err != nil {
		return nil, wireError(err)
	}
	if !set {
		return []waBinary.Node{s.groupNode(g)}, nil
	}
	waiting, err := s.Join(g, dev.Account)
	switch {
	case err != nil && !errors.Is(err, ErrAlreadyMember):
		return nil, wireError(err)
	case waiting:
		return []waBinary.Node{{Tag: "membership_approval_request", Attrs: waBinary.Attrs{"jid": g.JID}}}, nil
	default:
		return []waBinary.Node{{Tag: "group", Attrs: waBinary.Attrs{"jid": g.JID}}}, nil
	}
}

// withoutUnknown leaves out the accounts that are not on WhatsApp.
func withoutUnknown(list []*accounts.Account) []*accounts.Account {
	var found []*accounts.Account
	for _, a := range list {
		if a != nil {
			found = append(found, a)
		}
	}
	return found
}

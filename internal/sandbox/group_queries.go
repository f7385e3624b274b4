package sandbox

import (
	"errors"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

var (
	errNotAuthorized = &queryError{401, "not-authorized"}
	errNotAcceptable = &queryError{406, "not-acceptable"}
	errConflict      = &queryError{409, "conflict"}
	errGone          = &queryError{410, "gone"}
	errFull          = &queryError{419, "resource-limit"}
)

// groupErrors says how WhatsApp words what groups refuse.
var groupErrors = []struct {
	err  error
	wire *queryError
}{
	{ErrUnknownGroup, errNotFound},
	{ErrNotInGroup, errForbidden},
	{ErrNotAdmin, errNotAuthorized},
	{ErrBadSubject, errNotAcceptable},
	{ErrBadDescription, errConflict},
	{ErrGroupFull, errFull},
	{ErrInviteRevoked, errGone},
	{ErrInviteUnknown, errNotAcceptable},
	{ErrBadExpiration, errBadRequest},
	{ErrMemberUnknown, errNotFound},
	{ErrOwnerStays, errNotAcceptable},
	{errAlreadyMember, errConflict},
}

func wireError(err error) *queryError {
	if err == nil {
		return nil
	}
	for _, known := range groupErrors {
		if errors.Is(err, known.err) {
			return known.wire
		}
	}
	return errBadRequest
}

// groupHandler answers a query about one group, child being the first part of the query.
type groupHandler func(s *Server, g *group, actor *account, child *waBinary.Node) ([]waBinary.Node, error)

// groupHandlers is the table of what may be asked of a group that is named.
func groupHandlers() map[string]queryHandler {
	table := map[string]groupHandler{
		"get query": queryGroup,
		"set subject": func(s *Server, g *group, actor *account, child *waBinary.Node) ([]waBinary.Node, error) {
			return nil, s.setSubject(g, actor, string(bytesOf(child)))
		},
		"set description":              setDescriptionQuery,
		"set ephemeral":                setEphemeral,
		"set not_ephemeral":            setEphemeral,
		"set membership_approval_mode": setApprovalQuery,
		"set member_add_mode": func(s *Server, g *group, actor *account, child *waBinary.Node) ([]waBinary.Node, error) {
			return nil, s.setAdminAdds(g, actor, string(bytesOf(child)) == "admin_add")
		},
		"get membership_approval_requests": queryRequests,
		"set membership_requests_action":   decideQuery,
		"get sub_groups":                   emptyChild,
		"get linked_groups_participants":   emptyChild,
	}
	for _, action := range []string{memberAdd, memberRemove, memberPromote, memberDemote} {
		table["set "+action] = changeMembersQuery
	}
	for _, tag := range []string{"locked", "unlocked", "announcement", "not_announcement"} {
		table["set "+tag] = func(s *Server, g *group, actor *account, child *waBinary.Node) ([]waBinary.Node, error) {
			return nil, s.setSwitch(g, actor, child.Tag)
		}
	}
	handlers := map[string]queryHandler{
		"w:g2 get participating": (*conn).queryGroups,
		"w:g2 set create":        (*conn).queryCreateGroup,
		"w:g2 set leave":         (*conn).queryLeave,
		"w:g2 get invite":        (*conn).queryInvite,
		"w:g2 set invite":        (*conn).queryInvite,
	}
	for name, handle := range table {
		handlers["w:g2 "+name] = onGroup(handle)
	}
	return handlers
}

// onGroup finds the group that a query is for, which only members may ask about.
func onGroup(handle groupHandler) queryHandler {
	return func(c *conn, dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
		g := c.srv.groups.find(attrJID(query, "to"))
		if g == nil {
			return nil, errNotFound
		}
		if !g.has(dev.account) {
			return nil, errForbidden
		}
		answer, err := handle(c.srv, g, dev.account, &query.GetChildren()[0])
		return answer, wireError(err)
	}
}

func (g *group) has(a *account) bool {
	g.set.mu.RLock()
	defer g.set.mu.RUnlock()
	return g.index(a) >= 0
}

func emptyChild(_ *Server, _ *group, _ *account, child *waBinary.Node) ([]waBinary.Node, error) {
	return []waBinary.Node{{Tag: child.Tag}}, nil
}

func queryGroup(s *Server, g *group, _ *account, _ *waBinary.Node) ([]waBinary.Node, error) {
	return []waBinary.Node{s.groupNode(g)}, nil
}

func setDescriptionQuery(s *Server, g *group, actor *account, child *waBinary.Node) ([]waBinary.Node, error) {
	body := child.GetChildByTag("body")
	previous, id := attr(child, "prev"), attr(child, "id")
	if id == "" {
		// The short form, which replaces whatever is there.
		id, previous = newStanzaID(), s.descriptionOf(g)
	}
	return nil, s.setDescription(g, actor, previous, id, string(bytesOf(&body)))
}

func (s *Server) descriptionOf(g *group) string {
	s.groups.mu.RLock()
	defer s.groups.mu.RUnlock()
	return g.descriptionID
}

func setEphemeral(s *Server, g *group, actor *account, child *waBinary.Node) ([]waBinary.Node, error) {
	if child.Tag == "not_ephemeral" {
		return nil, s.setExpiration(g, actor, 0)
	}
	seconds, err := strconv.ParseUint(attr(child, "expiration"), 10, 32)
	if err != nil || seconds == 0 {
		return nil, ErrBadExpiration
	}
	return nil, s.setExpiration(g, actor, uint32(seconds))
}

func setApprovalQuery(s *Server, g *group, actor *account, child *waBinary.Node) ([]waBinary.Node, error) {
	state := child.GetChildByTag("group_join")
	return nil, s.setApproval(g, actor, attr(&state, "state") == "on")
}

// named lists the accounts that a query names; who is not on WhatsApp is nil.
func (s *Server) named(node *waBinary.Node) ([]types.JID, []*account) {
	var jids []types.JID
	var list []*account
	for _, child := range node.GetChildrenByTag("participant") {
		jid := attrJID(&child, "jid").ToNonAD()
		jids, list = append(jids, jid), append(list, s.dir.find(jid))
	}
	return jids, list
}

func known(list []*account) []*account {
	var found []*account
	for _, a := range list {
		if a != nil {
			found = append(found, a)
		}
	}
	return found
}

func changeMembersQuery(s *Server, g *group, actor *account, child *waBinary.Node) ([]waBinary.Node, error) {
	jids, list := s.named(child)
	results, err := s.changeMembers(g, actor, child.Tag, known(list))
	if err != nil {
		return nil, err
	}
	return []waBinary.Node{{Tag: child.Tag, Content: resultNodes(g, jids, list, results)}}, nil
}

// resultNodes says for everybody who was named whether it was done.
func resultNodes(g *group, jids []types.JID, list []*account, results map[*account]error) []waBinary.Node {
	var answers []waBinary.Node
	for i, a := range list {
		node := waBinary.Node{Tag: "participant", Attrs: waBinary.Attrs{"jid": jids[i]}}
		failed := errNotFound
		if a != nil {
			node = memberNode(g, member{account: a})
			failed = wireError(results[a])
		}
		if failed != nil {
			node.Attrs["error"] = strconv.Itoa(failed.code)
		}
		answers = append(answers, node)
	}
	return answers
}

func queryRequests(s *Server, g *group, actor *account, _ *waBinary.Node) ([]waBinary.Node, error) {
	s.groups.mu.RLock()
	defer s.groups.mu.RUnlock()
	if !g.admin(actor) {
		return nil, ErrNotAdmin
	}
	var waiting []waBinary.Node
	for _, r := range g.requests {
		waiting = append(waiting, waBinary.Node{Tag: "membership_approval_request", Attrs: waBinary.Attrs{
			"jid": r.account.jidOn(g.server(), 0), "request_time": strconv.FormatInt(r.at.Unix(), 10), "request_method": "invite_link",
		}})
	}
	return []waBinary.Node{{Tag: "membership_approval_requests", Content: waiting}}, nil
}

func decideQuery(s *Server, g *group, actor *account, child *waBinary.Node) ([]waBinary.Node, error) {
	actions := child.GetChildren()
	if len(actions) == 0 {
		return nil, ErrMemberUnknown
	}
	action := &actions[0]
	jids, list := s.named(action)
	results, err := s.decide(g, actor, action.Tag == "approve", known(list))
	if err != nil {
		return nil, err
	}
	answer := waBinary.Node{Tag: action.Tag, Content: resultNodes(g, jids, list, results)}
	return []waBinary.Node{{Tag: child.Tag, Content: []waBinary.Node{answer}}}, nil
}

// queryGroups lists the groups that the account is in.
func (c *conn) queryGroups(dev *device, _ *waBinary.Node) ([]waBinary.Node, *queryError) {
	var list []waBinary.Node
	for _, g := range c.srv.groups.of(dev.account) {
		list = append(list, c.srv.groupNode(g))
	}
	return []waBinary.Node{{Tag: "groups", Content: list}}, nil
}

func (c *conn) queryCreateGroup(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	request := query.GetChildByTag("create")
	_, list := c.srv.named(&request)
	wish := groupWish{subject: attr(&request, "subject"), addressing: AddressingLID, members: known(list)}
	for _, child := range request.GetChildren() {
		switch child.Tag {
		case "locked":
			wish.locked = true
		case "announcement":
			wish.announce = true
		case "member_add_mode":
			wish.adminAdds = string(bytesOf(&child)) == "admin_add"
		case "membership_approval_mode":
			state := child.GetChildByTag("group_join")
			wish.approval = attr(&state, "state") == "on"
		case "ephemeral":
			seconds, err := strconv.ParseUint(attr(&child, "expiration"), 10, 32)
			if err != nil {
				return nil, errBadRequest
			}
			wish.expiration = uint32(seconds)
		case "parent", "linked_parent":
			// Communities are not something that the sandbox has.
			return nil, errNotImplemented
		}
	}
	g, err := c.srv.createGroup(dev.account, wish)
	if err != nil {
		return nil, wireError(err)
	}
	return []waBinary.Node{c.srv.groupNode(g)}, nil
}

func (c *conn) queryLeave(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	request := query.GetChildByTag("leave")
	var answers []waBinary.Node
	for _, child := range request.GetChildrenByTag("group") {
		jid := attrJID(&child, "id")
		g := c.srv.groups.find(jid)
		if g == nil {
			return nil, errNotFound
		}
		if err := c.srv.leave(g, dev.account); err != nil {
			return nil, wireError(err)
		}
		answers = append(answers, waBinary.Node{Tag: "group", Attrs: waBinary.Attrs{"id": jid}})
	}
	return []waBinary.Node{{Tag: "leave", Content: answers}}, nil
}

// queryInvite is asked of a group for its link, and of no group with a link: who is behind it, or let me in.
func (c *conn) queryInvite(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	s, request, set := c.srv, query.GetChildByTag("invite"), attr(query, "type") == "set"
	if to := attrJID(query, "to"); to.User != "" {
		g := s.groups.find(to)
		if g == nil {
			return nil, errNotFound
		}
		code, err := s.invite(g, dev.account, set)
		if err != nil {
			return nil, wireError(err)
		}
		return []waBinary.Node{{Tag: "invite", Attrs: waBinary.Attrs{"code": code}}}, nil
	}
	g, err := s.groups.linked(attr(&request, "code"))
	if err != nil {
		return nil, wireError(err)
	}
	if !set {
		return []waBinary.Node{s.groupNode(g)}, nil
	}
	waiting, err := s.join(g, dev.account)
	switch {
	case err != nil && !errors.Is(err, errAlreadyMember):
		return nil, wireError(err)
	case waiting:
		return []waBinary.Node{{Tag: "membership_approval_request", Attrs: waBinary.Attrs{"jid": g.jid}}}, nil
	default:
		return []waBinary.Node{{Tag: "group", Attrs: waBinary.Attrs{"jid": g.jid}}}, nil
	}
}

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
	{accounts.ErrUnknownContact, stanza.ErrNotFound},
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

// queries answers what devices ask and wish about groups.
type queries struct{ set *Set }

// Queries returns the handlers of all queries about groups, by namespace, type and first child.
func (s *Set) Queries() map[string]accounts.QueryHandler {
	q := &queries{s}
	table := map[string]groupHandler{
		"get query": q.queryGroup,
		"set subject": func(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
			return nil, q.set.SetSubject(g, actor, string(stanza.Bytes(child)))
		},
		"set description":              q.setDescriptionQuery,
		"set ephemeral":                q.setEphemeral,
		"set not_ephemeral":            q.setEphemeral,
		"set membership_approval_mode": q.setApprovalQuery,
		"set member_add_mode": func(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
			return nil, q.set.SetAdminAdds(g, actor, string(stanza.Bytes(child)) == "admin_add")
		},
		"get membership_approval_requests": q.queryRequests,
		"set membership_requests_action":   q.decideQuery,
		"get sub_groups":                   emptyChild,
		"get linked_groups_participants":   emptyChild,
	}
	for _, action := range []string{MemberAdd, MemberRemove, MemberPromote, MemberDemote} {
		table["set "+action] = q.changeMembersQuery
	}
	for _, tag := range []string{"locked", "unlocked", "announcement", "not_announcement"} {
		table["set "+tag] = func(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
			return nil, q.set.SetSwitch(g, actor, child.Tag)
		}
	}
	handlers := map[string]accounts.QueryHandler{
		"w:g2 get participating": q.queryGroups,
		"w:g2 set create":        q.queryCreateGroup,
		"w:g2 set leave":         q.queryLeave,
		"w:g2 get invite":        q.queryInvite,
		"w:g2 set invite":        q.queryInvite,
	}
	for name, handle := range table {
		handlers["w:g2 "+name] = q.onGroup(handle)
	}
	return handlers
}

// onGroup makes a query handler that looks up the group of the query. It refuses accounts that are not members.
func (q *queries) onGroup(handle groupHandler) accounts.QueryHandler {
	return func(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
		g := q.set.Find(stanza.JID(query, "to"))
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

func emptyChild(_ *Group, _ *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	return []waBinary.Node{{Tag: child.Tag}}, nil
}

func (q *queries) queryGroup(g *Group, _ *accounts.Account, _ *waBinary.Node) ([]waBinary.Node, error) {
	return []waBinary.Node{q.set.groupNode(g)}, nil
}

func (q *queries) setDescriptionQuery(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	body := child.GetChildByTag("body")
	previous, id := stanza.Attr(child, "prev"), stanza.Attr(child, "id")
	if id == "" {
		// The short form has no ids: it replaces whatever is there.
		id, previous = stanza.NewID(), q.set.DescriptionOf(g)
	}
	return nil, q.set.SetDescription(g, actor, previous, id, string(stanza.Bytes(&body)))
}

func (q *queries) setEphemeral(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	if child.Tag == "not_ephemeral" {
		return nil, q.set.SetExpiration(g, actor, 0)
	}
	seconds, err := strconv.ParseUint(stanza.Attr(child, "expiration"), 10, 32)
	if err != nil || seconds == 0 {
		return nil, ErrBadExpiration
	}
	return nil, q.set.SetExpiration(g, actor, uint32(seconds))
}

func (q *queries) setApprovalQuery(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	state := child.GetChildByTag("group_join")
	return nil, q.set.SetApproval(g, actor, stanza.Attr(&state, "state") == "on")
}

func (q *queries) changeMembersQuery(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	jids, list := q.set.dir.Named(child)
	results, err := q.set.ChangeMembers(g, actor, child.Tag, withoutUnknown(list))
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

func (q *queries) queryRequests(g *Group, actor *accounts.Account, _ *waBinary.Node) ([]waBinary.Node, error) {
	q.set.mu.RLock()
	defer q.set.mu.RUnlock()
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

func (q *queries) decideQuery(g *Group, actor *accounts.Account, child *waBinary.Node) ([]waBinary.Node, error) {
	actions := child.GetChildren()
	if len(actions) == 0 {
		return nil, ErrMemberUnknown
	}
	action := &actions[0]
	jids, list := q.set.dir.Named(action)
	results, err := q.set.Decide(g, actor, action.Tag == "approve", withoutUnknown(list))
	if err != nil {
		return nil, err
	}
	answer := waBinary.Node{Tag: action.Tag, Content: resultNodes(g, jids, list, results)}
	return []waBinary.Node{{Tag: child.Tag, Content: []waBinary.Node{answer}}}, nil
}

// queryGroups lists the groups of the account.
func (q *queries) queryGroups(dev *accounts.Device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	var list []waBinary.Node
	for _, g := range q.set.Of(dev.Account) {
		list = append(list, q.set.groupNode(g))
	}
	return []waBinary.Node{{Tag: "groups", Content: list}}, nil
}

func (q *queries) queryCreateGroup(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("create")
	_, list := q.set.dir.Named(&request)
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
	g, err := q.set.Create(dev.Account, wish)
	if err != nil {
		return nil, wireError(err)
	}
	return []waBinary.Node{q.set.groupNode(g)}, nil
}

func (q *queries) queryLeave(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("leave")
	var answers []waBinary.Node
	for _, child := range request.GetChildrenByTag("group") {
		jid := stanza.JID(&child, "id")
		g := q.set.Find(jid)
		if g == nil {
			return nil, stanza.ErrNotFound
		}
		if err := q.set.Leave(g, dev.Account); err != nil {
			return nil, wireError(err)
		}
		answers = append(answers, waBinary.Node{Tag: "group", Attrs: waBinary.Attrs{"id": jid}})
	}
	return []waBinary.Node{{Tag: "leave", Content: answers}}, nil
}

// queryInvite handles two queries. Sent to a group, it returns the group's invite link, or a new one (type "set"). Sent
// without a group, it describes the group of the code, or joins it (type "set").
func (q *queries) queryInvite(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request, set := query.GetChildByTag("invite"), stanza.Attr(query, "type") == "set"
	if to := stanza.JID(query, "to"); to.User != "" {
		g := q.set.Find(to)
		if g == nil {
			return nil, stanza.ErrNotFound
		}
		code, err := q.set.Invite(g, dev.Account, set)
		if err != nil {
			return nil, wireError(err)
		}
		return []waBinary.Node{{Tag: "invite", Attrs: waBinary.Attrs{"code": code}}}, nil
	}
	g, err := q.set.Linked(stanza.Attr(&request, "code"))
	if err != nil {
		return nil, wireError(err)
	}
	if !set {
		return []waBinary.Node{q.set.groupNode(g)}, nil
	}
	waiting, err := q.set.Join(g, dev.Account)
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

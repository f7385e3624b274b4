package groups

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/stanza"
)

// memberNode describes a member by both addresses, the one of the group's addressing mode as "jid".
func memberNode(g *Group, m member) waBinary.Node {
	attrs := waBinary.Attrs{"jid": m.account.JIDOn(g.Server(), 0), "type": string(m.role)}
	if g.Addressing == AddressingPN {
		attrs["lid"] = m.account.LIDJID(0)
	} else {
		attrs["phone_number"] = m.account.JID(0)
	}
	return waBinary.Node{Tag: "participant", Attrs: attrs}
}

// groupNode describes a group in the form that clients parse (whatsmeow group.go, parseGroupNode).
func (s *Set) groupNode(g *Group) waBinary.Node {
	s.mu.RLock()
	defer s.mu.RUnlock()
	attrs := waBinary.Attrs{
		"id": g.JID.User, "subject": g.subject.text, "s_t": strconv.FormatInt(g.subject.at.Unix(), 10), "s_o": g.subject.by.JIDOn(g.Server(), 0),
		"creation": strconv.FormatInt(g.created.Unix(), 10), "creator": g.creator.JIDOn(g.Server(), 0),
		"addressing_mode": g.Addressing, "size": strconv.Itoa(len(g.members)), "p_v_id": strconv.Itoa(g.version), "a_v_id": strconv.Itoa(g.version),
	}
	if g.Addressing == AddressingLID {
		attrs["s_o_pn"], attrs["creator_pn"] = g.subject.by.JID(0), g.creator.JID(0)
	}
	var parts []waBinary.Node
	for _, m := range g.members {
		parts = append(parts, memberNode(g, m))
	}
	if g.description.text != "" {
		described := waBinary.Attrs{
			"id": g.description.id, "t": strconv.FormatInt(g.description.at.Unix(), 10), "participant": g.description.by.JIDOn(g.Server(), 0),
		}
		parts = append(parts, waBinary.Node{Tag: "description", Attrs: described, Content: []waBinary.Node{{Tag: "body", Content: []byte(g.description.text)}}})
	}
	mode := "all_member_add"
	if g.adminAdds {
		mode = "admin_add"
	}
	parts = append(parts, waBinary.Node{Tag: "member_add_mode", Content: []byte(mode)})
	for tag, on := range map[string]bool{"announcement": g.announce, "locked": g.locked, "default_sub_group": g.community} {
		if on {
			parts = append(parts, waBinary.Node{Tag: tag})
		}
	}
	if g.approval {
		parts = append(parts, waBinary.Node{Tag: "membership_approval_mode", Content: []waBinary.Node{{Tag: "group_join", Attrs: waBinary.Attrs{"state": "on"}}}})
	}
	if g.expiration > 0 {
		parts = append(parts, waBinary.Node{Tag: "ephemeral", Attrs: waBinary.Attrs{"expiration": strconv.FormatUint(uint64(g.expiration), 10)}})
	}
	return waBinary.Node{Tag: "group", Attrs: attrs, Content: parts}
}

// createNode tells a new member about a group. reason is "new" when the group is created, "invite" for a member that
// joined by link and "" for a member that was added.
func (s *Set) createNode(g *Group, reason string) waBinary.Node {
	attrs := waBinary.Attrs{}
	if reason == "new" {
		attrs["type"] = reason
	} else {
		attrs["reason"] = reason
	}
	return waBinary.Node{Tag: "create", Attrs: attrs, Content: []waBinary.Node{s.groupNode(g)}}
}

// notifyGroup tells all linked devices of some accounts what the actor changed in a group.
func (s *Set) notifyGroup(g *Group, actor *accounts.Account, change waBinary.Node, to []*accounts.Account) {
	attrs := waBinary.Attrs{
		"from": g.JID, "id": stanza.NewID(), "t": stanza.Now(), "type": "w:gp2", "participant": actor.JIDOn(g.Server(), 0),
		"notify": actor.Phone.Name(), "addressing_mode": g.Addressing,
	}
	if g.Addressing == AddressingLID {
		attrs["participant_pn"] = actor.JID(0)
	}
	notification := waBinary.Node{Tag: "notification", Attrs: attrs, Content: []waBinary.Node{change}}
	for _, a := range to {
		for _, dev := range s.dir.DevicesOf(a) {
			s.courier.Hand(dev, notification)
		}
	}
}

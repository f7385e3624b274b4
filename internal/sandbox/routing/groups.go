package routing

import (
	"errors"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// Error codes of acks to group messages.
const (
	ackForbidden    = 403
	ackUnknownGroup = 404
	ackNotAMember   = 420
	ackInvalid      = 479
)

// routeGroup delivers a group message. Each device gets the part that all devices share and, if there is one, the part
// that is encrypted for that device alone. If the sender's list of devices is not the right one, the devices that it
// does not name get nothing, since they do not have the sender's key: the sender learns the hash of the right list and
// sends the message to them again.
func (r *Router) routeGroup(from accounts.Origin, node *waBinary.Node) Verdict {
	g := r.groups.FindShared(stanza.JID(node, "to"))
	if g == nil || stanza.Attr(node, "id") == "" {
		return Verdict{Code: ackUnknownGroup}
	}
	switch err := g.MaySend(from.Account, stanza.Attr(node, "type") == "reaction"); {
	case err == nil:
	case errors.Is(err, groups.ErrNotInGroup):
		return Verdict{Code: ackNotAMember}
	default:
		return Verdict{Code: ackForbidden}
	}
	shared := node.GetChildrenByTag("enc")
	if participant := stanza.JID(node, "participant"); !participant.IsEmpty() {
		return r.routeGroupRetry(from, g, participant, node, shared)
	}
	list := node.GetChildByTag("participants")
	copies := list.GetChildrenByTag("to")
	// A reaction to a status is for its author's devices and the sender's own: each gets a copy, and nothing is shared.
	_, statuses := g.(*groups.Statuses)
	addressed := statuses && len(shared) == 0 && len(copies) > 0
	if (len(shared) == 0 && !addressed) || len(copies) > groups.MaxMembers*maxDevicesInGroup {
		return Verdict{Code: ackBadMessage}
	}
	if addressed && !isPlainAddon(node) {
		return Verdict{Code: ackInvalid}
	}
	again := isSentAgain(node) || addressed
	if again {
		shared = nil // the part that all share is empty in a message for some devices only
	}
	alone := r.copiesByDevice(g, copies)
	all := r.placesOf(g, from.Account)
	var told Verdict
	if hash := hashOf(all); !again && stanza.Attr(node, "phash") != "" && stanza.Attr(node, "phash") != hash {
		told.Phash = hash
	}
	for _, at := range all {
		own, is := alone[at.jid]
		if (at.owner == from.Account && at.jid.Device == from.Device) || (!is && (again || told.Phash != "")) {
			continue
		}
		r.handGroupCopy(from, node, g, at.owner, at.jid.Device, append(own[:len(own):len(own)], shared...))
	}
	return told
}

// copiesByDevice returns the parts of a message that are for one device alone, by the device's address in the chat.
func (r *Router) copiesByDevice(g groups.Shared, copies []waBinary.Node) map[types.JID][]waBinary.Node {
	alone := make(map[types.JID][]waBinary.Node, len(copies))
	for i := range copies {
		jid := stanza.JID(&copies[i], "jid")
		if owner := r.dir.Find(jid); owner != nil {
			alone[owner.JIDOn(g.Server(), jid.Device)] = copies[i].GetChildren()
		}
	}
	return alone
}

// place is a device that gets a message: its account, and its address in the chat. The account may have been removed
// meanwhile, so nobody finds it by the address.
type place struct {
	owner *accounts.Account
	jid   types.JID
}

// placesOf lists the devices that get what an account writes.
func (r *Router) placesOf(g groups.Shared, author *accounts.Account) []place {
	var all []place
	for _, owner := range g.Audience(author) {
		for _, jid := range r.devicesOn(owner, g.Server()) {
			all = append(all, place{owner, jid})
		}
	}
	return all
}

func hashOf(all []place) string {
	list := make([]types.JID, len(all))
	for i, at := range all {
		list[i] = at.jid
	}
	return stanza.ParticipantHash(list)
}

// isPlainAddon reports whether a reaction to a status has nothing that only a message to a person or a status itself has.
// The real server refuses such a stanza (479).
func isPlainAddon(node *waBinary.Node) bool {
	for _, tag := range []string{"meta", "tctoken", "cstoken"} {
		if _, has := node.GetOptionalChildByTag(tag); has {
			return false
		}
	}
	return stanza.Attr(node, "type") == "reaction" && stanza.Attr(node, "peer_recipient_pn") == ""
}

// isSentAgain reports whether a message is for the named devices only: its sender sends it again to devices that it did
// not know at first.
func isSentAgain(node *waBinary.Node) bool { return stanza.Attr(node, "device_fanout") == "false" }

// maxDevicesInGroup is the average number of devices of a member for which a message may have copies.
const maxDevicesInGroup = 5

// routeGroupRetry delivers a message that was encrypted again for one device of a member that asked for it.
func (r *Router) routeGroupRetry(from accounts.Origin, g groups.Shared, participant types.JID, node *waBinary.Node, enc []waBinary.Node) Verdict {
	if len(enc) == 0 {
		return Verdict{Code: ackBadMessage}
	}
	owner := r.dir.Find(participant)
	if owner == nil || !g.Has(owner) {
		return Verdict{Code: ackUnknownRecipient}
	}
	r.handGroupCopy(from, node, g, owner, participant.Device, enc)
	return Verdict{}
}

// handGroupCopy builds a group message as one receiving device sees it and delivers it.
func (r *Router) handGroupCopy(from accounts.Origin, node *waBinary.Node, g groups.Shared, owner *accounts.Account, device uint16, enc []waBinary.Node) {
	attrs := waBinary.Attrs{
		"from":            g.Address(),
		"participant":     from.Account.JIDOn(g.Server(), from.Device),
		"id":              stanza.Attr(node, "id"),
		"t":               stanza.Now(),
		"type":            stanza.Attr(node, "type"),
		"notify":          r.courier.NameOf(from),
		"edit":            stanza.Attr(node, "edit"),
		"addressing_mode": g.Mode(),
	}
	if g.Mode() == groups.AddressingPN {
		attrs["participant_lid"] = from.Account.LIDJID(from.Device)
	} else {
		attrs["participant_pn"] = from.Account.JID(from.Device)
	}
	content := append(enc[:len(enc):len(enc)], passedOn(node)...)
	if list, is := g.(*groups.List); is && owner == from.Account {
		content = append(content, recipientsOf(list))
	}
	copied := waBinary.Node{Tag: "message", Attrs: attrs, Content: content}
	r.observer.Count(func(n *observe.Counters) { n.MessagesOut++ })
	if device == 0 {
		owner.Phone.Take(accounts.Delivery{Node: copied, From: from, Group: g.Address()})
		return
	}
	if dev := r.dir.Device(owner, device); dev != nil {
		r.courier.HandMessage(dev, copied)
	}
}

// recipientsOf is the part of a broadcast list's message that tells the owner's own devices to whom it went.
func recipientsOf(l *groups.List) waBinary.Node {
	var list []waBinary.Node
	for _, a := range l.Recipients() {
		list = append(list, waBinary.Node{Tag: "to", Attrs: waBinary.Attrs{"jid": a.LIDJID(0), "peer_recipient_pn": a.JID(0)}})
	}
	return waBinary.Node{Tag: "participants", Content: list}
}

// routeGroupReceipt passes a receipt of a member about a group message to its sender. A read or played receipt goes to
// the reader's other devices as well. An account that is not in the group has no messages of it, so its receipts go
// nowhere, and neither do those that name the author in the form that the group does not use.
func (r *Router) routeGroupReceipt(from accounts.Origin, g groups.Shared, node *waBinary.Node) {
	kind, participant := stanza.Attr(node, "type"), stanza.JID(node, "participant")
	author := r.dir.Find(participant)
	if author == nil || participant.Server != g.Server() || !g.Has(from.Account) || kind == stanza.ReceiptSender || kind == stanza.ReceiptPeer {
		return
	}
	attrs := waBinary.Attrs{
		"from": g.Address(), "participant": from.Account.JIDOn(g.Server(), from.Device), "id": stanza.Attr(node, "id"), "t": stanza.Now(), "type": kind,
		"addressing_mode": g.Mode(),
	}
	receipt := waBinary.Node{Tag: "receipt", Attrs: attrs, Content: node.Content}
	if kind == stanza.ReceiptRetry {
		r.courier.HandReceipt(author, participant.Device, receipt, from)
		return
	}
	if kind == stanza.ReceiptRead || kind == stanza.ReceiptPlayed {
		attrs["participant"] = from.Account.JIDOn(g.Server(), 0)
		self := stanza.With(stanza.With(receipt, "type", stanza.ReceiptReadSelf), "recipient", participant.ToNonAD())
		r.courier.HandReceipts(from.Account, self, from)
	}
	r.courier.HandReceipts(author, receipt, from)
}

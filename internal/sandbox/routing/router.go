// Package routing delivers what devices and phones send each other: messages, receipts and chat states ("composing").
//
// It reads addresses and attributes, not the encrypted content.
package routing

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/channels"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/profiles"
	"wasup/internal/sandbox/stanza"
)

// Error codes of acks.
const (
	ackUnknownRecipient = 404
	ackBadMessage       = 400
)

// maxParticipants bounds the copies of one message.
const maxParticipants = 2000

// Verdict is the ack that the sender of a message gets: an error code, or 0, and the hash of the right list of devices
// if the sender used another list.
type Verdict struct {
	Code  int
	Phash string
}

// Router delivers what devices and phones send each other.
type Router struct {
	dir      *accounts.Directory
	groups   *groups.Set
	channels *channels.Set
	courier  *accounts.Courier
	profiles *profiles.Profiles
	faults   *faults.Set
	observer *observe.Observer
}

// New returns a router for the accounts of a directory with its groups and channels.
func New(dir *accounts.Directory, groups *groups.Set, channels *channels.Set, courier *accounts.Courier, profiles *profiles.Profiles, faults *faults.Set, observer *observe.Observer) *Router {
	return &Router{dir: dir, groups: groups, channels: channels, courier: courier, profiles: profiles, faults: faults, observer: observer}
}

// RouteMessage delivers every copy of a message to the device that it is encrypted for.
func (r *Router) RouteMessage(from accounts.Origin, node *waBinary.Node) Verdict {
	to := stanza.JID(node, "to")
	if stanza.Attr(node, "id") == "" || to.User == "" {
		return Verdict{Code: ackBadMessage}
	}
	if to.Server == types.GroupServer || to.Server == types.BroadcastServer {
		return r.routeGroup(from, node)
	}
	if to.Server == types.NewsletterServer {
		return r.routeChannel(from, node)
	}
	target := r.dir.Find(to)
	if target == nil {
		return Verdict{Code: ackUnknownRecipient}
	}
	if direct, ok := node.GetOptionalChildByTag("enc"); ok {
		// A copy for one device, without a list: a message to the own phone, or one that is sent again after a retry
		// receipt.
		r.handCopy(from, node, target, to.Device, []waBinary.Node{direct})
		return Verdict{}
	}
	participants := node.GetChildByTag("participants")
	copies := participants.GetChildrenByTag("to")
	if len(copies) > maxParticipants {
		return Verdict{Code: ackBadMessage}
	}
	given := make([]types.JID, 0, len(copies)+1)
	for i := range copies {
		jid := stanza.JID(&copies[i], "jid")
		owner := r.dir.Find(jid)
		if owner == nil || (owner != target && owner != from.Account) {
			continue
		}
		given = append(given, owner.JIDOn(to.Server, jid.Device))
		if owner == from.Account && jid.Device == from.Device {
			continue
		}
		r.handCopy(from, node, owner, jid.Device, copies[i].GetChildren())
	}
	if isSentAgain(node) {
		return Verdict{}
	}
	return Verdict{Phash: r.correctList(from, target, to.Server, given)}
}

// correctList compares the devices that got a copy with those that exist. If they differ it returns the hash of the
// right list, which makes the sender ask for the devices again.
func (r *Router) correctList(from accounts.Origin, target *accounts.Account, server string, given []types.JID) string {
	want := r.devicesOn(target, server)
	if target != from.Account {
		want = append(want, r.devicesOn(from.Account, server)...)
	}
	got := map[types.JID]bool{from.Account.JIDOn(server, from.Device): true}
	for _, jid := range given {
		got[jid] = true
	}
	same := len(want) == len(got)
	for _, jid := range want {
		same = same && got[jid]
	}
	if same {
		return ""
	}
	return stanza.ParticipantHash(want)
}

// handCopy builds a message as one receiving device sees it and delivers it.
func (r *Router) handCopy(from accounts.Origin, node *waBinary.Node, owner *accounts.Account, device uint16, enc []waBinary.Node) {
	if owner != from.Account && r.profiles.HasBlocked(owner, from.Account) {
		// The sender is not told.
		return
	}
	to := stanza.JID(node, "to").ToNonAD()
	target := r.dir.Find(to)
	attrs := waBinary.Attrs{
		"from":     from.Account.JIDOn(to.Server, from.Device),
		"id":       stanza.Attr(node, "id"),
		"t":        stanza.Now(),
		"type":     stanza.Attr(node, "type"),
		"notify":   r.courier.NameOf(from),
		"category": stanza.Attr(node, "category"),
		"edit":     stanza.Attr(node, "edit"),
	}
	hidden := to.Server == types.HiddenUserServer
	switch {
	case owner == from.Account && stanza.Attr(node, "category") != stanza.CategoryPeer:
		// A copy for the sender's own devices names the chat it belongs to.
		chat := to
		if recipient := stanza.JID(node, "recipient"); !recipient.IsEmpty() {
			chat = recipient
		}
		attrs["recipient"] = chat
		if peer := r.dir.Find(chat); peer != nil && chat.Server == types.HiddenUserServer {
			attrs["peer_recipient_pn"] = peer.JID(0)
		} else if peer != nil {
			attrs["peer_recipient_lid"] = peer.LIDJID(0)
		}
	case hidden:
		attrs["sender_pn"] = from.Account.JID(from.Device)
	default:
		attrs["sender_lid"] = from.Account.LIDJID(from.Device)
	}
	copied := waBinary.Node{Tag: "message", Attrs: attrs, Content: append(enc[:len(enc):len(enc)], passedOn(node)...)}
	r.observer.Count(func(n *observe.Counters) { n.MessagesOut++ })
	if device == 0 {
		owner.Phone.Take(accounts.Delivery{Node: copied, From: from, Chat: target})
		return
	}
	if dev := r.dir.Device(owner, device); dev != nil {
		r.courier.HandMessage(dev, copied)
	}
}

// passedOn returns the parts of a message that every receiver gets besides its own ciphertext.
func passedOn(node *waBinary.Node) []waBinary.Node {
	var parts []waBinary.Node
	for _, child := range node.GetChildren() {
		switch child.Tag {
		case "device-identity", "meta", "biz", "bot":
			parts = append(parts, child)
		}
	}
	return parts
}

// RouteReceipt delivers a receipt to the devices that it concerns.
func (r *Router) RouteReceipt(from accounts.Origin, node *waBinary.Node) {
	kind := stanza.Attr(node, "type")
	r.observer.Count(func(n *observe.Counters) {
		n.Receipts++
		if kind == stanza.ReceiptRetry {
			n.Retries++
		}
	})
	r.observer.Emit(observe.Event{Kind: observe.EventReceipt, Account: from.Account.Number, Device: from.Account.JID(from.Device).String(), Detail: kind + " " + stanza.Attr(node, "id")})
	to := stanza.JID(node, "to")
	if g := r.groups.FindShared(to); g != nil {
		r.routeGroupReceipt(from, g, node)
		return
	}
	target := r.dir.Find(to)
	if target == nil {
		return
	}
	attrs := waBinary.Attrs{"id": stanza.Attr(node, "id"), "t": stanza.Now(), "type": kind}
	receipt := waBinary.Node{Tag: "receipt", Attrs: attrs, Content: node.Content}
	switch {
	case kind == stanza.ReceiptRetry:
		// Only the device that encrypted the message can encrypt it again.
		attrs["from"] = from.Account.JIDOn(to.Server, from.Device)
		if recipient := stanza.JID(node, "recipient"); !recipient.IsEmpty() {
			attrs["recipient"] = recipient
		}
		r.courier.HandReceipt(target, to.Device, receipt, from)
	case kind == stanza.ReceiptSender || kind == stanza.ReceiptPeer || kind == stanza.ReceiptHistory:
	case kind == stanza.ReceiptServerError:
		// Only the account's own phone has the missing file.
		if target == from.Account && from.Device != 0 {
			attrs["from"], attrs["category"] = from.Account.JIDOn(to.Server, from.Device), stanza.Attr(node, "category")
			r.courier.HandReceipt(target, 0, receipt, from)
		}
	case target == from.Account:
		// A message that was read on one device is read on all others.
		attrs["from"] = from.Account.JIDOn(to.Server, from.Device)
		r.courier.HandReceipts(target, receipt, from)
	default:
		device := from.Device
		if kind == stanza.ReceiptRead || kind == stanza.ReceiptPlayed {
			device = 0
		}
		attrs["from"] = from.Account.JIDOn(to.Server, device)
		r.courier.HandReceipts(target, receipt, from)
		if kind == stanza.ReceiptRead || kind == stanza.ReceiptPlayed {
			r.readElsewhere(from, node, target)
		}
	}
}

// readElsewhere tells the reader's other devices that a message has been read.
func (r *Router) readElsewhere(from accounts.Origin, node *waBinary.Node, chat *accounts.Account) {
	to := stanza.JID(node, "to")
	receipt := waBinary.Node{Tag: "receipt", Content: node.Content, Attrs: waBinary.Attrs{
		"from":      from.Account.JIDOn(to.Server, from.Device),
		"recipient": chat.JIDOn(to.Server, 0),
		"id":        stanza.Attr(node, "id"),
		"t":         stanza.Now(),
		"type":      stanza.ReceiptReadSelf,
	}}
	r.courier.HandReceipts(from.Account, receipt, from)
}

// RouteChatState tells the other members of a chat what somebody does in it. Devices that are not active miss it. Who may
// not write in a group does not type there either.
func (r *Router) RouteChatState(from accounts.Origin, to types.JID, content any) {
	hint := waBinary.Node{Tag: "chatstate", Content: content}
	detail := chatStateOf(content) + " " + from.Account.Number
	var others []*accounts.Account
	if g := r.groups.Find(to); g != nil {
		if g.MaySend(from.Account, false) != nil {
			return
		}
		hint.Attrs = waBinary.Attrs{"from": g.JID, "participant": from.Account.JIDOn(g.Server(), from.Device), "addressing_mode": g.Addressing}
		others, detail = g.Accounts(), detail+" in "+g.JID.String()
	} else if target := r.dir.Find(to); target != nil {
		hint.Attrs = waBinary.Attrs{"from": from.Account.JIDOn(to.Server, from.Device)}
		others = []*accounts.Account{target}
	}
	for _, other := range others {
		if other == from.Account || r.profiles.HasBlocked(other, from.Account) {
			continue
		}
		r.observer.Emit(observe.Event{Kind: observe.EventChatState, Account: other.Number, Detail: detail})
		for _, dev := range r.dir.DevicesOf(other) {
			dev.Hint(hint)
		}
	}
}

func chatStateOf(content any) string {
	children, _ := content.([]waBinary.Node)
	if len(children) == 0 {
		return ""
	}
	if stanza.Attr(&children[0], "media") == "audio" {
		return "recording"
	}
	return children[0].Tag
}

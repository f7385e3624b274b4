package sandbox

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// origin is the device that a stanza comes from: device 0 is the phone.
type origin struct {
	account *account
	device  uint16
	// scripted marks what a phone sends by itself, which no other phone answers by itself: two phones that
	// echo would never end.
	scripted bool
}

// Errors of acks, as numbers on the wire.
const (
	ackUnknownRecipient = 404
	ackBadMessage       = 400
)

// maxParticipants bounds the copies of one message.
const maxParticipants = 2000

// verdict is what the sender of a message is told.
type verdict struct {
	code  int
	phash string
}

// handleMessage routes a message of a linked device and acknowledges it.
func (c *conn) handleMessage(dev *device, node *waBinary.Node) {
	s := c.srv
	s.observer.Count(func(n *observe.Counters) { n.MessagesIn++ })
	s.observer.Emit(observe.Event{Kind: observe.EventMessage, Account: dev.account.number, Device: dev.account.jid(dev.id).String(), Conn: c.id, Detail: stanza.Attr(node, "id")})
	var told verdict
	if fault, ok := s.faults.strike(FaultRefuseAck, c); ok {
		told.code = fault.Code
	} else {
		told = s.router.routeMessage(origin{account: dev.account, device: dev.id}, node)
	}
	if told.code != 0 {
		s.observer.Count(func(n *observe.Counters) { n.Refusals++ })
	}
	if _, ok := s.faults.strike(FaultWithholdAck, c); ok {
		return
	}
	ack := messageAck(node, told)
	acknowledge := func() { c.send(ack) }
	if _, ok := s.faults.strike(FaultDuplicateAck, c); ok {
		acknowledge = func() { c.send(ack); c.send(ack) }
	}
	if fault, ok := s.faults.strike(FaultDelayAck, c); ok {
		c.later(fault.Delay, acknowledge)
		return
	}
	acknowledge()
}

func messageAck(node *waBinary.Node, told verdict) waBinary.Node {
	attrs := waBinary.Attrs{"class": "message", "id": stanza.Attr(node, "id"), "from": stanza.JID(node, "to"), "t": stanza.Now(), "phash": told.phash}
	if told.code != 0 {
		attrs["error"] = strconv.Itoa(told.code)
	}
	return waBinary.Node{Tag: "ack", Attrs: attrs}
}

// router passes on what devices and phones say to each other.
type router struct {
	dir      *directory
	groups   *groupSet
	courier  *courier
	profiles *profiles
	observer *observe.Observer
}

// routeMessage hands every copy of a one-to-one message to the device it is encrypted for.
func (r *router) routeMessage(from origin, node *waBinary.Node) verdict {
	to := stanza.JID(node, "to")
	if stanza.Attr(node, "id") == "" || to.User == "" {
		return verdict{code: ackBadMessage}
	}
	if to.Server == types.GroupServer {
		return r.routeGroup(from, node)
	}
	target := r.dir.find(to)
	if target == nil {
		return verdict{code: ackUnknownRecipient}
	}
	if direct, ok := node.GetOptionalChildByTag("enc"); ok {
		// Copies for one device, without a list: messages to the own phone, and those sent again after a
		// retry receipt.
		r.handCopy(from, node, target, to.Device, []waBinary.Node{direct})
		return verdict{}
	}
	participants := node.GetChildByTag("participants")
	copies := participants.GetChildrenByTag("to")
	if len(copies) > maxParticipants {
		return verdict{code: ackBadMessage}
	}
	given := make([]types.JID, 0, len(copies)+1)
	for i := range copies {
		jid := stanza.JID(&copies[i], "jid")
		owner := r.dir.find(jid)
		if owner == nil || (owner != target && owner != from.account) {
			continue
		}
		given = append(given, owner.jidOn(to.Server, jid.Device))
		if owner == from.account && jid.Device == from.device {
			continue
		}
		r.handCopy(from, node, owner, jid.Device, copies[i].GetChildren())
	}
	return verdict{phash: r.correctList(from, target, to.Server, given)}
}

// correctList compares the devices that got a copy with those that exist. It returns the hash of the right list
// when they differ: the sender then asks for the devices again.
func (r *router) correctList(from origin, target *account, server string, given []types.JID) string {
	accounts := []*account{target}
	if target != from.account {
		accounts = append(accounts, from.account)
	}
	var want []types.JID
	for _, account := range accounts {
		want = append(want, account.jidOn(server, 0))
		for _, dev := range r.dir.devicesOf(account) {
			want = append(want, account.jidOn(server, dev.id))
		}
	}
	got := make(map[types.JID]bool, len(given)+1)
	got[from.account.jidOn(server, from.device)] = true
	for _, jid := range given {
		got[jid] = true
	}
	for _, jid := range want {
		if !got[jid] {
			return stanza.ParticipantHash(want)
		}
		delete(got, jid)
	}
	if len(got) > 0 {
		return stanza.ParticipantHash(want)
	}
	return ""
}

// handCopy builds the message as one receiving device sees it and hands it over.
func (r *router) handCopy(from origin, node *waBinary.Node, owner *account, device uint16, enc []waBinary.Node) {
	if owner != from.account && r.profiles.hasBlocked(owner, from.account) {
		// The sender is not told.
		return
	}
	to := stanza.JID(node, "to").ToNonAD()
	target := r.dir.find(to)
	attrs := waBinary.Attrs{
		"from":     from.account.jidOn(to.Server, from.device),
		"id":       stanza.Attr(node, "id"),
		"t":        stanza.Now(),
		"type":     stanza.Attr(node, "type"),
		"notify":   r.courier.nameOf(from),
		"category": stanza.Attr(node, "category"),
		"edit":     stanza.Attr(node, "edit"),
	}
	hidden := to.Server == types.HiddenUserServer
	switch {
	case owner == from.account && stanza.Attr(node, "category") != categoryPeer:
		// A copy for the sender's own devices names the chat it belongs to.
		chat := to
		if recipient := stanza.JID(node, "recipient"); !recipient.IsEmpty() {
			chat = recipient
		}
		attrs["recipient"] = chat
		if peer := r.dir.find(chat); peer != nil && chat.Server == types.HiddenUserServer {
			attrs["peer_recipient_pn"] = peer.jid(0)
		} else if peer != nil {
			attrs["peer_recipient_lid"] = peer.lidJID(0)
		}
	case hidden:
		attrs["sender_pn"] = from.account.jid(from.device)
	default:
		attrs["sender_lid"] = from.account.lidJID(from.device)
	}
	copied := waBinary.Node{Tag: "message", Attrs: attrs, Content: append(enc[:len(enc):len(enc)], passedOn(node)...)}
	r.observer.Count(func(n *observe.Counters) { n.MessagesOut++ })
	if device == 0 {
		owner.phone.take(delivery{node: copied, from: from, chat: target})
		return
	}
	if dev := r.dir.device(owner, device); dev != nil {
		r.courier.handMessage(dev, copied)
	}
}

// passedOn lists the parts of a message that every receiver gets besides its own ciphertext.
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

// handleReceipt takes a receipt of a linked device: it acknowledges the message it is about and is passed on.
func (c *conn) handleReceipt(dev *device, node *waBinary.Node) {
	s := c.srv
	to, id := stanza.JID(node, "to"), stanza.Attr(node, "id")
	if id == "" || to.IsEmpty() {
		return
	}
	// A receipt, a request to send again included, says that the message has arrived.
	dev.acknowledge(stanza.Key{Class: "message", ID: id, From: to, Participant: stanza.JID(node, "participant")})
	c.send(waBinary.Node{Tag: "ack", Attrs: waBinary.Attrs{"class": "receipt", "id": id, "from": to, "type": stanza.Attr(node, "type"), "t": stanza.Now()}})
	s.router.routeReceipt(origin{account: dev.account, device: dev.id}, node)
}

// The types of receipts that are routed in a way of their own.
const (
	receiptRetry    = "retry"
	receiptSender   = "sender"
	receiptPeer     = "peer_msg"
	receiptRead     = "read"
	receiptReadSelf = "read-self"
	receiptPlayed   = "played"
	// receiptHistory tells a phone that a part of its history arrived, receiptServerError that a file is not on the
	// server any more.
	receiptHistory     = "hist_sync"
	receiptServerError = "server-error"
)

// routeReceipt passes a receipt on to whom it concerns.
func (r *router) routeReceipt(from origin, node *waBinary.Node) {
	kind := stanza.Attr(node, "type")
	r.observer.Count(func(n *observe.Counters) {
		n.Receipts++
		if kind == receiptRetry {
			n.Retries++
		}
	})
	r.observer.Emit(observe.Event{Kind: observe.EventReceipt, Account: from.account.number, Device: from.account.jid(from.device).String(), Detail: kind + " " + stanza.Attr(node, "id")})
	to := stanza.JID(node, "to")
	if g := r.groups.find(to); g != nil {
		r.routeGroupReceipt(from, g, node)
		return
	}
	target := r.dir.find(to)
	if target == nil {
		return
	}
	attrs := waBinary.Attrs{"id": stanza.Attr(node, "id"), "t": stanza.Now(), "type": kind}
	receipt := waBinary.Node{Tag: "receipt", Attrs: attrs, Content: node.Content}
	switch {
	case kind == receiptRetry:
		// Only the device that encrypted the message can do something about it.
		attrs["from"] = from.account.jidOn(to.Server, from.device)
		if recipient := stanza.JID(node, "recipient"); !recipient.IsEmpty() {
			attrs["recipient"] = recipient
		}
		r.courier.handReceipt(target, to.Device, receipt, from)
	case kind == receiptSender || kind == receiptPeer || kind == receiptHistory:
	case kind == receiptServerError:
		// Only one's own phone has what is missing.
		if target == from.account && from.device != 0 {
			attrs["from"], attrs["category"] = from.account.jidOn(to.Server, from.device), stanza.Attr(node, "category")
			r.courier.handReceipt(target, 0, receipt, from)
		}
	case target == from.account:
		// What a person reads on one device is read on all others.
		attrs["from"] = from.account.jidOn(to.Server, from.device)
		r.courier.handReceipts(target, receipt, from)
	default:
		device := from.device
		if kind == receiptRead || kind == receiptPlayed {
			device = 0
		}
		attrs["from"] = from.account.jidOn(to.Server, device)
		r.courier.handReceipts(target, receipt, from)
		if kind == receiptRead || kind == receiptPlayed {
			r.readElsewhere(from, node, target)
		}
	}
}

// readElsewhere tells the reader's other devices that a message has been read.
func (r *router) readElsewhere(from origin, node *waBinary.Node, chat *account) {
	to := stanza.JID(node, "to")
	receipt := waBinary.Node{Tag: "receipt", Content: node.Content, Attrs: waBinary.Attrs{
		"from":      from.account.jidOn(to.Server, from.device),
		"recipient": chat.jidOn(to.Server, 0),
		"id":        stanza.Attr(node, "id"),
		"t":         stanza.Now(),
		"type":      receiptReadSelf,
	}}
	r.courier.handReceipts(from.account, receipt, from)
}

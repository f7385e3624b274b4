package sandbox

import (
	"bytes"
	"slices"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
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
	s.stats.add(func(n *Counters) { n.MessagesIn++ })
	s.emit(Event{Kind: EventMessage, Account: dev.account.number, Device: dev.account.jid(dev.id).String(), Conn: c.id, Detail: attr(node, "id")})
	var told verdict
	if fault, ok := s.fault(FaultRefuseAck, c); ok {
		told.code = fault.Code
	} else {
		told = s.routeMessage(origin{account: dev.account, device: dev.id}, node)
	}
	if told.code != 0 {
		s.stats.add(func(n *Counters) { n.Refusals++ })
	}
	if _, ok := s.fault(FaultWithholdAck, c); ok {
		return
	}
	ack := messageAck(node, told)
	acknowledge := func() { c.send(ack) }
	if _, ok := s.fault(FaultDuplicateAck, c); ok {
		acknowledge = func() { c.send(ack); c.send(ack) }
	}
	if fault, ok := s.fault(FaultDelayAck, c); ok {
		c.later(fault.Delay, acknowledge)
		return
	}
	acknowledge()
}

func messageAck(node *waBinary.Node, told verdict) waBinary.Node {
	attrs := waBinary.Attrs{"class": "message", "id": attr(node, "id"), "from": attrJID(node, "to"), "t": unixNow(), "phash": told.phash}
	if told.code != 0 {
		attrs["error"] = strconv.Itoa(told.code)
	}
	return waBinary.Node{Tag: "ack", Attrs: attrs}
}

// routeMessage hands every copy of a one-to-one message to the device it is encrypted for.
func (s *Server) routeMessage(from origin, node *waBinary.Node) verdict {
	to := attrJID(node, "to")
	if attr(node, "id") == "" || to.User == "" {
		return verdict{code: ackBadMessage}
	}
	if to.Server == types.GroupServer {
		return s.routeGroup(from, node)
	}
	target := s.dir.find(to)
	if target == nil {
		return verdict{code: ackUnknownRecipient}
	}
	if direct, ok := node.GetOptionalChildByTag("enc"); ok {
		// Copies for one device, without a list: messages to the own phone, and those sent again after a
		// retry receipt.
		s.handCopy(from, node, target, to.Device, []waBinary.Node{direct})
		return verdict{}
	}
	participants := node.GetChildByTag("participants")
	copies := participants.GetChildrenByTag("to")
	if len(copies) > maxParticipants {
		return verdict{code: ackBadMessage}
	}
	given := make([]types.JID, 0, len(copies)+1)
	for i := range copies {
		jid := attrJID(&copies[i], "jid")
		owner := s.dir.find(jid)
		if owner == nil || (owner != target && owner != from.account) {
			continue
		}
		given = append(given, owner.jidOn(to.Server, jid.Device))
		if owner == from.account && jid.Device == from.device {
			continue
		}
		s.handCopy(from, node, owner, jid.Device, copies[i].GetChildren())
	}
	return verdict{phash: s.correctList(from, target, to.Server, given)}
}

// correctList compares the devices that got a copy with those that exist. It returns the hash of the right list
// when they differ: the sender then asks for the devices again.
func (s *Server) correctList(from origin, target *account, server string, given []types.JID) string {
	accounts := []*account{target}
	if target != from.account {
		accounts = append(accounts, from.account)
	}
	var want []types.JID
	for _, account := range accounts {
		want = append(want, account.jidOn(server, 0))
		for _, dev := range s.dir.devicesOf(account) {
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
			return participantHash(want)
		}
		delete(got, jid)
	}
	if len(got) > 0 {
		return participantHash(want)
	}
	return ""
}

// handCopy builds the message as one receiving device sees it and hands it over.
func (s *Server) handCopy(from origin, node *waBinary.Node, owner *account, device uint16, enc []waBinary.Node) {
	if owner != from.account && owner.hasBlocked(from.account) {
		// The sender is not told.
		return
	}
	to := attrJID(node, "to").ToNonAD()
	target := s.dir.find(to)
	attrs := waBinary.Attrs{
		"from":     from.account.jidOn(to.Server, from.device),
		"id":       attr(node, "id"),
		"t":        unixNow(),
		"type":     attr(node, "type"),
		"notify":   s.nameOf(from),
		"category": attr(node, "category"),
		"edit":     attr(node, "edit"),
	}
	hidden := to.Server == types.HiddenUserServer
	switch {
	case owner == from.account && attr(node, "category") != categoryPeer:
		// A copy for the sender's own devices names the chat it belongs to.
		chat := to
		if recipient := attrJID(node, "recipient"); !recipient.IsEmpty() {
			chat = recipient
		}
		attrs["recipient"] = chat
		if peer := s.dir.find(chat); peer != nil && chat.Server == types.HiddenUserServer {
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
	s.stats.add(func(n *Counters) { n.MessagesOut++ })
	if device == 0 {
		owner.phone.take(delivery{node: copied, from: from, chat: target})
		return
	}
	if dev := s.dir.device(owner, device); dev != nil {
		s.handMessage(dev, copied)
	}
}

// handMessage gives a message to a linked device: without what it says, or so that it cannot be read, if a fault wants
// that.
func (s *Server) handMessage(dev *device, node waBinary.Node) {
	if attr(&node, "category") != categoryPeer {
		if fault, ok := s.fault(FaultUnavailable, dev); ok {
			notice := waBinary.Node{Tag: "unavailable", Attrs: waBinary.Attrs{}}
			if fault.Variant == VariantViewOnce {
				notice.Attrs["type"] = VariantViewOnce
			}
			node.Content = []waBinary.Node{notice}
		} else if _, ok = s.fault(FaultBadCiphertext, dev); ok {
			node.Content = spoiled(node.GetChildren())
		}
	}
	s.hand(dev, node)
}

// spoiled copies the parts of a message with the last byte of each ciphertext changed: it belongs to the MAC or the
// signature.
func spoiled(parts []waBinary.Node) []waBinary.Node {
	parts = slices.Clone(parts)
	for i := range parts {
		if ciphertext := bytes.Clone(bytesOf(&parts[i])); parts[i].Tag == "enc" && len(ciphertext) > 0 {
			ciphertext[len(ciphertext)-1] ^= 0xff
			parts[i].Content = ciphertext
		}
	}
	return parts
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

// nameOf is the name that receivers of a message are shown: a dash where a client never said what the account is called.
func (s *Server) nameOf(from origin) string {
	if from.device != 0 {
		if dev := s.dir.device(from.account, from.device); dev != nil {
			dev.mu.Lock()
			defer dev.mu.Unlock()
			if dev.pushName == "" {
				return "-"
			}
			return dev.pushName
		}
	}
	return from.account.phone.Name()
}

// hand gives a stanza to a linked device, now or at its next login.
func (s *Server) hand(dev *device, node waBinary.Node) {
	ok, duplicate := dev.deliver(node)
	dev.account.changed.Store(true)
	if ok && !duplicate {
		return
	}
	s.stats.add(func(n *Counters) {
		if !ok {
			n.QueueOverflows++
		}
		if duplicate {
			n.Duplicates++
		}
	})
}

// handleReceipt takes a receipt of a linked device: it acknowledges the message it is about and is passed on.
func (c *conn) handleReceipt(dev *device, node *waBinary.Node) {
	s := c.srv
	to, id := attrJID(node, "to"), attr(node, "id")
	if id == "" || to.IsEmpty() {
		return
	}
	// A receipt, a request to send again included, says that the message has arrived.
	dev.acknowledge(stanzaKey{class: "message", id: id, from: to, participant: attrJID(node, "participant")})
	c.send(waBinary.Node{Tag: "ack", Attrs: waBinary.Attrs{"class": "receipt", "id": id, "from": to, "type": attr(node, "type"), "t": unixNow()}})
	s.routeReceipt(origin{account: dev.account, device: dev.id}, node)
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
func (s *Server) routeReceipt(from origin, node *waBinary.Node) {
	kind := attr(node, "type")
	s.stats.add(func(n *Counters) {
		n.Receipts++
		if kind == receiptRetry {
			n.Retries++
		}
	})
	s.emit(Event{Kind: EventReceipt, Account: from.account.number, Device: from.account.jid(from.device).String(), Detail: kind + " " + attr(node, "id")})
	to := attrJID(node, "to")
	if g := s.groups.find(to); g != nil {
		s.routeGroupReceipt(from, g, node)
		return
	}
	target := s.dir.find(to)
	if target == nil {
		return
	}
	attrs := waBinary.Attrs{"id": attr(node, "id"), "t": unixNow(), "type": kind}
	receipt := waBinary.Node{Tag: "receipt", Attrs: attrs, Content: node.Content}
	switch {
	case kind == receiptRetry:
		// Only the device that encrypted the message can do something about it.
		attrs["from"] = from.account.jidOn(to.Server, from.device)
		if recipient := attrJID(node, "recipient"); !recipient.IsEmpty() {
			attrs["recipient"] = recipient
		}
		s.handReceipt(target, to.Device, receipt, from)
	case kind == receiptSender || kind == receiptPeer || kind == receiptHistory:
	case kind == receiptServerError:
		// Only one's own phone has what is missing.
		if target == from.account && from.device != 0 {
			attrs["from"], attrs["category"] = from.account.jidOn(to.Server, from.device), attr(node, "category")
			s.handReceipt(target, 0, receipt, from)
		}
	case target == from.account:
		// What a person reads on one device is read on all others.
		attrs["from"] = from.account.jidOn(to.Server, from.device)
		s.handReceipts(target, receipt, from)
	default:
		device := from.device
		if kind == receiptRead || kind == receiptPlayed {
			device = 0
		}
		attrs["from"] = from.account.jidOn(to.Server, device)
		s.handReceipts(target, receipt, from)
		if kind == receiptRead || kind == receiptPlayed {
			s.readElsewhere(from, node, target)
		}
	}
}

// readElsewhere tells the reader's other devices that a message has been read.
func (s *Server) readElsewhere(from origin, node *waBinary.Node, chat *account) {
	to := attrJID(node, "to")
	receipt := waBinary.Node{Tag: "receipt", Content: node.Content, Attrs: waBinary.Attrs{
		"from":      from.account.jidOn(to.Server, from.device),
		"recipient": chat.jidOn(to.Server, 0),
		"id":        attr(node, "id"),
		"t":         unixNow(),
		"type":      receiptReadSelf,
	}}
	s.handReceipts(from.account, receipt, from)
}

// handReceipts hands a receipt to all devices of an account but the one it comes from.
func (s *Server) handReceipts(target *account, receipt waBinary.Node, from origin) {
	if target != from.account || from.device != 0 {
		s.handReceipt(target, 0, receipt, from)
	}
	for _, dev := range s.dir.devicesOf(target) {
		if target != from.account || dev.id != from.device {
			s.hand(dev, receipt)
		}
	}
}

func (s *Server) handReceipt(target *account, device uint16, receipt waBinary.Node, from origin) {
	if device == 0 {
		target.phone.take(delivery{node: receipt, from: from, chat: target})
		return
	}
	if dev := s.dir.device(target, device); dev != nil {
		s.hand(dev, receipt)
	}
}

package sandbox

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/routing"
	"wasup/internal/sandbox/stanza"
)

// handleMessage routes a message of a linked device and acknowledges it.
func (c *conn) handleMessage(dev *accounts.Device, node *waBinary.Node) {
	s := c.srv
	s.net.Observer.Count(func(n *observe.Counters) { n.MessagesIn++ })
	s.net.Observer.Emit(observe.Event{Kind: observe.EventMessage, Account: dev.Account.Number, Device: dev.Account.JID(dev.ID).String(), Conn: c.id, Detail: stanza.Attr(node, "id")})
	var told routing.Verdict
	if fault, ok := s.net.Faults.Strike(faults.RefuseAck, c); ok {
		told.Code = fault.Code
	} else {
		told = s.net.Router.RouteMessage(accounts.Origin{Account: dev.Account, Device: dev.ID}, node)
	}
	if told.Code != 0 {
		s.net.Observer.Count(func(n *observe.Counters) { n.Refusals++ })
	}
	if _, ok := s.net.Faults.Strike(faults.WithholdAck, c); ok {
		return
	}
	ack := messageAck(node, told)
	acknowledge := func() { c.Send(ack) }
	if _, ok := s.net.Faults.Strike(faults.DuplicateAck, c); ok {
		acknowledge = func() { c.Send(ack); c.Send(ack) }
	}
	if fault, ok := s.net.Faults.Strike(faults.DelayAck, c); ok {
		c.later(fault.Delay, acknowledge)
		return
	}
	acknowledge()
}

func messageAck(node *waBinary.Node, told routing.Verdict) waBinary.Node {
	attrs := waBinary.Attrs{"class": "message", "id": stanza.Attr(node, "id"), "from": stanza.JID(node, "to"), "t": stanza.Now(), "phash": told.Phash}
	if told.Code != 0 {
		attrs["error"] = strconv.Itoa(told.Code)
	}
	return waBinary.Node{Tag: "ack", Attrs: attrs}
}

// handleReceipt takes a receipt of a linked device as the acknowledgement of its message, and forwards it.
func (c *conn) handleReceipt(dev *accounts.Device, node *waBinary.Node) {
	s := c.srv
	to, id := stanza.JID(node, "to"), stanza.Attr(node, "id")
	if id == "" || to.IsEmpty() {
		return
	}
	// Every receipt, even a retry request, means that the message has arrived.
	dev.Acknowledge(stanza.Key{Class: "message", ID: id, From: to, Participant: stanza.JID(node, "participant")})
	c.Send(waBinary.Node{Tag: "ack", Attrs: waBinary.Attrs{"class": "receipt", "id": id, "from": to, "type": stanza.Attr(node, "type"), "t": stanza.Now()}})
	s.net.Router.RouteReceipt(accounts.Origin{Account: dev.Account, Device: dev.ID}, node)
}

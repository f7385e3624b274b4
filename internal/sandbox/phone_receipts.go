package sandbox

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

func (p *Phone) confirmDelivery(d delivery) {
	kind := ""
	switch {
	case attr(&d.node, "category") == categoryPeer:
		kind = receiptPeer
	case d.from.account == p.account:
		kind = receiptSender
	}
	p.sendReceipt(attrJID(&d.node, "from"), attrJID(&d.node, "participant"), attr(&d.node, "id"), kind, nil)
}

// read marks a received message as read and tells the sender.
func (p *Phone) read(message Message) {
	p.mu.Lock()
	for key, entered := range p.byID {
		if key.id == message.ID && !entered.FromMe && entered.From == message.From {
			entered.Status = StatusRead
			p.notify()
			break
		}
	}
	p.mu.Unlock()
	to, participant := message.sender, types.EmptyJID
	if message.chat.group != nil {
		to, participant = message.chat.group.jid, message.sender
	}
	p.sendReceipt(to, participant, message.ID, receiptRead, nil)
}

// sendReceipt tells something about a message. participant is its sender in a group, empty elsewhere.
func (p *Phone) sendReceipt(to, participant types.JID, id, kind string, content []waBinary.Node) {
	receipt := waBinary.Node{Tag: "receipt", Attrs: waBinary.Attrs{"to": to, "id": id, "type": kind}}
	if !participant.IsEmpty() {
		receipt.Attrs["participant"] = participant
	}
	if content != nil {
		receipt.Content = content
	}
	p.srv.routeReceipt(origin{account: p.account}, &receipt)
}

// askAgain asks the sending device to encrypt a message anew, with fresh keys of the phone.
func (p *Phone) askAgain(d delivery) {
	id := attr(&d.node, "id")
	key := d.from.account.lidJID(d.from.device).String() + " " + id
	p.mu.Lock()
	if len(p.retries) > maxSeen {
		clear(p.retries)
	}
	p.retries[key]++
	count := p.retries[key]
	p.mu.Unlock()
	if count > maxRetries {
		return
	}
	keys := p.bundleNodes()
	registration := keys[0]
	p.sendReceipt(attrJID(&d.node, "from"), attrJID(&d.node, "participant"), id, receiptRetry, []waBinary.Node{
		{Tag: "retry", Attrs: waBinary.Attrs{"count": strconv.Itoa(count), "id": id, "t": attr(&d.node, "t"), "v": "1"}},
		registration,
		{Tag: "keys", Content: keys[1:]},
	})
}

// receiveReceipt notes how far a message has come, or sends one again.
func (p *Phone) receiveReceipt(d delivery) {
	switch kind := attr(&d.node, "type"); kind {
	case receiptRetry:
		p.sendAgain(d)
	case receiptServerError:
		p.receiveServerError(d)
	case "", "inactive":
		p.advance(p.account, receiptIDs(&d.node), StatusDelivered)
	case receiptRead, receiptPlayed:
		p.advance(p.account, receiptIDs(&d.node), StatusRead)
	case receiptReadSelf:
		if chat := p.srv.dir.find(attrJID(&d.node, "recipient")); chat != nil {
			p.advance(chat, receiptIDs(&d.node), StatusRead)
		}
	}
}

func receiptIDs(node *waBinary.Node) []string {
	ids := []string{attr(node, "id")}
	list := node.GetChildByTag("list")
	for _, item := range list.GetChildrenByTag("item") {
		ids = append(ids, attr(&item, "id"))
	}
	return ids
}

// advance moves messages that an account sent to a later state; states never go back.
func (p *Phone) advance(sender *account, ids []string, to Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		message := p.byID[messageKey{sender, id}]
		if message != nil && message.Status != StatusRead {
			message.Status = to
			p.notify()
		}
	}
}

package sandbox

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/stanza"
)

func (p *receiver) confirmDelivery(d delivery) {
	kind := ""
	switch {
	case stanza.Attr(&d.node, "category") == categoryPeer:
		kind = receiptPeer
	case d.from.account == p.account:
		kind = receiptSender
	}
	p.sendReceipt(stanza.JID(&d.node, "from"), stanza.JID(&d.node, "participant"), stanza.Attr(&d.node, "id"), kind, nil)
}

// read marks a received message as read and tells the sender.
func (p *receiver) read(message Message) {
	p.journal.markRead(message)
	to, participant := message.sender, types.EmptyJID
	if message.chat.group != nil {
		to, participant = message.chat.group.jid, message.sender
	}
	p.sendReceipt(to, participant, message.ID, receiptRead, nil)
}

// sendReceipt tells something about a message. participant is its sender in a group, empty elsewhere.
func (p *receiver) sendReceipt(to, participant types.JID, id, kind string, content []waBinary.Node) {
	receipt := waBinary.Node{Tag: "receipt", Attrs: waBinary.Attrs{"to": to, "id": id, "type": kind}}
	if !participant.IsEmpty() {
		receipt.Attrs["participant"] = participant
	}
	if content != nil {
		receipt.Content = content
	}
	p.net.router.routeReceipt(origin{account: p.account}, &receipt)
}

// askAgain asks the sending device to encrypt a message anew, with fresh keys of the phone.
func (p *receiver) askAgain(d delivery) {
	id := stanza.Attr(&d.node, "id")
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
	p.sendReceipt(stanza.JID(&d.node, "from"), stanza.JID(&d.node, "participant"), id, receiptRetry, []waBinary.Node{
		{Tag: "retry", Attrs: waBinary.Attrs{"count": strconv.Itoa(count), "id": id, "t": stanza.Attr(&d.node, "t"), "v": "1"}},
		registration,
		{Tag: "keys", Content: keys[1:]},
	})
}

// receiveReceipt notes how far a message has come, or sends one again.
func (p *receiver) receiveReceipt(d delivery) {
	switch kind := stanza.Attr(&d.node, "type"); kind {
	case receiptRetry:
		p.sender.sendAgain(d)
	case receiptServerError:
		p.companions.receiveServerError(d)
	case "", "inactive":
		p.journal.advance(p.account, receiptIDs(&d.node), StatusDelivered)
	case receiptRead, receiptPlayed:
		p.journal.advance(p.account, receiptIDs(&d.node), StatusRead)
	case receiptReadSelf:
		if chat := p.net.dir.find(stanza.JID(&d.node, "recipient")); chat != nil {
			p.journal.advance(chat, receiptIDs(&d.node), StatusRead)
		}
	}
}

func receiptIDs(node *waBinary.Node) []string {
	ids := []string{stanza.Attr(node, "id")}
	list := node.GetChildByTag("list")
	for _, item := range list.GetChildrenByTag("item") {
		ids = append(ids, stanza.Attr(&item, "id"))
	}
	return ids
}

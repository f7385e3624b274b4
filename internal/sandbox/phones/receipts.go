package phones

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/stanza"
)

func (p *receiver) confirmDelivery(d accounts.Delivery) {
	kind := ""
	switch {
	case stanza.Attr(&d.Node, "category") == stanza.CategoryPeer:
		kind = stanza.ReceiptPeer
	case d.From.Account == p.Account:
		kind = stanza.ReceiptSender
	}
	p.sendReceipt(stanza.JID(&d.Node, "from"), stanza.JID(&d.Node, "participant"), stanza.Attr(&d.Node, "id"), kind, nil)
}

// read marks a received message as read and tells the sender.
func (p *receiver) read(message Message) {
	p.journal.markRead(message)
	to, participant := message.sender, types.EmptyJID
	switch {
	case message.chat.Shared != nil:
		to, participant = message.chat.JID(), message.sender
	case message.Broadcast:
		to, participant = message.list, message.sender
	}
	p.sendReceipt(to, participant, message.ID, stanza.ReceiptRead, nil)
}

// sendReceipt sends a receipt for a message. participant is the message's sender in a group, empty otherwise.
func (p *receiver) sendReceipt(to, participant types.JID, id, kind string, content []waBinary.Node) {
	receipt := waBinary.Node{Tag: "receipt", Attrs: waBinary.Attrs{"to": to, "id": id, "type": kind}}
	if !participant.IsEmpty() {
		receipt.Attrs["participant"] = participant
	}
	if content != nil {
		receipt.Content = content
	}
	p.Net.Router.RouteReceipt(accounts.Origin{Account: p.Account}, &receipt)
}

// requestRetry asks the sending device to encrypt a message again, with new keys of the phone.
func (p *receiver) requestRetry(d accounts.Delivery) {
	id := stanza.Attr(&d.Node, "id")
	key := d.From.Account.LIDJID(d.From.Device).String() + " " + id
	p.mu.Lock()
	if len(p.retries) > maxRetriesKept {
		clear(p.retries)
	}
	p.retries[key]++
	count := p.retries[key]
	p.mu.Unlock()
	if count > maxRetries {
		return
	}
	bundle, err := p.Bundle()
	if err != nil {
		p.Net.Log.Error("phone could not make a key bundle", "err", err)
		return
	}
	keys := accounts.PhoneBundle(bundle)
	registration := keys[0]
	p.sendReceipt(stanza.JID(&d.Node, "from"), stanza.JID(&d.Node, "participant"), id, stanza.ReceiptRetry, []waBinary.Node{
		{Tag: "retry", Attrs: waBinary.Attrs{"count": strconv.Itoa(count), "id": id, "t": stanza.Attr(&d.Node, "t"), "v": "1"}},
		registration,
		{Tag: "keys", Content: keys[1:]},
	})
}

// receiveReceipt handles a receipt: it updates the status of messages, or sends a message or file again.
func (p *receiver) receiveReceipt(d accounts.Delivery) {
	switch kind := stanza.Attr(&d.Node, "type"); kind {
	case stanza.ReceiptRetry:
		p.sender.sendAgain(d)
	case stanza.ReceiptServerError:
		p.companions.receiveServerError(d)
	case "", "inactive":
		p.journal.advance(p.Account, receiptIDs(&d.Node), StatusDelivered)
	case stanza.ReceiptRead, stanza.ReceiptPlayed:
		p.journal.advance(p.Account, receiptIDs(&d.Node), StatusRead)
	case stanza.ReceiptReadSelf:
		if chat := p.Net.Dir.Find(stanza.JID(&d.Node, "recipient")); chat != nil {
			p.journal.advance(chat, receiptIDs(&d.Node), StatusRead)
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

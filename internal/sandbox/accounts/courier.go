package accounts

import (
	"bytes"
	"slices"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// Courier delivers stanzas to linked devices and phones. Stanzas for those that are offline wait until they log in
// again.
type Courier struct {
	dir      *Directory
	faults   *faults.Set
	observer *observe.Observer
}

// NewCourier returns a courier for the accounts of a directory.
func NewCourier(dir *Directory, faults *faults.Set, observer *observe.Observer) *Courier {
	return &Courier{dir: dir, faults: faults, observer: observer}
}

// NameOf returns the sender's name, as receivers of a message see it: "-" if the sending device never set one.
func (k *Courier) NameOf(from Origin) string {
	if from.Device != 0 {
		if dev := k.dir.Device(from.Account, from.Device); dev != nil {
			dev.mu.Lock()
			defer dev.mu.Unlock()
			if dev.pushName == "" {
				return "-"
			}
			return dev.pushName
		}
	}
	return from.Account.Phone.Name()
}

// Hand queues a stanza for a linked device and sends it now, or at the device's next login.
func (k *Courier) Hand(dev *Device, node waBinary.Node) {
	ok, duplicate := dev.deliver(node)
	dev.Account.Changed.Store(true)
	if ok && !duplicate {
		return
	}
	k.observer.Count(func(n *observe.Counters) {
		if !ok {
			n.QueueOverflows++
		}
		if duplicate {
			n.Duplicates++
		}
	})
}

// HandMessage queues a message for a linked device. The fault "unavailable" takes the content out; the fault
// "bad ciphertext" damages it, so that it cannot be decrypted. Messages between an account's own devices (category
// "peer") are not affected.
func (k *Courier) HandMessage(dev *Device, node waBinary.Node) {
	if stanza.Attr(&node, "category") != stanza.CategoryPeer {
		if fault, ok := k.faults.Strike(faults.Unavailable, dev); ok {
			notice := waBinary.Node{Tag: "unavailable", Attrs: waBinary.Attrs{}}
			if fault.Variant == faults.VariantViewOnce {
				notice.Attrs["type"] = faults.VariantViewOnce
			}
			node.Content = []waBinary.Node{notice}
		} else if _, ok = k.faults.Strike(faults.BadCiphertext, dev); ok {
			node.Content = damaged(node.GetChildren())
		}
	}
	k.Hand(dev, node)
}

// damaged returns a copy of the parts of a message in which the last byte of each ciphertext is changed. That byte
// belongs to the MAC or the signature, so decryption fails.
func damaged(parts []waBinary.Node) []waBinary.Node {
	parts = slices.Clone(parts)
	for i := range parts {
		if ciphertext := bytes.Clone(stanza.Bytes(&parts[i])); parts[i].Tag == "enc" && len(ciphertext) > 0 {
			ciphertext[len(ciphertext)-1] ^= 0xff
			parts[i].Content = ciphertext
		}
	}
	return parts
}

// HandReceipts delivers a receipt to the phone and all devices of an account, except the one that sent it.
func (k *Courier) HandReceipts(target *Account, receipt waBinary.Node, from Origin) {
	if target != from.Account || from.Device != 0 {
		k.HandReceipt(target, 0, receipt, from)
	}
	for _, dev := range k.dir.DevicesOf(target) {
		if target != from.Account || dev.ID != from.Device {
			k.Hand(dev, receipt)
		}
	}
}

// HandReceipt delivers a receipt to one device of an account. Device 0 is the phone.
func (k *Courier) HandReceipt(target *Account, device uint16, receipt waBinary.Node, from Origin) {
	if device == 0 {
		target.Phone.Take(Delivery{Node: receipt, From: from, Chat: target})
		return
	}
	if dev := k.dir.Device(target, device); dev != nil {
		k.Hand(dev, receipt)
	}
}

// NotifyAccounts sends a notification to all linked devices of some accounts.
func (k *Courier) NotifyAccounts(to []*Account, attrs waBinary.Attrs, content ...waBinary.Node) {
	attrs["id"], attrs["t"] = stanza.NewID(), stanza.Now()
	for _, a := range to {
		for _, dev := range k.dir.DevicesOf(a) {
			k.Hand(dev, waBinary.Node{Tag: "notification", Attrs: attrs, Content: content})
		}
	}
}

// NotifyOthers tells the other linked devices of an account what one of them changed.
func (k *Courier) NotifyOthers(dev *Device, content waBinary.Node) {
	for _, other := range k.dir.DevicesOf(dev.Account) {
		if other != dev {
			k.Hand(other, waBinary.Node{Tag: "notification", Content: []waBinary.Node{content}, Attrs: waBinary.Attrs{
				"from": dev.Account.JID(0), "type": "account_sync", "id": stanza.NewID(), "t": stanza.Now(),
			}})
		}
	}
}

package sandbox

import (
	"bytes"
	"slices"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// courier hands stanzas to linked devices and phones, now or when they are back.
type courier struct {
	dir      *directory
	faults   *faultSet
	observer *observe.Observer
}

// nameOf is the name that receivers of a message are shown: a dash where a client never said what the account is called.
func (k *courier) nameOf(from origin) string {
	if from.device != 0 {
		if dev := k.dir.device(from.account, from.device); dev != nil {
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
func (k *courier) hand(dev *device, node waBinary.Node) {
	ok, duplicate := dev.deliver(node)
	dev.account.changed.Store(true)
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

// handMessage gives a message to a linked device: without what it says, or so that it cannot be read, if a fault wants
// that.
func (k *courier) handMessage(dev *device, node waBinary.Node) {
	if stanza.Attr(&node, "category") != categoryPeer {
		if fault, ok := k.faults.strike(FaultUnavailable, dev); ok {
			notice := waBinary.Node{Tag: "unavailable", Attrs: waBinary.Attrs{}}
			if fault.Variant == VariantViewOnce {
				notice.Attrs["type"] = VariantViewOnce
			}
			node.Content = []waBinary.Node{notice}
		} else if _, ok = k.faults.strike(FaultBadCiphertext, dev); ok {
			node.Content = spoiled(node.GetChildren())
		}
	}
	k.hand(dev, node)
}

// spoiled copies the parts of a message with the last byte of each ciphertext changed: it belongs to the MAC or the
// signature.
func spoiled(parts []waBinary.Node) []waBinary.Node {
	parts = slices.Clone(parts)
	for i := range parts {
		if ciphertext := bytes.Clone(stanza.Bytes(&parts[i])); parts[i].Tag == "enc" && len(ciphertext) > 0 {
			ciphertext[len(ciphertext)-1] ^= 0xff
			parts[i].Content = ciphertext
		}
	}
	return parts
}

// handReceipts hands a receipt to all devices of an account but the one it comes from.
func (k *courier) handReceipts(target *account, receipt waBinary.Node, from origin) {
	if target != from.account || from.device != 0 {
		k.handReceipt(target, 0, receipt, from)
	}
	for _, dev := range k.dir.devicesOf(target) {
		if target != from.account || dev.id != from.device {
			k.hand(dev, receipt)
		}
	}
}

func (k *courier) handReceipt(target *account, device uint16, receipt waBinary.Node, from origin) {
	if device == 0 {
		target.phone.take(delivery{node: receipt, from: from, chat: target})
		return
	}
	if dev := k.dir.device(target, device); dev != nil {
		k.hand(dev, receipt)
	}
}

// notifyAccounts gives a notification to all linked devices of some accounts.
func (k *courier) notifyAccounts(to []*account, attrs waBinary.Attrs, content ...waBinary.Node) {
	attrs["id"], attrs["t"] = stanza.NewID(), stanza.Now()
	for _, a := range to {
		for _, dev := range k.dir.devicesOf(a) {
			k.hand(dev, waBinary.Node{Tag: "notification", Attrs: attrs, Content: content})
		}
	}
}

// notifyOthers tells the other devices of an account what one of them changed.
func (k *courier) notifyOthers(dev *device, content waBinary.Node) {
	for _, other := range k.dir.devicesOf(dev.account) {
		if other != dev {
			k.hand(other, waBinary.Node{Tag: "notification", Content: []waBinary.Node{content}, Attrs: waBinary.Attrs{
				"from": dev.account.jid(0), "type": "account_sync", "id": stanza.NewID(), "t": stanza.Now(),
			}})
		}
	}
}

// announceDevice tells the other devices of an account that one was linked or removed, so that they encrypt
// for it from now on, or not any more.
func (k *courier) announceDevice(changed *device, change string) {
	account := changed.account
	all := []types.JID{account.lidJID(0)}
	others := k.dir.devicesOf(account)
	for _, dev := range others {
		all = append(all, account.lidJID(dev.id))
	}
	node := waBinary.Node{
		Tag:   "notification",
		Attrs: waBinary.Attrs{"from": account.lidJID(0), "type": "devices", "id": stanza.NewID(), "t": stanza.Now()},
		Content: []waBinary.Node{{
			Tag:   change,
			Attrs: waBinary.Attrs{"device_hash": stanza.ParticipantHash(all)},
			Content: []waBinary.Node{{
				Tag:   "device",
				Attrs: waBinary.Attrs{"jid": account.lidJID(changed.id), "key-index": strconv.FormatUint(uint64(changed.keyIndex), 10)},
			}},
		}},
	}
	for _, dev := range others {
		if dev != changed {
			k.hand(dev, node)
		}
	}
}

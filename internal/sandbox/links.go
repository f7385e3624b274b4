package sandbox

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// links ends the links between phones and devices.
type links struct {
	cfg      Config
	dir      *directory
	courier  *courier
	observer *observe.Observer
}

// unlink removes a device and says whether it was linked. Its connection ends, with a stream error if the
// device is to be told.
func (l *links) unlink(dev *device, why string, tell bool) bool {
	if !l.dir.unlink(dev) {
		return false
	}
	l.observer.Emit(observe.Event{Kind: observe.EventUnlinked, Account: dev.account.number, Device: dev.account.jid(dev.id).String(), Detail: why})
	l.courier.announceDevice(dev, "remove")
	dev.account.phone.take(delivery{node: waBinary.Node{Tag: tagUnlinked}, from: origin{account: dev.account, device: dev.id}, chat: dev.account})
	c := dev.connection()
	switch {
	case c == nil:
	case tell:
		c.sendLast(streamError(codeLoggedOut, conflictDeviceRemoved), l.cfg.CloseDelay)
	default:
		c.ending.Store(true)
		c.later(l.cfg.leaveDelay(), func() { c.put(outgoing{close: true}) })
	}
	return true
}

// forgetAll drops every linked device.
func (l *links) forgetAll() {
	for _, phone := range l.dir.phones() {
		for _, dev := range l.dir.devicesOf(phone.account) {
			if l.dir.unlink(dev) {
				l.observer.Emit(observe.Event{Kind: observe.EventUnlinked, Account: phone.Number(), Device: phone.account.jid(dev.id).String(), Detail: "forgotten by the server"})
			}
		}
	}
}

// queryUnlink removes a linked device at its own wish.
func (l *links) queryUnlink(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("remove-companion-device")
	jid := stanza.JID(&request, "jid")
	if l.dir.find(jid) != dev.account || jid.Device == 0 {
		return nil, stanza.ErrForbidden
	}
	target := l.dir.device(dev.account, jid.Device)
	if target == nil {
		return nil, stanza.ErrNotFound
	}
	if target == dev {
		l.unlink(dev, "logged out by the device", false)
		return nil, nil
	}
	l.unlink(target, "removed by device "+strconv.Itoa(int(dev.id)), true)
	return nil, nil
}

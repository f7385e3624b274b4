package accounts

import (
	"strconv"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

const codeLoggedOut = 401

// Links removes links between phones and devices.
type Links struct {
	dir      *Directory
	announce func(dev *Device, change string)
	observer *observe.Observer
	// closeDelay is the time between the stream error and the end of the connection. leaveDelay is the time that a
	// client gets to end the connection itself.
	closeDelay, leaveDelay time.Duration
}

// NewLinks returns Links. announce tells others that a device was removed (change "remove"). closeDelay is the time between the stream error and the end of a connection. leaveDelay is
// the time that a client gets to end the connection itself.
func NewLinks(dir *Directory, announce func(dev *Device, change string), observer *observe.Observer, closeDelay, leaveDelay time.Duration) *Links {
	return &Links{dir: dir, announce: announce, observer: observer, closeDelay: closeDelay, leaveDelay: leaveDelay}
}

// Unlink removes a device, ends its connection and reports whether it was linked. With tell, the connection ends with a
// stream error that says why. why is the text of the event.
func (l *Links) Unlink(dev *Device, why string, tell bool) bool {
	if !l.dir.unlink(dev) {
		return false
	}
	l.observer.Emit(observe.Event{Kind: observe.EventUnlinked, Account: dev.Account.Number, Device: dev.Account.JID(dev.ID).String(), Detail: why})
	l.announce(dev, "remove")
	dev.Account.Phone.Take(Delivery{Node: waBinary.Node{Tag: TagUnlinked}, From: Origin{Account: dev.Account, Device: dev.ID}, Chat: dev.Account})
	c := dev.Connection()
	switch {
	case c == nil:
	case tell:
		c.SendLast(stanza.StreamError(codeLoggedOut, stanza.ConflictDeviceRemoved), l.closeDelay)
	default:
		c.Leave(l.leaveDelay)
	}
	return true
}

// ForgetAll removes every linked device of every account. It tells no device and ends no connection.
func (l *Links) ForgetAll() {
	for _, a := range l.dir.accounts() {
		for _, dev := range l.dir.DevicesOf(a) {
			if l.dir.unlink(dev) {
				l.observer.Emit(observe.Event{Kind: observe.EventUnlinked, Account: a.Number, Device: a.JID(dev.ID).String(), Detail: "forgotten by the server"})
			}
		}
	}
}

// QueryUnlink lets a linked device remove itself or another device of its account.
func (l *Links) QueryUnlink(dev *Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("remove-companion-device")
	jid := stanza.JID(&request, "jid")
	if l.dir.Find(jid) != dev.Account || jid.Device == 0 {
		return nil, stanza.ErrForbidden
	}
	target := l.dir.Device(dev.Account, jid.Device)
	if target == nil {
		return nil, stanza.ErrNotFound
	}
	if target == dev {
		l.Unlink(dev, "logged out by the device", false)
		return nil, nil
	}
	l.Unlink(target, "removed by device "+strconv.Itoa(int(dev.ID)), true)
	return nil, nil
}

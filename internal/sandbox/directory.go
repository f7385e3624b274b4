package sandbox

import (
	"slices"
	"sync"
	"sync/atomic"

	"go.mau.fi/whatsmeow/types"
)

// maxDeviceID bounds device ids: they are one byte on the wire, and 0 is the phone.
const maxDeviceID = 255

// directory knows every account and its linked devices. Its lock is held for
// look-ups only, never while something is sent.
type directory struct {
	mu         sync.RWMutex
	byNumber   map[string]*account
	byLID      map[string]*account
	lastNumber int
	// removed are the hidden ids of accounts that were removed since the state was saved.
	removed []string
}

func (d *directory) takeRemoved() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	removed := d.removed
	d.removed = nil
	return removed
}

func newDirectory() *directory {
	return &directory{byNumber: make(map[string]*account), byLID: make(map[string]*account)}
}

// account is one WhatsApp account: a phone number, its hidden id (LID), the phone and the devices linked to
// it. The devices are guarded by the directory's lock.
type account struct {
	number, lid string
	phone       *Phone
	rawID       uint32
	// changed is set when something has to be written to disk.
	changed atomic.Bool

	devices      map[uint16]*device
	reserved     map[uint16]bool
	lastDevice   uint16
	lastKeyIndex uint32
}

func (a *account) scopeAccount() string        { return a.number }
func (a *account) scopeDevice(jid string) bool { return false }
func (a *account) scopeConn() uint64           { return 0 }

// jid names a device of the account by phone number, device 0 being the phone.
func (a *account) jid(device uint16) types.JID {
	return types.JID{User: a.number, Device: device, Server: types.DefaultUserServer}
}

// lidJID names a device of the account by its hidden id.
func (a *account) lidJID(device uint16) types.JID {
	return types.JID{User: a.lid, Device: device, Server: types.HiddenUserServer}
}

// jidOn names a device of the account in the address space of server.
func (a *account) jidOn(server string, device uint16) types.JID {
	if server == types.HiddenUserServer {
		return a.lidJID(device)
	}
	return a.jid(device)
}

// find returns the account that a JID of either address space names.
func (d *directory) find(jid types.JID) *account {
	d.mu.RLock()
	defer d.mu.RUnlock()
	switch jid.Server {
	case types.DefaultUserServer, types.LegacyUserServer:
		return d.byNumber[jid.User]
	case types.HiddenUserServer:
		return d.byLID[jid.User]
	default:
		return nil
	}
}

func (d *directory) device(a *account, id uint16) *device {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return a.devices[id]
}

// devicesOf lists the devices linked to an account, by id.
func (d *directory) devicesOf(a *account) []*device {
	d.mu.RLock()
	defer d.mu.RUnlock()
	devices := make([]*device, 0, len(a.devices))
	for _, dev := range a.devices {
		devices = append(devices, dev)
	}
	slices.SortFunc(devices, func(x, y *device) int { return int(x.id) - int(y.id) })
	return devices
}

// reserve picks an id for a device to be linked. Ids count up and come again only after all were used, so that
// a phone does not mistake a new device for one it has a session with.
func (d *directory) reserve(a *account) (id uint16, keyIndex uint32, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range maxDeviceID {
		a.lastDevice++
		if a.lastDevice > maxDeviceID {
			a.lastDevice = 1
		}
		if a.devices[a.lastDevice] == nil && !a.reserved[a.lastDevice] {
			a.reserved[a.lastDevice] = true
			a.lastKeyIndex++
			return a.lastDevice, a.lastKeyIndex, true
		}
	}
	return 0, 0, false
}

func (d *directory) release(a *account, id uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(a.reserved, id)
}

// link adds a device; it fails when the account was removed meanwhile.
func (d *directory) link(dev *device) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byNumber[dev.account.number] != dev.account {
		return false
	}
	delete(dev.account.reserved, dev.id)
	dev.account.devices[dev.id] = dev
	dev.account.changed.Store(true)
	return true
}

// unlink removes a device and says whether it was there.
func (d *directory) unlink(dev *device) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dev.account.devices[dev.id] != dev {
		return false
	}
	delete(dev.account.devices, dev.id)
	dev.account.changed.Store(true)
	return true
}

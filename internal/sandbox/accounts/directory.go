// Package accounts holds the accounts with their numbers, hidden ids and linked devices, and the keys of these devices.
// It also delivers stanzas to devices and phones.
//
// It does not interpret what the stanzas say.
package accounts

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

// Errors of accounts.
var (
	ErrExists         = errors.New("a phone with this number exists already")
	ErrUnknownContact = errors.New("not on WhatsApp")
	ErrUnknownDevice  = errors.New("no such linked device")
)

// MaxDeviceID bounds device ids: they are one byte on the wire, and 0 is the phone.
const MaxDeviceID = 255

// Directory holds all accounts and their linked devices. Its lock is held for look-ups only, never while something is
// sent.
type Directory struct {
	mu         sync.RWMutex
	byNumber   map[string]*Account
	byLID      map[string]*Account
	byAlias    map[string]*Account // by another spelling of the number
	lastNumber int
	// removed lists the hidden ids of accounts that were removed since the state was last saved.
	removed []string
}

// NewDirectory returns a directory without accounts.
func NewDirectory() *Directory {
	return &Directory{byNumber: make(map[string]*Account), byLID: make(map[string]*Account), byAlias: make(map[string]*Account)}
}

// Phone is the phone of an account.
type Phone interface {
	// Take queues a stanza for the phone. If the phone is offline, the stanza waits until it is back.
	Take(Delivery)
	Name() string
	Online() bool
	// Bundle returns the phone's keys, with a one-time prekey.
	Bundle() (signal.Bundle, error)
	// Partners lists the accounts with whom the phone has a chat, without those that were removed.
	Partners() []*Account
	// Wake wakes everyone who waits for a change of the phone.
	Wake()
}

// Account is one WhatsApp account: a phone number, its hidden id (LID), the phone and the linked devices. The
// directory's lock guards the devices.
type Account struct {
	Number, LID string
	Phone       Phone
	RawID       uint32
	// Changed says that the account has to be written to disk again.
	Changed atomic.Bool

	aliases      []string
	devices      map[uint16]*Device
	reserved     map[uint16]bool
	lastDevice   uint16
	lastKeyIndex uint32
}

// ScopeAccount returns the account's number.
func (a *Account) ScopeAccount() string { return a.Number }

// ScopeDevice returns false: an account is not a device.
func (a *Account) ScopeDevice(jid string) bool { return false }

// ScopeConn returns 0: an account is not a connection.
func (a *Account) ScopeConn() uint64 { return 0 }

// JID returns the address of a device of the account by phone number. Device 0 is the phone.
func (a *Account) JID(device uint16) types.JID {
	return types.JID{User: a.Number, Device: device, Server: types.DefaultUserServer}
}

// LIDJID returns the address of a device of the account by hidden id. Device 0 is the phone.
func (a *Account) LIDJID(device uint16) types.JID {
	return types.JID{User: a.LID, Device: device, Server: types.HiddenUserServer}
}

// JIDOn returns the address of a device of the account on a server: by hidden id on types.HiddenUserServer, otherwise
// by phone number.
func (a *Account) JIDOn(server string, device uint16) types.JID {
	if server == types.HiddenUserServer {
		return a.LIDJID(device)
	}
	return a.JID(device)
}

// Find returns the account that a JID names, by phone number or by hidden id, or nil.
func (d *Directory) Find(jid types.JID) *Account {
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

// Device returns a linked device of an account, or nil.
func (d *Directory) Device(a *Account, id uint16) *Device {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return a.devices[id]
}

// DevicesOf lists the devices linked to an account, ordered by id.
func (d *Directory) DevicesOf(a *Account) []*Device {
	d.mu.RLock()
	defer d.mu.RUnlock()
	devices := make([]*Device, 0, len(a.devices))
	for _, dev := range a.devices {
		devices = append(devices, dev)
	}
	slices.SortFunc(devices, func(x, y *Device) int { return int(x.ID) - int(y.ID) })
	return devices
}

// Reserve picks an id for a new device. Ids count up and are reused only after all have been used, so that a phone does
// not mistake a new device for an old one that it has a session with. ok is false if no id is free.
func (d *Directory) Reserve(a *Account) (id uint16, keyIndex uint32, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range MaxDeviceID {
		a.lastDevice++
		if a.lastDevice > MaxDeviceID {
			a.lastDevice = 1
		}
		if a.devices[a.lastDevice] == nil && !a.reserved[a.lastDevice] {
			a.reserved[a.lastDevice] = true
			a.lastKeyIndex++
			a.Changed.Store(true)
			return a.lastDevice, a.lastKeyIndex, true
		}
	}
	return 0, 0, false
}

// Release frees an id that Reserve picked.
func (d *Directory) Release(a *Account, id uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(a.reserved, id)
}

// Link adds a device to its account. It returns false if the account was removed meanwhile.
func (d *Directory) Link(dev *Device) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byNumber[dev.Account.Number] != dev.Account {
		return false
	}
	delete(dev.Account.reserved, dev.ID)
	dev.Account.devices[dev.ID] = dev
	dev.Account.Changed.Store(true)
	return true
}

// unlink removes a device and reports whether it was linked.
func (d *Directory) unlink(dev *Device) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dev.Account.devices[dev.ID] != dev {
		return false
	}
	delete(dev.Account.devices, dev.ID)
	dev.Account.Changed.Store(true)
	return true
}

// TakeRemoved returns the hidden ids of the accounts that were removed since its last call.
func (d *Directory) TakeRemoved() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	removed := d.removed
	d.removed = nil
	return removed
}

// New returns an account for a phone. Add enters it into a directory.
func New(phone Phone, number string, aliases []string, rawID uint32) *Account {
	return &Account{Phone: phone, Number: number, aliases: aliases, RawID: rawID, devices: make(map[uint16]*Device), reserved: make(map[uint16]bool)}
}

// Restore sets an account's stored values. It must be called before the account is in a directory.
func (a *Account) Restore(lid string, lastDevice uint16, lastKeyIndex uint32, devices []*Device) {
	a.LID, a.lastDevice, a.lastKeyIndex = lid, lastDevice, lastKeyIndex
	for _, dev := range devices {
		a.devices[dev.ID] = dev
	}
}

// LastIDs returns the last device id and key index that an account gave out.
func (d *Directory) LastIDs(a *Account) (device uint16, keyIndex uint32) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return a.lastDevice, a.lastKeyIndex
}

// Hidden returns the account with this hidden id, or nil.
func (d *Directory) Hidden(lid string) *Account {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.byLID[lid]
}

// Has reports whether an account was not removed.
func (d *Directory) Has(a *Account) bool { return len(d.Present([]*Account{a})) == 1 }

// Present returns the accounts of a list that were not removed.
func (d *Directory) Present(list []*Account) []*Account {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var present []*Account
	for _, a := range list {
		if d.byLID[a.LID] == a {
			present = append(present, a)
		}
	}
	return present
}

// accounts lists all accounts, ordered by number.
func (d *Directory) accounts() []*Account {
	d.mu.RLock()
	list := slices.Collect(maps.Values(d.byNumber))
	d.mu.RUnlock()
	slices.SortFunc(list, func(a, b *Account) int { return strings.Compare(a.Number, b.Number) })
	return list
}

// Remove removes an account and reports whether it was there. With note, TakeRemoved will list it.
func (d *Directory) Remove(a *Account, note bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byNumber[a.Number] != a {
		return false
	}
	delete(d.byNumber, a.Number)
	delete(d.byLID, a.LID)
	for _, alias := range a.aliases {
		delete(d.byAlias, alias)
	}
	if note {
		d.removed = append(d.removed, a.LID)
	}
	return true
}

// firstNumber is where generated numbers begin: numbers from 555-0100 are reserved for fiction.
const firstNumber = 15_550_100_000

// Add adds an account. It gives the account a hidden id and a number if they are missing, then calls ready. It fails
// with ErrExists if the number is taken, also as an alias, and with ErrAliasTaken if an alias is.
func (d *Directory) Add(a *Account, ready func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for a.Number == "" {
		d.lastNumber++
		number := fmt.Sprint(firstNumber + d.lastNumber)
		if d.byNumber[number] == nil && d.byAlias[number] == nil {
			a.Number = number
		}
	}
	if d.byNumber[a.Number] != nil || d.byAlias[a.Number] != nil {
		return fmt.Errorf("%w: %s", ErrExists, a.Number)
	}
	if err := d.checkFree(a, a.aliases); err != nil {
		return err
	}
	for a.LID == "" || d.byLID[a.LID] != nil {
		hidden, err := RandomBelow(900_000_000_000_000)
		if err != nil {
			return err
		}
		a.LID = fmt.Sprint(100_000_000_000_000 + hidden)
	}
	ready()
	d.byNumber[a.Number] = a
	d.byLID[a.LID] = a
	for _, alias := range a.aliases {
		d.byAlias[alias] = a
	}
	a.Changed.Store(true)
	return nil
}

// ValidNumber reports whether a text is a phone number: 7 to 15 digits, the first not 0.
func ValidNumber(number string) bool {
	if len(number) < 7 || len(number) > 15 || number[0] == '0' {
		return false
	}
	return !strings.ContainsFunc(number, func(r rune) bool { return r < '0' || r > '9' })
}

// RandomBelow returns a random number from 0 to limit - 1.
func RandomBelow(limit int64) (int64, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(limit))
	if err != nil {
		return 0, fmt.Errorf("sandbox: random number: %w", err)
	}
	return n.Int64(), nil
}

// Contact finds an account by number or JID. It fails with ErrUnknownContact.
func (d *Directory) Contact(name string) (*Account, error) {
	jid := types.NewJID(strings.TrimPrefix(name, "+"), types.DefaultUserServer)
	if strings.Contains(name, "@") {
		parsed, err := types.ParseJID(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is neither a number nor a JID", ErrUnknownContact, name)
		}
		jid = parsed
	}
	if account := d.Find(jid); account != nil {
		return account, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownContact, name)
}

// Contacts finds accounts by numbers or JIDs. It fails with ErrUnknownContact if one is unknown.
func (d *Directory) Contacts(names []string) ([]*Account, error) {
	var list []*Account
	for _, name := range names {
		found, err := d.Contact(name)
		if err != nil {
			return nil, err
		}
		list = append(list, found)
	}
	return list, nil
}

// Named lists the participants that a query names: their JIDs, and for each its account, nil if it is not on WhatsApp.
func (d *Directory) Named(node *waBinary.Node) ([]types.JID, []*Account) {
	var jids []types.JID
	var list []*Account
	for _, child := range node.GetChildrenByTag("participant") {
		jid := stanza.JID(&child, "jid").ToNonAD()
		jids, list = append(jids, jid), append(list, d.Find(jid))
	}
	return jids, list
}

// DeviceIDs lists the device ids of an account, first 0 for the phone.
func (d *Directory) DeviceIDs(owner *Account) []uint16 {
	ids := []uint16{0}
	for _, dev := range d.DevicesOf(owner) {
		ids = append(ids, dev.ID)
	}
	return ids
}

// Linked finds a linked device by the phone number and the device id of a login. It returns nil if there is none.
func (d *Directory) Linked(number string, id uint32) *Device {
	if id == 0 || id > MaxDeviceID {
		return nil
	}
	account := d.Find(types.NewJID(number, types.DefaultUserServer))
	if account == nil {
		return nil
	}
	return d.Device(account, uint16(id))
}

// LIDOf returns the hidden id of an account, "" if a is nil.
func LIDOf(a *Account) string {
	if a == nil {
		return ""
	}
	return a.LID
}

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/passkey"
	"wasup/internal/sandbox/phones"
)

// ErrPhoneUnknown means that no phone has the given number.
var ErrPhoneUnknown = errors.New("no phone has this number")

// Phone is a virtual phone that can be linked to clients. All methods are safe for concurrent use.
type Phone struct {
	*phones.Phone
	*linker
}

// DeviceInfo describes a linked device.
type DeviceInfo struct {
	JID types.JID `json:"jid"`
	LID types.JID `json:"lid"`
	// Connected means that the device is logged in. Queued is the number of stanzas that it has not acknowledged.
	Connected bool   `json:"connected"`
	Queued    int    `json:"queued"`
	Platform  string `json:"platform"`
}

// AddPhone creates a virtual phone and its account.
func (s *Server) AddPhone(cfg phones.Config) (*Phone, error) {
	virtual, err := phones.New(cfg, s.net)
	if err != nil {
		return nil, err
	}
	key, err := passkey.New()
	if err != nil {
		return nil, err
	}
	p := &Phone{Phone: virtual, linker: &linker{phone: virtual, pairing: s.pairing, passkey: key}}
	if err = s.phones.add(s.net.Dir, p); err != nil {
		return nil, err
	}
	s.net.Observer.Emit(observe.Event{Kind: observe.EventPhone, Account: p.Account.Number, Detail: "added"})
	return p, nil
}

// Phone returns the phone with a number.
func (s *Server) Phone(number string) (*Phone, bool) {
	phone := s.phones.get(number)
	return phone, phone != nil
}

// Phones lists all phones, sorted by number.
func (s *Server) Phones() []*Phone { return s.phones.list() }

// phoneBook holds the phones by number.
type phoneBook struct {
	mu       sync.RWMutex
	byNumber map[string]*Phone
}

func newPhoneBook() *phoneBook { return &phoneBook{byNumber: make(map[string]*Phone)} }

// add adds a phone, and its account to the directory. A phone without a name gets its number as name.
func (b *phoneBook) add(dir *accounts.Directory, p *Phone) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := dir.Add(p.Account, p.NameAfterNumber)
	if err == nil {
		b.byNumber[p.Account.Number] = p
	}
	return err
}

// remove removes a phone, and its account from the directory. It returns false if there was none.
func (b *phoneBook) remove(dir *accounts.Directory, p *Phone, note bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !dir.Remove(p.Account, note) {
		return false
	}
	delete(b.byNumber, p.Account.Number)
	return true
}

// get returns the phone with a number, nil if there is none.
func (b *phoneBook) get(number string) *Phone {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.byNumber[number]
}

func (b *phoneBook) list() []*Phone {
	b.mu.RLock()
	list := slices.Collect(maps.Values(b.byNumber))
	b.mu.RUnlock()
	slices.SortFunc(list, func(x, y *Phone) int { return strings.Compare(x.Number(), y.Number()) })
	return list
}

// RemovePhone deletes a phone and its account, and logs its linked devices out. Errors: ErrPhoneUnknown.
func (s *Server) RemovePhone(number string) error {
	phone, ok := s.Phone(number)
	if !ok {
		return fmt.Errorf("%w: %s", ErrPhoneUnknown, number)
	}
	for _, dev := range s.net.Dir.DevicesOf(phone.Account) {
		s.net.Links.Unlink(dev, "phone removed", true)
	}
	if !s.phones.remove(s.net.Dir, phone, s.disk != nil) {
		return fmt.Errorf("%w: %s", ErrPhoneUnknown, number)
	}
	s.net.Forget(phone.Account)
	phone.ShutDown()
	s.net.Observer.Emit(observe.Event{Kind: observe.EventPhone, Account: number, Detail: "removed"})
	return nil
}

// Devices lists the linked devices, sorted by id.
func (p *linker) Devices() []DeviceInfo {
	devices := p.phone.Net.Dir.DevicesOf(p.phone.Account)
	infos := make([]DeviceInfo, 0, len(devices))
	for _, dev := range devices {
		infos = append(infos, DeviceInfo{
			JID: p.phone.Account.JID(dev.ID), LID: p.phone.Account.LIDJID(dev.ID), Platform: dev.Platform,
			Connected: dev.Connection() != nil, Queued: dev.QueueLength(),
		})
	}
	return infos
}

// Unlink removes a linked device, as a person does on the phone. A connected device gets the stream error 401
// (device_removed), another one gets the failure 401 at its next login. Errors: accounts.ErrUnknownDevice.
func (p *linker) Unlink(ctx context.Context, jid types.JID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.phone.Net.Dir.Find(jid) != p.phone.Account || jid.Device == 0 {
		return fmt.Errorf("%w: %s", accounts.ErrUnknownDevice, jid)
	}
	dev := p.phone.Net.Dir.Device(p.phone.Account, jid.Device)
	if dev == nil || !p.phone.Net.Links.Unlink(dev, "removed by the phone", true) {
		return fmt.Errorf("%w: %s", accounts.ErrUnknownDevice, jid)
	}
	return nil
}

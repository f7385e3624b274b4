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

// ErrPhoneUnknown means that no phone has a number.
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
	// Connected says that the device is logged in, Queued how many stanzas it has not acknowledged.
	Connected bool   `json:"connected"`
	Queued    int    `json:"queued"`
	Platform  string `json:"platform"`
}

// AddPhone adds a virtual phone and with it an account.
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

// Phones lists all phones by number.
func (s *Server) Phones() []*Phone { return s.phones.list() }

// phoneBook knows the phones by their numbers.
type phoneBook struct {
	mu       sync.RWMutex
	byNumber map[string]*Phone
}

func newPhoneBook() *phoneBook { return &phoneBook{byNumber: make(map[string]*Phone)} }

// add enters a phone, and its account into the directory. A phone without a name goes by its number.
func (b *phoneBook) add(dir *accounts.Directory, p *Phone) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := dir.Add(p.Account, p.NameAfterNumber)
	if err == nil {
		b.byNumber[p.Account.Number] = p
	}
	return err
}

// remove takes a phone out, and its account from the directory. It says whether it was there.
func (b *phoneBook) remove(dir *accounts.Directory, p *Phone, note bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !dir.Remove(p.Account, note) {
		return false
	}
	delete(b.byNumber, p.Account.Number)
	return true
}

// get gives the phone with a number, nil when there is none.
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

// RemovePhone removes a phone and its account; its linked devices are logged out.
func (s *Server) RemovePhone(number string) error {
	phone, ok := s.Phone(number)
	if !ok {
		return fmt.Errorf("%w: %s", ErrPhoneUnknown, number)
	}
	for _, dev := range s.net.Dir.DevicesOf(phone.Account) {
		s.net.Links.Unlink(dev, "phone removed", true)
	}
	s.net.Groups.RemoveAccount(phone.Account)
	if !s.phones.remove(s.net.Dir, phone, s.disk != nil) {
		return fmt.Errorf("%w: %s", ErrPhoneUnknown, number)
	}
	phone.ShutDown()
	s.net.Profiles.Remove(phone.Account)
	s.net.AppStates.Remove(phone.Account)
	s.net.Observer.Emit(observe.Event{Kind: observe.EventPhone, Account: number, Detail: "removed"})
	return nil
}

// Devices lists the linked devices by id.
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

// Unlink removes a linked device, as a person does on the phone. A device that is logged in is told so (stream
// error 401, device_removed), another one at its next login (failure 401).
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

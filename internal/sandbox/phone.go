package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/tasks"
)

// Script says what a phone does by itself with a message for it.
type Script string

// The scripts.
const (
	// ScriptRead is the default: the phone confirms delivery and reads every message at once.
	ScriptRead Script = "read"
	// ScriptEcho reads and sends the same text back.
	ScriptEcho Script = "echo"
	// ScriptDeliver confirms delivery and leaves reading to MarkRead.
	ScriptDeliver Script = "deliver"
	// ScriptSlow does as ScriptRead does, after the phone's delay.
	ScriptSlow Script = "slow"
	// ScriptSilent decrypts, and tells nobody.
	ScriptSilent Script = "silent"
)

func (s Script) valid() bool {
	switch s {
	case ScriptRead, ScriptEcho, ScriptDeliver, ScriptSilent, ScriptSlow:
		return true
	default:
		return false
	}
}

// Errors of phones.
var (
	ErrPhoneExists    = errors.New("a phone with this number exists already")
	ErrPhoneUnknown   = errors.New("no phone has this number")
	ErrPhoneRemoved   = errors.New("the phone was removed")
	ErrBadNumber      = errors.New("not a phone number: expected 7 to 15 digits, the first not 0")
	ErrBadScript      = errors.New("unknown script: expected read, echo, deliver, slow or silent")
	ErrBadDelay       = errors.New("not a delay: expected more than 0 and at most 10 minutes")
	ErrBadAbsence     = errors.New("not a time to be offline: expected more than 0 and at most 24 hours")
	ErrUnknownDevice  = errors.New("no such linked device")
	ErrUnknownContact = errors.New("not on WhatsApp")
	ErrUnknownMessage = errors.New("no such message")
	ErrBadText        = errors.New("text is empty or too long")
	ErrNameTooLong    = errors.New("name is longer than 100 bytes")
)

const (
	maxName       = 100
	maxText       = 64 << 10
	maxPhoneQueue = 100_000
	defaultDelay  = 3 * time.Second
	maxDelay      = 10 * time.Minute
)

// PhoneConfig describes a virtual phone.
type PhoneConfig struct {
	// Number is the phone number in digits, country code first; one is chosen when it is empty.
	Number string
	// Name is what others see as the sender of its messages; the number when it is empty.
	Name string
	// Script says what the phone does by itself. Default ScriptRead.
	Script Script
	// Delay is how long ScriptSlow takes. Default 3 s.
	Delay time.Duration
}

// Phone is a virtual phone: device 0 of an account, with a Signal identity of its own. All methods are safe for
// concurrent use. It is made of parts, each with a subject and a lock of its own, whose methods are the phone's.
type Phone struct {
	*handset
	*availability
	*journal
	*codec
	*sender
	*receiver
	*phoneSync
	*phoneChats
	*phoneHistory
	*companions
	*memberships
	*caller
	*page
	*linker
}

// handset is what the parts of a phone share: whose it is, its keys, and the network that it is in.
type handset struct {
	net     *network
	account *account
	name    atomic.Pointer[string]
	sig     *signal.Device
	removed chan struct{}
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
func (s *Server) AddPhone(cfg PhoneConfig) (*Phone, error) {
	if cfg.Script == "" {
		cfg.Script = ScriptRead
	}
	if cfg.Delay == 0 {
		cfg.Delay = defaultDelay
	}
	switch {
	case cfg.Number != "" && !validNumber(cfg.Number):
		return nil, fmt.Errorf("%w: got %q", ErrBadNumber, cfg.Number)
	case !cfg.Script.valid():
		return nil, fmt.Errorf("%w: got %q", ErrBadScript, cfg.Script)
	case len(cfg.Name) > maxName:
		return nil, ErrNameTooLong
	case cfg.Delay < 0 || cfg.Delay > maxDelay:
		return nil, fmt.Errorf("%w: got %s", ErrBadDelay, cfg.Delay)
	}
	sig, err := signal.NewDevice()
	if err != nil {
		return nil, fmt.Errorf("sandbox: making the phone's keys: %w", err)
	}
	rawID, err := randomBelow(1 << 31)
	if err != nil {
		return nil, err
	}
	passkey, err := newPasskey()
	if err != nil {
		return nil, err
	}
	p := s.newPhone(cfg, sig, passkey, uint32(rawID))
	if err = s.dir.add(p.account); err != nil {
		return nil, err
	}
	s.observer.Emit(observe.Event{Kind: observe.EventPhone, Account: p.account.number, Detail: "added"})
	return p, nil
}

func (s *Server) newPhone(cfg PhoneConfig, sig *signal.Device, passkey *Passkey, rawID uint32) *Phone {
	h := &handset{net: s.network, sig: sig, removed: make(chan struct{})}
	h.name.Store(&cfg.Name)
	p := &Phone{handset: h, availability: &availability{handset: h}, journal: newJournal(h)}
	p.codec = &codec{handset: h, journal: p.journal}
	p.sender = &sender{handset: h, availability: p.availability, journal: p.journal, codec: p.codec, sent: make(map[string]sentMessage)}
	p.phoneSync = &phoneSync{handset: h, journal: p.journal, sender: p.sender}
	p.phoneChats = &phoneChats{handset: h, availability: p.availability, journal: p.journal, sync: p.phoneSync}
	p.phoneHistory = &phoneHistory{handset: h, journal: p.journal, sender: p.sender, chats: p.phoneChats}
	p.companions = &companions{handset: h, journal: p.journal, sender: p.sender, sync: p.phoneSync, chats: p.phoneChats, history: p.phoneHistory}
	p.receiver = &receiver{
		handset: h, journal: p.journal, codec: p.codec, sender: p.sender, sync: p.phoneSync, companions: p.companions,
		script: cfg.Script, delay: cfg.Delay, retries: make(map[string]int),
	}
	p.memberships = &memberships{handset: h, availability: p.availability}
	p.caller = &caller{handset: h, availability: p.availability, journal: p.journal}
	p.page = &page{handset: h, availability: p.availability}
	p.linker = &linker{handset: h, pairing: s.pairing, passkey: passkey}
	p.inbox = tasks.Mailbox[delivery]{Spawn: s.tasks.Spawn, Handle: p.receive, Limit: maxPhoneQueue}
	h.account = &account{
		phone: p, number: cfg.Number, rawID: rawID,
		devices: make(map[uint16]*device), reserved: make(map[uint16]bool),
	}
	return p
}

func validNumber(number string) bool {
	if len(number) < 7 || len(number) > 15 || number[0] == '0' {
		return false
	}
	return !strings.ContainsFunc(number, func(r rune) bool { return r < '0' || r > '9' })
}

func randomBelow(limit int64) (int64, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(limit))
	if err != nil {
		return 0, fmt.Errorf("sandbox: random number: %w", err)
	}
	return n.Int64(), nil
}

// firstNumber is where chosen numbers begin: the block 555-0100 and on is reserved for fiction.
const firstNumber = 15_550_100_000

// add enters an account, giving it a hidden id and, if it has none, a number.
func (d *directory) add(a *account) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for a.number == "" {
		d.lastNumber++
		number := fmt.Sprint(firstNumber + d.lastNumber)
		if d.byNumber[number] == nil {
			a.number = number
		}
	}
	if d.byNumber[a.number] != nil {
		return fmt.Errorf("%w: %s", ErrPhoneExists, a.number)
	}
	for a.lid == "" || d.byLID[a.lid] != nil {
		hidden, err := randomBelow(900_000_000_000_000)
		if err != nil {
			return err
		}
		a.lid = fmt.Sprint(100_000_000_000_000 + hidden)
	}
	if a.phone.Name() == "" {
		a.phone.name.Store(&a.number)
	}
	d.byNumber[a.number] = a
	d.byLID[a.lid] = a
	a.changed.Store(true)
	return nil
}

// Phone returns the phone with a number.
func (s *Server) Phone(number string) (*Phone, bool) {
	account := s.dir.find(types.NewJID(number, types.DefaultUserServer))
	if account == nil {
		return nil, false
	}
	return account.phone, true
}

// Phones lists all phones by number.
func (s *Server) Phones() []*Phone { return s.dir.phones() }

func (d *directory) phones() []*Phone {
	d.mu.RLock()
	phones := make([]*Phone, 0, len(d.byNumber))
	for _, account := range d.byNumber {
		phones = append(phones, account.phone)
	}
	d.mu.RUnlock()
	slices.SortFunc(phones, func(a, b *Phone) int { return strings.Compare(a.Number(), b.Number()) })
	return phones
}

// RemovePhone removes a phone and its account; its linked devices are logged out.
func (s *Server) RemovePhone(number string) error {
	phone, ok := s.Phone(number)
	if !ok {
		return fmt.Errorf("%w: %s", ErrPhoneUnknown, number)
	}
	for _, dev := range s.dir.devicesOf(phone.account) {
		s.links.unlink(dev, "phone removed", true)
	}
	s.groups.forgetMember(phone.account)
	s.dir.mu.Lock()
	if s.dir.byNumber[number] != phone.account {
		s.dir.mu.Unlock()
		return fmt.Errorf("%w: %s", ErrPhoneUnknown, number)
	}
	delete(s.dir.byNumber, number)
	delete(s.dir.byLID, phone.account.lid)
	if s.disk != nil {
		s.dir.removed = append(s.dir.removed, phone.account.lid)
	}
	s.dir.mu.Unlock()
	close(phone.removed)
	phone.inbox.Stop()
	s.profiles.remove(phone.account)
	s.appStates.remove(phone.account)
	s.observer.Emit(observe.Event{Kind: observe.EventPhone, Account: number, Detail: "removed"})
	return nil
}

// JID is the phone's address by number, LID the one by hidden id.
func (p *handset) JID() types.JID { return p.account.jid(0) }

// LID is the phone's hidden address.
func (p *handset) LID() types.JID { return p.account.lidJID(0) }

// Number is the phone number in digits.
func (p *handset) Number() string { return p.account.number }

// Name is what others see as the sender of the phone's messages.
func (p *handset) Name() string { return *p.name.Load() }

// Devices lists the linked devices by id.
func (p *linker) Devices() []DeviceInfo {
	devices := p.net.dir.devicesOf(p.account)
	infos := make([]DeviceInfo, 0, len(devices))
	for _, dev := range devices {
		infos = append(infos, DeviceInfo{
			JID: p.account.jid(dev.id), LID: p.account.lidJID(dev.id), Platform: dev.platform,
			Connected: dev.connection() != nil, Queued: dev.queueLength(),
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
	if p.net.dir.find(jid) != p.account || jid.Device == 0 {
		return fmt.Errorf("%w: %s", ErrUnknownDevice, jid)
	}
	dev := p.net.dir.device(p.account, jid.Device)
	if dev == nil || !p.net.links.unlink(dev, "removed by the phone", true) {
		return fmt.Errorf("%w: %s", ErrUnknownDevice, jid)
	}
	return nil
}

const codeLoggedOut = 401

// bundleNodes are the keys of the phone, with a one-time prekey.
func (p *handset) bundleNodes() []waBinary.Node {
	defer p.account.changed.Store(true)
	bundle, err := p.sig.Bundle()
	if err != nil {
		p.net.log.Error("phone has no keys to give", "err", err)
		return []waBinary.Node{stanza.ErrorNode(500, "internal-server-error")}
	}
	var registrationID [4]byte
	binary.BigEndian.PutUint32(registrationID[:], bundle.RegistrationID)
	signed := signedKey{id: keyID(bundle.SignedPreKeyID), value: bundle.SignedPreKey, signature: bundle.Signature}
	var oneTime *oneTimeKey
	if bundle.PreKey != nil {
		oneTime = &oneTimeKey{id: keyID(bundle.PreKeyID), value: *bundle.PreKey}
	}
	return bundleNodes(registrationID, bundle.Identity, signed, oneTime)
}

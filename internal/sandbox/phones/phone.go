// Package phones is the virtual phones: what they send and receive, with real Signal encryption, what they do by
// themselves, and what a person does with them.
//
// A phone speaks to clients through the network only. How clients are linked to it is not its affair.
package phones

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/signal"
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

// Valid says whether there is such a script.
func (s Script) Valid() bool {
	switch s {
	case ScriptRead, ScriptEcho, ScriptDeliver, ScriptSilent, ScriptSlow:
		return true
	default:
		return false
	}
}

// Errors of phones.
var (
	ErrRemoved        = errors.New("the phone was removed")
	ErrBadNumber      = errors.New("not a phone number: expected 7 to 15 digits, the first not 0")
	ErrBadScript      = errors.New("unknown script: expected read, echo, deliver, slow or silent")
	ErrBadDelay       = errors.New("not a delay: expected more than 0 and at most 10 minutes")
	ErrBadAbsence     = errors.New("not a time to be offline: expected more than 0 and at most 24 hours")
	ErrUnknownMessage = errors.New("no such message")
	ErrBadText        = errors.New("text is empty or too long")
	ErrNameTooLong    = errors.New("name is longer than 100 bytes")
)

const (
	MaxName       = 100
	maxText       = 64 << 10
	maxPhoneQueue = 100_000
	defaultDelay  = 3 * time.Second
	maxDelay      = 10 * time.Minute
)

// Config describes a virtual phone.
type Config struct {
	// Number is the phone number in digits, country code first; one is chosen when it is empty.
	Number string
	// Name is what others see as the sender of its messages; the number when it is empty.
	Name string
	// Script says what the phone does by itself. Default ScriptRead.
	Script Script
	// Delay is how long ScriptSlow takes. Default 3 s.
	Delay time.Duration
}

// withDefaults checks what a phone is to be.
func (cfg Config) withDefaults() (Config, error) {
	if cfg.Script == "" {
		cfg.Script = ScriptRead
	}
	if cfg.Delay == 0 {
		cfg.Delay = defaultDelay
	}
	switch {
	case cfg.Number != "" && !accounts.ValidNumber(cfg.Number):
		return cfg, fmt.Errorf("%w: got %q", ErrBadNumber, cfg.Number)
	case !cfg.Script.Valid():
		return cfg, fmt.Errorf("%w: got %q", ErrBadScript, cfg.Script)
	case len(cfg.Name) > MaxName:
		return cfg, ErrNameTooLong
	case cfg.Delay < 0 || cfg.Delay > maxDelay:
		return cfg, fmt.Errorf("%w: got %s", ErrBadDelay, cfg.Delay)
	}
	return cfg, nil
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
}

// handset is what the parts of a phone share: whose it is, its keys, and the network that it is in.
type handset struct {
	Net     *network.Network
	Account *accounts.Account
	name    atomic.Pointer[string]
	Sig     *signal.Device
	removed chan struct{}
}

// New makes a phone with keys of its own. Its account is not in the directory yet.
func New(cfg Config, net *network.Network) (*Phone, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	sig, err := signal.NewDevice()
	if err != nil {
		return nil, fmt.Errorf("sandbox: making the phone's keys: %w", err)
	}
	rawID, err := accounts.RandomBelow(1 << 31)
	if err != nil {
		return nil, err
	}
	return assemble(cfg, net, sig, uint32(rawID)), nil
}

// assemble puts the parts of a phone together.
func assemble(cfg Config, net *network.Network, sig *signal.Device, rawID uint32) *Phone {
	h := &handset{Net: net, Sig: sig, removed: make(chan struct{})}
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
	p.inbox = tasks.Mailbox[accounts.Delivery]{Spawn: net.Tasks.Spawn, Handle: p.receive, Limit: maxPhoneQueue}
	h.Account = accounts.New(p, cfg.Number, rawID)
	return p
}

// JID is the phone's address by number, LID the one by hidden id.
func (p *handset) JID() types.JID { return p.Account.JID(0) }

// LID is the phone's hidden address.
func (p *handset) LID() types.JID { return p.Account.LIDJID(0) }

// Number is the phone number in digits.
func (p *handset) Number() string { return p.Account.Number }

// Name is what others see as the sender of the phone's messages.
func (p *handset) Name() string { return *p.name.Load() }

// Bundle gives the phone's keys, with a one-time prekey.
func (p *handset) Bundle() (signal.Bundle, error) {
	defer p.Account.Changed.Store(true)
	return p.Sig.Bundle()
}

// NameAfterNumber gives a phone without a name its number for one.
func (p *handset) NameAfterNumber() {
	if p.Name() == "" {
		p.name.Store(&p.Account.Number)
	}
}

// ShutDown ends everything that waits for the phone, which was removed.
func (p *Phone) ShutDown() {
	close(p.removed)
	p.inbox.Stop()
}

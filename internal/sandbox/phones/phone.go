// Package phones implements the virtual phones: what they send and receive with real Signal encryption, what they do by
// script, and what a person does with them.
//
// A phone reaches clients only through the network. Linking clients is not part of this package.
package phones

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/phonesync"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/tasks"
	"wasup/internal/sandbox/timers"
)

// Script says what a phone does with a message that it receives.
type Script string

// The scripts.
const (
	// ScriptRead is the default: the phone confirms delivery and reads every message at once.
	ScriptRead Script = "read"
	// ScriptEcho reads the message and sends the same content back.
	ScriptEcho Script = "echo"
	// ScriptDeliver confirms delivery. Messages stay unread until MarkRead.
	ScriptDeliver Script = "deliver"
	// ScriptSlow does the same as ScriptRead, after the phone's delay.
	ScriptSlow Script = "slow"
	// ScriptSilent decrypts the message and sends no receipts.
	ScriptSilent Script = "silent"
)

// Valid reports whether the script is known.
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
	ErrBadDelay       = errors.New("invalid delay: expected more than 0 and at most 10 minutes")
	ErrBadAbsence     = errors.New("invalid offline time: expected more than 0 and at most 24 hours")
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
	// Number is the phone number in digits, country code first. If it is empty, a number is generated.
	Number string
	// Name is the name that others see as the sender. If it is empty, it is the number.
	Name string
	// Script says what the phone does with received messages. Default ScriptRead.
	Script Script
	// Delay is the delay of ScriptSlow. Default 3 s.
	Delay time.Duration
	// Aliases are other spellings of the number, under which contact queries find the account.
	Aliases []string
}

// withDefaults fills in defaults and checks the configuration.
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
	return cfg, accounts.CheckSpellings(cfg.Aliases)
}

// Phone is a virtual phone: device 0 of an account, with its own Signal identity. All methods are safe for concurrent
// use. Its parts each have a subject and a lock. Their exported methods are the phone's methods.
type Phone struct {
	*handset
	*availability
	*journal
	*codec
	*sender
	*receiver
	*appState
	*phoneChats
	*phoneHistory
	*companions
	*memberships
	*caller
	*page
}

// handset is what the parts of a phone share: the account, the keys and the network.
type handset struct {
	Net     *network.Network
	Account *accounts.Account
	name    atomic.Pointer[string]
	Sig     *signal.Device
	timers  *timers.Book
	removed chan struct{}
}

// New returns a phone with new keys. Its account is not in the directory yet.
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

// assemble builds a phone from its parts.
func assemble(cfg Config, net *network.Network, sig *signal.Device, rawID uint32) *Phone {
	h := &handset{Net: net, Sig: sig, timers: timers.NewBook(nil), removed: make(chan struct{})}
	h.name.Store(&cfg.Name)
	p := &Phone{handset: h, availability: &availability{handset: h}, journal: newJournal(h)}
	h.Account = accounts.New(p, cfg.Number, cfg.Aliases, rawID)
	p.codec = &codec{handset: h, journal: p.journal}
	p.sender = &sender{handset: h, availability: p.availability, journal: p.journal, codec: p.codec, sent: make(map[string]sentMessage)}
	synced := phonesync.New(net, h.Account, &syncOwner{handset: h, journal: p.journal, sender: p.sender})
	p.appState = &appState{handset: h, journal: p.journal, sync: synced}
	p.phoneChats = &phoneChats{handset: h, availability: p.availability, journal: p.journal, sync: synced}
	p.phoneHistory = &phoneHistory{handset: h, journal: p.journal, sender: p.sender, chats: p.phoneChats}
	p.companions = &companions{handset: h, journal: p.journal, sender: p.sender, sync: synced, chats: p.phoneChats, history: p.phoneHistory}
	p.receiver = &receiver{
		handset: h, journal: p.journal, codec: p.codec, sender: p.sender, sync: synced, companions: p.companions,
		script: cfg.Script, delay: cfg.Delay, retries: make(map[string]int),
	}
	p.memberships = &memberships{handset: h, availability: p.availability}
	p.caller = &caller{handset: h, availability: p.availability, journal: p.journal}
	p.page = &page{handset: h, availability: p.availability}
	p.inbox = tasks.Mailbox[accounts.Delivery]{Spawn: net.Tasks.Spawn, Handle: p.receive, Limit: maxPhoneQueue}
	return p
}

// JID returns the phone's address by number.
func (p *handset) JID() types.JID { return p.Account.JID(0) }

// LID returns the phone's address by hidden id.
func (p *handset) LID() types.JID { return p.Account.LIDJID(0) }

// Number returns the phone number in digits.
func (p *handset) Number() string { return p.Account.Number }

// Aliases returns the other spellings of the number, under which contact queries find the account.
func (p *handset) Aliases() []string { return p.Net.Dir.Aliases(p.Account) }

// Name returns the name that others see as the sender of the phone's messages.
func (p *handset) Name() string { return *p.name.Load() }

// Bundle returns the phone's keys, with a one-time prekey.
func (p *handset) Bundle() (signal.Bundle, error) {
	defer p.Account.Changed.Store(true)
	return p.Sig.Bundle()
}

// NameAfterNumber sets the name of a phone without one to its number.
func (p *handset) NameAfterNumber() {
	if p.Name() == "" {
		p.name.Store(&p.Account.Number)
	}
}

// ShutDown stops a phone that was removed. Everything that waits for it ends with ErrRemoved.
func (p *Phone) ShutDown() {
	close(p.removed)
	p.inbox.Stop()
}

// Package profiles holds the profiles of accounts, their privacy settings and block lists, and their presence.
//
// It answers queries of devices about accounts.
package profiles

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// Errors of profiles.
var (
	ErrBadAbout   = errors.New("invalid about text: expected at most 139 characters")
	ErrBadPicture = errors.New("invalid picture: expected a JPEG of at most 1 MiB")
)

const (
	maxAbout   = 139
	maxPicture = 1 << 20
)

// privacySettings lists the privacy settings and the values of each. The first value is the default.
var privacySettings = map[string][]string{
	"groupadd":     {"all", "contacts", "contact_blacklist", "none"},
	"last":         {"all", "contacts", "contact_blacklist", "none"},
	"status":       {"all", "contacts", "contact_blacklist", "none"},
	"profile":      {"all", "contacts", "contact_blacklist", "none"},
	"readreceipts": {"all", "none"},
	"online":       {"all", "match_last_seen"},
	"calladd":      {"all", "known"},
	"messages":     {"all", "contacts"},
	"defense":      {"off", "on_standard"},
	"stickers":     {"all", "contacts", "contact_allowlist", "none"},
}

// profile is what an account shows of itself, and what it hides from others.
type profile struct {
	mu      sync.Mutex
	about   string
	picture media.Picture
	privacy map[string]string
	blocked []*accounts.Account
	timer   uint32
	timerAt time.Time
	// watchers are the devices that have subscribed to the account's presence. present are the account's devices that
	// are available.
	watchers map[*accounts.Device]bool
	present  map[uint16]bool
	lastSeen time.Time
}

// Profiles answers queries of devices about accounts, and tells devices about changes.
type Profiles struct {
	dir      *accounts.Directory
	groups   *groups.Set
	courier  *accounts.Courier
	media    *media.Store
	observer *observe.Observer

	mu        sync.RWMutex
	byAccount map[*accounts.Account]*profile
}

// New returns empty profiles.
func New(dir *accounts.Directory, groups *groups.Set, courier *accounts.Courier, media *media.Store, observer *observe.Observer) *Profiles {
	return &Profiles{dir: dir, groups: groups, courier: courier, media: media, observer: observer, byAccount: make(map[*accounts.Account]*profile)}
}

// of returns the profile of an account, creating an empty one if there is none.
func (p *Profiles) of(a *accounts.Account) *profile {
	p.mu.RLock()
	prof := p.byAccount[a]
	p.mu.RUnlock()
	if prof != nil {
		return prof
	}
	if p.dir.Find(a.LIDJID(0)) != a {
		// The account was removed: store nothing for it.
		return new(profile)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if prof = p.byAccount[a]; prof == nil {
		prof = new(profile)
		p.byAccount[a] = prof
	}
	return prof
}

// Forget deletes the profile of an account that was removed, and takes the account off the block lists of others.
func (p *Profiles) Forget(a *accounts.Account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byAccount, a)
	for _, other := range p.byAccount {
		other.forget(a)
	}
}

func (p *profile) forget(a *accounts.Account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked = slices.DeleteFunc(p.blocked, func(other *accounts.Account) bool { return other == a })
	maps.DeleteFunc(p.watchers, func(dev *accounts.Device, _ bool) bool { return dev.Account == a })
}

func (p *profile) aboutText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.about
}

// CheckAbout fails with ErrBadAbout if a text cannot be an about text.
func CheckAbout(text string) error {
	if utf8.RuneCountInString(text) > maxAbout || !utf8.ValidString(text) {
		return ErrBadAbout
	}
	return nil
}

// SetAbout sets the about text of an account. It fails with ErrBadAbout.
func (p *Profiles) SetAbout(a *accounts.Account, text string) error {
	if err := CheckAbout(text); err != nil {
		return err
	}
	prof := p.of(a)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	prof.about = text
	a.Changed.Store(true)
	p.observer.Emit(observe.Event{Kind: observe.EventProfile, Account: a.Number, Detail: "about"})
	return nil
}

// setAboutText sets the about text by the older query, which Baileys uses.
func (p *Profiles) setAboutText(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	text := query.GetChildByTag("status")
	if err := p.SetAbout(dev.Account, string(stanza.Bytes(&text))); err != nil {
		return nil, stanza.ErrNotAcceptable
	}
	return nil, nil
}

// setTimer sets after how many seconds messages of new chats disappear.
func (p *Profiles) setTimer(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("disappearing_mode")
	seconds, err := strconv.ParseUint(stanza.Attr(&request, "duration"), 10, 32)
	if err != nil || groups.CheckExpiration(uint32(seconds)) != nil {
		return nil, stanza.ErrBadRequest
	}
	prof := p.of(dev.Account)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	prof.timer, prof.timerAt = uint32(seconds), time.Now()
	dev.Account.Changed.Store(true)
	return nil, nil
}

// part returns a part of a usync answer. It returns false if the profile has no such part.
func (p *profile) part(tag string) (waBinary.Node, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch tag {
	case "status":
		return waBinary.Node{Tag: "status", Content: []byte(p.about)}, true
	case "picture":
		return waBinary.Node{Tag: "picture", Attrs: waBinary.Attrs{"id": p.picture.ID}}, p.picture.ID != ""
	case "disappearing_mode":
		attrs := waBinary.Attrs{"duration": strconv.FormatUint(uint64(p.timer), 10), "t": fmt.Sprint(max(0, p.timerAt.Unix()))}
		return waBinary.Node{Tag: tag, Attrs: attrs}, true
	default:
		return waBinary.Node{}, false
	}
}

// About returns the about text of an account.
func (p *Profiles) About(a *accounts.Account) string { return p.of(a).aboutText() }

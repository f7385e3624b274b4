// Package profiles is what accounts show of themselves, what they keep from others, and whether somebody is there.
//
// It answers what devices ask about people.
package profiles

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// Errors of profiles.
var (
	ErrBadAbout   = errors.New("not an about text: expected at most 139 characters")
	ErrBadPicture = errors.New("not a picture: expected a JPEG of at most 1 MiB")
)

const (
	maxAbout   = 139
	maxPicture = 1 << 20
)

// privacySettings lists what a person may keep private, and the values that each setting has.
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

// profile is what an account shows of itself and what it keeps from others.
type profile struct {
	mu      sync.Mutex
	about   string
	picture media.Picture
	privacy map[string]string
	blocked []*accounts.Account
	timer   uint32
	timerAt time.Time
	// watchers are the devices that want to know whether somebody of the account is there.
	watchers map[*accounts.Device]bool
	present  map[uint16]bool
	lastSeen time.Time
}

// Profiles answers what devices ask about people, and tells them what changes.
type Profiles struct {
	dir      *accounts.Directory
	groups   *groups.Set
	courier  *accounts.Courier
	media    *media.Store
	observer *observe.Observer

	mu        sync.RWMutex
	byAccount map[*accounts.Account]*profile
}

// New makes empty profiles.
func New(dir *accounts.Directory, groups *groups.Set, courier *accounts.Courier, media *media.Store, observer *observe.Observer) *Profiles {
	return &Profiles{dir: dir, groups: groups, courier: courier, media: media, observer: observer, byAccount: make(map[*accounts.Account]*profile)}
}

// of gives the profile of an account, an empty one if nothing was ever entered.
func (p *Profiles) of(a *accounts.Account) *profile {
	p.mu.RLock()
	prof := p.byAccount[a]
	p.mu.RUnlock()
	if prof != nil {
		return prof
	}
	if p.dir.Find(a.LIDJID(0)) != a {
		// It was removed: nothing is to be kept of it.
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

// Remove forgets the profile of an account that is removed.
func (p *Profiles) Remove(a *accounts.Account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byAccount, a)
}

func (p *profile) currentPicture() media.Picture {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.picture
}

// changePicture returns the picture that there was.
func (p *profile) changePicture(next media.Picture) media.Picture {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.picture
	p.picture = next
	return before
}

func (p *profile) aboutText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.about
}

// SetAbout changes the text that an account shows of itself.
func (p *Profiles) SetAbout(a *accounts.Account, text string) error {
	if utf8.RuneCountInString(text) > maxAbout || !utf8.ValidString(text) {
		return ErrBadAbout
	}
	prof := p.of(a)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	prof.about = text
	a.Changed.Store(true)
	p.observer.Emit(observe.Event{Kind: observe.EventProfile, Account: a.Number, Detail: "about"})
	return nil
}

// SetPicture keeps the picture of an account, or of a group when one is given, and tells who ought to know.
func (p *Profiles) SetPicture(of *accounts.Account, g *groups.Group, actor *accounts.Account, jpeg []byte) (string, error) {
	var next media.Picture
	if jpeg != nil {
		if len(jpeg) < 4 || len(jpeg) > maxPicture || string(jpeg[:2]) != "\xff\xd8" {
			return "", ErrBadPicture
		}
		file, err := p.media.Put(actor.Number, "picture", jpeg)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(jpeg)
		next = media.Picture{ID: strconv.FormatInt(time.Now().UnixMicro(), 10), Path: file.DirectPath, Hash: sum[:]}
	}
	var jid types.JID
	var to []*accounts.Account
	var before media.Picture
	if g != nil {
		before = g.ChangePicture(next)
		jid, to = g.JID, g.Accounts()
	} else {
		before = p.of(of).changePicture(next)
		jid, to = of.LIDJID(0), p.known(of)
	}
	p.media.Show(before.Path, false)
	p.media.Show(next.Path, true)
	actor.Changed.Store(true)
	p.observer.Emit(observe.Event{Kind: observe.EventProfile, Account: actor.Number, Detail: "picture of " + jid.String()})
	change := waBinary.Node{Tag: "set", Attrs: waBinary.Attrs{"jid": jid, "id": next.ID, "author": actor.LIDJID(0)}}
	if jpeg == nil {
		change = waBinary.Node{Tag: "delete", Attrs: waBinary.Attrs{"jid": jid, "author": actor.LIDJID(0)}}
	}
	p.courier.NotifyAccounts(to, waBinary.Attrs{"from": jid, "type": "picture"}, change)
	return next.ID, nil
}

// known lists an account and those that its phone has chats with.
func (p *Profiles) known(a *accounts.Account) []*accounts.Account {
	return append([]*accounts.Account{a}, slices.DeleteFunc(a.Phone.Partners(), func(other *accounts.Account) bool { return other == a })...)
}

// privacyNode lists the settings; what was never set is open to all.
func (p *profile) privacyNode() waBinary.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	var settings []waBinary.Node
	for name, values := range privacySettings {
		value := p.privacy[name]
		if value == "" {
			value = values[0]
		}
		settings = append(settings, waBinary.Node{Tag: "category", Attrs: waBinary.Attrs{"name": name, "value": value}})
	}
	slices.SortFunc(settings, func(x, y waBinary.Node) int { return compareText(stanza.Attr(&x, "name"), stanza.Attr(&y, "name")) })
	return waBinary.Node{Tag: "privacy", Content: settings}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

func (p *Profiles) queryPrivacy(dev *accounts.Device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return []waBinary.Node{p.of(dev.Account).privacyNode()}, nil
}

// setPrivacy changes settings, and tells the account's other devices.
func (p *Profiles) setPrivacy(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("privacy")
	categories := request.GetChildrenByTag("category")
	for i := range categories {
		if !slices.Contains(privacySettings[stanza.Attr(&categories[i], "name")], stanza.Attr(&categories[i], "value")) {
			return nil, stanza.ErrBadRequest
		}
	}
	prof := p.of(dev.Account)
	prof.mu.Lock()
	if prof.privacy == nil {
		prof.privacy = make(map[string]string)
	}
	for i := range categories {
		prof.privacy[stanza.Attr(&categories[i], "name")] = stanza.Attr(&categories[i], "value")
	}
	prof.mu.Unlock()
	dev.Account.Changed.Store(true)
	p.courier.NotifyOthers(dev, waBinary.Node{Tag: "privacy", Content: categories})
	return []waBinary.Node{p.of(dev.Account).privacyNode()}, nil
}

// blocklistNode lists whom an account has blocked. The hash changes with the list.
func (p *profile) blocklistNode() waBinary.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	var items []waBinary.Node
	hash := sha256.New()
	for _, other := range p.blocked {
		hash.Write([]byte(other.LID))
		items = append(items, waBinary.Node{Tag: "item", Attrs: waBinary.Attrs{"jid": other.LIDJID(0), "pn_jid": other.JID(0)}})
	}
	return waBinary.Node{Tag: "list", Attrs: waBinary.Attrs{"dhash": base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:9])}, Content: items}
}

func (p *Profiles) queryBlocklist(dev *accounts.Device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return []waBinary.Node{p.of(dev.Account).blocklistNode()}, nil
}

func (p *Profiles) updateBlocklist(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	item := query.GetChildByTag("item")
	other, action := p.dir.Find(stanza.JID(&item, "jid")), stanza.Attr(&item, "action")
	if other == nil {
		return nil, stanza.ErrNotFound
	}
	if action != "block" && action != "unblock" {
		return nil, stanza.ErrBadRequest
	}
	before := p.of(dev.Account).blocklistNode()
	prof := p.of(dev.Account)
	prof.mu.Lock()
	prof.blocked = slices.DeleteFunc(prof.blocked, func(a *accounts.Account) bool { return a == other })
	if action == "block" {
		prof.blocked = append(prof.blocked, other)
	}
	prof.mu.Unlock()
	dev.Account.Changed.Store(true)
	list := p.of(dev.Account).blocklistNode()
	p.courier.NotifyOthers(dev, waBinary.Node{
		Tag: "blocklist", Attrs: waBinary.Attrs{"action": "modify", "dhash": stanza.Attr(&list, "dhash"), "prev_dhash": stanza.Attr(&before, "dhash")},
		Content: []waBinary.Node{{Tag: "item", Attrs: waBinary.Attrs{"jid": other.LIDJID(0), "action": action}}},
	})
	return []waBinary.Node{list}, nil
}

// HasBlocked says whether an account does not want to hear of another one.
func (p *Profiles) HasBlocked(a, other *accounts.Account) bool {
	prof := p.of(a)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	return slices.Contains(prof.blocked, other)
}

// pictureTarget finds the account or the group that a picture is of.
func (p *Profiles) pictureTarget(dev *accounts.Device, query *waBinary.Node) (*accounts.Account, *groups.Group, *stanza.QueryError) {
	jid := stanza.JID(query, "target")
	if jid.IsEmpty() {
		if to := stanza.JID(query, "to"); to.User != "" {
			jid = to
		} else {
			return dev.Account, nil, nil
		}
	}
	if g := p.groups.Find(jid); g != nil {
		if !g.Has(dev.Account) {
			return nil, nil, stanza.ErrNotAuthorized
		}
		return nil, g, nil
	}
	if a := p.dir.Find(jid); a != nil {
		return a, nil, nil
	}
	return nil, nil, stanza.ErrNotFound
}

func (p *Profiles) queryPicture(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	a, g, failed := p.pictureTarget(dev, query)
	if failed != nil {
		return nil, failed
	}
	request := query.GetChildByTag("picture")
	var found media.Picture
	if g != nil {
		found = g.CurrentPicture()
	} else {
		prof := p.of(a)
		prof.mu.Lock()
		found = prof.picture
		hidden := a != dev.Account && prof.privacy["profile"] == "none"
		prof.mu.Unlock()
		if hidden || p.HasBlocked(a, dev.Account) {
			return nil, stanza.ErrNotAuthorized
		}
	}
	switch {
	case found.ID == "":
		return nil, stanza.ErrNotFound
	case stanza.Attr(&request, "id") == found.ID:
		return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{"status": "304"}}}, nil
	}
	kind := stanza.Attr(&request, "type")
	if kind == "" {
		kind = "image"
	}
	return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{
		"id": found.ID, "type": kind, "url": "https://" + p.media.Host() + found.Path, "direct_path": found.Path,
		"hash": base64.StdEncoding.EncodeToString(found.Hash),
	}}}, nil
}

func (p *Profiles) changePicture(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	a, g, failed := p.pictureTarget(dev, query)
	switch {
	case failed != nil:
		return nil, failed
	case g != nil && g.Info().Locked && !g.IsAdmin(dev.Account):
		return nil, stanza.ErrNotAuthorized
	case g == nil && a != dev.Account:
		return nil, stanza.ErrForbidden
	}
	var jpeg []byte
	if request, ok := query.GetOptionalChildByTag("picture"); ok {
		jpeg = stanza.Bytes(&request)
	}
	id, err := p.SetPicture(a, g, dev.Account, jpeg)
	if err != nil {
		return nil, stanza.ErrNotAcceptable
	}
	if jpeg == nil {
		return nil, nil
	}
	return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{"id": id}}}, nil
}

// setAboutText takes the about text in its older form, which Baileys uses.
func (p *Profiles) setAboutText(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	text := query.GetChildByTag("status")
	if err := p.SetAbout(dev.Account, string(stanza.Bytes(&text))); err != nil {
		return nil, stanza.ErrNotAcceptable
	}
	return nil, nil
}

// setTimer takes how long the messages of new chats stay.
func (p *Profiles) setTimer(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("disappearing_mode")
	seconds, err := strconv.ParseUint(stanza.Attr(&request, "duration"), 10, 32)
	if err != nil || !groups.ValidExpiration(uint32(seconds)) {
		return nil, stanza.ErrBadRequest
	}
	prof := p.of(dev.Account)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	prof.timer, prof.timerAt = uint32(seconds), time.Now()
	dev.Account.Changed.Store(true)
	return nil, nil
}

// issueToken makes a token that lets somebody write to the account as a trusted contact, and gives it to that
// somebody's devices.
func (p *Profiles) issueToken(dev *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("tokens")
	for _, wanted := range request.GetChildrenByTag("token") {
		other := p.dir.Find(stanza.JID(&wanted, "jid"))
		if other == nil {
			return nil, stanza.ErrNotFound
		}
		token := make([]byte, 12)
		_, _ = rand.Read(token)
		p.courier.NotifyAccounts([]*accounts.Account{other}, waBinary.Attrs{
			"from": dev.Account.JID(0), "sender_lid": dev.Account.LIDJID(0), "type": "privacy_token",
		}, waBinary.Node{Tag: "tokens", Content: []waBinary.Node{{
			Tag: "token", Attrs: waBinary.Attrs{"type": "trusted_contact", "t": stanza.Attr(&wanted, "t")}, Content: token,
		}}})
	}
	return nil, nil
}

// part adds to a usync answer what an account shows of itself.
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

// About is the text that an account shows of itself.
func (p *Profiles) About(a *accounts.Account) string { return p.of(a).aboutText() }

// Picture is the profile picture of an account.
func (p *Profiles) Picture(a *accounts.Account) media.Picture { return p.of(a).currentPicture() }

package sandbox

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
	picture picture
	privacy map[string]string
	blocked []*account
	timer   uint32
	timerAt time.Time
	// watchers are the devices that want to know whether somebody of the account is there.
	watchers map[*device]bool
	present  map[uint16]bool
	lastSeen time.Time
}

// profiles answers what devices ask about people, and tells them what changes.
type profiles struct {
	dir      *directory
	groups   *groupSet
	courier  *courier
	media    *mediaStore
	observer *observe.Observer

	mu        sync.RWMutex
	byAccount map[*account]*profile
}

// of gives the profile of an account, an empty one if nothing was ever entered.
func (p *profiles) of(a *account) *profile {
	p.mu.RLock()
	prof := p.byAccount[a]
	p.mu.RUnlock()
	if prof != nil {
		return prof
	}
	if p.dir.find(a.lidJID(0)) != a {
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

// remove forgets the profile of an account that is removed.
func (p *profiles) remove(a *account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byAccount, a)
}

func (p *profile) currentPicture() picture {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.picture
}

// changePicture returns the picture that there was.
func (p *profile) changePicture(next picture) picture {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.picture
	p.picture = next
	return before
}

// picture is a profile picture or the one of a group.
type picture struct {
	id, path string
	hash     []byte
}

func (p *profile) aboutText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.about
}

// page is what a phone's person shows of themselves.
type page struct {
	*handset

	availability *availability
}

// SetAbout changes the text that the phone's account shows of itself.
func (p *page) SetAbout(text string) error { return p.net.profiles.setAbout(p.account, text) }

// About is the text that the phone's account shows of itself.
func (p *page) About() string { return p.net.profiles.of(p.account).aboutText() }

func (p *profiles) setAbout(a *account, text string) error {
	if utf8.RuneCountInString(text) > maxAbout || !utf8.ValidString(text) {
		return ErrBadAbout
	}
	prof := p.of(a)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	prof.about = text
	a.changed.Store(true)
	p.observer.Emit(observe.Event{Kind: observe.EventProfile, Account: a.number, Detail: "about"})
	return nil
}

// SetPicture gives the phone's account a profile picture, a JPEG; nil takes it away. Everybody who talks with the
// account is told.
func (p *page) SetPicture(jpeg []byte) error {
	_, err := p.net.profiles.setPicture(p.account, nil, p.account, jpeg)
	return err
}

// setPicture keeps the picture of an account, or of a group when one is given, and tells who ought to know.
func (p *profiles) setPicture(of *account, g *group, actor *account, jpeg []byte) (string, error) {
	var next picture
	if jpeg != nil {
		if len(jpeg) < 4 || len(jpeg) > maxPicture || string(jpeg[:2]) != "\xff\xd8" {
			return "", ErrBadPicture
		}
		file, err := p.media.put(actor.number, "picture", jpeg)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(jpeg)
		next = picture{id: strconv.FormatInt(time.Now().UnixMicro(), 10), path: file.DirectPath, hash: sum[:]}
	}
	var jid types.JID
	var to []*account
	var before picture
	if g != nil {
		before = g.changePicture(next)
		jid, to = g.jid, g.accounts()
	} else {
		before = p.of(of).changePicture(next)
		jid, to = of.lidJID(0), p.known(of)
	}
	p.media.show(before.path, false)
	p.media.show(next.path, true)
	actor.changed.Store(true)
	p.observer.Emit(observe.Event{Kind: observe.EventProfile, Account: actor.number, Detail: "picture of " + jid.String()})
	change := waBinary.Node{Tag: "set", Attrs: waBinary.Attrs{"jid": jid, "id": next.id, "author": actor.lidJID(0)}}
	if jpeg == nil {
		change = waBinary.Node{Tag: "delete", Attrs: waBinary.Attrs{"jid": jid, "author": actor.lidJID(0)}}
	}
	p.courier.notifyAccounts(to, waBinary.Attrs{"from": jid, "type": "picture"}, change)
	return next.id, nil
}

// known lists an account and those that its phone has chats with.
func (p *profiles) known(a *account) []*account {
	return append([]*account{a}, slices.DeleteFunc(a.phone.partners(), func(other *account) bool { return other == a })...)
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

func (p *profiles) queryPrivacy(dev *device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return []waBinary.Node{p.of(dev.account).privacyNode()}, nil
}

// setPrivacy changes settings, and tells the account's other devices.
func (p *profiles) setPrivacy(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("privacy")
	categories := request.GetChildrenByTag("category")
	for i := range categories {
		if !slices.Contains(privacySettings[stanza.Attr(&categories[i], "name")], stanza.Attr(&categories[i], "value")) {
			return nil, stanza.ErrBadRequest
		}
	}
	prof := p.of(dev.account)
	prof.mu.Lock()
	if prof.privacy == nil {
		prof.privacy = make(map[string]string)
	}
	for i := range categories {
		prof.privacy[stanza.Attr(&categories[i], "name")] = stanza.Attr(&categories[i], "value")
	}
	prof.mu.Unlock()
	dev.account.changed.Store(true)
	p.courier.notifyOthers(dev, waBinary.Node{Tag: "privacy", Content: categories})
	return []waBinary.Node{p.of(dev.account).privacyNode()}, nil
}

// blocklistNode lists whom an account has blocked. The hash changes with the list.
func (p *profile) blocklistNode() waBinary.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	var items []waBinary.Node
	hash := sha256.New()
	for _, other := range p.blocked {
		hash.Write([]byte(other.lid))
		items = append(items, waBinary.Node{Tag: "item", Attrs: waBinary.Attrs{"jid": other.lidJID(0), "pn_jid": other.jid(0)}})
	}
	return waBinary.Node{Tag: "list", Attrs: waBinary.Attrs{"dhash": base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:9])}, Content: items}
}

func (p *profiles) queryBlocklist(dev *device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return []waBinary.Node{p.of(dev.account).blocklistNode()}, nil
}

func (p *profiles) updateBlocklist(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	item := query.GetChildByTag("item")
	other, action := p.dir.find(stanza.JID(&item, "jid")), stanza.Attr(&item, "action")
	if other == nil {
		return nil, stanza.ErrNotFound
	}
	if action != "block" && action != "unblock" {
		return nil, stanza.ErrBadRequest
	}
	before := p.of(dev.account).blocklistNode()
	prof := p.of(dev.account)
	prof.mu.Lock()
	prof.blocked = slices.DeleteFunc(prof.blocked, func(a *account) bool { return a == other })
	if action == "block" {
		prof.blocked = append(prof.blocked, other)
	}
	prof.mu.Unlock()
	dev.account.changed.Store(true)
	list := p.of(dev.account).blocklistNode()
	p.courier.notifyOthers(dev, waBinary.Node{
		Tag: "blocklist", Attrs: waBinary.Attrs{"action": "modify", "dhash": stanza.Attr(&list, "dhash"), "prev_dhash": stanza.Attr(&before, "dhash")},
		Content: []waBinary.Node{{Tag: "item", Attrs: waBinary.Attrs{"jid": other.lidJID(0), "action": action}}},
	})
	return []waBinary.Node{list}, nil
}

// hasBlocked says whether an account does not want to hear of another one.
func (p *profiles) hasBlocked(a, other *account) bool {
	prof := p.of(a)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	return slices.Contains(prof.blocked, other)
}

// pictureTarget finds the account or the group that a picture is of.
func (p *profiles) pictureTarget(dev *device, query *waBinary.Node) (*account, *group, *stanza.QueryError) {
	jid := stanza.JID(query, "target")
	if jid.IsEmpty() {
		if to := stanza.JID(query, "to"); to.User != "" {
			jid = to
		} else {
			return dev.account, nil, nil
		}
	}
	if g := p.groups.find(jid); g != nil {
		if !g.has(dev.account) {
			return nil, nil, stanza.ErrNotAuthorized
		}
		return nil, g, nil
	}
	if a := p.dir.find(jid); a != nil {
		return a, nil, nil
	}
	return nil, nil, stanza.ErrNotFound
}

func (p *profiles) queryPicture(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	a, g, failed := p.pictureTarget(dev, query)
	if failed != nil {
		return nil, failed
	}
	request := query.GetChildByTag("picture")
	var found picture
	if g != nil {
		found = g.currentPicture()
	} else {
		prof := p.of(a)
		prof.mu.Lock()
		found = prof.picture
		hidden := a != dev.account && prof.privacy["profile"] == "none"
		prof.mu.Unlock()
		if hidden || p.hasBlocked(a, dev.account) {
			return nil, stanza.ErrNotAuthorized
		}
	}
	switch {
	case found.id == "":
		return nil, stanza.ErrNotFound
	case stanza.Attr(&request, "id") == found.id:
		return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{"status": "304"}}}, nil
	}
	kind := stanza.Attr(&request, "type")
	if kind == "" {
		kind = "image"
	}
	return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{
		"id": found.id, "type": kind, "url": "https://" + p.media.host() + found.path, "direct_path": found.path,
		"hash": base64.StdEncoding.EncodeToString(found.hash),
	}}}, nil
}

func (p *profiles) changePicture(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	a, g, failed := p.pictureTarget(dev, query)
	switch {
	case failed != nil:
		return nil, failed
	case g != nil && g.info().Locked && !g.isAdmin(dev.account):
		return nil, stanza.ErrNotAuthorized
	case g == nil && a != dev.account:
		return nil, stanza.ErrForbidden
	}
	var jpeg []byte
	if request, ok := query.GetOptionalChildByTag("picture"); ok {
		jpeg = stanza.Bytes(&request)
	}
	id, err := p.setPicture(a, g, dev.account, jpeg)
	if err != nil {
		return nil, stanza.ErrNotAcceptable
	}
	if jpeg == nil {
		return nil, nil
	}
	return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{"id": id}}}, nil
}

// setAboutText takes the about text in its older form, which Baileys uses.
func (p *profiles) setAboutText(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	text := query.GetChildByTag("status")
	if err := p.setAbout(dev.account, string(stanza.Bytes(&text))); err != nil {
		return nil, stanza.ErrNotAcceptable
	}
	return nil, nil
}

// setTimer takes how long the messages of new chats stay.
func (p *profiles) setTimer(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("disappearing_mode")
	seconds, err := strconv.ParseUint(stanza.Attr(&request, "duration"), 10, 32)
	if err != nil || !validExpiration(uint32(seconds)) {
		return nil, stanza.ErrBadRequest
	}
	prof := p.of(dev.account)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	prof.timer, prof.timerAt = uint32(seconds), time.Now()
	dev.account.changed.Store(true)
	return nil, nil
}

// issueToken makes a token that lets somebody write to the account as a trusted contact, and gives it to that
// somebody's devices.
func (p *profiles) issueToken(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("tokens")
	for _, wanted := range request.GetChildrenByTag("token") {
		other := p.dir.find(stanza.JID(&wanted, "jid"))
		if other == nil {
			return nil, stanza.ErrNotFound
		}
		token := make([]byte, 12)
		_, _ = rand.Read(token)
		p.courier.notifyAccounts([]*account{other}, waBinary.Attrs{
			"from": dev.account.jid(0), "sender_lid": dev.account.lidJID(0), "type": "privacy_token",
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
		return waBinary.Node{Tag: "picture", Attrs: waBinary.Attrs{"id": p.picture.id}}, p.picture.id != ""
	case "disappearing_mode":
		attrs := waBinary.Attrs{"duration": strconv.FormatUint(uint64(p.timer), 10), "t": fmt.Sprint(max(0, p.timerAt.Unix()))}
		return waBinary.Node{Tag: tag, Attrs: attrs}, true
	default:
		return waBinary.Node{}, false
	}
}

// Picture is the profile picture of the phone's account, a JPEG; nil when it has none.
func (p *page) Picture() ([]byte, error) {
	path := p.net.profiles.of(p.account).currentPicture().path
	if path == "" {
		return nil, nil
	}
	file, ok := p.net.media.get(mediaIDOf(path))
	if !ok || file.Gone != 0 {
		return nil, fmt.Errorf("%w: the picture", ErrUnknownMedia)
	}
	return p.net.media.bytes(&file)
}

// PictureID changes with the profile picture; empty when there is none.
func (p *page) PictureID() string {
	return p.net.profiles.of(p.account).currentPicture().id
}

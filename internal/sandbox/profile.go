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

// picture is a profile picture or the one of a group.
type picture struct {
	id, path string
	hash     []byte
}

func (a *account) aboutText() string {
	a.profile.mu.Lock()
	defer a.profile.mu.Unlock()
	return a.profile.about
}

// SetAbout changes the text that the phone's account shows of itself.
func (p *Phone) SetAbout(text string) error { return p.account.setAbout(text) }

// About is the text that the phone's account shows of itself.
func (p *Phone) About() string { return p.account.aboutText() }

func (a *account) setAbout(text string) error {
	if utf8.RuneCountInString(text) > maxAbout || !utf8.ValidString(text) {
		return ErrBadAbout
	}
	a.profile.mu.Lock()
	defer a.profile.mu.Unlock()
	a.profile.about = text
	a.changed.Store(true)
	a.phone.srv.emit(Event{Kind: EventProfile, Account: a.number, Detail: "about"})
	return nil
}

// SetPicture gives the phone's account a profile picture, a JPEG; nil takes it away. Everybody who talks with the
// account is told.
func (p *Phone) SetPicture(jpeg []byte) error {
	_, err := p.srv.setPicture(p.account, nil, p.account, jpeg)
	return err
}

// setPicture keeps the picture of an account, or of a group when one is given, and tells who ought to know.
func (s *Server) setPicture(of *account, g *group, actor *account, jpeg []byte) (string, error) {
	var next picture
	if jpeg != nil {
		if len(jpeg) < 4 || len(jpeg) > maxPicture || string(jpeg[:2]) != "\xff\xd8" {
			return "", ErrBadPicture
		}
		file, err := s.media.put(actor.number, "picture", jpeg)
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
		s.groups.mu.Lock()
		before, g.picture = g.picture, next
		s.groups.mu.Unlock()
		jid, to = g.jid, g.accounts()
	} else {
		of.profile.mu.Lock()
		before, of.profile.picture = of.profile.picture, next
		of.profile.mu.Unlock()
		jid, to = of.lidJID(0), s.known(of)
	}
	s.media.show(before.path, false)
	s.media.show(next.path, true)
	actor.changed.Store(true)
	s.emit(Event{Kind: EventProfile, Account: actor.number, Detail: "picture of " + jid.String()})
	change := waBinary.Node{Tag: "set", Attrs: waBinary.Attrs{"jid": jid, "id": next.id, "author": actor.lidJID(0)}}
	if jpeg == nil {
		change = waBinary.Node{Tag: "delete", Attrs: waBinary.Attrs{"jid": jid, "author": actor.lidJID(0)}}
	}
	s.notifyAccounts(to, waBinary.Attrs{"from": jid, "type": "picture"}, change)
	return next.id, nil
}

// known lists an account and those that its phone has chats with.
func (s *Server) known(a *account) []*account {
	list := []*account{a}
	a.phone.mu.Lock()
	defer a.phone.mu.Unlock()
	for _, message := range a.phone.messages {
		if other := message.chat.account; other != nil && !slices.Contains(list, other) {
			list = append(list, other)
		}
	}
	return list
}

// notifyAccounts gives a notification to all linked devices of some accounts.
func (s *Server) notifyAccounts(to []*account, attrs waBinary.Attrs, content ...waBinary.Node) {
	attrs["id"], attrs["t"] = newStanzaID(), unixNow()
	for _, a := range to {
		for _, dev := range s.dir.devicesOf(a) {
			s.hand(dev, waBinary.Node{Tag: "notification", Attrs: attrs, Content: content})
		}
	}
}

// notifyOthers tells the other devices of an account what one of them changed.
func (s *Server) notifyOthers(dev *device, content waBinary.Node) {
	for _, other := range s.dir.devicesOf(dev.account) {
		if other != dev {
			s.hand(other, waBinary.Node{Tag: "notification", Content: []waBinary.Node{content}, Attrs: waBinary.Attrs{
				"from": dev.account.jid(0), "type": "account_sync", "id": newStanzaID(), "t": unixNow(),
			}})
		}
	}
}

// privacyNode lists the settings; what was never set is open to all.
func (a *account) privacyNode() waBinary.Node {
	a.profile.mu.Lock()
	defer a.profile.mu.Unlock()
	var settings []waBinary.Node
	for name, values := range privacySettings {
		value := a.profile.privacy[name]
		if value == "" {
			value = values[0]
		}
		settings = append(settings, waBinary.Node{Tag: "category", Attrs: waBinary.Attrs{"name": name, "value": value}})
	}
	slices.SortFunc(settings, func(x, y waBinary.Node) int { return compareText(attr(&x, "name"), attr(&y, "name")) })
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

func queryPrivacy(_ *conn, dev *device, _ *waBinary.Node) ([]waBinary.Node, *queryError) {
	return []waBinary.Node{dev.account.privacyNode()}, nil
}

// setPrivacy changes settings, and tells the account's other devices.
func setPrivacy(c *conn, dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	request := query.GetChildByTag("privacy")
	categories := request.GetChildrenByTag("category")
	for i := range categories {
		if !slices.Contains(privacySettings[attr(&categories[i], "name")], attr(&categories[i], "value")) {
			return nil, errBadRequest
		}
	}
	prof := &dev.account.profile
	prof.mu.Lock()
	if prof.privacy == nil {
		prof.privacy = make(map[string]string)
	}
	for i := range categories {
		prof.privacy[attr(&categories[i], "name")] = attr(&categories[i], "value")
	}
	prof.mu.Unlock()
	dev.account.changed.Store(true)
	c.srv.notifyOthers(dev, waBinary.Node{Tag: "privacy", Content: categories})
	return []waBinary.Node{dev.account.privacyNode()}, nil
}

// blocklistNode lists whom an account has blocked. The hash changes with the list.
func (a *account) blocklistNode() waBinary.Node {
	a.profile.mu.Lock()
	defer a.profile.mu.Unlock()
	var items []waBinary.Node
	hash := sha256.New()
	for _, other := range a.profile.blocked {
		hash.Write([]byte(other.lid))
		items = append(items, waBinary.Node{Tag: "item", Attrs: waBinary.Attrs{"jid": other.lidJID(0), "pn_jid": other.jid(0)}})
	}
	return waBinary.Node{Tag: "list", Attrs: waBinary.Attrs{"dhash": base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:9])}, Content: items}
}

func queryBlocklist(_ *conn, dev *device, _ *waBinary.Node) ([]waBinary.Node, *queryError) {
	return []waBinary.Node{dev.account.blocklistNode()}, nil
}

func (c *conn) updateBlocklist(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	item := query.GetChildByTag("item")
	other, action := c.srv.dir.find(attrJID(&item, "jid")), attr(&item, "action")
	if other == nil {
		return nil, errNotFound
	}
	if action != "block" && action != "unblock" {
		return nil, errBadRequest
	}
	before := dev.account.blocklistNode()
	prof := &dev.account.profile
	prof.mu.Lock()
	prof.blocked = slices.DeleteFunc(prof.blocked, func(a *account) bool { return a == other })
	if action == "block" {
		prof.blocked = append(prof.blocked, other)
	}
	prof.mu.Unlock()
	dev.account.changed.Store(true)
	list := dev.account.blocklistNode()
	c.srv.notifyOthers(dev, waBinary.Node{
		Tag: "blocklist", Attrs: waBinary.Attrs{"action": "modify", "dhash": attr(&list, "dhash"), "prev_dhash": attr(&before, "dhash")},
		Content: []waBinary.Node{{Tag: "item", Attrs: waBinary.Attrs{"jid": other.lidJID(0), "action": action}}},
	})
	return []waBinary.Node{list}, nil
}

// hasBlocked says whether an account does not want to hear of another one.
func (a *account) hasBlocked(other *account) bool {
	a.profile.mu.Lock()
	defer a.profile.mu.Unlock()
	return slices.Contains(a.profile.blocked, other)
}

// pictureTarget finds the account or the group that a picture is of.
func (s *Server) pictureTarget(dev *device, query *waBinary.Node) (*account, *group, *queryError) {
	jid := attrJID(query, "target")
	if jid.IsEmpty() {
		if to := attrJID(query, "to"); to.User != "" {
			jid = to
		} else {
			return dev.account, nil, nil
		}
	}
	if g := s.groups.find(jid); g != nil {
		if !g.has(dev.account) {
			return nil, nil, errNotAuthorized
		}
		return nil, g, nil
	}
	if a := s.dir.find(jid); a != nil {
		return a, nil, nil
	}
	return nil, nil, errNotFound
}

func (c *conn) queryPicture(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	a, g, failed := c.srv.pictureTarget(dev, query)
	if failed != nil {
		return nil, failed
	}
	request := query.GetChildByTag("picture")
	var found picture
	if g != nil {
		c.srv.groups.mu.RLock()
		found = g.picture
		c.srv.groups.mu.RUnlock()
	} else {
		a.profile.mu.Lock()
		found = a.profile.picture
		hidden := a != dev.account && a.profile.privacy["profile"] == "none"
		a.profile.mu.Unlock()
		if hidden || a.hasBlocked(dev.account) {
			return nil, errNotAuthorized
		}
	}
	switch {
	case found.id == "":
		return nil, errNotFound
	case attr(&request, "id") == found.id:
		return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{"status": "304"}}}, nil
	}
	kind := attr(&request, "type")
	if kind == "" {
		kind = "image"
	}
	return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{
		"id": found.id, "type": kind, "url": "https://" + c.srv.MediaHost() + found.path, "direct_path": found.path,
		"hash": base64.StdEncoding.EncodeToString(found.hash),
	}}}, nil
}

func (c *conn) changePicture(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	a, g, failed := c.srv.pictureTarget(dev, query)
	switch {
	case failed != nil:
		return nil, failed
	case g != nil && g.info().Locked && !g.isAdmin(dev.account):
		return nil, errNotAuthorized
	case g == nil && a != dev.account:
		return nil, errForbidden
	}
	var jpeg []byte
	if request, ok := query.GetOptionalChildByTag("picture"); ok {
		jpeg = bytesOf(&request)
	}
	id, err := c.srv.setPicture(a, g, dev.account, jpeg)
	if err != nil {
		return nil, errNotAcceptable
	}
	if jpeg == nil {
		return nil, nil
	}
	return []waBinary.Node{{Tag: "picture", Attrs: waBinary.Attrs{"id": id}}}, nil
}

// setAboutText takes the about text in its older form, which Baileys uses.
func setAboutText(_ *conn, dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	text := query.GetChildByTag("status")
	if err := dev.account.setAbout(string(bytesOf(&text))); err != nil {
		return nil, errNotAcceptable
	}
	return nil, nil
}

// setTimer takes how long the messages of new chats stay.
func setTimer(_ *conn, dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	request := query.GetChildByTag("disappearing_mode")
	seconds, err := strconv.ParseUint(attr(&request, "duration"), 10, 32)
	if err != nil || !validExpiration(uint32(seconds)) {
		return nil, errBadRequest
	}
	dev.account.profile.mu.Lock()
	defer dev.account.profile.mu.Unlock()
	dev.account.profile.timer, dev.account.profile.timerAt = uint32(seconds), time.Now()
	dev.account.changed.Store(true)
	return nil, nil
}

// issueToken makes a token that lets somebody write to the account as a trusted contact, and gives it to that
// somebody's devices.
func (c *conn) issueToken(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	request := query.GetChildByTag("tokens")
	for _, wanted := range request.GetChildrenByTag("token") {
		other := c.srv.dir.find(attrJID(&wanted, "jid"))
		if other == nil {
			return nil, errNotFound
		}
		token := make([]byte, 12)
		_, _ = rand.Read(token)
		c.srv.notifyAccounts([]*account{other}, waBinary.Attrs{
			"from": dev.account.jid(0), "sender_lid": dev.account.lidJID(0), "type": "privacy_token",
		}, waBinary.Node{Tag: "tokens", Content: []waBinary.Node{{
			Tag: "token", Attrs: waBinary.Attrs{"type": "trusted_contact", "t": attr(&wanted, "t")}, Content: token,
		}}})
	}
	return nil, nil
}

// profileParts adds to a usync answer what an account shows of itself.
func (a *account) profilePart(tag string) (waBinary.Node, bool) {
	a.profile.mu.Lock()
	defer a.profile.mu.Unlock()
	switch tag {
	case "status":
		return waBinary.Node{Tag: "status", Content: []byte(a.profile.about)}, true
	case "picture":
		return waBinary.Node{Tag: "picture", Attrs: waBinary.Attrs{"id": a.profile.picture.id}}, a.profile.picture.id != ""
	case "disappearing_mode":
		attrs := waBinary.Attrs{"duration": strconv.FormatUint(uint64(a.profile.timer), 10), "t": fmt.Sprint(max(0, a.profile.timerAt.Unix()))}
		return waBinary.Node{Tag: tag, Attrs: attrs}, true
	default:
		return waBinary.Node{}, false
	}
}

// Picture is the profile picture of the phone's account, a JPEG; nil when it has none.
func (p *Phone) Picture() ([]byte, error) {
	p.account.profile.mu.Lock()
	path := p.account.profile.picture.path
	p.account.profile.mu.Unlock()
	if path == "" {
		return nil, nil
	}
	file, ok := p.srv.media.get(mediaIDOf(path))
	if !ok || file.Gone != 0 {
		return nil, fmt.Errorf("%w: the picture", ErrUnknownMedia)
	}
	return p.srv.media.bytes(&file)
}

// PictureID changes with the profile picture; empty when there is none.
func (p *Phone) PictureID() string {
	p.account.profile.mu.Lock()
	defer p.account.profile.mu.Unlock()
	return p.account.profile.picture.id
}

package profiles

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/stanza"
)

// privacyNode lists the privacy settings. A setting that was never set has its first value, the most open one.
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

// setPrivacy changes settings and tells the account's other devices.
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

// blocklistNode lists the accounts that an account has blocked. The hash changes with the list.
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

// HasBlocked reports whether account a has blocked the other.
func (p *Profiles) HasBlocked(a, other *accounts.Account) bool {
	prof := p.of(a)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	return slices.Contains(prof.blocked, other)
}

// issueToken issues tokens that let others write to the account as trusted contacts, and sends each token to the other
// account's devices.
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

package profiles

import (
	"maps"
	"slices"
	"strconv"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/stanza"
)

// HandlePresence keeps the name that a device goes by, tells who watches whether it is there, and has it watch
// others.
func (p *Profiles) HandlePresence(dev *accounts.Device, node *waBinary.Node) {
	switch kind := stanza.Attr(node, "type"); kind {
	case "available", "unavailable", "":
		if name := stanza.Attr(node, "name"); name != "" {
			dev.SetPushName(name)
		}
		p.SetPresent(dev.Account, dev.ID, kind != "unavailable")
	case "subscribe":
		other := p.dir.Find(stanza.JID(node, "to"))
		if other == nil {
			return
		}
		prof := p.of(other)
		prof.mu.Lock()
		if prof.watchers == nil {
			prof.watchers = make(map[*accounts.Device]bool)
		}
		prof.watchers[dev] = true
		prof.mu.Unlock()
		dev.Hint(p.presenceNode(other, stanza.JID(node, "to").Server))
	}
}

// SetPresent notes whether a device of an account is there and tells those who watch when that changes anything.
func (p *Profiles) SetPresent(a *accounts.Account, id uint16, here bool) {
	prof := p.of(a)
	prof.mu.Lock()
	if prof.present == nil {
		prof.present = make(map[uint16]bool)
	}
	before := len(prof.present)
	if here {
		prof.present[id] = true
	} else {
		delete(prof.present, id)
		prof.lastSeen = time.Now()
		a.Changed.Store(true)
	}
	changed := (before > 0) != (len(prof.present) > 0)
	prof.mu.Unlock()
	if changed {
		p.tellWatchers(a)
	}
}

// Switched notes that the phone of an account was switched on or off, and tells those who watch.
func (p *Profiles) Switched(a *accounts.Account) {
	prof := p.of(a)
	prof.mu.Lock()
	prof.lastSeen = time.Now()
	a.Changed.Store(true)
	prof.mu.Unlock()
	p.tellWatchers(a)
}

// tellWatchers tells who watches an account whether somebody of it is there.
func (p *Profiles) tellWatchers(a *accounts.Account) {
	prof := p.of(a)
	prof.mu.Lock()
	watchers := slices.Collect(maps.Keys(prof.watchers))
	prof.mu.Unlock()
	for _, dev := range watchers {
		dev.Hint(p.presenceNode(a, types.HiddenUserServer))
	}
}

// presenceNode says whether somebody of an account is there. Phones are, unless they are switched off.
func (p *Profiles) presenceNode(a *accounts.Account, server string) waBinary.Node {
	prof := p.of(a)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	attrs := waBinary.Attrs{"from": a.JIDOn(server, 0)}
	if len(prof.present) == 0 && !a.Phone.Online() {
		attrs["type"], attrs["last"] = "unavailable", strconv.FormatInt(max(1, prof.lastSeen.Unix()), 10)
		if prof.privacy["last"] == "none" {
			attrs["last"] = "deny"
		}
	}
	return waBinary.Node{Tag: "presence", Attrs: attrs}
}

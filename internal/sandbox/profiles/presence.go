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

// HandlePresence handles a presence stanza: it stores the device's push name, tells watchers whether the device is
// available, or subscribes the device to another account's presence.
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

// SetPresent records whether a device of an account is available. Watchers are told if that changes the account's
// presence.
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

// Switched records that the phone of an account was switched on or off, and tells watchers.
func (p *Profiles) Switched(a *accounts.Account) {
	prof := p.of(a)
	prof.mu.Lock()
	prof.lastSeen = time.Now()
	a.Changed.Store(true)
	prof.mu.Unlock()
	p.tellWatchers(a)
}

// tellWatchers sends an account's presence to the devices that have subscribed to it.
func (p *Profiles) tellWatchers(a *accounts.Account) {
	prof := p.of(a)
	prof.mu.Lock()
	watchers := slices.Collect(maps.Keys(prof.watchers))
	prof.mu.Unlock()
	for _, dev := range watchers {
		dev.Hint(p.presenceNode(a, types.HiddenUserServer))
	}
}

// presenceNode describes an account's presence. An account is available if one of its devices is, or if its phone is
// switched on.
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

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// ChatState is what somebody is doing in a chat.
type ChatState string

// The states.
const (
	StateComposing ChatState = "composing"
	StateRecording ChatState = "recording"
	StatePaused    ChatState = "paused"
)

// ErrBadChatState means that there is no such state.
var ErrBadChatState = errors.New("unknown state: expected composing, recording or paused")

// handlePresence keeps the name that a device goes by, tells who watches whether it is there, and has it watch
// others.
func (p *profiles) handlePresence(dev *device, node *waBinary.Node) {
	switch kind := stanza.Attr(node, "type"); kind {
	case "available", "unavailable", "":
		if name := stanza.Attr(node, "name"); name != "" {
			dev.mu.Lock()
			dev.pushName = name
			dev.mu.Unlock()
		}
		p.setPresent(dev.account, dev.id, kind != "unavailable")
	case "subscribe":
		other := p.dir.find(stanza.JID(node, "to"))
		if other == nil {
			return
		}
		prof := p.of(other)
		prof.mu.Lock()
		if prof.watchers == nil {
			prof.watchers = make(map[*device]bool)
		}
		prof.watchers[dev] = true
		prof.mu.Unlock()
		dev.hint(p.presenceNode(other, stanza.JID(node, "to").Server))
	}
}

// setPresent notes whether a device of an account is there and tells those who watch when that changes anything.
func (p *profiles) setPresent(a *account, id uint16, here bool) {
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
		a.changed.Store(true)
	}
	changed := (before > 0) != (len(prof.present) > 0)
	prof.mu.Unlock()
	if changed {
		p.tellWatchers(a)
	}
}

// switched notes that the phone of an account was switched on or off, and tells those who watch.
func (p *profiles) switched(a *account) {
	prof := p.of(a)
	prof.mu.Lock()
	prof.lastSeen = time.Now()
	prof.mu.Unlock()
	p.tellWatchers(a)
}

// tellWatchers tells who watches an account whether somebody of it is there.
func (p *profiles) tellWatchers(a *account) {
	prof := p.of(a)
	prof.mu.Lock()
	watchers := slices.Collect(maps.Keys(prof.watchers))
	prof.mu.Unlock()
	for _, dev := range watchers {
		dev.hint(p.presenceNode(a, types.HiddenUserServer))
	}
}

// presenceNode says whether somebody of an account is there. Phones are, unless they are switched off.
func (p *profiles) presenceNode(a *account, server string) waBinary.Node {
	prof := p.of(a)
	prof.mu.Lock()
	defer prof.mu.Unlock()
	attrs := waBinary.Attrs{"from": a.jidOn(server, 0)}
	if len(prof.present) == 0 && !a.phone.Online() {
		attrs["type"], attrs["last"] = "unavailable", strconv.FormatInt(max(1, prof.lastSeen.Unix()), 10)
		if prof.privacy["last"] == "none" {
			attrs["last"] = "deny"
		}
	}
	return waBinary.Node{Tag: "presence", Attrs: attrs}
}

// handleChatState passes "composing" and "paused" on to the devices of the other side.
func (c *conn) handleChatState(dev *device, node *waBinary.Node) {
	c.srv.router.routeChatState(origin{account: dev.account, device: dev.id}, stanza.JID(node, "to"), node.Content)
}

// routeChatState tells those of a chat what somebody does in it. It is lost on who is away.
func (r *router) routeChatState(from origin, to types.JID, content any) {
	hint := waBinary.Node{Tag: "chatstate", Content: content}
	detail := chatStateOf(content) + " " + from.account.number
	var others []*account
	if g := r.groups.find(to); g != nil {
		hint.Attrs = waBinary.Attrs{"from": g.jid, "participant": from.account.jidOn(g.server(), from.device), "addressing_mode": g.addressing}
		others, detail = g.accounts(), detail+" in "+g.jid.String()
	} else if target := r.dir.find(to); target != nil {
		hint.Attrs = waBinary.Attrs{"from": from.account.jidOn(to.Server, from.device)}
		others = []*account{target}
	}
	for _, other := range others {
		if other == from.account || r.profiles.hasBlocked(other, from.account) {
			continue
		}
		r.observer.Emit(observe.Event{Kind: observe.EventChatState, Account: other.number, Detail: detail})
		for _, dev := range r.dir.devicesOf(other) {
			dev.hint(hint)
		}
	}
}

func chatStateOf(content any) string {
	children, _ := content.([]waBinary.Node)
	if len(children) == 0 {
		return ""
	}
	if stanza.Attr(&children[0], "media") == "audio" {
		return string(StateRecording)
	}
	return children[0].Tag
}

// SendChatState shows in a chat what the phone's person is doing: typing, recording or nothing any more.
func (p *page) SendChatState(ctx context.Context, to string, state ChatState) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !slices.Contains([]ChatState{StateComposing, StateRecording, StatePaused}, state) {
		return fmt.Errorf("%w: got %q", ErrBadChatState, state)
	}
	if !p.availability.Online() {
		return ErrPhoneOffline
	}
	target, err := p.net.groups.chat(to)
	if err != nil {
		return err
	}
	node := waBinary.Node{Tag: string(state)}
	if state == StateRecording {
		node = waBinary.Node{Tag: "composing", Attrs: waBinary.Attrs{"media": "audio"}}
	}
	p.net.router.routeChatState(origin{account: p.account}, target.hidden(), []waBinary.Node{node})
	return nil
}

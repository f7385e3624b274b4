package sandbox

import (
	"fmt"
	"maps"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// The version that phones call with; clients show it and do nothing else with it.
const (
	phonePlatform = "android"
	phoneVersion  = "2.25.20.80"
)

// newCall enters a call and lets it end by itself when nobody takes it. The caller holds the lock of the calls, as with
// everything in this file that does not take it itself.
func (set *callSet) newCall(from origin, to chat, id string, video bool, ring time.Duration) (*call, error) {
	c := &call{
		id: id, creator: from, to: to, video: video, began: time.Now(), state: CallRinging,
		members: make(map[*account]CallState), takenOn: make(map[*account]uint16),
	}
	called := []*account{to.account}
	switch {
	case to.account == from.account:
		return nil, ErrCallSelf
	case to.group != nil && !to.group.has(from.account):
		return nil, ErrNotInGroup
	case to.group != nil:
		called = to.group.accounts()
	}
	for _, a := range called {
		// Who has blocked the caller hears nothing, and the caller does not learn of it.
		if a != from.account && !set.profiles.hasBlocked(a, from.account) {
			c.members[a] = CallRinging
		}
	}
	if !set.add(c) {
		return nil, fmt.Errorf("%w: the id is taken", ErrCallState)
	}
	c.ring = set.tasks.After(ring, func() {
		set.mu.Lock()
		defer set.mu.Unlock()
		if c.state == CallRinging {
			set.endCall(c, c.creator, reasonTimeout)
		}
	})
	set.observer.Count(func(n *observe.Counters) { n.Calls++ })
	return c, nil
}

// ringAll tells everybody who is called: in a group by a notice, otherwise by an offer with what content gives for each
// device.
func (set *callSet) ringAll(c *call, content func(*account, uint16) []waBinary.Node) {
	set.changedCall(c, c.creator.account, CallRinging)
	for a := range c.members {
		for _, dev := range set.dir.devicesOf(a) {
			set.handCall(c, c.creator, dev, set.offer(c, content(a, dev.id)))
		}
		set.changedCall(c, a, CallRinging)
	}
}

// offer is what makes a device ring.
func (set *callSet) offer(c *call, content []waBinary.Node) waBinary.Node {
	if c.to.group == nil {
		return waBinary.Node{Tag: "offer", Content: content}
	}
	media := "audio"
	if c.video {
		media = "video"
	}
	return waBinary.Node{Tag: "offer_notice", Attrs: waBinary.Attrs{"type": "group", "media": media}}
}

// handCall hands a device one signal of a call.
func (set *callSet) handCall(c *call, from origin, dev *device, signal waBinary.Node) {
	signal = stanza.With(signal, "call-id", c.id)
	signal.Attrs["call-creator"] = c.creator.account.lidJID(c.creator.device)
	signal.Attrs["caller_pn"] = c.creator.account.jid(0)
	if c.to.group != nil {
		signal.Attrs["group-jid"] = c.to.group.jid
	}
	set.courier.hand(dev, waBinary.Node{
		Tag: "call",
		Attrs: waBinary.Attrs{
			"from": from.account.lidJID(from.device), "id": stanza.NewID(), "t": stanza.Now(),
			"platform": phonePlatform, "version": phoneVersion, "notify": set.courier.nameOf(from),
		},
		Content: []waBinary.Node{signal},
	})
}

// signal hands a signal of a call to the linked devices of an account, but to the one that it comes from.
func (set *callSet) signal(c *call, from origin, to *account, signal waBinary.Node) {
	for _, dev := range set.dir.devicesOf(to) {
		if to != from.account || dev.id != from.device {
			set.handCall(c, from, dev, signal)
		}
	}
}

// signalCreator hands a signal to the device that placed the call. A phone sees it in the call itself.
func (set *callSet) signalCreator(c *call, from origin, signal waBinary.Node) {
	if c.creator.device == 0 || c.creator.account == from.account {
		return
	}
	if dev := set.dir.device(c.creator.account, c.creator.device); dev != nil {
		set.handCall(c, from, dev, signal)
	}
}

// changedCall tells who watches, and who waits for it at a phone.
func (set *callSet) changedCall(c *call, a *account, state CallState) {
	other := c.creator.account.jid(0)
	switch {
	case c.to.group != nil:
		other = c.to.jid()
	case a == c.creator.account:
		other = c.to.account.jid(0)
	}
	set.observer.Emit(observe.Event{Kind: observe.EventCall, Account: a.number, Detail: string(state) + " " + c.id + " " + other.String()})
	a.phone.wake()
}

// acceptCall lets a device take a call: its caller is told, and the account's other devices stop to ring.
func (set *callSet) acceptCall(from origin, id string) error {
	return set.answerCall(from, id, "accept", reasonAcceptedElsewhere, CallAccepted, (*call).take)
}

// rejectCall lets a device not take a call, for all of the account.
func (set *callSet) rejectCall(from origin, id string) error {
	return set.answerCall(from, id, "reject", reasonRejectedElsewhere, CallRejected, (*call).refuse)
}

func (set *callSet) answerCall(from origin, id, tag, elsewhere string, state CallState, apply func(*call, origin)) error {
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.find(id, from.account, CallRinging)
	switch {
	case err != nil:
		return err
	case c.creator.account == from.account:
		return fmt.Errorf("%w: the account itself calls", ErrCallState)
	}
	apply(c, from)
	answer := waBinary.Node{Tag: tag}
	set.signalCreator(c, from, answer)
	set.signal(c, from, from.account, answer)
	// The caller's device tells those that need not ring any more.
	for _, dev := range set.dir.devicesOf(from.account) {
		if dev.id != from.device {
			set.handCall(c, c.creator, dev, terminate(elsewhere))
		}
	}
	set.changedCall(c, from.account, state)
	set.changedCall(c, c.creator.account, state)
	return nil
}

func terminate(reason string) waBinary.Node {
	node := waBinary.Node{Tag: "terminate", Attrs: waBinary.Attrs{}}
	if reason != "" {
		node.Attrs["reason"] = reason
	}
	return node
}

// hangUp ends a call for who placed or took it.
func (set *callSet) hangUp(from origin, id string) error { return set.hangUpFor(from, id, "") }

func (set *callSet) hangUpFor(from origin, id, reason string) error {
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.find(id, from.account, CallRinging, CallAccepted)
	switch {
	case err != nil:
		return err
	case c.creator.account == from.account:
		set.endCall(c, from, reason)
	case c.members[from.account] != CallAccepted:
		return fmt.Errorf("%w: it rings", ErrCallState)
	case c.to.group != nil:
		// The others go on without this one.
		c.members[from.account] = CallEnded
		set.changedCall(c, from.account, CallEnded)
	default:
		set.endCall(c, from, reason)
	}
	return nil
}

// endCall ends a call for everybody who does not know it yet: all devices that ring, and those that talk.
func (set *callSet) endCall(c *call, from origin, reason string) {
	before := maps.Clone(c.members)
	c.finish(reason)
	end := terminate(reason)
	set.signalCreator(c, from, end)
	for a, state := range before {
		switch {
		case state == CallRinging:
			set.signal(c, from, a, end)
		case state != CallAccepted:
			continue
		case a != from.account:
			if dev := set.dir.device(a, c.takenOn[a]); dev != nil {
				set.handCall(c, from, dev, end)
			}
		}
		set.changedCall(c, a, CallEnded)
	}
	set.changedCall(c, c.creator.account, CallEnded)
}

// handleCall takes a signal of a call from a linked device, acknowledges it and passes it on.
func (c *conn) handleCall(dev *device, node *waBinary.Node) {
	children := node.GetChildren()
	ack := waBinary.Attrs{"class": "call", "id": stanza.Attr(node, "id"), "from": stanza.JID(node, "to"), "t": stanza.Now()}
	if len(children) == 1 {
		ack["type"] = children[0].Tag
		if c.srv.calls.routeCall(origin{account: dev.account, device: dev.id}, stanza.JID(node, "to"), &children[0]) != nil {
			ack["error"] = "404"
		}
	} else {
		ack["error"] = "400"
	}
	c.send(waBinary.Node{Tag: "ack", Attrs: ack})
}

// routeCall does what a signal of a client says. Signals of which the server need not know anything go on as they are.
func (set *callSet) routeCall(from origin, to types.JID, signal *waBinary.Node) error {
	id := stanza.Attr(signal, "call-id")
	switch signal.Tag {
	case "offer":
		return set.offerOf(from, to, id, signal)
	case "accept":
		return set.acceptCall(from, id)
	case "reject":
		return set.rejectCall(from, id)
	case "terminate":
		return set.hangUpFor(from, id, stanza.Attr(signal, "reason"))
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.find(id, from.account, CallRinging, CallAccepted)
	if err != nil {
		return err
	}
	target := set.dir.find(to)
	if _, called := c.members[target]; target == nil || !called && target != c.creator.account {
		return ErrUnknownContact
	}
	set.signal(c, from, target, *signal)
	return nil
}

// offerOf lets a client call somebody. The key that the offer carries for each device reaches that one alone.
func (set *callSet) offerOf(from origin, to types.JID, id string, signal *waBinary.Node) error {
	target := set.dir.find(to)
	if id == "" || len(id) > maxCallID || target == nil {
		return ErrUnknownContact
	}
	keys := make(map[types.JID][]waBinary.Node)
	var shared []waBinary.Node
	for _, child := range signal.GetChildren() {
		if child.Tag != "destination" {
			shared = append(shared, child)
			continue
		}
		for _, copied := range child.GetChildrenByTag("to") {
			jid := stanza.JID(&copied, "jid")
			if owner := set.dir.find(jid); owner != nil {
				keys[owner.lidJID(jid.Device)] = copied.GetChildren()
			}
		}
	}
	_, video := signal.GetOptionalChildByTag("video")
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.newCall(from, chat{account: target}, id, video, defaultRing)
	if err != nil {
		return err
	}
	set.ringAll(c, func(a *account, device uint16) []waBinary.Node {
		return append(shared[:len(shared):len(shared)], keys[a.lidJID(device)]...)
	})
	return nil
}

// maxCallID bounds what clients choose, in bytes.
const maxCallID = 100

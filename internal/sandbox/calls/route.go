package calls

import (
	"fmt"
	"maps"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
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
func (set *Set) newCall(from accounts.Origin, to groups.Chat, id string, video bool, ring time.Duration) (*call, error) {
	c := &call{
		id: id, creator: from, to: to, video: video, began: time.Now(), state: Ringing,
		members: make(map[*accounts.Account]State), takenOn: make(map[*accounts.Account]uint16),
	}
	called := []*accounts.Account{to.Account}
	switch {
	case to.Account == from.Account:
		return nil, ErrSelf
	case to.Group != nil && !to.Group.Has(from.Account):
		return nil, groups.ErrNotInGroup
	case to.Group != nil:
		called = to.Group.Accounts()
	}
	for _, a := range called {
		// Who has blocked the caller hears nothing, and the caller does not learn of it.
		if a != from.Account && !set.profiles.HasBlocked(a, from.Account) {
			c.members[a] = Ringing
		}
	}
	if !set.add(c) {
		return nil, fmt.Errorf("%w: the id is taken", ErrState)
	}
	c.ring = set.tasks.After(ring, func() {
		set.mu.Lock()
		defer set.mu.Unlock()
		if c.state == Ringing {
			set.endCall(c, c.creator, reasonTimeout)
		}
	})
	set.observer.Count(func(n *observe.Counters) { n.Calls++ })
	return c, nil
}

// ringAll tells everybody who is called: in a group by a notice, otherwise by an offer with what content gives for each
// device.
func (set *Set) ringAll(c *call, content func(*accounts.Account, uint16) []waBinary.Node) {
	set.changedCall(c, c.creator.Account, Ringing)
	for a := range c.members {
		for _, dev := range set.dir.DevicesOf(a) {
			set.handCall(c, c.creator, dev, set.offer(c, content(a, dev.ID)))
		}
		set.changedCall(c, a, Ringing)
	}
}

// offer is what makes a device ring.
func (set *Set) offer(c *call, content []waBinary.Node) waBinary.Node {
	if c.to.Group == nil {
		return waBinary.Node{Tag: "offer", Content: content}
	}
	kind := "audio"
	if c.video {
		kind = "video"
	}
	return waBinary.Node{Tag: "offer_notice", Attrs: waBinary.Attrs{"type": "group", "media": kind}}
}

// handCall hands a device one signal of a call.
func (set *Set) handCall(c *call, from accounts.Origin, dev *accounts.Device, signal waBinary.Node) {
	signal = stanza.With(signal, "call-id", c.id)
	signal.Attrs["call-creator"] = c.creator.Account.LIDJID(c.creator.Device)
	signal.Attrs["caller_pn"] = c.creator.Account.JID(0)
	if c.to.Group != nil {
		signal.Attrs["group-jid"] = c.to.Group.JID
	}
	set.courier.Hand(dev, waBinary.Node{
		Tag: "call",
		Attrs: waBinary.Attrs{
			"from": from.Account.LIDJID(from.Device), "id": stanza.NewID(), "t": stanza.Now(),
			"platform": phonePlatform, "version": phoneVersion, "notify": set.courier.NameOf(from),
		},
		Content: []waBinary.Node{signal},
	})
}

// signal hands a signal of a call to the linked devices of an account, but to the one that it comes from.
func (set *Set) signal(c *call, from accounts.Origin, to *accounts.Account, signal waBinary.Node) {
	for _, dev := range set.dir.DevicesOf(to) {
		if to != from.Account || dev.ID != from.Device {
			set.handCall(c, from, dev, signal)
		}
	}
}

// signalCreator hands a signal to the device that placed the call. A phone sees it in the call itself.
func (set *Set) signalCreator(c *call, from accounts.Origin, signal waBinary.Node) {
	if c.creator.Device == 0 || c.creator.Account == from.Account {
		return
	}
	if dev := set.dir.Device(c.creator.Account, c.creator.Device); dev != nil {
		set.handCall(c, from, dev, signal)
	}
}

// changedCall tells who watches, and who waits for it at a phone.
func (set *Set) changedCall(c *call, a *accounts.Account, state State) {
	other := c.creator.Account.JID(0)
	switch {
	case c.to.Group != nil:
		other = c.to.JID()
	case a == c.creator.Account:
		other = c.to.Account.JID(0)
	}
	set.observer.Emit(observe.Event{Kind: observe.EventCall, Account: a.Number, Detail: string(state) + " " + c.id + " " + other.String()})
	a.Phone.Wake()
}

// AcceptCall lets a device take a call: its caller is told, and the account's other devices stop to ring.
func (set *Set) AcceptCall(from accounts.Origin, id string) error {
	return set.answerCall(from, id, "accept", reasonAcceptedElsewhere, Accepted, (*call).take)
}

// RejectCall lets a device not take a call, for all of the account.
func (set *Set) RejectCall(from accounts.Origin, id string) error {
	return set.answerCall(from, id, "reject", reasonRejectedElsewhere, Rejected, (*call).refuse)
}

func (set *Set) answerCall(from accounts.Origin, id, tag, elsewhere string, state State, apply func(*call, accounts.Origin)) error {
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.find(id, from.Account, Ringing)
	switch {
	case err != nil:
		return err
	case c.creator.Account == from.Account:
		return fmt.Errorf("%w: the account itself calls", ErrState)
	}
	apply(c, from)
	answer := waBinary.Node{Tag: tag}
	set.signalCreator(c, from, answer)
	set.signal(c, from, from.Account, answer)
	// The caller's device tells those that need not ring any more.
	for _, dev := range set.dir.DevicesOf(from.Account) {
		if dev.ID != from.Device {
			set.handCall(c, c.creator, dev, terminate(elsewhere))
		}
	}
	set.changedCall(c, from.Account, state)
	set.changedCall(c, c.creator.Account, state)
	return nil
}

func terminate(reason string) waBinary.Node {
	node := waBinary.Node{Tag: "terminate", Attrs: waBinary.Attrs{}}
	if reason != "" {
		node.Attrs["reason"] = reason
	}
	return node
}

// HangUp ends a call for who placed or took it.
func (set *Set) HangUp(from accounts.Origin, id string) error { return set.hangUpFor(from, id, "") }

func (set *Set) hangUpFor(from accounts.Origin, id, reason string) error {
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.find(id, from.Account, Ringing, Accepted)
	switch {
	case err != nil:
		return err
	case c.creator.Account == from.Account:
		set.endCall(c, from, reason)
	case c.members[from.Account] != Accepted:
		return fmt.Errorf("%w: it rings", ErrState)
	case c.to.Group != nil:
		// The others go on without this one.
		c.members[from.Account] = Ended
		set.changedCall(c, from.Account, Ended)
	default:
		set.endCall(c, from, reason)
	}
	return nil
}

// endCall ends a call for everybody who does not know it yet: all devices that ring, and those that talk.
func (set *Set) endCall(c *call, from accounts.Origin, reason string) {
	before := maps.Clone(c.members)
	c.finish(reason)
	end := terminate(reason)
	set.signalCreator(c, from, end)
	for a, state := range before {
		switch {
		case state == Ringing:
			set.signal(c, from, a, end)
		case state != Accepted:
			continue
		case a != from.Account:
			if dev := set.dir.Device(a, c.takenOn[a]); dev != nil {
				set.handCall(c, from, dev, end)
			}
		}
		set.changedCall(c, a, Ended)
	}
	set.changedCall(c, c.creator.Account, Ended)
}

// Route does what a signal of a client says. Signals of which the server need not know anything go on as they are.
func (set *Set) Route(from accounts.Origin, to types.JID, signal *waBinary.Node) error {
	id := stanza.Attr(signal, "call-id")
	switch signal.Tag {
	case "offer":
		return set.offerOf(from, to, id, signal)
	case "accept":
		return set.AcceptCall(from, id)
	case "reject":
		return set.RejectCall(from, id)
	case "terminate":
		return set.hangUpFor(from, id, stanza.Attr(signal, "reason"))
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.find(id, from.Account, Ringing, Accepted)
	if err != nil {
		return err
	}
	target := set.dir.Find(to)
	if _, called := c.members[target]; target == nil || !called && target != c.creator.Account {
		return accounts.ErrUnknownContact
	}
	set.signal(c, from, target, *signal)
	return nil
}

// offerOf lets a client call somebody. The key that the offer carries for each device reaches that one alone.
func (set *Set) offerOf(from accounts.Origin, to types.JID, id string, signal *waBinary.Node) error {
	target := set.dir.Find(to)
	if id == "" || len(id) > maxCallID || target == nil {
		return accounts.ErrUnknownContact
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
			if owner := set.dir.Find(jid); owner != nil {
				keys[owner.LIDJID(jid.Device)] = copied.GetChildren()
			}
		}
	}
	_, video := signal.GetOptionalChildByTag("video")
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.newCall(from, groups.Chat{Account: target}, id, video, DefaultRing)
	if err != nil {
		return err
	}
	set.ringAll(c, func(a *accounts.Account, device uint16) []waBinary.Node {
		return append(shared[:len(shared):len(shared)], keys[a.LIDJID(device)]...)
	})
	return nil
}

// maxCallID bounds what clients choose, in bytes.
const maxCallID = 100

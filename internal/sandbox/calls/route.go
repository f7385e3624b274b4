package calls

import (
	"fmt"
	"maps"
	"slices"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// The app version that phones call with. Clients show it and do not use it otherwise.
const (
	phonePlatform = "android"
	phoneVersion  = "2.25.20.80"
)

// newCall adds a call that ends by itself after ring if nobody accepts it. The caller holds the set's lock, as for
// every function in this file that does not take the lock itself.
func (set *Set) newCall(from accounts.Origin, to groups.Chat, id string, video bool, ring time.Duration) (*call, error) {
	c := &call{
		id: id, creator: from, to: to, video: video, began: time.Now(), state: Ringing,
		members: make(map[*accounts.Account]State), acceptedOn: make(map[*accounts.Account]uint16),
	}
	called := []*accounts.Account{to.Account}
	switch group := to.Group(); {
	case to.Account == from.Account:
		return nil, ErrSelf
	case group == nil && to.Shared != nil:
		return nil, groups.ErrBroadcast
	case group != nil && !group.Has(from.Account):
		return nil, groups.ErrNotInGroup
	case group != nil:
		called = group.Accounts()
	}
	for _, a := range called {
		// An account that has blocked the caller gets no signals. The caller does not learn of it.
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

// ringAll makes the devices of all called accounts ring: with a notice for a group call, otherwise with an offer that
// has the content for the device.
func (set *Set) ringAll(c *call, content func(*accounts.Account, uint16) []waBinary.Node) {
	set.changedCall(c, c.creator.Account, Ringing)
	for a := range c.members {
		for _, dev := range set.dir.DevicesOf(a) {
			set.handCall(c, c.creator, dev, set.offer(c, content(a, dev.ID)))
		}
		set.changedCall(c, a, Ringing)
	}
}

// offer returns the signal that makes a device ring.
func (set *Set) offer(c *call, content []waBinary.Node) waBinary.Node {
	if c.to.Shared == nil {
		return waBinary.Node{Tag: "offer", Content: content}
	}
	kind := "audio"
	if c.video {
		kind = "video"
	}
	return waBinary.Node{Tag: "offer_notice", Attrs: waBinary.Attrs{"type": "group", "media": kind}}
}

// handCall delivers one signal of a call to a device.
func (set *Set) handCall(c *call, from accounts.Origin, dev *accounts.Device, signal waBinary.Node) {
	signal = stanza.With(signal, "call-id", c.id)
	signal.Attrs["call-creator"] = c.creator.Account.LIDJID(c.creator.Device)
	signal.Attrs["caller_pn"] = c.creator.Account.JID(0)
	if c.to.Shared != nil {
		signal.Attrs["group-jid"] = c.to.JID()
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

// signal delivers a signal of a call to the linked devices of an account, except the device that it comes from.
func (set *Set) signal(c *call, from accounts.Origin, to *accounts.Account, signal waBinary.Node) {
	for _, dev := range set.dir.DevicesOf(to) {
		if to != from.Account || dev.ID != from.Device {
			set.handCall(c, from, dev, signal)
		}
	}
}

// signalCreator delivers a signal to the device that placed the call. A phone that placed it gets no signals: it reads
// the call's state from the set.
func (set *Set) signalCreator(c *call, from accounts.Origin, signal waBinary.Node) {
	if c.creator.Device == 0 || c.creator.Account == from.Account {
		return
	}
	if dev := set.dir.Device(c.creator.Account, c.creator.Device); dev != nil {
		set.handCall(c, from, dev, signal)
	}
}

// changedCall emits an event about a call and wakes everyone who waits for a change of the account's phone.
func (set *Set) changedCall(c *call, a *accounts.Account, state State) {
	other := c.creator.Account.JID(0)
	switch {
	case c.to.Shared != nil:
		other = c.to.JID()
	case a == c.creator.Account:
		other = c.to.Account.JID(0)
	}
	set.observer.Emit(observe.Event{Kind: observe.EventCall, Account: a.Number, Detail: string(state) + " " + c.id + " " + other.String()})
	a.Phone.Wake()
}

// AcceptCall accepts a call on a device. The caller is told, and the account's other devices stop ringing.
func (set *Set) AcceptCall(from accounts.Origin, id string) error {
	return set.answerCall(from, id, "accept", reasonAcceptedElsewhere, Accepted, (*call).accept)
}

// RejectCall rejects a call for the whole account. The caller is told, and the account's other devices stop ringing.
func (set *Set) RejectCall(from accounts.Origin, id string) error {
	return set.answerCall(from, id, "reject", reasonRejectedElsewhere, Rejected, (*call).reject)
}

func (set *Set) answerCall(from accounts.Origin, id, tag, elsewhere string, state State, apply func(*call, accounts.Origin)) error {
	set.mu.Lock()
	defer set.mu.Unlock()
	c, err := set.find(id, from.Account, Ringing)
	switch {
	case err != nil:
		return err
	case c.creator.Account == from.Account:
		return fmt.Errorf("%w: the account itself is the caller", ErrState)
	}
	apply(c, from)
	answer := waBinary.Node{Tag: tag}
	set.signalCreator(c, from, answer)
	set.signal(c, from, from.Account, answer)
	// This signal comes from the caller's device, which tells the account's other devices to stop ringing.
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

// HangUp ends a call for the account that placed it or accepted it. A member that hangs up leaves a group call, and the
// others go on.
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
	case c.to.Shared != nil:
		// The others stay in the call.
		c.members[from.Account] = Ended
		set.changedCall(c, from.Account, Ended)
	default:
		set.endCall(c, from, reason)
	}
	return nil
}

// endCall ends a call and tells every device that still rings or talks.
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
			if dev := set.dir.Device(a, c.acceptedOn[a]); dev != nil {
				set.handCall(c, from, dev, end)
			}
		}
		set.changedCall(c, a, Ended)
	}
	set.changedCall(c, c.creator.Account, Ended)
}

// Forget ends the calls of an account that was removed. A group call goes on without it.
func (set *Set) Forget(a *accounts.Account) {
	set.mu.Lock()
	defer set.mu.Unlock()
	for _, c := range slices.Clone(set.order) {
		_, called := c.members[a]
		switch {
		case c.over():
		case c.creator.Account == a || c.to.Account == a:
			set.endCall(c, accounts.Origin{Account: a}, "")
		case called:
			c.members[a] = Ended
		}
	}
}

// Route handles a call signal of a client. Signals that do not change the call's state are passed on as they are.
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

// offerOf handles a client's offer and so starts a call. The offer carries a key for each device, which reaches only
// that device.
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

// maxCallID bounds the call ids that clients choose, in bytes.
const maxCallID = 100

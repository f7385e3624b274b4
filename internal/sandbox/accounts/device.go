package accounts

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/stanza"
)

const (
	// MaxQueue bounds how many stanzas are queued for a device.
	MaxQueue = 10_000
	// lowPreKeys is the stock of one-time prekeys below which a device is told to upload more
	// (whatsmeow.MinPreKeyCount).
	lowPreKeys = 5
	maxPreKeys = 2000
)

// OneTimeKey is a one-time prekey as the device uploaded it.
type OneTimeKey struct {
	id    [3]byte
	value [32]byte
}

// SignedKey is a device's signed prekey.
type SignedKey struct {
	ID        [3]byte
	Value     [32]byte
	Signature [64]byte
}

// Registration is what a client says about itself when it is paired. Only the signed prekey changes later.
type Registration struct {
	Noise, Identity [32]byte
	RegistrationID  [4]byte
	Signed          SignedKey
	Platform        string
	// FullHistory says that the client wants the phone's whole history. InlineHistory says that it can read a small
	// history from the message itself, without a download.
	FullHistory, InlineHistory bool
}

// Conn is a device's connection to the server.
type Conn interface {
	// Send queues a stanza. SendLast queues the last one: the connection ends delay after the stanza was written.
	Send(node waBinary.Node)
	SendLast(node waBinary.Node, delay time.Duration)
	// Leave ends the connection after delay, unless the client ends it first.
	Leave(delay time.Duration)
}

// Device is one linked device: its registration, its connection and the stanzas that it has not acknowledged.
type Device struct {
	Registration

	Account  *Account
	ID       uint16
	KeyIndex uint32
	// SignedIdentity is the encoded ADVSignedDeviceIdentity. It proves to others that the account linked the device.
	SignedIdentity []byte
	// Greeted is set once the phone has given the device its app state keys.
	Greeted atomic.Bool

	mu       sync.Mutex // guards the fields below and the signed prekey
	PreKeys  []OneTimeKey
	conn     Conn
	active   bool
	queue    []queued
	seen     SeenIDs
	pushName string
}

// queued is a stanza that the device has not acknowledged yet.
type queued struct {
	key  stanza.Key
	node waBinary.Node
}

// ScopeAccount returns the number of the device's account.
func (d *Device) ScopeAccount() string { return d.Account.Number }

// ScopeDevice reports whether a JID names the device, by phone number or by hidden id.
func (d *Device) ScopeDevice(jid string) bool {
	return jid == d.Account.JID(d.ID).String() || jid == d.Account.LIDJID(d.ID).String()
}

// ScopeConn returns 0: a device is not a connection.
func (d *Device) ScopeConn() uint64 { return 0 }

// Attach makes c the device's connection and returns the connection that it replaces, or nil. No stanzas are sent on c
// until SetActive.
func (d *Device) Attach(c Conn) Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.conn
	d.conn, d.active = c, false
	return old
}

// Detach removes c if it is still the device's connection, and reports whether it was.
func (d *Device) Detach(c Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != c {
		return false
	}
	d.conn, d.active = nil, false
	return true
}

// Connection returns the device's connection, or nil if it has none.
func (d *Device) Connection() Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn
}

// SetActive starts delivery on the connection c, beginning with all stanzas that are not acknowledged. It returns their
// number. It does nothing if c is not the device's connection or is active already.
func (d *Device) SetActive(c Conn) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != c || d.active {
		return 0
	}
	d.active = true
	counts := map[string]int{}
	for i := range d.queue {
		counts[d.queue[i].node.Tag]++
	}
	total := len(d.queue)
	if total > 0 {
		c.Send(waBinary.Node{Tag: "ib", Content: []waBinary.Node{{Tag: "offline_preview", Attrs: waBinary.Attrs{
			"count":        strconv.Itoa(total),
			"message":      strconv.Itoa(counts["message"]),
			"receipt":      strconv.Itoa(counts["receipt"]),
			"notification": strconv.Itoa(counts["notification"]),
			"appdata":      "0",
		}}}})
	}
	for i := range d.queue {
		node := stanza.With(d.queue[i].node, "offline", strconv.Itoa(i))
		c.Send(node)
	}
	// Always sent: some clients hold back all events until they have read it.
	c.Send(waBinary.Node{Tag: "ib", Content: []waBinary.Node{{Tag: "offline", Attrs: waBinary.Attrs{"count": strconv.Itoa(total)}}}})
	return total
}

// SetPassive stops delivery: stanzas are queued until SetActive.
func (d *Device) SetPassive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active = false
}

// deliver queues a stanza until the device acknowledges it, and sends it if the device is active. ok is false if the
// queue is full and the stanza was dropped. duplicate says that the device was given the same message before.
func (d *Device) deliver(node waBinary.Node) (ok, duplicate bool) {
	key := stanza.KeyOf(&node)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) >= MaxQueue {
		return false, false
	}
	if node.Tag == "message" {
		duplicate = d.seen.Add(key.From.String() + " " + key.Participant.String() + " " + key.ID)
	}
	d.queue = append(d.queue, queued{key: key, node: node})
	if d.conn != nil && d.active {
		d.conn.Send(node)
	}
	return true, duplicate
}

// Hint sends a stanza that needs no acknowledgement, if the device is active. Otherwise it is dropped.
func (d *Device) Hint(node waBinary.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil && d.active {
		d.conn.Send(node)
	}
}

// Acknowledge removes the stanza with this key from the queue and reports whether there was one.
func (d *Device) Acknowledge(key stanza.Key) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.queue {
		if d.queue[i].key == key {
			d.queue = append(d.queue[:i], d.queue[i+1:]...)
			if len(d.queue) == 0 {
				d.queue = nil
			}
			return true
		}
	}
	return false
}

// QueueLength returns the number of stanzas that the device has not acknowledged.
func (d *Device) QueueLength() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue)
}

func (d *Device) preKeyCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.PreKeys)
}

// takeBundle returns the device's signed prekey and takes one one-time prekey out of its stock, nil if none is left.
func (d *Device) takeBundle() (SignedKey, *OneTimeKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.PreKeys) == 0 {
		return d.Signed, nil
	}
	d.Account.Changed.Store(true)
	key := d.PreKeys[0]
	d.PreKeys = d.PreKeys[1:]
	return d.Signed, &key
}

// preKeysLow returns the notification that makes a client upload one-time prekeys.
func preKeysLow(left int) waBinary.Node {
	return waBinary.Node{
		Tag: "notification",
		Attrs: waBinary.Attrs{
			"from": types.ServerJID,
			"id":   stanza.NewID(),
			"type": "encrypt",
			"t":    stanza.Now(),
		},
		Content: []waBinary.Node{{Tag: "count", Attrs: waBinary.Attrs{"value": strconv.Itoa(left)}}},
	}
}

// SeenIDs remembers the ids of the last MaxSeen messages, to detect duplicates.
type SeenIDs struct {
	Set  map[string]struct{}
	ring []string
	next int
}

const MaxSeen = 4096

// Add remembers id and reports whether it was known already.
func (s *SeenIDs) Add(id string) bool {
	if _, ok := s.Set[id]; ok {
		return true
	}
	if s.Set == nil {
		s.Set = make(map[string]struct{})
	}
	s.Set[id] = struct{}{}
	if len(s.ring) < MaxSeen {
		s.ring = append(s.ring, id)
		return false
	}
	delete(s.Set, s.ring[s.next])
	s.ring[s.next] = id
	s.next = (s.next + 1) % MaxSeen
	return false
}

// SetPushName sets the account's name as the device announces it.
func (d *Device) SetPushName(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pushName = name
}

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
	// MaxQueue bounds the stanzas kept for a device that is away.
	MaxQueue = 10_000
	// lowPreKeys is the stock of one-time prekeys at which a device is told to upload more
	// (whatsmeow.MinPreKeyCount).
	lowPreKeys = 5
	maxPreKeys = 2000
)

// OneTimeKey is a one-time prekey as uploaded.
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

// Registration is what a client says about itself when it is paired. The signed prekey changes later.
type Registration struct {
	Noise, Identity [32]byte
	RegistrationID  [4]byte
	Signed          SignedKey
	Platform        string
	// FullHistory says that the client wants all of the phone's history, inlineHistory that it reads what is small from
	// the message itself.
	FullHistory, InlineHistory bool
}

// Conn is the connection that a device is on.
type Conn interface {
	// Send queues a stanza, SendLast one after which the connection ends, delay after it was written.
	Send(node waBinary.Node)
	SendLast(node waBinary.Node, delay time.Duration)
	// Leave gives the client some time to end the connection.
	Leave(delay time.Duration)
}

// Device is one linked device: what it registered, the connection it is on and the stanzas it has not
// acknowledged.
type Device struct {
	Registration

	Account  *Account
	ID       uint16
	KeyIndex uint32
	// SignedIdentity is the encoded ADVSignedDeviceIdentity that proves the link to others.
	SignedIdentity []byte
	// Greeted is set once the phone gave the device its keys of app state.
	Greeted atomic.Bool

	mu       sync.Mutex // guards the signed prekey, too
	PreKeys  []OneTimeKey
	conn     Conn
	active   bool
	queue    []queued
	seen     SeenIDs
	pushName string
}

// queued is a stanza that waits for its acknowledgement.
type queued struct {
	key  stanza.Key
	node waBinary.Node
}

// ScopeAccount is the number of the device's account.
func (d *Device) ScopeAccount() string { return d.Account.Number }

// ScopeDevice says whether a JID is the device's, by number or by hidden id.
func (d *Device) ScopeDevice(jid string) bool {
	return jid == d.Account.JID(d.ID).String() || jid == d.Account.LIDJID(d.ID).String()
}

// ScopeConn is 0: a device is no connection.
func (d *Device) ScopeConn() uint64 { return 0 }

// Attach makes c the device's connection and returns the one it replaces.
func (d *Device) Attach(c Conn) Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.conn
	d.conn, d.active = c, false
	return old
}

// Detach forgets c if it is still the device's connection, and says whether it was.
func (d *Device) Detach(c Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != c {
		return false
	}
	d.conn, d.active = nil, false
	return true
}

// Connection is the connection that the device is on, nil when there is none.
func (d *Device) Connection() Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn
}

// SetActive lets stanzas through to the connection c, beginning with all that were not acknowledged before.
// It returns how many those were.
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
	// Always sent: some clients hold all events back until they read it.
	c.Send(waBinary.Node{Tag: "ib", Content: []waBinary.Node{{Tag: "offline", Attrs: waBinary.Attrs{"count": strconv.Itoa(total)}}}})
	return total
}

// SetPassive holds stanzas back.
func (d *Device) SetPassive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active = false
}

// deliver sends a stanza that the device has to acknowledge, or keeps it for the next login. It says whether
// the stanza was kept or sent, and whether the device saw the same message before.
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

// Hint sends a stanza that needs no acknowledgement, if the device is there.
func (d *Device) Hint(node waBinary.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil && d.active {
		d.conn.Send(node)
	}
}

// Acknowledge drops the stanza that key names and says whether there was one.
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

// QueueLength is how many stanzas the device has not acknowledged.
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

// takeBundle returns the device's keys with one one-time prekey less in stock, nil when none is left, and tells
// the device when the stock runs low.
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

// preKeysLow is the notification that makes a client upload one-time prekeys.
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

// SeenIDs remembers the last messages, to notice those that come twice.
type SeenIDs struct {
	Set  map[string]struct{}
	ring []string
	next int
}

const MaxSeen = 4096

// Add remembers id and says whether it was there.
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

// SetPushName notes what the account goes by on the device.
func (d *Device) SetPushName(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pushName = name
}

package sandbox

import (
	"strconv"
	"sync"
	"sync/atomic"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/stanza"
)

const (
	// maxQueue bounds the stanzas kept for a device that is away.
	maxQueue = 10_000
	// lowPreKeys is the stock of one-time prekeys at which a device is told to upload more
	// (whatsmeow.MinPreKeyCount).
	lowPreKeys = 5
	maxPreKeys = 2000
)

// oneTimeKey is a one-time prekey as uploaded.
type oneTimeKey struct {
	id    [3]byte
	value [32]byte
}

// signedKey is a device's signed prekey.
type signedKey struct {
	id        [3]byte
	value     [32]byte
	signature [64]byte
}

// device is one linked device: what it registered, the connection it is on and the stanzas it has not
// acknowledged.
type device struct {
	account        *account
	id             uint16
	keyIndex       uint32
	noise          [32]byte
	identity       [32]byte
	registrationID [4]byte
	platform       string
	// signedIdentity is the encoded ADVSignedDeviceIdentity that proves the link to others.
	signedIdentity []byte
	// fullHistory says that the client wants all of the phone's history, inlineHistory that it reads what is small from
	// the message itself.
	fullHistory, inlineHistory bool
	// greeted is set once the phone gave the device its keys of app state.
	greeted atomic.Bool

	mu       sync.Mutex
	signed   signedKey
	preKeys  []oneTimeKey
	conn     *conn
	active   bool
	queue    []queued
	seen     seenIDs
	pushName string
}

// queued is a stanza that waits for its acknowledgement.
type queued struct {
	key  stanza.Key
	node waBinary.Node
}

func (d *device) scopeAccount() string { return d.account.number }

func (d *device) scopeDevice(jid string) bool {
	return jid == d.account.jid(d.id).String() || jid == d.account.lidJID(d.id).String()
}

func (d *device) scopeConn() uint64 { return 0 }

// attach makes c the device's connection and returns the one it replaces.
func (d *device) attach(c *conn) *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.conn
	d.conn, d.active = c, false
	return old
}

// detach forgets c if it is still the device's connection, and says whether it was.
func (d *device) detach(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != c {
		return false
	}
	d.conn, d.active = nil, false
	return true
}

func (d *device) connection() *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn
}

// setActive lets stanzas through to the connection c, beginning with all that were not acknowledged before.
// It returns how many those were.
func (d *device) setActive(c *conn) int {
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
		c.send(waBinary.Node{Tag: "ib", Content: []waBinary.Node{{Tag: "offline_preview", Attrs: waBinary.Attrs{
			"count":        strconv.Itoa(total),
			"message":      strconv.Itoa(counts["message"]),
			"receipt":      strconv.Itoa(counts["receipt"]),
			"notification": strconv.Itoa(counts["notification"]),
			"appdata":      "0",
		}}}})
	}
	for i := range d.queue {
		node := stanza.With(d.queue[i].node, "offline", strconv.Itoa(i))
		c.send(node)
	}
	// Always sent: some clients hold all events back until they read it.
	c.send(waBinary.Node{Tag: "ib", Content: []waBinary.Node{{Tag: "offline", Attrs: waBinary.Attrs{"count": strconv.Itoa(total)}}}})
	return total
}

func (d *device) setPassive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active = false
}

// deliver sends a stanza that the device has to acknowledge, or keeps it for the next login. It says whether
// the stanza was kept or sent, and whether the device saw the same message before.
func (d *device) deliver(node waBinary.Node) (ok, duplicate bool) {
	key := stanza.KeyOf(&node)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) >= maxQueue {
		return false, false
	}
	if node.Tag == "message" {
		duplicate = d.seen.add(key.From.String() + " " + key.Participant.String() + " " + key.ID)
	}
	d.queue = append(d.queue, queued{key: key, node: node})
	if d.conn != nil && d.active {
		d.conn.send(node)
	}
	return true, duplicate
}

// hint sends a stanza that needs no acknowledgement, if the device is there.
func (d *device) hint(node waBinary.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil && d.active {
		d.conn.send(node)
	}
}

// acknowledge drops the stanza that key names and says whether there was one.
func (d *device) acknowledge(key stanza.Key) bool {
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

func (d *device) queueLength() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue)
}

func (d *device) preKeyCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.preKeys)
}

// takeBundle returns the device's keys with one one-time prekey less in stock, nil when none is left, and tells
// the device when the stock runs low.
func (d *device) takeBundle() (signedKey, *oneTimeKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.preKeys) == 0 {
		return d.signed, nil
	}
	d.account.changed.Store(true)
	key := d.preKeys[0]
	d.preKeys = d.preKeys[1:]
	return d.signed, &key
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

// seenIDs remembers the last messages, to notice those that come twice.
type seenIDs struct {
	set  map[string]struct{}
	ring []string
	next int
}

const maxSeen = 4096

// add remembers id and says whether it was there.
func (s *seenIDs) add(id string) bool {
	if _, ok := s.set[id]; ok {
		return true
	}
	if s.set == nil {
		s.set = make(map[string]struct{})
	}
	s.set[id] = struct{}{}
	if len(s.ring) < maxSeen {
		s.ring = append(s.ring, id)
		return false
	}
	delete(s.set, s.ring[s.next])
	s.ring[s.next] = id
	s.next = (s.next + 1) % maxSeen
	return false
}

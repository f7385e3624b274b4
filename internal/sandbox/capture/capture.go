// Package capture keeps what linked devices sent last, as they sent it: their stanzas as bytes from the wire, and the
// messages that phones decrypted from them.
//
// It interprets nothing and leaves nothing out, so that the messages of two clients can be compared. It is bounded by number
// and by bytes, and it is not part of the server's state.
package capture

import (
	"context"
	"slices"
	"sync"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/stanza"
	"wasup/internal/sandbox/wire"
)

// The newest stanzas and the newest plaintexts are kept: each at most maxEntries, with maxBytes in all. An entry with
// more than maxEntry bytes is not kept.
const (
	maxEntries = 4096
	maxBytes   = 16 << 20
	maxEntry   = 1 << 20
)

// Stanza is a stanza that a linked device sent.
type Stanza struct {
	Number uint64 // stanzas and plaintexts are numbered together, from 1
	At     time.Time
	Device types.JID // by phone number
	Tag    string
	ID     string // "" if it has none
	Data   []byte // the frame without its encryption: a flag byte and the encoded stanza
}

// Node decodes the stanza.
func (s *Stanza) Node() (*waBinary.Node, error) { return wire.DecodeNode(s.Data) }

// Plaintext is what a phone decrypted of one part of a message.
type Plaintext struct {
	Number uint64
	At     time.Time
	Phone  string    // the number of the phone that decrypted it
	Device types.JID // the device that sent it, by phone number
	ID     string    // of the message
	Type   string    // of the encryption: pkmsg, msg or skmsg
	Data   []byte    // an encoded waE2E.Message, without its padding
}

// Log keeps the newest stanzas and plaintexts. All methods are safe for concurrent use.
type Log struct {
	mu         sync.Mutex
	last       uint64
	stanzas    ring[Stanza]
	plaintexts ring[Plaintext]
	changed    chan struct{} // closed and replaced at each new entry
}

// New returns an empty log.
func New() *Log { return &Log{changed: make(chan struct{})} }

// IsKept reports whether stanzas with a tag are kept: those by which people get to see something. Queries and
// acknowledgements are not.
func IsKept(tag string) bool {
	switch tag {
	case "message", "receipt", "chatstate", "presence":
		return true
	default:
		return false
	}
}

// Stanza adds a stanza of a device. It copies frame, which is the stanza without its encryption.
func (l *Log) Stanza(device types.JID, node *waBinary.Node, frame []byte) {
	if len(frame) > maxEntry {
		return
	}
	entry := Stanza{At: time.Now(), Device: device, Tag: node.Tag, ID: stanza.Attr(node, "id"), Data: slices.Clone(frame)}
	l.mu.Lock()
	defer l.mu.Unlock()
	entry.Number = l.next()
	l.stanzas.add(entry, len(frame))
}

// Plaintext adds what a phone decrypted. It sets the number and the time, and copies the bytes.
func (l *Log) Plaintext(entry Plaintext) {
	if len(entry.Data) > maxEntry {
		return
	}
	entry.At, entry.Data = time.Now(), slices.Clone(entry.Data)
	l.mu.Lock()
	defer l.mu.Unlock()
	entry.Number = l.next()
	l.plaintexts.add(entry, len(entry.Data))
}

// next returns the next number and wakes those who wait. The caller holds the lock.
func (l *Log) next() uint64 {
	close(l.changed)
	l.changed = make(chan struct{})
	l.last++
	return l.last
}

// Stanzas returns the kept stanzas that match, oldest first. Their bytes must not be changed.
func (l *Log) Stanzas(match func(*Stanza) bool) []Stanza {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stanzas.all(match)
}

// Plaintexts returns the kept plaintexts that match, oldest first. Their bytes must not be changed.
func (l *Log) Plaintexts(match func(*Plaintext) bool) []Plaintext {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plaintexts.all(match)
}

// Wait waits until done returns true. It asks at once, and again at each new entry. It fails with the error of ctx.
func (l *Log) Wait(ctx context.Context, done func() bool) error {
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ring holds the newest entries.
type ring[T any] struct {
	entries []T
	sizes   []int
	bytes   int
}

func (r *ring[T]) add(entry T, size int) {
	r.entries, r.sizes, r.bytes = append(r.entries, entry), append(r.sizes, size), r.bytes+size
	drop := 0
	for len(r.entries)-drop > maxEntries || r.bytes > maxBytes {
		r.bytes -= r.sizes[drop]
		drop++
	}
	var none T
	for i := range drop {
		r.entries[i] = none // or its bytes would stay until the array is replaced
	}
	r.entries, r.sizes = r.entries[drop:], r.sizes[drop:]
}

func (r *ring[T]) all(match func(*T) bool) []T {
	var found []T
	for i := range r.entries {
		if match(&r.entries[i]) {
			found = append(found, r.entries[i])
		}
	}
	return found
}

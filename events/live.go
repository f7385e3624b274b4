package events

import (
	"errors"
	"maps"
	"sync"
	"time"

	"wasup/session"
)

// ErrClosed is what Subscribe answers after Close.
var ErrClosed = errors.New("events: the live hub is closed")

// Live tells whoever follows sessions what happens to them, as it happens. All methods are safe for concurrent use, and
// none of them waits for a reader.
type Live struct {
	perReader int

	mu      sync.Mutex
	closed  bool
	ring    []session.LiveEvent // the last events; full once it has cap(ring) of them
	next    int                 // where the next event goes once the ring is full
	seq     uint64              // of the last event, or the number before the first one
	oldest  uint64              // every event after this number is in the ring
	last    map[session.ID]session.Status
	readers map[session.ID]map[*Subscription]struct{} // by the session they follow, "" for all
	open    int
}

// NewLive makes a hub that remembers the last buffer events and drops a reader that is perReader events behind. Both
// are at least 1.
func NewLive(buffer, perReader int) *Live {
	// Numbers go on from the clock, so that a reader who comes back with a number of an earlier process is told that
	// it missed something instead of silently missing it.
	start := uint64(max(1, time.Now().UnixMicro()))
	return &Live{
		perReader: max(1, perReader), ring: make([]session.LiveEvent, 0, max(1, buffer)),
		seq: start, oldest: start,
		last: make(map[session.ID]session.Status), readers: make(map[session.ID]map[*Subscription]struct{}),
	}
}

// Publish tells a session's snapshot. What nobody would see a difference in is dropped.
func (l *Live) Publish(status session.Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	before, known := l.last[status.ID]
	l.last[status.ID] = status
	if !known || !same(&before, &status) {
		l.add(session.LiveState, status)
	}
	if status.QR.Code != "" && status.State == session.QRRequired && (status.QR.Seq != before.QR.Seq || status.QR.Code != before.QR.Code) {
		l.add(session.LiveQR, status)
	}
}

// Remove tells that a session was deleted.
func (l *Live) Remove(id session.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.last[id]; !known || l.closed {
		return
	}
	delete(l.last, id)
	l.add(session.LiveRemoved, session.Status{ID: id})
}

// Readers is how many subscriptions are open.
func (l *Live) Readers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Close ends every subscription. It is idempotent.
func (l *Live) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, group := range l.readers {
		for reader := range group {
			l.drop(reader)
		}
	}
}

// same reports whether two snapshots of a session look alike to people. Codes have events of their own; counters and
// times change only along with what is compared here.
func same(a, b *session.Status) bool {
	return a.State == b.State && a.Cause == b.Cause && a.Desired == b.Desired && a.Since.Equal(b.Since) &&
		a.RetryAt.Equal(b.RetryAt) && a.Until.Equal(b.Until) && a.Restricted.Equal(b.Restricted) &&
		a.HasDevice == b.HasDevice && a.Account == b.Account && samePasskey(a.Passkey, b.Passkey) &&
		a.Settings.Name == b.Settings.Name && a.Settings.Proxy == b.Settings.Proxy &&
		maps.Equal(a.Settings.Metadata, b.Settings.Metadata)
}

func samePasskey(a, b *session.Passkey) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Code == b.Code && a.Skip == b.Skip && string(a.Challenge) == string(b.Challenge)
}

// add numbers an event, remembers it and hands it to whoever follows.
func (l *Live) add(kind session.LiveType, status session.Status) {
	l.seq++
	event := session.LiveEvent{Seq: l.seq, At: time.Now(), Type: kind, Status: status}
	if len(l.ring) < cap(l.ring) {
		l.ring = append(l.ring, event)
	} else {
		l.oldest = l.ring[l.next].Seq
		l.ring[l.next] = event
		l.next = (l.next + 1) % len(l.ring)
	}
	l.hand(l.readers[""], &event)
	l.hand(l.readers[status.ID], &event)
}

func (l *Live) hand(readers map[*Subscription]struct{}, event *session.LiveEvent) {
	for reader := range readers {
		select {
		case reader.events <- *event:
		default:
			l.drop(reader) // it is too slow; it comes back with the number of the last event it has read
		}
	}
}

func (l *Live) admit(reader *Subscription) {
	if l.readers[reader.id] == nil {
		l.readers[reader.id] = make(map[*Subscription]struct{})
	}
	l.readers[reader.id][reader] = struct{}{}
	l.open++
}

// drop ends a subscription; the lock is held.
func (l *Live) drop(reader *Subscription) {
	group := l.readers[reader.id]
	if _, open := group[reader]; !open {
		return
	}
	delete(group, reader)
	if len(group) == 0 {
		delete(l.readers, reader.id)
	}
	l.open--
	close(reader.events)
}

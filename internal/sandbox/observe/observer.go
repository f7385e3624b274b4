// Package observe counts what a server does and sends events to subscribers.
//
// It never waits for a subscriber and stores no events.
package observe

import (
	"sync"
	"time"
)

// Observer counts what a server does and sends events to subscribers.
type Observer struct {
	events broadcaster

	mu       sync.Mutex // cheap next to the encryption of a single frame
	counters Counters
}

// New returns an observer with all counters at 0.
func New() *Observer {
	o := &Observer{}
	o.events.dropped = func() { o.Count(func(c *Counters) { c.EventsDropped++ }) }
	return o
}

// Count lets change update the counters.
func (o *Observer) Count(change func(*Counters)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.counters)
}

// Snapshot returns a copy of the counters.
func (o *Observer) Snapshot() Counters {
	o.mu.Lock()
	defer o.mu.Unlock()
	copied := o.counters
	copied.Malformed = cloneCounts(copied.Malformed)
	copied.UnknownQueries = cloneCounts(copied.UnknownQueries)
	copied.Faults = cloneCounts(copied.Faults)
	return copied
}

// Emit sends an event to the subscribers. It sets the event's time if there is none.
func (o *Observer) Emit(event Event) {
	if event.Time.IsZero() {
		event.Time = time.Now()
	}
	o.events.publish(event)
}

const subscriberBuffer = 4096

// Subscribe returns a channel of all events from now on, and a function that ends the subscription.
func (o *Observer) Subscribe() (<-chan Event, func()) { return o.events.subscribe() }

// Close ends all subscriptions.
func (o *Observer) Close() { o.events.close() }

// broadcaster sends events to subscribers. It never waits for one: a subscriber that does not keep up misses events,
// and the misses are counted.
type broadcaster struct {
	dropped func()

	mu     sync.Mutex
	subs   map[chan Event]struct{}
	closed bool
}

// subscribe returns a channel of all events from now on, and a function that ends the subscription.
func (b *broadcaster) subscribe() (<-chan Event, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := make(chan Event, subscriberBuffer)
	if b.closed {
		close(ch)
		return ch, func() {}
	}
	if b.subs == nil {
		b.subs = make(map[chan Event]struct{})
	}
	b.subs[ch] = struct{}{}
	return ch, func() { b.unsubscribe(ch) }
}

func (b *broadcaster) unsubscribe(ch chan Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.subs[ch]; ok {
		delete(b.subs, ch)
		close(ch)
	}
}

func (b *broadcaster) publish(event Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.subs {
		select {
		case ch <- event:
		default:
			b.dropped()
		}
	}
}

// close ends all subscriptions.
func (b *broadcaster) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for ch := range b.subs {
		close(ch)
	}
	b.subs = nil
}

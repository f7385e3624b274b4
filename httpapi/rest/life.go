package rest

import (
	"context"
	"sync"
	"sync/atomic"
)

// Life is the phase of the server: it serves, then drains, then cancels the remaining requests. It counts the requests
// inside handlers. Unlike with a WaitGroup, one can wait for them while new ones begin.
type Life struct {
	draining atomic.Bool
	waits    context.Context
	endWaits context.CancelFunc
	work     context.Context
	endWork  context.CancelFunc

	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to 0; nil while nobody waits
}

// NewLife makes the Life of a server that serves.
func NewLife() *Life {
	l := &Life{}
	l.work, l.endWork = context.WithCancel(context.Background())
	l.waits, l.endWaits = context.WithCancel(l.work)
	return l
}

// Waits is the context of requests that wait for an event. It ends when the server begins to shut down.
func (l *Life) Waits() context.Context { return l.waits }

// Work is the context of all other requests. It ends when the shutdown has run out of time.
func (l *Life) Work() context.Context { return l.work }

// Drain ends the waits. The server refuses new requests from now on.
func (l *Life) Drain() {
	l.draining.Store(true)
	l.endWaits()
}

// Draining reports that the server shuts down.
func (l *Life) Draining() bool { return l.draining.Load() }

// Cut ends both contexts.
func (l *Life) Cut() { l.endWork() }

// Enter counts a request until Leave is called for it.
func (l *Life) Enter() {
	l.mu.Lock()
	l.n++
	l.mu.Unlock()
}

// Leave ends a request that Enter has counted.
func (l *Life) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n--
	if l.n == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// Idle returns a channel that is closed as soon as no request is inside a handler.
func (l *Life) Idle() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	return l.idle
}

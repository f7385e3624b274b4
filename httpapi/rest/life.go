package rest

import (
	"context"
	"sync"
	"sync/atomic"
)

// Life is how far the server's life has come: it serves, then drains, then cuts off what is left. It counts the requests
// inside handlers; unlike with a WaitGroup they may be waited for while new ones begin.
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

// NewLife begins one.
func NewLife() *Life {
	l := &Life{}
	l.work, l.endWork = context.WithCancel(context.Background())
	l.waits, l.endWaits = context.WithCancel(l.work)
	return l
}

// Waits is the context of waits for something to happen: it ends when the server begins to shut down.
func (l *Life) Waits() context.Context { return l.waits }

// Work is the context of everything else: it ends when the shutdown has run out of time.
func (l *Life) Work() context.Context { return l.work }

// Drain ends the waits. New requests are refused from now on.
func (l *Life) Drain() {
	l.draining.Store(true)
	l.endWaits()
}

// Draining reports that the server shuts down.
func (l *Life) Draining() bool { return l.draining.Load() }

// Cut ends everything.
func (l *Life) Cut() { l.endWork() }

// Enter counts a request in, which Leave counts out.
func (l *Life) Enter() {
	l.mu.Lock()
	l.n++
	l.mu.Unlock()
}

// Leave is the end of a request that was counted in.
func (l *Life) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n--
	if l.n == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// Idle gives a channel that is closed at the next moment when no request is inside a handler.
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

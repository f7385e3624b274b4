package ratchet

import (
	"context"
	"sync"
)

// locks is a set of named mutexes. A wait can be cancelled by a context. A name that nobody holds takes no memory.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock // nil if there is none: most clients are idle, and an emptied map keeps its memory
}

// try acquires a lock if nobody holds it or waits for it, and reports whether it did.
func (l *locks) try(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.held[name]; taken {
		return false
	}
	if l.held == nil {
		l.held = make(map[string]*lock)
	}
	l.held[name] = &lock{free: make(chan struct{}, 1), users: 1}
	return true
}

type lock struct {
	free  chan struct{} // holds a token while nobody holds the lock
	users int           // the holder and the waiters
}

func (l *locks) acquire(ctx context.Context, name string) error {
	l.mu.Lock()
	if l.held == nil {
		l.held = make(map[string]*lock)
	}
	one, ok := l.held[name]
	if !ok {
		one = &lock{free: make(chan struct{}, 1)}
		one.free <- struct{}{}
		l.held[name] = one
	}
	one.users++
	l.mu.Unlock()
	select {
	case <-one.free:
		return nil
	default:
	}
	select {
	case <-one.free:
		return nil
	case <-ctx.Done():
		l.leave(name, one)
		return ctx.Err()
	}
}

// unlock releases the lock. Only its holder may call it.
func (l *locks) unlock(name string) {
	l.mu.Lock()
	one := l.held[name]
	l.mu.Unlock()
	one.free <- struct{}{}
	l.leave(name, one)
}

func (l *locks) leave(name string, one *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one.users--
	if one.users == 0 {
		delete(l.held, name)
	}
	if len(l.held) == 0 {
		l.held = nil
	}
}

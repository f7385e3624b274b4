// Package tasks manages the goroutines that a closing server waits for, and the mailboxes that they empty.
//
// It does not know what the goroutines do.
package tasks

import (
	"sync"
	"time"
)

// Tasks are the goroutines of a server. A closing server waits for them.
type Tasks struct {
	// Closing is closed by Stop.
	Closing chan struct{}

	mu      sync.Mutex
	stopped bool
	running sync.WaitGroup
}

// New returns Tasks of which none runs.
func New() *Tasks { return &Tasks{Closing: make(chan struct{})} }

// Begin registers work that Wait waits for. It returns false after Stop. Pair it with Done.
func (t *Tasks) Begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return false
	}
	t.running.Add(1)
	return true
}

// Add registers further work of a caller whose own work is registered. Pair it with Done.
func (t *Tasks) Add() { t.running.Add(1) }

// Done ends work that Begin or Add registered.
func (t *Tasks) Done() { t.running.Done() }

// Spawn runs fn in a goroutine that Wait waits for. It returns false after Stop.
func (t *Tasks) Spawn(fn func()) bool {
	if !t.Begin() {
		return false
	}
	go func() {
		defer t.Done()
		fn()
	}()
	return true
}

// After runs fn once after delay, unless the tasks or the returned timer are stopped by then.
func (t *Tasks) After(delay time.Duration, fn func()) *time.Timer {
	return time.AfterFunc(delay, func() {
		if !t.Begin() {
			return
		}
		defer t.Done()
		fn()
	})
}

// Stop refuses further work. It may be called again.
func (t *Tasks) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		close(t.Closing)
	}
	t.stopped = true
}

// Over reports whether Stop was called.
func (t *Tasks) Over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped
}

// Wait waits until all registered work is done.
func (t *Tasks) Wait() { t.running.Wait() }

// Package tasks keeps the goroutines of a server, which its end waits for, and the mailboxes that they empty.
//
// It knows nothing of what they do.
package tasks

import (
	"sync"
	"time"
)

// Tasks are the goroutines of a server, which its end waits for.
type Tasks struct {
	// Closing is closed by stop.
	Closing chan struct{}

	mu      sync.Mutex
	stopped bool
	running sync.WaitGroup
}

// New makes tasks of which none runs.
func New() *Tasks { return &Tasks{Closing: make(chan struct{})} }

// Begin enters work that wait waits for; it refuses once the tasks are stopped. Pair it with done.
func (t *Tasks) Begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return false
	}
	t.running.Add(1)
	return true
}

// Add enters work of somebody who is waited for already. Pair it with done.
func (t *Tasks) Add() { t.running.Add(1) }

// Done ends work that Begin or Add entered.
func (t *Tasks) Done() { t.running.Done() }

// Spawn runs fn in a goroutine that wait waits for.
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

// After runs fn once, delay from now, unless the tasks are stopped by then or the returned timer is.
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

// Over says whether Stop was called.
func (t *Tasks) Over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped
}

// Wait returns when everything that was begun is done.
func (t *Tasks) Wait() { t.running.Wait() }

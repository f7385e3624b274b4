// Package groupcommit lets one goroutine do at once what many ask for at the same moment: a queue whose entries wait for their
// answers together. What is done with them is the owner's affair; the package knows nothing of it and imports nothing.
package groupcommit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrClosed is the answer to what comes after Close.
var ErrClosed = errors.New("closed")

// Queue gathers what callers ask for and hands it to its owner's round, on a goroutine that exists while something waits.
// It is safe for concurrent use.
type Queue[T any] struct {
	round func(*Queue[T])

	mu      sync.Mutex
	waiting []*Entry[T]
	running bool
	closed  bool
	idle    sync.WaitGroup // the goroutine
}

// New makes a queue. round is called, by one goroutine at a time, as long as something waits. It must Take, and answer
// each entry that it has taken.
func New[T any](round func(*Queue[T])) *Queue[T] { return &Queue[T]{round: round} }

// Entry is what one caller asks for.
type Entry[T any] struct {
	What T

	claimed atomic.Bool // by the round, or by a caller who gave up
	done    chan error  // holds the answer
}

// Answer lets the entry's caller go on. An entry is answered once.
func (e *Entry[T]) Answer(err error) { e.done <- err }

// AnswerAll gives the same answer to each of the entries.
func AnswerAll[T any](entries []*Entry[T], err error) {
	for _, e := range entries {
		e.Answer(err)
	}
}

// Do adds what to the queue and returns its answer. ctx takes back what has not been taken yet, and Do then returns the
// error of ctx; what has been taken is waited for. After Close the answer is ErrClosed.
func (q *Queue[T]) Do(ctx context.Context, what T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := &Entry[T]{What: what, done: make(chan error, 1)}
	if !q.add(e, 0) {
		return ErrClosed
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		if e.claimed.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-e.done
	}
}

// Leave adds what to the queue without waiting for it. It reports false after Close, and where limit entries wait already.
func (q *Queue[T]) Leave(what T, limit int) bool {
	return q.add(&Entry[T]{What: what, done: make(chan error, 1)}, limit)
}

func (q *Queue[T]) add(e *Entry[T], limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || (limit > 0 && len(q.waiting) >= limit) {
		return false
	}
	q.waiting = append(q.waiting, e)
	if !q.running {
		q.running = true
		q.idle.Go(q.run)
	}
	return true
}

func (q *Queue[T]) run() {
	for q.busy() {
		q.round(q)
	}
}

func (q *Queue[T]) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = len(q.waiting) > 0
	return q.running
}

// Take claims what waits, at most limit entries, in the order in which they came. Its result may be empty: callers may
// have given up.
func (q *Queue[T]) Take(limit int) []*Entry[T] {
	q.mu.Lock()
	n := min(len(q.waiting), limit)
	taken := q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil // and no array that grows behind a window
	}
	q.mu.Unlock()
	claimed := taken[:0]
	for _, e := range taken {
		if e.claimed.CompareAndSwap(false, true) {
			claimed = append(claimed, e)
		}
	}
	return claimed
}

// Close refuses what comes from now on and returns when nothing waits any more. It may be called more than once.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.idle.Wait()
}

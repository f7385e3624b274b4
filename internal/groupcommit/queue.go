// Package groupcommit batches requests: one goroutine handles requests together that many goroutines make at the same
// time. The owner of a queue decides how to handle them. The package imports nothing of the program.
package groupcommit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrClosed is the error of Do after Close.
var ErrClosed = errors.New("closed")

// Queue collects requests and calls its owner's round function to handle them, on a goroutine that exists only while
// entries wait. It is safe for concurrent use.
type Queue[T any] struct {
	round func(*Queue[T])

	mu      sync.Mutex
	waiting []*Entry[T]
	running bool
	closed  bool
	idle    sync.WaitGroup // the goroutine
}

// New returns a queue. One goroutine at a time calls round again and again while entries wait. Each call must Take
// entries, and Answer every entry that it has taken.
func New[T any](round func(*Queue[T])) *Queue[T] { return &Queue[T]{round: round} }

// Entry is one request.
type Entry[T any] struct {
	What T

	claimed atomic.Bool // by the round, or by a caller that gave up
	done    chan error  // holds the answer
}

// Answer returns err from the caller's Do. An entry must be answered once.
func (e *Entry[T]) Answer(err error) { e.done <- err }

// AnswerAll gives the same answer to each of the entries.
func AnswerAll[T any](entries []*Entry[T], err error) {
	for _, e := range entries {
		e.Answer(err)
	}
}

// Do adds what to the queue and waits for its answer. If ctx ends before the entry is taken, Do withdraws the entry and
// returns the error of ctx; an entry that is taken is waited for. After Close, Do returns ErrClosed.
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

// Leave adds what to the queue without waiting for the answer. It returns false after Close, or if limit entries wait
// already; a limit of 0 is none.
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

// Take removes at most limit waiting entries, in the order in which they came, and returns them. The result may be
// empty, because callers may have given up.
func (q *Queue[T]) Take(limit int) []*Entry[T] {
	q.mu.Lock()
	n := min(len(q.waiting), limit)
	taken := q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil // free the array, which would otherwise grow
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

// Close makes the queue refuse new entries, and returns once no entry waits. It may be called more than once.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.idle.Wait()
}

// Package stanzas handles the stanzas of one run, one after the other.
//
// It owns their order, the limits of the queue, and the reaction to a handler that panics or does not return. Of
// whatsmeow it knows only the stanza type and the handlers' signature.
package stanzas

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
)

const (
	// maxInTransit bounds the stanzas of a run in whatsmeow's own queue. That queue holds 2048 and loses the order when it
	// is full.
	maxInTransit = 1024
	// maxWaiting bounds the stanzas of a run that wait for the worker. A larger one counts as several (usualSize), so the
	// bound is one of memory, too: 32 MiB. Further stanzas wait at WhatsApp, and so do the answers to our requests. That
	// is why the bound is high.
	maxWaiting = 16384
	// usualSize is the number of bytes that one stanza has in memory.
	usualSize = 2 << 10
	// fairWaiting is the bound of each run while maxWaitingAll or more stanzas of all runs of the process wait.
	fairWaiting   = 256
	maxWaitingAll = 65536
	// StuckAfter is how long the handling of one stanza may take. whatsmeow's own queue has the same limit, but then
	// continues with the next stanza, out of order.
	StuckAfter = 5 * time.Minute
)

// Handler is whatsmeow's function that handles one kind of stanza.
type Handler = func(ctx context.Context, node *waBinary.Node)

// Queue handles the stanzas of one run one after the other, in the order in which WhatsApp sent them. Thousands can
// arrive at once, for example after a day offline. Queue also contains panics: whatsmeow calls its handlers on its own
// goroutines, where a panic would end the process.
//
// whatsmeow's reader announces a stanza (Arrive) and puts it on whatsmeow's queue. whatsmeow's queue passes it to put.
// Our worker handles it. Arrive blocks the reader while a limit is reached, so the other stanzas stay at WhatsApp.
type Queue struct {
	all        *atomic.Int64 // waiting of all runs of the process
	guard      func(where string)
	stuck      func(tag string)
	stuckAfter time.Duration // StuckAfter

	mu        sync.Mutex
	hasRoom   sync.Cond // signalled when the queue may have room again
	active    bool      // whatsmeow calls the handlers that Wrap made
	inTransit int       // announced by Arrive but not yet passed to put
	waiting   int       // passed to put but not yet handled; a large stanza counts as several
	current   int       // as how many the stanza counts that the worker handles
	queue     []stanza
	running   bool   // a worker exists; it ends when the queue is empty
	tag       string // tag of the stanza that the worker handles
	stopped   bool

	workers sync.WaitGroup // the worker, and a previous one that is about to end
}

// stanza is one queued stanza with whatsmeow's handler for it.
type stanza struct {
	ctx    context.Context
	node   *waBinary.Node
	handle Handler
	counts int // as so many stanzas
}

// weigh returns as how many stanzas of the usual size a stanza counts.
func weigh(node *waBinary.Node) int { return 1 + size(node)/usualSize }

// size returns the bytes of the contents of a stanza.
func size(node *waBinary.Node) int {
	switch content := node.Content.(type) {
	case []byte:
		return len(content)
	case []waBinary.Node:
		sum := 0
		for i := range content {
			sum += size(&content[i])
		}
		return sum
	default:
		return 0
	}
}

// New makes the queue of a run. all counts the waiting stanzas of all runs of the process. guard is deferred around
// each handler call: it recovers a panic and reports it. stuck is called with the tag of a stanza whose handling takes
// too long. Both may run on any goroutine.
func New(all *atomic.Int64, guard func(where string), stuck func(tag string)) *Queue {
	q := &Queue{all: all, guard: guard, stuck: stuck, stuckAfter: StuckAfter}
	q.hasRoom.L = &q.mu
	return q
}

// SetActive sets whether whatsmeow calls the handlers that Wrap made. If not, Arrive never blocks. Call it only before
// the first stanza.
func (q *Queue) SetActive(is bool) { q.active = is }

// Wrap returns a handler that queues a stanza for the given handler of whatsmeow's.
func (q *Queue) Wrap(handle Handler) Handler {
	return func(ctx context.Context, node *waBinary.Node) { q.put(stanza{ctx, node, handle, weigh(node)}) }
}

// queued reports whether whatsmeow puts stanzas with this tag on its queue. Answers to our requests bypass it.
func queued(tag string) bool { return tag != "iq" && tag != "ack" && tag != "xmlstreamend" }

// Arrive announces a stanza. whatsmeow's reader calls it before it queues the stanza. It blocks while a limit is
// reached.
func (q *Queue) Arrive(tag string) {
	if !queued(tag) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.active && !q.stopped && q.isFull() {
		q.hasRoom.Wait()
	}
	q.inTransit++
}

func (q *Queue) isFull() bool {
	return q.inTransit >= maxInTransit || q.waiting >= maxWaiting || q.waiting >= fairWaiting && q.all.Load() >= maxWaitingAll
}

func (q *Queue) put(next stanza) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return
	}
	if queued(next.node.Tag) {
		q.inTransit--
		q.hasRoom.Signal()
	}
	q.waiting += next.counts
	q.all.Add(int64(next.counts))
	q.queue = append(q.queue, next)
	if !q.running {
		q.running = true
		q.workers.Go(q.work)
	}
}

func (q *Queue) work() {
	next, is := q.first()
	watch := time.AfterFunc(q.stuckAfter, func() { q.stuck(q.currentTag()) })
	defer watch.Stop()
	for ; is; next, is = q.next() {
		watch.Reset(q.stuckAfter)
		if !q.handleGuarded(next) {
			q.Stop()
		}
	}
}

// handleGuarded handles a stanza and returns false after a panic: the following stanzas may depend on this one.
func (q *Queue) handleGuarded(next stanza) (completed bool) {
	defer q.guard("handling of a stanza: " + next.node.Tag)
	next.handle(next.ctx, next.node)
	return true
}

func (q *Queue) first() (stanza, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.takeLocked()
}

// next marks the current stanza as handled and takes the next one.
func (q *Queue) next() (stanza, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.stopped {
		q.waiting -= q.current
		q.all.Add(int64(-q.current))
		q.hasRoom.Signal()
	}
	return q.takeLocked()
}

func (q *Queue) takeLocked() (stanza, bool) {
	if len(q.queue) == 0 {
		q.queue, q.running = nil, false
		return stanza{}, false
	}
	next := q.queue[0]
	q.queue[0] = stanza{}
	q.queue = q.queue[1:]
	q.tag, q.current = next.node.Tag, next.counts
	return next, true
}

func (q *Queue) currentTag() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tag
}

// Stop drops the waiting stanzas. They were not acknowledged, so WhatsApp sends them again. It is idempotent.
func (q *Queue) Stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return
	}
	q.stopped = true
	q.all.Add(int64(-q.waiting))
	q.waiting, q.queue = 0, nil
	q.hasRoom.Broadcast()
}

// Wait returns when the worker has ended. Call it only after Stop.
func (q *Queue) Wait() { q.workers.Wait() }

// Package stanzas has the stanzas of one run handled one after the other.
//
// It owns their order, the bounds of how many wait, and what becomes of a handler that panics or does not end. It knows of
// whatsmeow only what a stanza is and how it is handled.
package stanzas

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
)

const (
	// maxPassing bounds the stanzas of a run that are on whatsmeow's own queue, which holds 2048 and gives the order up
	// when it is full.
	maxPassing = 1024
	// maxWaiting bounds the stanzas of a run that wait to be handled, at about 2 KB each. What is more waits at WhatsApp's,
	// and with it the answers to what we send: so the bound is high.
	maxWaiting = 16384
	// fairWaiting is the bound of each run while those of the process wait for more than maxWaitingAll together.
	fairWaiting   = 256
	maxWaitingAll = 65536
	// StuckAfter is how long one stanza may take. whatsmeow goes on with the next one after this time, and out of order.
	StuckAfter = 5 * time.Minute
)

// Handler is what whatsmeow does with a stanza of one kind.
type Handler = func(ctx context.Context, node *waBinary.Node)

// Queue has the stanzas of one run handled one after the other, in the order in which WhatsApp sent them, however many
// come at once: thousands do after a day offline. It also contains their handling: whatsmeow calls its handlers on bare
// goroutines, where a panic would be the process' end.
//
// whatsmeow's reader announces a stanza (Arrive) and queues it; whatsmeow's queue hands it over (put); our worker handles
// it. The reader waits where one of the bounds is reached, so that WhatsApp keeps the rest.
type Queue struct {
	all     *atomic.Int64 // that wait, of the process
	guard   func(where string)
	stuck   func(tag string)
	patient time.Duration // StuckAfter

	mu      sync.Mutex
	room    sync.Cond // told whenever there may be room
	active  bool      // whatsmeow's handlers are ours
	passing int       // announced and not yet handed over
	waiting int       // handed over and not yet handled
	queue   []stanza
	running bool   // the worker, which exists while something waits
	tag     string // of what it handles
	stopped bool

	workers sync.WaitGroup // the worker, and one before it that is about to end
}

// stanza is one of them, and what whatsmeow does with it.
type stanza struct {
	ctx    context.Context
	node   *waBinary.Node
	handle Handler
}

// New makes the queue of a run. all counts what waits in the queues of the process. guard is deferred by whatever handles a
// stanza: it recovers and reports. stuck is told of a stanza that is handled for too long. Both run on any goroutine.
func New(all *atomic.Int64, guard, stuck func(where string)) *Queue {
	q := &Queue{all: all, guard: guard, stuck: stuck, patient: StuckAfter}
	q.room.L = &q.mu
	return q
}

// SetActive says whether whatsmeow calls the handlers that Wrap made. Where it does not, the reader never waits. Only
// before the first stanza.
func (q *Queue) SetActive(is bool) { q.active = is }

// Wrap makes put of a handler of whatsmeow's.
func (q *Queue) Wrap(handle Handler) Handler {
	return func(ctx context.Context, node *waBinary.Node) { q.put(stanza{ctx, node, handle}) }
}

// queued reports whether whatsmeow puts every stanza of a kind on its queue. Answers to our requests pass beside it.
func queued(tag string) bool { return tag != "iq" && tag != "ack" && tag != "xmlstreamend" }

// Arrive is called on whatsmeow's reader before it queues a stanza.
func (q *Queue) Arrive(tag string) {
	if !queued(tag) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.active && !q.stopped && q.full() {
		q.room.Wait()
	}
	q.passing++
}

func (q *Queue) full() bool {
	return q.passing >= maxPassing || q.waiting >= maxWaiting || q.waiting >= fairWaiting && q.all.Load() >= maxWaitingAll
}

func (q *Queue) put(next stanza) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return
	}
	if queued(next.node.Tag) {
		q.passing--
		q.room.Signal()
	}
	q.waiting++
	q.all.Add(1)
	q.queue = append(q.queue, next)
	if !q.running {
		q.running = true
		q.workers.Go(q.work)
	}
}

func (q *Queue) work() {
	next, is := q.first()
	watch := time.AfterFunc(q.patient, func() { q.stuck(q.inHand()) })
	defer watch.Stop()
	for ; is; next, is = q.next() {
		watch.Reset(q.patient)
		if !q.perform(next) {
			q.Stop()
		}
	}
}

// perform reports false after a panic: what comes next may build on what was not finished.
func (q *Queue) perform(next stanza) (whole bool) {
	defer q.guard("handling of a stanza: " + next.node.Tag)
	next.handle(next.ctx, next.node)
	return true
}

func (q *Queue) first() (stanza, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.takeLocked()
}

// next counts the stanza before as handled.
func (q *Queue) next() (stanza, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.stopped {
		q.waiting--
		q.all.Add(-1)
		q.room.Signal()
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
	q.tag = next.node.Tag
	return next, true
}

func (q *Queue) inHand() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tag
}

// Stop drops what waits: WhatsApp was not told that it arrived, and sends it again. It is idempotent.
func (q *Queue) Stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return
	}
	q.stopped = true
	q.all.Add(int64(-q.waiting))
	q.waiting, q.queue = 0, nil
	q.room.Broadcast()
}

// Wait returns when nothing is handled any more. Only after Stop.
func (q *Queue) Wait() { q.workers.Wait() }

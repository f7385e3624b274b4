package whatsapp

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
	// stuckAfter is how long one stanza may take. whatsmeow goes on with the next one after this time, and out of order.
	stuckAfter = 5 * time.Minute
)

// nodeHandler is what whatsmeow does with a stanza of one kind.
type nodeHandler = func(ctx context.Context, node *waBinary.Node)

// stanzas has the stanzas of one run handled one after the other, in the order in which WhatsApp sent them, however many
// come at once: thousands do after a day offline. It also contains their handling: whatsmeow calls its handlers on bare
// goroutines, where a panic would be the process' end.
//
// whatsmeow's reader announces a stanza (arrive) and queues it; whatsmeow's queue hands it over (put); our worker handles
// it. The reader waits where one of the bounds is reached, so that WhatsApp keeps the rest.
type stanzas struct {
	all     *atomic.Int64 // that wait, of the process
	guard   func(where string)
	stuck   func(tag string)
	patient time.Duration // stuckAfter

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
	handle nodeHandler
}

// newStanzas has guard deferred by whatever handles a stanza: it recovers and reports. stuck is told of a stanza that is
// handled for too long. Both run on any goroutine.
func newStanzas(all *atomic.Int64, guard, stuck func(where string)) *stanzas {
	s := &stanzas{all: all, guard: guard, stuck: stuck, patient: stuckAfter}
	s.room.L = &s.mu
	return s
}

// wrap makes put of a handler of whatsmeow's.
func (s *stanzas) wrap(handle nodeHandler) nodeHandler {
	return func(ctx context.Context, node *waBinary.Node) { s.put(stanza{ctx, node, handle}) }
}

// queued reports whether whatsmeow puts every stanza of a kind on its queue. Answers to our requests pass beside it.
func queued(tag string) bool { return tag != "iq" && tag != "ack" && tag != "xmlstreamend" }

// arrive is called on whatsmeow's reader before it queues a stanza.
func (s *stanzas) arrive(tag string) {
	if !queued(tag) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.active && !s.stopped && s.full() {
		s.room.Wait()
	}
	s.passing++
}

func (s *stanzas) full() bool {
	return s.passing >= maxPassing || s.waiting >= maxWaiting || s.waiting >= fairWaiting && s.all.Load() >= maxWaitingAll
}

func (s *stanzas) put(next stanza) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	if queued(next.node.Tag) {
		s.passing--
		s.room.Signal()
	}
	s.waiting++
	s.all.Add(1)
	s.queue = append(s.queue, next)
	if !s.running {
		s.running = true
		s.workers.Go(s.work)
	}
}

func (s *stanzas) work() {
	next, is := s.first()
	watch := time.AfterFunc(s.patient, func() { s.stuck(s.inHand()) })
	defer watch.Stop()
	for ; is; next, is = s.next() {
		watch.Reset(s.patient)
		if !s.perform(next) {
			s.stop()
		}
	}
}

// perform reports false after a panic: what comes next may build on what was not finished.
func (s *stanzas) perform(next stanza) (whole bool) {
	defer s.guard("handling of a stanza: " + next.node.Tag)
	next.handle(next.ctx, next.node)
	return true
}

func (s *stanzas) first() (stanza, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeLocked()
}

// next counts the stanza before as handled.
func (s *stanzas) next() (stanza, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.waiting--
		s.all.Add(-1)
		s.room.Signal()
	}
	return s.takeLocked()
}

func (s *stanzas) takeLocked() (stanza, bool) {
	if len(s.queue) == 0 {
		s.queue, s.running = nil, false
		return stanza{}, false
	}
	next := s.queue[0]
	s.queue[0] = stanza{}
	s.queue = s.queue[1:]
	s.tag = next.node.Tag
	return next, true
}

func (s *stanzas) inHand() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tag
}

// stop drops what waits: WhatsApp was not told that it arrived, and sends it again. It is idempotent.
func (s *stanzas) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.stopped = true
	s.all.Add(int64(-s.waiting))
	s.waiting, s.queue = 0, nil
	s.room.Broadcast()
}

// wait returns when nothing is handled any more. Only after stop.
func (s *stanzas) wait() { s.workers.Wait() }

package events

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"wasup/internal/pause"
	"wasup/internal/session"
)

const (
	// feedBatch is the maximum number of events in one commit.
	feedBatch = 64
	// feedQueue is the number of events that may wait for the database. Beyond it, only the newest state and the newest
	// code of a session wait; older ones are overwritten.
	feedQueue = 8192
)

// Describe returns the JSON of an event about a session's state. skipped is the number of states before this one that
// were not stored, because the database did not take them in time.
type Describe func(of Type, status session.Status, skipped int) json.RawMessage

// Feed writes events about sessions to the log: every change of a visible field, every code, every deletion. Publish
// and Remove never block. A goroutine writes the events, and repeats a failed write until the database takes it.
type Feed struct {
	journal  Journal
	describe Describe
	log      *slog.Logger
	run      string // a part of each Event.Key, different for each process
	bound    int    // see feedQueue

	life context.Context // of the goroutine
	end  context.CancelFunc
	wake chan struct{}
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	started bool
	stopped bool
	count   uint64
	queue   []*pending
	newest  map[slot]*pending // the newest waiting event of a session and a type
	last    map[session.ID]session.Status
}

// pending is an event that waits to be written.
type pending struct {
	slot
	key     string
	status  session.Status
	skipped int
}

// slot is a session and a type of event.
type slot struct {
	id session.ID
	of Type
}

// NewFeed makes a feed. It writes nothing before Start. log may be nil.
func NewFeed(journal Journal, describe Describe, log *slog.Logger) *Feed {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	life, end := context.WithCancel(context.Background())
	return &Feed{
		journal: journal, describe: describe, log: log, run: strconv.FormatInt(time.Now().UnixNano(), 36), bound: feedQueue,
		life: life, end: end, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		newest: make(map[slot]*pending), last: make(map[session.ID]session.Status),
	}
}

// Start starts the goroutine that writes. After Stop it does nothing.
func (f *Feed) Start(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started || f.stopped {
		return nil
	}
	f.started = true
	go f.write()
	return nil
}

// Stop writes the waiting events, until ctx ends, and ends the goroutine. It is idempotent and legal before Start.
// Events that are published afterwards are dropped.
func (f *Feed) Stop(ctx context.Context) error {
	f.mu.Lock()
	first := !f.stopped
	f.stopped = true
	started := f.started
	f.mu.Unlock()
	if first {
		close(f.stop)
	}
	if !started {
		f.end()
		return nil
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		f.end()
		<-f.done
	}
	f.end()
	return nil
}

// Publish adds events for a session's snapshot: one if a visible field has changed, and one if there is a new code.
func (f *Feed) Publish(status session.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, known := f.last[status.ID]
	f.last[status.ID] = status
	if !known || !looksAlike(&before, &status) {
		f.enqueue(TypeState, status)
	}
	if status.QR.Code != "" && status.State == session.QRRequired && (status.QR.Seq != before.QR.Seq || status.QR.Code != before.QR.Code) {
		f.enqueue(TypeQR, status)
	}
}

// Remove adds the event that a session was deleted.
func (f *Feed) Remove(id session.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.last[id]; !known {
		return
	}
	delete(f.last, id)
	f.enqueue(TypeRemoved, session.Status{ID: id})
	// A later session with the same id is another session: its events must not overwrite these.
	delete(f.newest, slot{id, TypeState})
	delete(f.newest, slot{id, TypeQR})
}

// Waiting returns the number of events that have not been written yet.
func (f *Feed) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queue)
}

// enqueue adds an event to the queue. If the queue is full, it overwrites the waiting event of the same slot instead.
func (f *Feed) enqueue(of Type, status session.Status) {
	if f.stopped {
		return
	}
	place := slot{status.ID, of}
	if held := f.newest[place]; held != nil && len(f.queue) >= f.bound && of != TypeRemoved {
		held.status = status
		held.skipped++
		return
	}
	f.count++
	entry := &pending{slot: place, status: status, key: "feed:" + f.run + ":" + strconv.FormatUint(f.count, 36)}
	f.queue = append(f.queue, entry)
	f.newest[place] = entry
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// write runs in the feed's goroutine and writes the queue to the log.
func (f *Feed) write() {
	defer close(f.done)
	for {
		if batch := f.nextBatch(); len(batch) > 0 {
			if !f.store(batch) {
				return
			}
			continue
		}
		select {
		case <-f.wake:
		case <-f.stop:
			if f.Waiting() == 0 {
				return
			}
		}
	}
}

// nextBatch removes the oldest events from the queue and returns them. Publish can no longer overwrite them.
func (f *Feed) nextBatch() []Event {
	f.mu.Lock()
	n := min(len(f.queue), feedBatch)
	taken := f.queue[:n:n]
	f.queue = f.queue[n:]
	for _, entry := range taken {
		if f.newest[entry.slot] == entry {
			delete(f.newest, entry.slot)
		}
	}
	if len(f.queue) == 0 {
		f.queue = nil
	}
	f.mu.Unlock()
	list := make([]Event, 0, n)
	for _, entry := range taken {
		list = append(list, Event{
			Session: entry.id, Type: entry.of, Key: entry.key, Data: f.describe(entry.of, entry.status, entry.skipped),
		})
	}
	return list
}

// store writes a batch, and repeats that until it succeeds. A repetition does no harm, because the log knows the keys.
// It returns false if the feed has to end.
func (f *Feed) store(batch []Event) bool {
	for failures := 1; ; failures++ {
		err := f.journal.Append(f.life, batch...)
		if err == nil {
			return true
		}
		if f.life.Err() != nil {
			f.log.Warn("feed: stopped before all changes of state were written to the event log", "events", len(batch)+f.Waiting(), "err", err)
			return false
		}
		wait := backoff.Step(failures)
		f.log.Warn("feed: cannot write changes of state to the event log; retrying", "events", len(batch)+f.Waiting(), "err", err, "in", wait)
		pause.Sleep(f.life.Done(), wait)
	}
}

// looksAlike reports whether the visible fields of two snapshots are equal. It leaves out codes, which have events of
// their own, and counters and times, which change only together with a field that is compared here.
func looksAlike(a, b *session.Status) bool {
	return a.State == b.State && a.Cause == b.Cause && a.Desired == b.Desired && a.Since.Equal(b.Since) &&
		a.RetryAt.Equal(b.RetryAt) && a.Until.Equal(b.Until) && a.Restricted.Equal(b.Restricted) &&
		a.HasDevice == b.HasDevice && a.Account == b.Account && samePasskey(a.Passkey, b.Passkey) &&
		a.Settings.Name == b.Settings.Name && a.Settings.Proxy == b.Settings.Proxy &&
		maps.Equal(a.Settings.Metadata, b.Settings.Metadata)
}

func samePasskey(a, b *session.Passkey) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Code == b.Code && a.Skip == b.Skip && string(a.Challenge) == string(b.Challenge)
}

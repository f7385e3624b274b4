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
	// feedBatch is how many events one commit takes.
	feedBatch = 64
	// feedQueue is how many may wait for the database. Beyond it a session keeps its newest state and code only.
	feedQueue = 8192
)

// Describe writes what an event of a session's state says, as people are shown it. skipped is how many states before
// this one nobody wrote down, because the database did not take them in time.
type Describe func(of Type, status session.Status, skipped int) json.RawMessage

// Feed brings what happens to sessions into the log: every change of state that people see, every code, every deletion.
// Publish and Remove never wait; a goroutine writes, and tries again until the database takes it.
type Feed struct {
	journal  Journal
	describe Describe
	log      *slog.Logger
	run      string // makes the keys of this process's events its own
	bound    int

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
	newest  map[slot]*pending // the last one that waits of a session and a type
	last    map[session.ID]session.Status
}

type pending struct {
	slot
	key     string
	status  session.Status
	skipped int
}

type slot struct {
	id session.ID
	of Type
}

// NewFeed makes a feed that writes nothing before Start. log may be nil.
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

// Start begins to write.
func (f *Feed) Start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started || f.stopped {
		return
	}
	f.started = true
	go f.write()
}

// Stop writes what waits, within ctx, and ends. It is idempotent and legal before Start. What is published afterwards is
// dropped.
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

// Publish tells a session's snapshot. What nobody would see a difference in is dropped.
func (f *Feed) Publish(status session.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, known := f.last[status.ID]
	f.last[status.ID] = status
	if !known || !same(&before, &status) {
		f.add(TypeState, status)
	}
	if status.QR.Code != "" && status.State == session.QRRequired && (status.QR.Seq != before.QR.Seq || status.QR.Code != before.QR.Code) {
		f.add(TypeQR, status)
	}
}

// Remove tells that a session was deleted.
func (f *Feed) Remove(id session.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.last[id]; !known {
		return
	}
	delete(f.last, id)
	f.add(TypeRemoved, session.Status{ID: id})
	// A session that gets the name again is another one.
	delete(f.newest, slot{id, TypeState})
	delete(f.newest, slot{id, TypeQR})
}

// Waiting is how many events have not been written yet.
func (f *Feed) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queue)
}

func (f *Feed) add(of Type, status session.Status) {
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

// write is the goroutine.
func (f *Feed) write() {
	defer close(f.done)
	for {
		if batch := f.take(); len(batch) > 0 {
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

// take gives the oldest that wait. From then on they are as they are.
func (f *Feed) take() []Event {
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

// store writes a batch, however often it takes; false: the feed has to end. The keys make a repetition harmless.
func (f *Feed) store(batch []Event) bool {
	for failures := 1; ; failures++ {
		err := f.journal.Append(f.life, batch...)
		if err == nil {
			return true
		}
		if f.life.Err() != nil {
			f.log.Warn("changes of state were not written to the log of events", "events", len(batch)+f.Waiting(), "err", err)
			return false
		}
		wait := backoff.Step(failures)
		f.log.Warn("changes of state wait for the database", "events", len(batch)+f.Waiting(), "err", err, "in", wait)
		pause.Sleep(f.life.Done(), wait)
	}
}

// same reports whether two snapshots of a session look alike to people. Codes have events of their own; counters and
// times change only along with what is compared here.
func same(a, b *session.Status) bool {
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

package events

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"wasup/internal/session"
)

// ErrClosed is what readers are answered after Stop.
var ErrClosed error = &session.Error{Code: session.CodeShuttingDown, Op: "follow events"}

// ErrOvertaken is what a reader is answered whom retention has overtaken: who subscribes again learns that events were missed.
var ErrOvertaken error = &session.Error{
	Code: session.CodeNotFound, Op: "follow events", Message: "events were deleted before the reader had read them",
}

// Observer counts what the log does. Its methods never block.
type Observer interface {
	// EventLogged saw one new event, whoever added it.
	EventLogged(of Type)
	// EventsAppended saw the end of one Append.
	EventsAppended(took time.Duration, err error)
	// ReaderDropped saw the end of a reader that did not keep up.
	ReaderDropped()
}

// Options tune a Log. The zero value of a field means its default.
type Options struct {
	Buffer    int // how many of the last events are kept in memory for readers; default 4096
	PerReader int // a reader that is so many events behind is dropped; default 256
	Page      int // events in one reading of the table; default 500
	Observer  Observer
	Logger    *slog.Logger // default: discard
}

func (o Options) withDefaults() Options {
	o.Buffer = cmp.Or(max(0, o.Buffer), 4096)
	o.PerReader = cmp.Or(max(0, o.PerReader), 256)
	o.Page = cmp.Or(min(max(0, o.Page), MaxPage), 500)
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

type unobserved struct{}

func (unobserved) EventLogged(Type)                    {}
func (unobserved) EventsAppended(time.Duration, error) {}
func (unobserved) ReaderDropped()                      {}

// Log is the durable log for those who add to it and those who follow it. One goroutine reads what was committed and
// hands it on in the order of positions; nothing here waits for a reader. All methods are safe for concurrent use.
type Log struct {
	Table
	options Options

	life context.Context // of the goroutine
	end  context.CancelFunc
	work sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	ring     []Event                                   // the last events; full once it has cap(ring) of them
	next     int                                       // where the next event goes once the ring is full
	tail     uint64                                    // every event up to this position was handed on
	oldest   uint64                                    // every event after this position, up to tail, is in the ring
	floor    uint64                                    // up to this position retention has deleted
	readers  map[session.ID]map[*Subscription]struct{} // those that live off the ring, by the session they follow; "" for all
	open     int
	watchers map[*Watch]struct{}
}

var _ Journal = (*Log)(nil)

// NewLog makes a log over a table. It follows nothing before Start.
func NewLog(table Table, options Options) *Log {
	options = options.withDefaults()
	life, end := context.WithCancel(context.Background())
	return &Log{
		Table: table, options: options, life: life, end: end,
		ring:     make([]Event, 0, options.Buffer),
		readers:  make(map[session.ID]map[*Subscription]struct{}),
		watchers: make(map[*Watch]struct{}),
	}
}

// Start begins to follow the table, from its present end on.
func (l *Log) Start(ctx context.Context) error {
	first, last, err := l.Bounds(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.tail, l.oldest, l.floor = last, last, max(first, 1)-1
	l.work.Go(l.follow)
	return nil
}

// Stop ends every subscription and the following. It is idempotent and legal before Start.
func (l *Log) Stop(context.Context) error {
	l.mu.Lock()
	l.closed = true
	for _, group := range l.readers {
		for reader := range group {
			l.drop(reader)
		}
	}
	l.mu.Unlock()
	l.end()
	l.work.Wait()
	return nil
}

// Append implements Journal.
func (l *Log) Append(ctx context.Context, list ...Event) error {
	return l.Counted(func() error { return l.Table.Append(ctx, list...) })
}

// Counted counts an append that somebody else makes, because the events are committed with what they tell of.
func (l *Log) Counted(appending func() error) error {
	began := time.Now()
	err := appending()
	l.options.Observer.EventsAppended(time.Since(began), err)
	return err
}

// Page gives at most limit stored events after a position, oldest first, and how far they reach. missed reports that
// retention has deleted events after the position, or that the position is not one of this log.
func (l *Log) Page(ctx context.Context, after uint64, id session.ID, types []Type, limit int) (found []Event, upTo uint64, missed bool, err error) {
	found, upTo, err = l.Read(ctx, Query{Session: id, After: after, Types: types, Limit: limit})
	if err != nil {
		return nil, 0, false, err
	}
	// Afterwards: retention may delete in between.
	first, last, err := l.Bounds(ctx)
	switch {
	case err != nil:
		return nil, 0, false, err
	case after > last:
		return nil, last, true, nil
	default:
		return found, upTo, after > 0 && after+1 < first, nil
	}
}

// Readers is how many subscriptions are open.
func (l *Log) Readers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Span is the position up to which retention has deleted, and that of the last event that was handed on: how much the
// log holds.
func (l *Log) Span() (floor, tail uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.floor, l.tail
}

// raiseFloor is told by retention that what is up to a position is gone.
func (l *Log) raiseFloor(floor uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.floor = max(l.floor, floor)
}

package events

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"wasup/internal/session"
)

// ErrClosed is the error for readers after Stop, and for a subscription that has ended.
var ErrClosed error = &session.Error{Code: session.CodeShuttingDown, Op: "follow events"}

// ErrOvertaken is the error for a reader if retention has deleted events that it had not read yet. If it subscribes
// again, Missed reports the loss.
var ErrOvertaken error = &session.Error{
	Code: session.CodeNotFound, Op: "follow events", Message: "events were deleted before the reader had read them",
}

// Observer counts events of the log, for metrics. Its methods never block.
type Observer interface {
	// EventLogged is called for each new event, whoever appended it.
	EventLogged(of Type)
	// EventsAppended is called after each append.
	EventsAppended(took time.Duration, err error)
	// ReaderDropped is called when retention has deleted events that a reader had not read yet, which ends the reader.
	ReaderDropped()
}

// Options tune a Log. The zero value of a field means its default.
type Options struct {
	Buffer      int // number of the newest events kept in memory for readers; default 4096
	BufferBytes int // and their size; default 16 MiB
	Page        int // events per query of the table; default 500
	// ReplayBytes bounds what all readers of stored events load from the table at the same time; default 32 MiB. A reader
	// waits for its turn, and holds no more than ChunkBytes between its turns.
	ReplayBytes int
	Observer    Observer
	Logger      *slog.Logger // default: discard
}

func (o Options) withDefaults() Options {
	o.Buffer = cmp.Or(max(0, o.Buffer), 4096)
	o.BufferBytes = cmp.Or(max(0, o.BufferBytes), 16<<20)
	o.ReplayBytes = max(MaxData, cmp.Or(max(0, o.ReplayBytes), 32<<20))
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

// Log is the durable log with its readers. One goroutine reads committed events and passes them on in the order of
// their positions. It never waits for a reader. All methods are safe for concurrent use.
type Log struct {
	Table
	options Options

	life   context.Context // of the goroutine
	end    context.CancelFunc
	work   sync.WaitGroup
	replay *semaphore.Weighted // see Options.ReplayBytes; first come, first served

	mu       sync.Mutex
	closed   bool
	ring     ring                                      // the newest events
	tail     uint64                                    // all events up to this position have been passed on
	oldest   uint64                                    // all events after this position, up to tail, are in the ring
	floor    uint64                                    // retention has deleted events up to this position
	readers  map[session.ID]map[*Subscription]struct{} // live readers by the session that they follow; "" for all
	open     int
	watchers map[*Watch]struct{}
}

var _ Journal = (*Log)(nil)

// NewLog makes a log over a table. It does not follow the table before Start.
func NewLog(table Table, options Options) *Log {
	options = options.withDefaults()
	life, end := context.WithCancel(context.Background())
	return &Log{
		Table: table, options: options, life: life, end: end,
		replay:   semaphore.NewWeighted(int64(options.ReplayBytes)),
		ring:     newRing(options.Buffer, options.BufferBytes),
		readers:  make(map[session.ID]map[*Subscription]struct{}),
		watchers: make(map[*Watch]struct{}),
	}
}

// Start begins to follow the table from its present end.
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

// Stop ends all subscriptions and the goroutine. It is idempotent and legal before Start.
func (l *Log) Stop(context.Context) error {
	l.mu.Lock()
	l.closed = true
	for _, group := range l.readers {
		for reader := range group {
			l.endSubscription(reader)
		}
	}
	l.mu.Unlock()
	l.end()
	l.work.Wait()
	return nil
}

// Append stores events, as Journal says.
func (l *Log) Append(ctx context.Context, list ...Event) error {
	return l.Counted(func() error { return l.Table.Append(ctx, list...) })
}

// Counted calls appending and reports it to the Observer. It is for callers that append events in a transaction with
// other changes.
func (l *Log) Counted(appending func() error) error {
	began := time.Now()
	err := appending()
	l.options.Observer.EventsAppended(time.Since(began), err)
	return err
}

// Page returns at most limit stored events after a position, oldest first, and the position up to which it has read. It
// ends early, like Read, if the events are large. missed says that retention has deleted events after the given position,
// or that the log never had this position.
func (l *Log) Page(ctx context.Context, after uint64, id session.ID, types []Type, limit int) (found []Event, upTo uint64, missed bool, err error) {
	found, upTo, err = l.load(ctx, Query{Session: id, After: after, Types: types, Limit: limit})
	if err != nil {
		return nil, 0, false, err
	}
	// Ask for the bounds after reading, because retention may delete events in between.
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

// load reads a page of the table in its turn: all that are read at the same time are bounded by Options.ReplayBytes. A
// page is not larger than MaxData, unless its last event makes it so.
func (l *Log) load(ctx context.Context, query Query) (found []Event, upTo uint64, err error) {
	if err := l.replay.Acquire(ctx, MaxData); err != nil {
		return nil, 0, &session.Error{Code: session.CodeTimeout, Op: "read events", Session: query.Session, Err: err}
	}
	defer l.replay.Release(MaxData)
	return l.Read(ctx, query)
}

// Readers returns the number of open subscriptions.
func (l *Log) Readers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Span returns the position up to which retention has deleted events, and the position of the last event that was
// passed on. The difference is the size of the log.
func (l *Log) Span() (floor, tail uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.floor, l.tail
}

// raiseFloor notes that retention has deleted the events up to a position.
func (l *Log) raiseFloor(floor uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.floor = max(l.floor, floor)
}

package events

import (
	"context"
	"sync/atomic"
	"time"

	"wasup/httpapi/rest"
	"wasup/internal/events"
	"wasup/internal/session"
)

// Log is the durable log of events. Errors carry a session.Code.
type Log interface {
	// Subscribe follows the events after a position, or from now on with events.FromNow: those of one session, or of all
	// sessions if id is "", and only those of the given types if there are any. While the process stops, it returns
	// session.CodeShuttingDown.
	Subscribe(ctx context.Context, after uint64, id session.ID, types []events.Type) (Subscription, error)
	// Page returns at most limit stored events after a position, oldest first; fewer if they are large: see events.Query.
	// upTo is the position from which to continue. missed reports that retention has deleted events after the position.
	Page(ctx context.Context, after uint64, id session.ID, types []events.Type, limit int) (found []events.Event, upTo uint64, missed bool, err error)
}

// Subscription is one reader's view of the log. Only one goroutine at a time may call Next and Again.
type Subscription interface {
	// Next returns the next events that the reader has not got yet, oldest first. It waits for its turn to load them, and
	// returns none if the reader knows all events. A chunk ends when it has events.ChunkBytes, so only its last event can
	// be larger.
	Next(ctx context.Context) ([]events.Event, error)
	// Again returns an event that Next has returned.
	Again(ctx context.Context, pos uint64) (events.Event, error)
	// C gets a signal when Next may have something to return. It is closed when the process stops.
	C() <-chan struct{}
	// Missed reports that events were lost between the position given to Subscribe and now.
	Missed() bool
	// From is the position of the last event at the time of the subscription.
	From() uint64
	Close()
}

// Lister lists the sessions.
type Lister interface {
	// List returns a snapshot of every session, sorted by id.
	List() []session.Status
}

// Pictures draws codes. It is safe for concurrent use and draws each code once.
type Pictures interface {
	DataURL(code string) (string, error) // a PNG in a data: URL
}

// Limits are the limits of event streams.
type Limits struct {
	Streams   int           // how many streams may be open at the same time
	Heartbeat time.Duration // the time between two comments on a silent stream
}

// Resource serves the operations of this package.
type Resource struct {
	host     *rest.Host
	log      Log
	sessions Lister
	pictures Pictures
	limits   Limits
	open     atomic.Int64 // the number of open event streams
}

// New makes the resource.
func New(host *rest.Host, log Log, sessions Lister, pictures Pictures, limits Limits) *Resource {
	return &Resource{host: host, log: log, sessions: sessions, pictures: pictures, limits: limits}
}

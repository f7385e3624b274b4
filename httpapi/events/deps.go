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
	// Page returns at most limit stored events after a position, oldest first. upTo is the position from which to
	// continue. missed reports that retention has deleted events after the position.
	Page(ctx context.Context, after uint64, id session.ID, types []events.Type, limit int) (found []events.Event, upTo uint64, missed bool, err error)
}

// Subscription is one reader's view of the log. It belongs to one goroutine.
type Subscription interface {
	// Past returns the next stored events that the reader has not got yet, oldest first. If there are none, all further
	// events come through C.
	Past(ctx context.Context) ([]events.Event, error)
	// C is closed when the reader is too slow, and when the process stops.
	C() <-chan events.Event
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

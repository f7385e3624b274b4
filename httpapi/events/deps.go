package events

import (
	"context"
	"sync/atomic"
	"time"

	"wasup/httpapi/rest"
	"wasup/internal/events"
	"wasup/internal/session"
)

// Log is the durable log of events, as it is read and followed. Errors carry a session.Code.
type Log interface {
	// Subscribe follows one session, or all with the empty id, and only the given types if there are any, from the event
	// after the given position on; session.FromNow: from now. session.CodeShuttingDown once the process ends.
	Subscribe(ctx context.Context, after uint64, id session.ID, types []events.Type) (Subscription, error)
	// Page gives at most limit stored events after a position, oldest first, and how far they reach: the position to go on
	// from. missed reports that retention has deleted events after the position.
	Page(ctx context.Context, after uint64, id session.ID, types []events.Type, limit int) (found []events.Event, upTo uint64, missed bool, err error)
}

// Subscription is one reader's view of the log. It belongs to one goroutine.
type Subscription interface {
	// Past gives the next stored events that the reader does not know, oldest first; none: from now on they come through C.
	Past(ctx context.Context) ([]events.Event, error)
	// C is closed when the reader was too slow, and when the process ends.
	C() <-chan events.Event
	// Missed reports that events were lost between the position given to Subscribe and now.
	Missed() bool
	// From is the position of the last event at the time of the subscription.
	From() uint64
	Close()
}

// Lister lists the sessions.
type Lister interface {
	// List is a snapshot of every session, by id.
	List() []session.Status
}

// Pictures draws codes. It is safe for concurrent use and draws a code once.
type Pictures interface {
	DataURL(code string) (string, error) // of a PNG
}

// Limits are the bounds of event streams.
type Limits struct {
	Streams   int           // open at the same time
	Heartbeat time.Duration // between two comments on a silent stream
}

// Resource serves the operations of this package.
type Resource struct {
	host     *rest.Host
	log      Log
	sessions Lister
	pictures Pictures
	limits   Limits
	open     atomic.Int64 // event streams
}

// New makes the resource.
func New(host *rest.Host, log Log, sessions Lister, pictures Pictures, limits Limits) *Resource {
	return &Resource{host: host, log: log, sessions: sessions, pictures: pictures, limits: limits}
}

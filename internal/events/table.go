package events

import (
	"context"
	"time"

	"wasup/internal/session"
)

// Query selects events of the log. The result is in the order of their positions.
type Query struct {
	Session  session.ID // "": all sessions
	After    uint64     // only events with a greater position
	AfterSeq uint64     // only events with a greater Seq; needs Session
	Types    []Type     // only these types; empty: all types
	Limit    int        // maximum number of events; 0: MaxPage
	Bytes    int        // Read stops after the event with which so many bytes of data are reached; 0: PageBytes
}

const (
	// MaxPage is the maximum number of events that one Read returns.
	MaxPage = 1000
	// PageBytes is the number of bytes of data at which a page ends, whatever its limit.
	PageBytes = 1 << 20
)

// Bounded returns the query with its limits.
func (q Query) Bounded() Query {
	if q.Limit <= 0 || q.Limit > MaxPage {
		q.Limit = MaxPage
	}
	if q.Bytes <= 0 || q.Bytes > PageBytes {
		q.Bytes = PageBytes
	}
	return q
}

// Full reports whether a page with this result ended because of its limits, so that there may be more events.
func (q Query) Full(found []Event) bool {
	q = q.Bounded()
	if len(found) >= q.Limit {
		return true
	}
	size := 0
	for i := range found {
		size += found[i].Size()
	}
	return size >= q.Bytes
}

// Cut says which events to delete: those stored before a time, all but the newest ones, and those up to a position. A
// zero time and 0 mean no limit.
type Cut struct {
	Before time.Time
	Keep   uint64 // number of the newest events to keep
	UpTo   uint64
	// MaxBefore, MaxKeep and MaxUpTo are the same for events that webhooks have not delivered yet. If none is a limit,
	// these events stay until they are delivered.
	MaxBefore time.Time
	MaxKeep   uint64
	MaxUpTo   uint64
}

// Table is the log in the database. Its methods are safe for concurrent use; errors carry a session.Code.
type Table interface {
	Journal
	// Read returns stored events, oldest first, and a position: found has all events of the query up to it. If the page
	// is not Full, the position is the end of the log at the time of the query.
	Read(ctx context.Context, query Query) (found []Event, upTo uint64, err error)
	// Bounds returns the position of the first event in the log, and the position of the last event that was ever
	// stored. Both are 0 if there never was an event. first is last+1 if none is left.
	Bounds(ctx context.Context) (first, last uint64, err error)
	// LastSeq returns the Seq of the session's last event, 0 if it never had one.
	LastSeq(ctx context.Context, id session.ID) (uint64, error)
	// At returns the position before the first event that was stored at this time or later.
	At(ctx context.Context, at time.Time) (uint64, error)
	// Media returns the event that carries a file; CodeNotFound if there is none.
	Media(ctx context.Context, id session.ID, media string) (Event, error)
	// Find returns the event with the first of the keys that the session's log has.
	Find(ctx context.Context, id session.ID, keys ...string) (found Event, is bool, err error)
	// Appended returns a channel that gets a signal, at least one after each commit that added events. It has a buffer
	// of one, so that writers never wait. There is one channel for the whole table.
	Appended() <-chan struct{}

	// Weigh returns the bytes that the events after a position have in the table: one sum for each block of so many
	// positions, up to n blocks.
	Weigh(ctx context.Context, after, block uint64, n int) ([]uint64, error)
	// Prune deletes at most limit events, oldest first. It returns their number, and the gaps that this makes for
	// webhooks. It stops before the first event that a webhook has not delivered yet, unless one of the
	// cut's Max fields demands its deletion.
	Prune(ctx context.Context, cut Cut, limit int) (n int, missed []Gap, err error)
	// PruneQR deletes at most limit QR events that were stored before the given time. Their codes have expired.
	PruneQR(ctx context.Context, before time.Time, limit int) (int, error)
	// Forget deletes at most limit events of a session, up to a Seq. The numbering of later events continues.
	Forget(ctx context.Context, id session.ID, upTo uint64, limit int) (int, error)
}

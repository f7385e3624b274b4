package events

import (
	"context"
	"time"

	"wasup/internal/session"
)

// Query says which events of the log are wanted. They come in the order of their positions.
type Query struct {
	Session  session.ID // "": of all sessions
	After    uint64     // only those with a greater position
	AfterSeq uint64     // only those with a greater number in the session's log; needs Session
	Types    []Type     // only of these types; none: of every type
	Limit    int        // at most so many; 0: MaxPage
}

// MaxPage is the most that one reading of the log gives.
const MaxPage = 1000

// Cut says which events go: those stored before a time and those beyond the newest few. A zero time and 0 are no limit.
type Cut struct {
	Before time.Time
	Keep   uint64
	// MaxBefore and MaxKeep are the same for what webhooks wait for. Where neither is a limit it stays for as long as they
	// wait.
	MaxBefore time.Time
	MaxKeep   uint64
}

// Table is the log as the store keeps it. Its methods are safe for concurrent use; errors carry a session.Code.
type Table interface {
	Journal
	// Read gives stored events, oldest first, and always a position: every stored event of the query up to it is in the
	// answer. Where fewer than Limit came it is the log's end as the reading saw it.
	Read(ctx context.Context, query Query) (found []Event, upTo uint64, err error)
	// Bounds gives the position of the first event that is kept and of the last one that was ever stored. Both are 0
	// where there never was one; first is last+1 where none is left.
	Bounds(ctx context.Context) (first, last uint64, err error)
	// LastSeq is the number of the session's last event, 0 where it never had one.
	LastSeq(ctx context.Context, id session.ID) (uint64, error)
	// At is the position before the first event that was stored at this time or later: what to read from it on.
	At(ctx context.Context, at time.Time) (uint64, error)
	// Media gives the event that carries a file; CodeNotFound where none does.
	Media(ctx context.Context, id session.ID, media string) (Event, error)
	// Find gives the event with one of the keys, the first key first.
	Find(ctx context.Context, id session.ID, keys ...string) (found Event, is bool, err error)
	// Appended is told, at least once after each commit that added events, that there is more to read. It has room for
	// one word, so that nobody waits for the listener; there is one channel for the whole table.
	Appended() <-chan struct{}

	// Prune deletes, oldest first, at most limit events, and reports how many, and what webhooks have missed by it. What a
	// webhook has yet to deliver is left, with all that came after it, as far as cut lets it.
	Prune(ctx context.Context, cut Cut, limit int) (n int, missed []Gap, err error)
	// PruneQR deletes at most limit QR events stored before the given time: their codes have expired.
	PruneQR(ctx context.Context, before time.Time, limit int) (int, error)
	// Forget deletes at most limit events of a session up to a number of its log. The numbers go on where they were.
	Forget(ctx context.Context, id session.ID, upTo uint64, limit int) (int, error)
}

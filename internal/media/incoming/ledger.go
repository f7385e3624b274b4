package incoming

import (
	"context"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// State is the state of a file. The names are stored and shown.
type State string

// The states of a file. A file without an entry was never selected for keeping.
const (
	Waiting  State = "waiting"   // waits for its download
	Kept     State = "kept"      // on the disk
	TooLarge State = "too_large" // larger than a limit; not kept
	Unwanted State = "unwanted"  // of a kind that is not kept
	Failed   State = "failed"    // WhatsApp no longer has the file, or too many attempts failed
	Gone     State = "gone"      // to delete: first the file on the disk, if there is one, then the entry
)

// Entry is the database's entry of one file of an incoming message. It is made in the same commit as the message's
// event.
type Entry struct {
	File     string // name on the disk; random
	Session  session.ID
	Media    string // message.Media.ID
	Pos      uint64 // position of the event in the log
	Kind     message.Kind
	Size     int64 // bytes; as the sender said until the file is kept
	State    State
	Cause    session.Code // why it failed, or why the last attempt failed
	Attempts int          // failed attempts
	NextAt   time.Time    // Waiting: no attempt before this time
}

// Pending is the table of waiting files. Methods are safe for concurrent use; errors carry a session.Code.
type Pending interface {
	// Sessions lists the sessions with waiting files, due or not.
	Sessions(ctx context.Context) ([]session.ID, error)
	// Next returns the session's waiting file that is due first, even if it is not due yet; false if none waits.
	Next(ctx context.Context, id session.ID) (Entry, bool, error)
	// Retry stores the cause of a failed attempt, and when the file is tried again.
	Retry(ctx context.Context, file string, cause session.Code, attempts int, next time.Time) error
	// Settle stores the final state of a waiting file; false if the file does not wait any more, because it is Gone.
	Settle(ctx context.Context, file string, state State, cause session.Code, size int64) (bool, error)
}

// Index finds files and counts them. Methods are safe for concurrent use; errors carry a session.Code.
type Index interface {
	// Find returns a session's file by the id of its media; CodeNotFound if there is none.
	Find(ctx context.Context, id session.ID, media string) (Entry, error)
	// Usage returns the number and size of the kept files, and the number of waiting ones.
	Usage(ctx context.Context) (Usage, error)
	// List returns at most limit kept files after a name, in the order of their names.
	List(ctx context.Context, after string, limit int) ([]Entry, error)
	// Which returns those of the given files that are kept.
	Which(ctx context.Context, files []string) ([]string, error)
	// Again makes a kept file a waiting one, because it is missing on the disk.
	Again(ctx context.Context, file string) error
}

// Trash finds and marks the files to delete. Methods are safe for concurrent use; errors carry a session.Code.
type Trash interface {
	// RetentionFloor returns the position of the last event that retention has deleted or that was stored before a
	// time, whichever is later. With a zero time only retention counts.
	RetentionFloor(ctx context.Context, before time.Time) (uint64, error)
	// Expire marks at most limit files as Gone whose events have a position up to upTo, and returns their number.
	Expire(ctx context.Context, upTo uint64, limit int) (int, error)
	// Oldest lists the kept files of the oldest events.
	Oldest(ctx context.Context, limit int) ([]Entry, error)
	// Discard marks files as Gone.
	Discard(ctx context.Context, files []string) error
	// Gone lists files that are Gone.
	Gone(ctx context.Context, limit int) ([]string, error)
	// Forget deletes the entries of files that were deleted from the disk.
	Forget(ctx context.Context, files []string) error
}

// Entries is the database's knowledge of files.
type Entries interface {
	Pending
	Index
	Trash
}

// Usage is the number and size of files.
type Usage struct {
	Files   int   // kept files
	Bytes   int64 // size of the kept files
	Waiting int   // files that wait for their download
}

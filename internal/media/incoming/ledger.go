package incoming

import (
	"context"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// State is what became of a file. The names are stored and shown.
type State string

// The states of a file. One of which there is no entry was never to be kept.
const (
	Waiting  State = "waiting"   // it is fetched as soon as that is possible
	Kept     State = "kept"      // it is on the disk
	TooLarge State = "too_large" // than is kept
	Unwanted State = "unwanted"  // of a kind that is not kept
	Failed   State = "failed"    // WhatsApp has it no longer, or too many attempts failed
	Gone     State = "gone"      // whatever there is of it on the disk has to go, and then the entry
)

// Entry is one file of an incoming message. It is made along with the message's event.
type Entry struct {
	File     string // its name on the disk, which says nothing
	Session  session.ID
	Media    string // message.Media.ID
	Pos      uint64 // the event's place in the log
	Kind     message.Kind
	Size     int64 // bytes, as its sender said and, once it is kept, as they are
	State    State
	Cause    session.Code // of Failed, and of the last attempt of one that waits
	Attempts int          // that failed
	NextAt   time.Time    // Waiting: not before
}

// Pending is what is to be fetched. Methods are safe for concurrent use; errors carry a session.Code.
type Pending interface {
	// Sessions lists those that have files waiting, due or not.
	Sessions(ctx context.Context) ([]session.ID, error)
	// Next gives the session's file that waits and is due first, or was due first; false where none waits.
	Next(ctx context.Context, id session.ID) (Entry, bool, error)
	// Retry says when a waiting file is tried again, and why it has to be.
	Retry(ctx context.Context, file string, cause session.Code, attempts int, next time.Time) error
	// Settle ends a file's wait; false where it does not wait any more, because it has to go.
	Settle(ctx context.Context, file string, state State, cause session.Code, size int64) (bool, error)
}

// Index is what is there. Methods are safe for concurrent use; errors carry a session.Code.
type Index interface {
	// Find gives a session's file by the id of its media; CodeNotFound where there is none.
	Find(ctx context.Context, id session.ID, media string) (Entry, error)
	// Usage is how many files are kept and how many bytes they have, and how many wait.
	Usage(ctx context.Context) (Usage, error)
	// List gives kept files after a name, in the order of their names.
	List(ctx context.Context, after string, limit int) ([]Entry, error)
	// Which of these files are kept.
	Which(ctx context.Context, files []string) ([]string, error)
	// Again lets a kept file wait as if it had just come: it is not on the disk after all.
	Again(ctx context.Context, file string) error
}

// Trash is what has to go. Methods are safe for concurrent use; errors carry a session.Code.
type Trash interface {
	// RetentionFloor is the position of the last event that retention has deleted or that was stored before a time, whichever is
	// later; a zero time asks for retention alone.
	RetentionFloor(ctx context.Context, before time.Time) (uint64, error)
	// Expire lets at most limit files go whose events have a position up to this one, and says how many.
	Expire(ctx context.Context, upTo uint64, limit int) (int, error)
	// Oldest lists the kept files of the oldest events.
	Oldest(ctx context.Context, limit int) ([]Entry, error)
	// Discard lets these files go.
	Discard(ctx context.Context, files []string) error
	// Gone lists files that have to go.
	Gone(ctx context.Context, limit int) ([]string, error)
	// Forget deletes the entries of files that are gone from the disk.
	Forget(ctx context.Context, files []string) error
}

// Entries is what the store knows about files.
type Entries interface {
	Pending
	Index
	Trash
}

// Usage is how much is kept.
type Usage struct {
	Files   int
	Bytes   int64
	Waiting int
}

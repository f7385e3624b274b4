package store

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/session"
)

// Options tune a Store. The zero value of a field means its default.
type Options struct {
	// BusyTimeout is how long a statement waits for another program that holds the file, such as a backup, and how long
	// Open waits for another process that holds a PostgreSQL database. Default 5 s. A context ends the wait earlier.
	BusyTimeout time.Duration
	// MaxConns bounds the PostgreSQL connections of the process, beside the one that holds the lock. Default 20.
	MaxConns int
	// IdleConns is how many of them stay open while there is nothing to do; the others close after IdleTime. Default 5.
	IdleConns int
	IdleTime  time.Duration // default 5 min
	// AnswerTimeout is how long PostgreSQL may take for one statement. Default 30 s.
	AnswerTimeout time.Duration
	// MustExist refuses a SQLite file that is not there, instead of making it.
	MustExist bool
	// KeepMedia notes the file of every event that is added as one to be kept: see Kept.
	KeepMedia bool
	Logger    *slog.Logger     // default: discard
	Now       func() time.Time // stamps created_at and updated_at; default time.Now
}

func (o Options) withDefaults() Options {
	o.BusyTimeout = cmp.Or(o.BusyTimeout, 5*time.Second)
	o.MaxConns = cmp.Or(o.MaxConns, 20)
	o.IdleConns = cmp.Or(o.IdleConns, 5)
	o.IdleTime = cmp.Or(o.IdleTime, 5*time.Minute)
	o.AnswerTimeout = cmp.Or(o.AnswerTimeout, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Store is an open database. Its methods are safe for concurrent use.
type Store struct {
	options Options
	name    string           // for messages
	write   *dbutil.Database // SQLite: the one writer; whatsmeow's statements go through it too
	read    *dbutil.Database // SQLite: readers, which neither wait for a commit nor see what it holds. PostgreSQL: the same pool as write
	file    *databaseFile    // SQLite, else nil
	hold    *hold            // PostgreSQL, else nil
	commits *committer

	appended growth // of the log of events

	closing sync.Once
	closed  error
}

// DB is the database for whatsmeow's container. Give it a child with whatsmeow's own version table, so that both schemas
// live side by side:
//
//	sqlstore.NewWithWrappedDB(st.DB().Child("whatsmeow_version", upgrades.Table, nil), log)
//
// With SQLite its pool has one connection: a statement outside the context of a running transaction would wait for that
// transaction.
func (s *Store) DB() *dbutil.Database { return s.write }

// ReadDB is the database as it was committed, for those who only read: with SQLite they do not wait for the writer. The
// context of a transaction of DB means nothing to it.
func (s *Store) ReadDB() *dbutil.Database { return s.read }

// Lost gets one error when another process has taken the database from this one, whose sessions must end at once: both
// would run them. Only PostgreSQL can lose a database.
func (s *Store) Lost() <-chan error {
	if s.hold == nil {
		return nil
	}
	return s.hold.lost
}

// postgres says which of the two databases it is.
func (s *Store) postgres() bool { return s.hold != nil }

// Ping asks the database for an answer, bounded by ctx. It does not wait for the writer.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read.QueryRow(ctx, "SELECT 1 FROM wasup_version LIMIT 1").Scan(&one); err != nil {
		return failure("ping database", "", err)
	}
	return nil
}

// Close closes the database and lets the next process in. It waits for the works that Commit has accepted, and then for the
// statements and transactions that run, no longer than Options.BusyTimeout for each of the two. It is idempotent.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.commits.close(s.options.BusyTimeout)
		if s.postgres() {
			err := s.closePool(s.write)
			s.hold.close()
			s.closed = failure("close database", "", err)
			return
		}
		s.closed = failure("close database", "", s.closeFile())
	})
	return s.closed
}

// closeFile folds SQLite's log into the file.
func (s *Store) closeFile() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.BusyTimeout)
	defer cancel()
	// The readers first: one of them in the middle of a snapshot would keep the log from being folded in.
	err := s.closePool(s.read)
	if _, checkpointErr := s.write.Exec(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); checkpointErr != nil {
		// Nothing is lost: the log stays beside the file, and the next opening reads it.
		s.options.Logger.Warn("database log was not folded in", "err", checkpointErr)
	}
	err = cmp.Or(s.closePool(s.write), err)
	s.file.release()
	return err
}

// closePool closes a pool and waits until its last connection is closed: sql.DB.Close leaves one that a statement holds to
// that statement, which would write beside the next process.
func (s *Store) closePool(pool *dbutil.Database) error {
	err := pool.RawDB.Close()
	deadline, look := time.NewTimer(s.options.BusyTimeout), time.NewTicker(time.Millisecond)
	defer deadline.Stop()
	defer look.Stop()
	for pool.RawDB.Stats().OpenConnections > 0 {
		select {
		case <-look.C:
		case <-deadline.C:
			s.options.Logger.Warn("database was closed while statements ran", "connections", pool.RawDB.Stats().OpenConnections)
			return err
		}
	}
	return err
}

// millis and timeOf carry times through the database as Unix milliseconds, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// checkID refuses what no session can be called, before it becomes a row.
func checkID(id session.ID) error {
	_, err := session.ParseID(string(id))
	return err
}

// clean makes text out of what came from outside: PostgreSQL's text is valid UTF-8 without zero bytes.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

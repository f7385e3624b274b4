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
	// BusyTimeout is how long a SQLite statement waits for another program that has locked the file, such as a backup, and
	// how long Open waits for another process that has locked a PostgreSQL database. Default 5 s. The end of the context
	// ends the wait earlier.
	BusyTimeout time.Duration
	// MaxConns is the number of PostgreSQL connections at most, not counting the one with the lock. Default 20.
	MaxConns int
	// IdleConns is how many idle connections stay open. Further ones are closed; after IdleTime idle ones are closed too.
	// Default 5.
	IdleConns int
	IdleTime  time.Duration // default 5 min
	// AnswerTimeout is how long PostgreSQL may take for one statement. Default 30 s.
	AnswerTimeout time.Duration
	// QuietPause is how long nobody may have written before a trial write finds out whether the database takes writes.
	// Default 30 s.
	QuietPause time.Duration
	// MustExist makes Open refuse a missing SQLite file instead of creating it.
	MustExist bool
	// KeepMedia adds the file of every new event to the files to keep: see Kept.
	KeepMedia bool
	Logger    *slog.Logger     // default: discard
	Now       func() time.Time // stamps created_at and updated_at; default time.Now
}

func (o Options) withDefaults() Options {
	o.BusyTimeout = cmp.Or(o.BusyTimeout, 5*time.Second)
	o.MaxConns = cmp.Or(o.MaxConns, 20)
	o.IdleConns = cmp.Or(o.IdleConns, 5)
	o.IdleTime = cmp.Or(o.IdleTime, 5*time.Minute)
	o.QuietPause = cmp.Or(o.QuietPause, quietPause)
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
	options   Options
	name      string           // the database's name in messages
	write     *dbutil.Database // SQLite: the one writer, which whatsmeow uses too. PostgreSQL: the only pool
	read      *dbutil.Database // SQLite: readers, which do not wait for the writer. PostgreSQL: the same pool as write
	file      *databaseFile    // nil with PostgreSQL
	lock      *serverLock      // nil with SQLite
	commits   *committer
	condition *condition

	appended appendSignal // wakes the reader of the log of events

	closing sync.Once
	closed  error
}

// DB returns the database for whatsmeow's container. Give the container a child with whatsmeow's own version table, so
// that the two schemas have separate versions:
//
//	sqlstore.NewWithWrappedDB(st.DB().Child("whatsmeow_version", upgrades.Table, nil), log)
//
// With SQLite the pool has one connection: a statement without the context of the running transaction waits until that
// transaction ends.
func (s *Store) DB() *dbutil.Database { return s.write }

// ReadDB returns the database for reads of committed data. With SQLite such reads do not wait for the writer. It
// ignores the transaction in a context of DB.
func (s *Store) ReadDB() *dbutil.Database { return s.read }

// Where says where the database is: the absolute path of the file, or database and server without a password.
func (s *Store) Where() string { return s.name }

// Lost returns a channel that gets one error when this process has lost the lock on the database for good. The sessions
// must end at once then: another process may run them. With SQLite the channel is nil, because a file lock is not lost.
func (s *Store) Lost() <-chan error {
	if s.lock == nil {
		return nil
	}
	return s.lock.lost
}

// postgres reports whether the database is PostgreSQL; otherwise it is SQLite.
func (s *Store) postgres() bool { return s.lock != nil }

// Ping reads one row, to check that the database answers before ctx ends. It does not wait for SQLite's writer.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read.QueryRow(ctx, "SELECT 1 FROM wasup_version LIMIT 1").Scan(&one); err != nil {
		return failure("ping database", "", err)
	}
	return nil
}

// Close closes the database and frees its lock. It first waits for the works that Commit has accepted, and then for
// running statements and transactions, each time at most Options.BusyTimeout. It is idempotent.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.condition.close()
		s.commits.close(s.options.BusyTimeout)
		if s.postgres() {
			err := s.closePool(s.write)
			s.lock.close()
			s.closed = failure("close database", "", err)
			return
		}
		s.closed = failure("close database", "", s.closeFile())
	})
	return s.closed
}

// closeFile copies SQLite's write-ahead log into the database file, closes the pools and frees the lock.
func (s *Store) closeFile() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.BusyTimeout)
	defer cancel()
	// Close the readers first: a reader in the middle of a snapshot would prevent the checkpoint.
	err := s.closePool(s.read)
	if _, checkpointErr := s.write.Exec(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); checkpointErr != nil {
		// No data is lost: the log stays next to the file, and the next process reads it.
		s.options.Logger.Warn("the write-ahead log could not be copied into the database file", "err", checkpointErr)
	}
	err = cmp.Or(s.closePool(s.write), err)
	s.file.unlock()
	return err
}

// closePool closes a pool and waits until its last connection is closed. sql.DB.Close does not wait for running
// statements, which could then still write when the next process has opened the database.
func (s *Store) closePool(pool *dbutil.Database) error {
	err := pool.RawDB.Close()
	deadline, poll := time.NewTimer(s.options.BusyTimeout), time.NewTicker(time.Millisecond)
	defer deadline.Stop()
	defer poll.Stop()
	for pool.RawDB.Stats().OpenConnections > 0 {
		select {
		case <-poll.C:
		case <-deadline.C:
			s.options.Logger.Warn("the database was closed while statements were running", "connections", pool.RawDB.Stats().OpenConnections)
			return err
		}
	}
	return err
}

// millis converts a time to Unix milliseconds, as times are stored. The zero time is 0. timeOf converts back, to UTC.
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

// checkID returns an error for an invalid session id, so that it never gets into a row.
func checkID(id session.ID) error {
	_, err := session.ParseID(string(id))
	return err
}

// separator returns what is written before item i of a list.
func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ", "
}

// clean replaces invalid UTF-8 and zero bytes by U+FFFD: PostgreSQL stores neither in text.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

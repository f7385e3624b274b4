package store

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/session"
)

// Options tune a Store. The zero value of a field means its default.
type Options struct {
	// BusyTimeout is how long a statement waits for another program that holds the file, such as a backup. Default 5 s.
	// A statement's context ends the wait earlier.
	BusyTimeout time.Duration
	Logger      *slog.Logger     // default: discard
	Now         func() time.Time // stamps created_at and updated_at; default time.Now
}

func (o Options) withDefaults() Options {
	o.BusyTimeout = cmp.Or(o.BusyTimeout, 5*time.Second)
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
	write   *dbutil.Database // the one writer; whatsmeow's statements go through it too
	read    *dbutil.Database // readers, which never wait for a commit
	file    *databaseFile

	closing sync.Once
	closed  error
}

// DB is the database for whatsmeow's container. Give it a child with whatsmeow's own version table, so that both schemas
// live side by side:
//
//	sqlstore.NewWithWrappedDB(st.DB().Child("whatsmeow_version", upgrades.Table, nil), log)
//
// Its pool has one connection: a statement outside the context of a running transaction would wait for that transaction.
func (s *Store) DB() *dbutil.Database { return s.write }

// Ping asks the database for an answer, bounded by ctx. It does not wait for the writer.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read.QueryRow(ctx, "SELECT 1 FROM wasup_version LIMIT 1").Scan(&one); err != nil {
		return failure("ping database", "", err)
	}
	return nil
}

// PoolStats gives the figures of the writer's pool and the readers' pool.
func (s *Store) PoolStats() (writer, readers sql.DBStats) {
	return s.write.RawDB.Stats(), s.read.RawDB.Stats()
}

// Close folds the log into the database file, closes it and lets the next process in. It waits for the statements that
// run, and is idempotent.
func (s *Store) Close() error {
	s.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.options.BusyTimeout)
		defer cancel()
		// The readers first: one of them in the middle of a snapshot would keep the log from being folded in.
		err := s.read.RawDB.Close()
		if _, checkpointErr := s.write.Exec(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); checkpointErr != nil {
			// Nothing is lost: the log stays beside the file, and the next opening reads it.
			s.options.Logger.Warn("database log was not folded in", "err", checkpointErr)
		}
		err = cmp.Or(s.write.RawDB.Close(), err)
		s.file.release()
		if err != nil {
			s.closed = failure("close database", "", err)
		}
	})
	return s.closed
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

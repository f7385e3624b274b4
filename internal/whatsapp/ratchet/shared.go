package ratchet

import (
	"context"
	"log/slog"
	"sync/atomic"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store/sqlstore"
)

// Config holds what the runs of a process need. All fields but Commit are required.
type Config struct {
	DB   *dbutil.Database
	Read *dbutil.Database // reads what is committed to DB
	// Commit runs work in a transaction of DB, which the work's context carries, and returns once it is on the disk. It
	// may run several works in one transaction, and a work more than once. Default: one transaction for each work.
	Commit  func(ctx context.Context, work func(ctx context.Context) error) error
	Writing *sqlstore.Container // whatsmeow's tables in DB
	Reading *sqlstore.Container // whatsmeow's tables in Read
	Format  *Format             // the process's serializer, from InstallFormat
	Log     *slog.Logger
}

// Shared holds what the runs of a process share.
type Shared struct {
	commit  func(ctx context.Context, work func(ctx context.Context) error) error
	writer  *writer
	cache   *cache
	sweeper *sweeper
	writing *sqlstore.Container // writes within the transaction of the context
	reading *sqlstore.Container // reads what is committed
	db      *dbutil.Database    // the database of reading
	mapped  atomic.Int64        // how often LID mappings were stored
}

// New makes the part that the runs of a process share.
func New(ctx context.Context, cfg Config) *Shared {
	shared := &Shared{
		commit: cfg.Commit, cache: newCache(cacheBudget, cfg.Format), writing: cfg.Writing, reading: cfg.Reading, db: cfg.Read,
	}
	if shared.commit == nil {
		shared.commit = func(ctx context.Context, work func(ctx context.Context) error) error {
			return cfg.DB.DoTxn(ctx, nil, work)
		}
	}
	shared.writer = newWriter(shared.commit, newRows(ctx, cfg.DB))
	shared.sweeper = newSweeper(shared.commit, func(err error) {
		cfg.Log.Warn("the rows of handled messages could not be deleted", "err", err)
	})
	return shared
}

// Close waits until the pending writes are done.
func (s *Shared) Close() {
	s.writer.close()
	s.sweeper.close()
	s.writer.rows.close()
}

package ratchet

import (
	"context"
	"log/slog"
	"sync/atomic"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store/sqlstore"
)

// Config is what the runs of a process need. All but Commit is required.
type Config struct {
	DB   *dbutil.Database
	Read *dbutil.Database // the same as what has been committed to DB
	// Commit runs work in a transaction of DB, which its context carries, and returns once that is on the disk. It may run
	// several works in one transaction, and a work more than once. Default: a transaction for each.
	Commit  func(ctx context.Context, work func(ctx context.Context) error) error
	Writing *sqlstore.Container // whatsmeow's tables in DB
	Reading *sqlstore.Container // the same in Read
	Format  *Format             // of the process
	Log     *slog.Logger
}

// Shared is what the runs of a process share.
type Shared struct {
	commit  func(ctx context.Context, work func(ctx context.Context) error) error
	writer  *writer
	cache   *cache
	sweeper *sweeper
	writing *sqlstore.Container // takes part in the transaction of its context
	reading *sqlstore.Container // the readers' view of the tables
	db      *dbutil.Database    // behind reading
	mapped  atomic.Int64        // how often a phone number got another LID
}

// New makes what the runs of a process share.
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
		cfg.Log.Warn("remains of handled messages could not be deleted now", "err", err)
	})
	return shared
}

// Close waits for what is still written.
func (s *Shared) Close() {
	s.writer.close()
	s.sweeper.close()
	s.writer.rows.close()
}

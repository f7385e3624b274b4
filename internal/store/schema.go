package store

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"time"

	"go.mau.fi/util/dbutil"
)

//go:embed upgrades/*.sql
var upgradeFiles embed.FS

// versionTable is the table of our schema version. whatsmeow has its own.
const versionTable = "wasup_version"

// slowQuery is the duration from which a statement is logged as slow.
const slowQuery = time.Second

// upgrade upgrades our tables to this binary's schema version. It refuses a database of a newer, incompatible version
// before it changes anything.
func upgrade(ctx context.Context, db *dbutil.Database) error {
	return db.Upgrade(ctx)
}

func newerSchema(err error) bool { return errors.Is(err, dbutil.ErrUnsupportedDatabaseVersion) }

func upgradeTable() dbutil.UpgradeTable {
	return dbutil.BuildUpgradeTable().WithFSPath(upgradeFiles, "upgrades").Finish()
}

// queryLog logs what operators need from the database library. It never logs arguments, because they contain message
// text.
type queryLog struct {
	log  *slog.Logger
	name string              // the database's
	note func(outcome error) // nil: nobody wants the outcomes of statements
}

func (q queryLog) QueryTiming(ctx context.Context, method, query string, _ []any, _ int, took time.Duration, err error) {
	if q.note != nil && err != nil {
		q.note(err)
	}
	if took < slowQuery {
		return
	}
	q.log.WarnContext(ctx, "slow database statement", "op", method, "query", query, "took", took, "err", err)
}

func (q queryLog) WarnUnsupportedVersion(current, compat, latest int) {
	q.log.Warn("database schema is newer than this binary", "database", q.name, "version", current, "compatible_down_to", compat, "known", latest)
}

func (q queryLog) PrepareUpgrade(current, _, latest int) {
	if current != 0 && current < latest {
		q.log.Info("database schema will be upgraded", "database", q.name, "from", current, "to", latest)
	}
}

func (q queryLog) DoUpgrade(from, to int, message string, _ dbutil.TxnMode) {
	if from == 0 { // a new database: Open says so, with its path
		return
	}
	q.log.Info("database schema upgraded", "database", q.name, "from", from, "to", to, "what", message)
}

func (q queryLog) Warn(msg string, _ ...any) {
	q.log.Warn("warning of the database library", "what", msg)
}

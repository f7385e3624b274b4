// Package devicetest keeps the device of a whatsmeow client for the length of a test, in whatsmeow's own store on SQLite.
package devicetest

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/store/sqlstore"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// patience bounds waiting for a client's last query. It is for slow machines, never something measured.
const patience = 2 * time.Minute

// DSN names a new database, which is gone when the test ends. A process that is killed loses nothing of it; a machine does,
// since nothing is synced.
func DSN(tb testing.TB) string {
	tb.Helper()
	return "file:" + filepath.Join(tb.TempDir(), "device.db") +
		"?_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)"
}

// Open opens the database of a DSN, and closes it when the test ends: after all that was given to tb.Cleanup since.
//
// Disconnecting a client does not end its handlers, and sql.DB.Close leaves a connection that a query holds to that query.
// Open's cleanup waits for those too: a query that is still running would write into a folder that is being removed.
func Open(tb testing.TB, dsn string) *sqlstore.Container {
	tb.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { closeAndWait(tb, db) })
	container := sqlstore.NewWithDB(db, "sqlite3", nil)
	if err = container.Upgrade(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return container
}

func closeAndWait(tb testing.TB, db *sql.DB) {
	tb.Helper()
	if err := db.Close(); err != nil {
		tb.Error(err)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for db.Stats().OpenConnections > 0 {
		select {
		case <-look.C:
		case <-deadline.C:
			tb.Error("a client still holds its database")
			return
		}
	}
}

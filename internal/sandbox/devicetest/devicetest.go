// Package devicetest stores the device of a whatsmeow client during a test, in whatsmeow's own store on SQLite.
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

// patience is how long tests wait for a client before they fail. It is generous for slow machines and never measures
// anything.
const patience = 2 * time.Minute

// DSN returns the data source name of a new database. The test's end deletes it. The database survives a killed process
// but not a crash of the machine, since nothing is synced.
func DSN(tb testing.TB) string {
	tb.Helper()
	return "file:" + filepath.Join(tb.TempDir(), "device.db") +
		"?_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)"
}

// Open opens the database of a DSN and closes it when the test ends. The closing runs after all cleanups that were
// registered later.
//
// Disconnecting a client does not end its handlers, and sql.DB.Close does not wait for a connection that a query holds.
// Open's cleanup waits for it: a query that is still running would write into a folder that is being removed.
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

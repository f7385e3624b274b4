package pgtest

import (
	"context"
	"database/sql"
	"testing"
	"time"
)

// Rival takes the advisory lock on the database away from its holder and keeps it until the test ends, as another,
// faster process would. The rival's connection waits for the lock before Rival ends the holder's connection, so that it
// always gets the lock.
func Rival(tb testing.TB, dsn string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.ExecContext(ctx, "SET application_name='rival'"); err != nil {
		tb.Fatal(err)
	}
	const here = " AND locktype='advisory' AND database=(SELECT oid FROM pg_database WHERE datname=current_database())"
	var holder int
	var key int64
	if err := db.QueryRowContext(ctx, "SELECT pid, (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE granted"+here).Scan(&holder, &key); err != nil {
		tb.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", key)
		got <- err
	}()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for queued := 0; queued == 0; <-again.C {
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM pg_locks WHERE NOT granted"+here).Scan(&queued); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := db.ExecContext(ctx, "SELECT pg_terminate_backend($1)", holder); err != nil {
		tb.Fatal(err)
	}
	if err := <-got; err != nil {
		tb.Fatal(err)
	}
}

package app

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"wasup/internal/session"
)

// connect opens a second connection to the app's database.
func connect(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	address := url.URL{Scheme: "file", Path: strings.TrimPrefix(dsn, "sqlite:"), RawQuery: "_busy_timeout=60000&_txlock=immediate"}
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// prekeyDialer makes the first logins of many sessions cheap: it stores a prekey for each device that has none. A
// device without a prekey makes 812 of them when it logs in, one that has some makes 50. Under the race detector the
// difference is one second of work per session.
type prekeyDialer struct {
	session.Dialer
	db *sql.DB
}

func (d prekeyDialer) Open(ctx context.Context, run session.Run) (session.Client, error) {
	_, err := d.db.ExecContext(ctx, `
		INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded)
		SELECT jid, 1, randomblob(32), 1 FROM whatsmeow_device
		WHERE jid NOT IN (SELECT jid FROM whatsmeow_pre_keys)`)
	if err != nil {
		return nil, &session.Error{Code: session.CodeStoreUnavailable, Err: err}
	}
	return d.Dialer.Open(ctx, run)
}

// fewPrekeys returns seams that put a prekeyDialer into an app.
func fewPrekeys(t testing.TB, dsn string) seams {
	return seams{dialer: func(next session.Dialer) session.Dialer { return prekeyDialer{next, connect(t, dsn)} }}
}

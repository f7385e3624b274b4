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

// connect opens the app's database beside the app.
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

// thrifty is a dialer that makes the first logins of many sessions cheap. A device that never had a prekey makes 812 of
// them, one that had some makes 50; under the race detector the difference is a second of work a session.
type thrifty struct {
	session.Dialer
	db *sql.DB
}

func (d thrifty) Open(ctx context.Context, run session.Run) (session.Client, error) {
	_, err := d.db.ExecContext(ctx, `
		INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded)
		SELECT jid, 1, randomblob(32), 1 FROM whatsmeow_device
		WHERE jid NOT IN (SELECT jid FROM whatsmeow_pre_keys)`)
	if err != nil {
		return nil, &session.Error{Code: session.CodeStoreUnavailable, Err: err}
	}
	return d.Dialer.Open(ctx, run)
}

// thrift makes the sessions of an app thrifty.
func thrift(t testing.TB, dsn string) seams {
	return seams{dialer: func(next session.Dialer) session.Dialer { return thrifty{next, connect(t, dsn)} }}
}

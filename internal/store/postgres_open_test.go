package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
	"wasup/internal/store/storetest"
)

// altered returns a DSN with a change.
func altered(t *testing.T, dsn string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

// direct returns a connection to the database that does not go through the store.
func direct(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestAPostgresThatCannotBeOpenedIsRefusedInOneLine(t *testing.T) {
	dsn := pgtest.DSN(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0") // after Close nobody accepts on this address
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	latin := fmt.Sprintf("latin_%d", time.Now().UnixNano()) // the server outlives the test
	if _, err := direct(t, dsn).ExecContext(t.Context(), "CREATE DATABASE "+latin+" ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	set := func(key, value string) func(*url.URL) {
		return func(u *url.URL) {
			q := u.Query()
			q.Set(key, value)
			u.RawQuery = q.Encode()
		}
	}
	for name, test := range map[string]struct {
		dsn   string
		code  session.Code
		words []string
	}{
		"a wrong password":        {altered(t, dsn, func(u *url.URL) { u.User = url.UserPassword("wasup", "wr0ng-hunter2") }), session.CodeStoreUnavailable, []string{"refuses user \"wasup\"", "password"}},
		"no such database":        {altered(t, dsn, func(u *url.URL) { u.Path = "/nowhere" }), session.CodeStoreUnavailable, []string{"nowhere", "does not exist"}},
		"no server":               {altered(t, dsn, func(u *url.URL) { u.Host = nobody }), session.CodeStoreUnavailable, []string{nobody, "cannot be reached"}},
		"TLS that is not offered": {altered(t, dsn, set("sslmode", "require")), session.CodeStoreUnavailable, []string{"cannot be reached", "sslmode"}},
		"an unknown option":       {altered(t, dsn, set("sslmod", "disable")), session.CodeStoreUnavailable, []string{"option after the '?'"}},
		"a bad sslmode":           {altered(t, dsn, set("sslmode", "never")), session.CodeInvalidRequest, []string{"sslmode"}},
		"another encoding":        {altered(t, dsn, func(u *url.URL) { u.Path = "/" + latin }), session.CodeStoreUnavailable, []string{"LATIN1", "UTF8"}},
		"a standby":               {altered(t, dsn, set("default_transaction_read_only", "on")), session.CodeStoreUnavailable, []string{"read-only"}},
		"a password like a path":  {"postgres://wasup:hunter2/x@127.0.0.1/wasup", session.CodeInvalidRequest, []string{"store.dsn", "%40"}},
		"no URL at all":           {"postgres:host=db password=hunter2", session.CodeInvalidRequest, []string{"store.dsn", "postgres://"}},
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, test.dsn, test.code, test.words...)
			_, err := store.Open(t.Context(), test.dsn, store.Options{BusyTimeout: 50 * time.Millisecond})
			wantNoPassword(t, dsn, err.Error())
		})
	}
	openDSN(t, dsn, store.Options{}) // none of the refused attempts has left the database locked
}

// wantNoPassword fails the test if a text contains a password of these tests, plain or escaped.
func wantNoPassword(t *testing.T, dsn, text string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	for _, leak := range []string{password, url.QueryEscape(password), strings.TrimPrefix(u.User.String(), "wasup:"), "hunter2"} {
		if strings.Contains(text, leak) {
			t.Errorf("a password is in %q", text)
		}
	}
}

func TestAPostgresOfANewerVersionIsRefusedAndLeftAlone(t *testing.T) {
	dsn := pgtest.DSN(t)
	if err := openDSN(t, dsn, store.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	db := direct(t, dsn)
	if _, err := db.ExecContext(t.Context(), "UPDATE wasup_version SET version=1000, compat=999"); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dsn, session.CodeStoreUnavailable, "newer version of wasup")
	var version int
	if err := db.QueryRowContext(t.Context(), "SELECT version FROM wasup_version").Scan(&version); err != nil || version != 1000 {
		t.Errorf("version became %d, %v", version, err)
	}
}

func TestAPostgresUserWithoutRightsIsToldWhichAreMissing(t *testing.T) {
	dsn := pgtest.DSN(t)
	db := direct(t, dsn)
	guest := fmt.Sprintf("guest_%d", time.Now().UnixNano()) // the server outlives the test
	for _, statement := range []string{"CREATE ROLE " + guest + " LOGIN PASSWORD 'hunter2'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	wantRefused(t, altered(t, dsn, func(u *url.URL) { u.User = url.UserPassword(guest, "hunter2") }),
		session.CodeStoreUnavailable, guest, "may not create tables")
}

func TestAPostgresHasOneProcessAtATime(t *testing.T) {
	dsn := pgtest.DSN(t)
	first := openDSN(t, dsn, store.Options{})
	wantRefused(t, dsn, session.CodeStoreLocked, "is in use by", "wasup on", fmt.Sprintf("pid %d", os.Getpid()), "127.0.0.1")
	openDSN(t, pgtest.DSN(t), store.Options{}) // another database of the same server is not locked

	// A process that waits gets the lock when the first one ends.
	opened := make(chan error, 1)
	go func() {
		st, err := store.Open(context.WithoutCancel(t.Context()), dsn, store.Options{BusyTimeout: storetest.Patience})
		if err == nil {
			err = st.Close()
		}
		opened <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("the next process is kept out: %v", err)
	}
}

func TestAPoolNeverOpensMoreThanItMay(t *testing.T) {
	dsn := pgtest.DSN(t)
	var log bytes.Buffer
	st := openDSN(t, dsn, store.Options{MaxConns: 3, IdleConns: 2, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	ctx, cancel := context.WithTimeout(t.Context(), storetest.Patience)
	defer cancel()
	errs := make(chan error)
	for n := range 30 {
		go func() {
			_, err := st.Sessions().SetDesired(ctx, session.ID(fmt.Sprintf("s%d", n)), session.DesiredRun)
			_, listErr := st.Sessions().List(ctx)
			errs <- errors.Join(err, listErr)
		}()
	}
	for range 30 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	pools := st.Pools()
	if len(pools) != 1 || pools[0].Name != "postgres" || pools[0].Max != 3 || pools[0].Waits == 0 || pools[0].WaitTime == 0 {
		t.Errorf("pools are %+v", pools)
	}
	var connections int
	err := direct(t, dsn).QueryRowContext(ctx,
		"SELECT count(*) FROM pg_stat_activity WHERE datname=current_database() AND application_name LIKE 'wasup on %'").Scan(&connections)
	if err != nil || connections > 3+1 { // 3 of the pool, 1 with the lock
		t.Errorf("%d connections are open, %v", connections, err)
	}
	wantNoPassword(t, dsn, log.String())
}

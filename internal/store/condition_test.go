package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
	"wasup/internal/store/storetest"
)

// outage is a way to make a database refuse writes until end is called.
type outage struct {
	name  string
	code  session.Code
	text  string // what callers may read
	begin func(t *testing.T, options store.Options) (st *store.Store, begin func() (end func()))
}

func outages() []outage {
	return []outage{
		{"full", session.CodeStoreFull, "full", func(t *testing.T, options store.Options) (*store.Store, func() func()) {
			st := openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), options)
			limit := func(pages int) {
				if _, err := st.DB().Exec(t.Context(), fmt.Sprint("PRAGMA max_page_count=", pages)); err != nil {
					t.Error(err)
				}
			}
			return st, func() func() { limit(1); return func() { limit(1 << 20) } }
		}},
		{"locked by another program", session.CodeStoreLocked, "Another process holds the database.", func(t *testing.T, options store.Options) (*store.Store, func() func()) {
			dsn := "sqlite:" + filepath.Join(t.TempDir(), "wasup.db")
			options.BusyTimeout = 20 * time.Millisecond
			st := openDSN(t, dsn, options)
			return st, func() func() {
				other, err := sql.Open("sqlite", strings.TrimPrefix(dsn, "sqlite:")+"?_txlock=immediate")
				if err != nil {
					t.Fatal(err)
				}
				tx, err := other.BeginTx(context.Background(), nil)
				if err != nil {
					t.Fatal(err)
				}
				return func() {
					if err := errors.Join(tx.Rollback(), other.Close()); err != nil {
						t.Error(err)
					}
				}
			}
		}},
		{"read-only", session.CodeStoreUnavailable, "The database is read-only.", func(t *testing.T, options store.Options) (*store.Store, func() func()) {
			st := openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), options)
			set := func(value string) {
				if _, err := st.DB().Exec(t.Context(), "PRAGMA query_only="+value); err != nil {
					t.Error(err)
				}
			}
			return st, func() func() { set("on"); return func() { set("off") } }
		}},
		{"PostgreSQL is read-only", session.CodeStoreUnavailable, "The database is read-only.", func(t *testing.T, options store.Options) (*store.Store, func() func()) {
			pgtest.Needed(t)
			cluster := pgtest.New(t)
			st := openDSN(t, cluster.Database(t), options)
			set := func(value string) {
				cluster.Exec(t, "ALTER SYSTEM SET default_transaction_read_only="+value)
				cluster.Exec(t, "SELECT pg_reload_conf()")
			}
			return st, func() func() { set("on"); return func() { set("off") } }
		}},
		{"PostgreSQL is away", session.CodeStoreUnavailable, "The database's server cannot be reached.", func(t *testing.T, options store.Options) (*store.Store, func() func()) {
			pgtest.Needed(t)
			cluster := pgtest.New(t)
			st := openDSN(t, cluster.Database(t), options)
			return st, func() func() {
				if err := cluster.Shutdown(); err != nil {
					t.Fatal(err)
				}
				return func() {
					if err := cluster.Start(); err != nil {
						t.Error(err)
					}
				}
			}
		}},
	}
}

func TestADatabaseThatTakesNoWritesSaysSoAndItsRecoveryIsNoticedWithoutTraffic(t *testing.T) {
	for _, o := range outages() {
		t.Run(o.name, func(t *testing.T) {
			st, begin := o.begin(t, store.Options{})
			recovered := make(chan struct{}, 8)
			st.OnRecovery(func() { recovered <- struct{}{} })
			wanted(t, st, "51")
			if err := st.Failing(); err != nil {
				t.Fatalf("it fails from the beginning: %v", err)
			}
			end := begin()
			big := entryOf("big")
			big.Content.Text = strings.Repeat("x", 1<<20)
			if _, _, err := st.Outbox().Enqueue(t.Context(), big, time.Time{}); err == nil {
				t.Fatal("the outage is none")
			}
			if session.CodeOf(st.Failing()) == "" {
				t.Error("the failed write is not told")
			}
			eventually(t, "the reason", func(context.Context) error {
				var e *session.Error
				if err := st.Failing(); errors.As(err, &e) && e.Code == o.code && strings.Contains(e.Public(), o.text) {
					return nil
				}
				return fmt.Errorf("it says %w", st.Failing())
			})
			end()
			select {
			case <-recovered:
			case <-time.After(storetest.Patience):
				t.Fatal("the recovery was not noticed")
			}
			if err := st.Failing(); err != nil {
				t.Errorf("after the recovery: %v", err)
			}
			if _, existed, err := st.Outbox().Enqueue(t.Context(), big, time.Time{}); err != nil || existed {
				t.Errorf("after the recovery: existed %v, %v", existed, err)
			}
			var left int
			if err := st.DB().QueryRow(t.Context(), "SELECT count(*) FROM wasup_trial").Scan(&left); err != nil || left != 0 {
				t.Errorf("the trial writes left %d rows, %v", left, err)
			}
		})
	}
}

func TestADatabaseThatTakesNoWritesIsNoticedWithoutTraffic(t *testing.T) {
	for _, o := range outages() {
		t.Run(o.name, func(t *testing.T) {
			st, begin := o.begin(t, store.Options{QuietPause: 10 * time.Millisecond})
			end := begin()
			is := func(want session.Code) func(context.Context) error {
				return func(context.Context) error {
					if err := st.Failing(); session.CodeOf(err) != want {
						return fmt.Errorf("it says %w", err)
					}
					return nil
				}
			}
			eventually(t, "the failure", is(o.code))
			end()
			eventually(t, "the recovery", is(""))
		})
	}
}

func TestARefusedRowAndAnEndedCallerAreNoFailureOfTheDatabase(t *testing.T) {
	st := openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{})
	wanted(t, st, "51")
	if _, err := st.Sessions().Create(t.Context(), "51", session.DesiredRun, session.Settings{}); session.CodeOf(err) != session.CodeExists {
		t.Fatal(err)
	}
	if _, err := st.DB().Exec(t.Context(), "INSERT INTO wasup_event_head (session_id, last) VALUES ('51', NULL)"); err == nil {
		t.Fatal("a row without a number was taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := st.Sessions().SetDesired(ended, "52", session.DesiredRun); err == nil {
		t.Fatal("an ended caller wrote")
	}
	if err := st.Failing(); err != nil {
		t.Errorf("it says %v", err)
	}
}

func TestANewDatabaseIsToldWithItsAbsolutePath(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, fresh := range []bool{true, false} {
		var log strings.Builder
		st, err := store.Open(t.Context(), "sqlite:./data/wasup.db", store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if !filepath.IsAbs(st.Where()) || !strings.HasSuffix(st.Where(), "/data/wasup.db") {
			t.Errorf("it is at %q", st.Where())
		}
		warned := strings.Contains(log.String(), "level=WARN msg=\"a new, empty database was created") && strings.Contains(log.String(), "database="+st.Where())
		if warned != fresh || strings.Count(log.String(), "\n") > 1 {
			t.Errorf("new: %v, the log says %q", fresh, log.String())
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}

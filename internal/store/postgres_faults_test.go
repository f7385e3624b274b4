package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/pgtest"
	"wasup/internal/store/storetest"
)

// eventually calls ask again and again until it returns nil.
func eventually(t *testing.T, what string, ask func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), storetest.Patience)
	defer cancel()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not come: %v", what, err)
		case <-pause.C:
		}
	}
}

func entryOf(key string) outbox.Entry {
	return outbox.Entry{BodyHash: key, Message: message.Message{
		Session: "51", ID: outbox.NewMessageID("51", key, key), Key: key, To: "5491100000001@s.whatsapp.net",
		Content: message.TextOf("text of " + key), State: message.Queued,
	}}
}

// wanted stores a session.
func wanted(tb testing.TB, st *store.Store, id session.ID) {
	tb.Helper()
	if _, err := st.Sessions().SetDesired(tb.Context(), id, session.DesiredRun); err != nil {
		tb.Error(err)
	}
}

func TestAPostgresThatRestartsComesBackByItself(t *testing.T) {
	cluster := pgtest.New(t)
	st := openDSN(t, cluster.Database(t), store.Options{})
	wanted(t, st, "51")
	kept, _, err := st.Outbox().Enqueue(t.Context(), entryOf("kept"), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Shutdown(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _, err := st.Outbox().Enqueue(t.Context(), entryOf("gone"), time.Time{})
		if session.CodeOf(err) != session.CodeStoreUnavailable {
			t.Fatalf("without a server: %v", err)
		}
		if err := st.Ping(t.Context()); session.CodeOf(err) != session.CodeStoreUnavailable {
			t.Fatalf("without a server: %v", err)
		}
	}
	if err := cluster.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server", st.Ping)
	again, existed, err := st.Outbox().Enqueue(t.Context(), entryOf("kept"), time.Time{})
	if err != nil || !existed || again.Content.Text != kept.Content.Text {
		t.Errorf("the accepted message is %+v, %v, %v", again, existed, err)
	}
	if _, existed, err := st.Outbox().Enqueue(t.Context(), entryOf("gone"), time.Time{}); err != nil || existed {
		t.Errorf("the refused message existed: %v, %v", existed, err)
	}
	select {
	case err := <-st.Lost():
		t.Errorf("the database counts as lost: %v", err)
	default:
	}
	wantRefused(t, cluster.URL(t, 1), session.CodeStoreLocked, "in use by") // the store has the lock again
}

func TestAPostgresThatHangsIsNotWaitedForForEver(t *testing.T) {
	cluster := pgtest.New(t)
	st := openImpatient(t, cluster.Database(t), 500*time.Millisecond)
	thaw := cluster.Freeze(t)
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := st.Sessions().Load(short, "51"); session.CodeOf(err) != session.CodeStoreUnavailable {
		t.Errorf("a caller with a deadline: %v", err)
	}
	// Without a deadline the store's own time limit ends the call.
	_, _, err := st.Outbox().Enqueue(context.WithoutCancel(t.Context()), entryOf("k"), time.Time{})
	if session.CodeOf(err) != session.CodeStoreUnavailable {
		t.Errorf("a caller without a deadline: %v", err)
	}
	thaw()
	eventually(t, "the server", st.Ping)
	eventually(t, "the message", func(ctx context.Context) error {
		_, _, err := st.Outbox().Enqueue(ctx, entryOf("k"), time.Time{})
		return err
	})
}

// openImpatient opens a database that has session 51, with a short AnswerTimeout. A busy machine may exceed it without
// a fault, so it tries until it succeeds.
func openImpatient(t *testing.T, dsn string, bound time.Duration) (st *store.Store) {
	t.Helper()
	ready := openDSN(t, dsn, store.Options{})
	wanted(t, ready, "51")
	if err := ready.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store", func(ctx context.Context) (err error) {
		st, err = store.Open(ctx, dsn, store.Options{AnswerTimeout: bound, BusyTimeout: storetest.Patience})
		return err
	})
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func TestASlowStatementIsEndedByTheServer(t *testing.T) {
	dsn := pgtest.DSN(t)
	st := openImpatient(t, dsn, 200*time.Millisecond)
	tx, err := direct(t, dsn).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE wasup_outbox IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server's query_canceled", func(context.Context) error {
		_, _, err := st.Outbox().Enqueue(context.WithoutCancel(t.Context()), entryOf("k"), time.Time{})
		if session.CodeOf(err) == session.CodeStoreUnavailable && strings.Contains(err.Error(), "57014") {
			return nil
		}
		return fmt.Errorf("got: %w", err)
	})
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	var existed bool
	eventually(t, "the message", func(ctx context.Context) (err error) {
		_, found, err := st.Outbox().Find(ctx, "51", "k")
		if existed = existed || found; err == nil && !existed {
			_, _, err = st.Outbox().Enqueue(ctx, entryOf("k"), time.Time{})
		}
		return err
	})
	if existed {
		t.Error("what the server ended is there")
	}
}

// holderOf returns the process id, on the server, of the connection with the lock on the database.
func holderOf(t *testing.T, db *sql.DB) (pid int) {
	t.Helper()
	err := db.QueryRowContext(t.Context(), `SELECT pid FROM pg_locks WHERE locktype='advisory' AND granted
		AND database=(SELECT oid FROM pg_database WHERE datname=current_database())`).Scan(&pid)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestALockThatLostItsConnectionIsTakenAgain(t *testing.T) {
	dsn := pgtest.DSN(t)
	st := openDSN(t, dsn, store.Options{})
	db := direct(t, dsn)
	before := holderOf(t, db)
	if _, err := db.ExecContext(t.Context(), "SELECT pg_terminate_backend($1)", before); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lock", func(ctx context.Context) error {
		var pid int
		err := db.QueryRowContext(ctx, `SELECT pid FROM pg_locks WHERE locktype='advisory' AND granted AND pid<>$1
			AND database=(SELECT oid FROM pg_database WHERE datname=current_database())`, before).Scan(&pid)
		return err
	})
	eventually(t, "the store", st.Ping)
	wantRefused(t, dsn, session.CodeStoreLocked, "in use by")
}

func TestADatabaseThatAnotherProcessTookIsLostAndNotWrittenAnyMore(t *testing.T) {
	dsn := pgtest.DSN(t)
	st := openDSN(t, dsn, store.Options{})
	if _, err := st.Sessions().SetDesired(t.Context(), "51", session.DesiredRun); err != nil {
		t.Fatal(err)
	}
	pgtest.Rival(t, dsn)
	select {
	case err := <-st.Lost():
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeStoreLocked || !strings.Contains(e.Message, "(rival, connected from") {
			t.Errorf("lost with %v", err)
		}
	case <-time.After(storetest.Patience):
		t.Fatal("nobody says that the database is lost")
	}
	if _, err := st.Sessions().SetDesired(t.Context(), "51", session.DesiredStop); session.CodeOf(err) != session.CodeStoreUnavailable {
		t.Errorf("a write beside the other process: %v", err)
	}
	if _, _, err := st.Sessions().Load(t.Context(), "51"); session.CodeOf(err) != session.CodeStoreUnavailable {
		t.Errorf("a read beside the other process: %v", err)
	}
}

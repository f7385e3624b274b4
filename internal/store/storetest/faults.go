package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
)

var faultTests = []test{
	{"concurrency/writers of many sessions do not disturb each other", concurrentWriters},
	{"concurrency/one of many callers with one key makes the entry", oneBegins},
	{"faults/a context that ended is an error and never no row", endedContext},
	{"faults/a wait for the writer ends with the context", writerIsTaken},
	{"faults/reads do not wait for the writer", readsPassTheWriter},
	{"faults/a full database refuses the entry and recovers", fullDatabase},
	{"faults/a database that became read-only refuses the entry", readOnly},
	{"faults/a closed store answers with an error", closed},
}

func concurrentWriters(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	const writers, rounds = 8, 12
	errs := make(chan error, writers)
	for w := range writers {
		id := session.ID(fmt.Sprintf("s%d", w))
		go func() { errs <- writeRounds(ctx, st, id, rounds) }()
	}
	for range writers {
		must(t, <-errs)
	}
	records, err := st.Sessions().List(ctx)
	must(t, err)
	if len(records) != writers {
		t.Fatalf("listed %d sessions, want %d", len(records), writers)
	}
	for _, r := range records {
		if want := fmt.Sprintf("%s in round %d", r.ID, rounds-1); r.LastError != want || r.DeviceJID != string(r.ID)+"@device" {
			t.Fatalf("row is %+v, want last error %q", r, want)
		}
	}
}

func writeRounds(ctx context.Context, st *store.Store, id session.ID, rounds int) error {
	for round := range rounds {
		_, err := st.Sessions().SetDesired(ctx, id, session.DesiredRun)
		err = errors.Join(err,
			st.Sessions().BindDevice(ctx, id, string(id)+"@device"),
			st.Sessions().SaveObserved(ctx, session.Record{
				ID: id, State: session.Ready, Cause: session.CauseConnected, LastCause: session.CauseNone,
				LastError: fmt.Sprintf("%s in round %d", id, round),
			}))
		stored, existed, enqueueErr := st.Outbox().Enqueue(ctx, entry(id, fmt.Sprintf("k%d", round)), keysFrom)
		_, advanceErr := st.Outbox().Advance(ctx, acked(&stored))
		err = errors.Join(err, enqueueErr, advanceErr)
		if err != nil || existed {
			return fmt.Errorf("round %d of %s, existed %v: %w", round, id, existed, err)
		}
		if loaded, found, err := st.Sessions().Load(ctx, id); err != nil || !found ||
			loaded.LastError != fmt.Sprintf("%s in round %d", id, round) {
			return fmt.Errorf("round %d of %s is not read back: %+v, %v, %w", round, id, loaded, found, err)
		}
	}
	return nil
}

func oneBegins(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	const callers = 16
	var wait sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range callers {
		wait.Go(func() {
			_, existed, err := st.Outbox().Enqueue(ctx, entry("51", "k"), keysFrom)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			} else if !existed {
				made++
			}
		})
	}
	wait.Wait()
	if made != 1 {
		t.Fatalf("%d of %d callers made the entry, want 1", made, callers)
	}
}

func endedContext(t *testing.T, st *store.Store) {
	_, err := st.Sessions().SetDesired(bounded(t), "51", session.DesiredRun)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = st.Sessions().Load(ctx, "51")
	wantUnanswered(t, "Load", err)
	_, err = st.Sessions().List(ctx)
	wantUnanswered(t, "List", err)
	_, err = st.Sessions().DeviceOf(ctx, "51")
	wantUnanswered(t, "DeviceOf", err)
	_, err = st.Sessions().ProxyOf(ctx, "51")
	wantUnanswered(t, "ProxyOf", err)
	_, err = st.Sessions().SetDesired(ctx, "51", session.DesiredStop)
	wantUnanswered(t, "SetDesired", err)
	_, err = st.Sessions().Create(ctx, "52", session.DesiredStop, session.Settings{})
	wantUnanswered(t, "Create", err)
	_, err = st.Sessions().SaveSettings(ctx, "51", session.Settings{})
	wantUnanswered(t, "SaveSettings", err)
	wantUnanswered(t, "BindDevice", st.Sessions().BindDevice(ctx, "51", device))
	wantUnanswered(t, "SaveObserved", st.Sessions().SaveObserved(ctx, observed()))
	wantUnanswered(t, "Delete", st.Sessions().Delete(ctx, "51"))
	wantUnanswered(t, "Ping", st.Ping(ctx))
	wantOutboxUnanswered(ctx, t, st.Outbox())
}

func wantOutboxUnanswered(ctx context.Context, t *testing.T, box *store.Outbox) {
	t.Helper()
	e := entry("51", "k")
	_, _, err := box.Enqueue(ctx, e, keysFrom)
	wantUnanswered(t, "Enqueue", err)
	_, _, err = box.Find(ctx, "51", "k")
	wantUnanswered(t, "Find", err)
	_, err = box.Advance(ctx, acked(&e))
	wantUnanswered(t, "Advance", err)
	_, err = box.Receipt(ctx, "51", events.ReceiptData{IDs: []string{"m"}, Status: "read"})
	wantUnanswered(t, "Receipt", err)
	_, err = box.Discard(ctx, "51", "m")
	wantUnanswered(t, "Discard", err)
	_, _, err = box.Next(ctx, "51", time.Now(), 1)
	wantUnanswered(t, "Next", err)
	_, err = box.Backlog(ctx)
	wantUnanswered(t, "Backlog", err)
	_, _, err = box.Expired(ctx, time.Now(), 1)
	wantUnanswered(t, "Expired", err)
	_, err = box.Sent(ctx, "51", time.Now())
	wantUnanswered(t, "Sent", err)
	_, err = box.Message(ctx, "51", "m")
	wantUnanswered(t, "Message", err)
	_, _, err = box.List(ctx, "51", message.Filter{})
	wantUnanswered(t, "List", err)
	_, err = box.UsedFiles(ctx, []string{"f"})
	wantUnanswered(t, "UsedFiles", err)
	_, err = box.Prune(ctx, outbox.Retention{Before: time.Now(), Limit: 1})
	wantUnanswered(t, "Prune", err)
}

// wantUnanswered fails the test unless err is a store error about an ended context that its public text does not
// mention.
func wantUnanswered(t *testing.T, method string, err error) {
	t.Helper()
	if session.CodeOf(err) != session.CodeStoreUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("%s with an ended context: %v, want %s", method, err, session.CodeStoreUnavailable)
	}
	wantDiscreet(t, err)
}

// wantDiscreet fails the test if the public text of err contains SQL, the driver's text or a path.
func wantDiscreet(t *testing.T, err error) {
	t.Helper()
	var e *session.Error
	if !errors.As(err, &e) {
		t.Errorf("%v is no session error", err)
		return
	}
	for _, leak := range []string{"wasup_", "SQL", "sql", "SELECT", "INSERT", "/", "context"} {
		if strings.Contains(e.Public(), leak) {
			t.Errorf("public sentence %q holds %q", e.Public(), leak)
		}
	}
}

// takeWriter prevents all other writes until release is called. Its transaction takes SQLite's only writing connection,
// or locks PostgreSQL's tables against writes.
func takeWriter(t *testing.T, st *store.Store) (release func()) {
	t.Helper()
	tx, err := st.DB().BeginTx(t.Context(), nil)
	must(t, err)
	if st.DB().Dialect == dbutil.Postgres {
		_, err = tx.ExecContext(t.Context(), "LOCK TABLE wasup_session, wasup_outbox IN EXCLUSIVE MODE")
		must(t, err)
	}
	_, err = tx.ExecContext(t.Context(), "DELETE FROM wasup_session")
	must(t, err)
	release = sync.OnceFunc(func() { _ = tx.Rollback() })
	t.Cleanup(release)
	return release
}

func writerIsTaken(t *testing.T, st *store.Store) {
	lodge(t, st, "51")
	release := takeWriter(t, st)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := st.Outbox().Enqueue(ctx, entry("51", "k"), keysFrom)
	wantCode(t, err, session.CodeStoreUnavailable)
	release()
	if _, existed, err := st.Outbox().Enqueue(bounded(t), entry("51", "k"), keysFrom); err != nil || existed {
		t.Fatalf("after the wait: existed %v, %v; a refused entry must not be there", existed, err)
	}
}

func readsPassTheWriter(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	_, err := st.Sessions().SetDesired(ctx, "51", session.DesiredRun)
	must(t, err)
	release := takeWriter(t, st) // its transaction has deleted the row, but not committed
	if _, found, err := st.Sessions().Load(ctx, "51"); err != nil || !found {
		t.Fatalf("found %v, %v beside a transaction", found, err)
	}
	must(t, st.Ping(ctx))
	release()
}

func fullDatabase(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	kept := enqueued(t, st, entry("51", "kept"))
	makeRoom := takeRoom(t, st)
	var fullErr error
	big := entry("51", "big")
	big.Content.Text = strings.Repeat("x", 1<<20)
	_, _, fullErr = st.Outbox().Enqueue(ctx, big, keysFrom)
	wantCode(t, fullErr, session.CodeStoreFull)
	wantDiscreet(t, fullErr)
	if again, existed, err := st.Outbox().Enqueue(ctx, entry("51", "kept"), keysFrom); err != nil || !existed || again.Content.Text != kept.Content.Text {
		t.Fatalf("accepted entry is %+v, %v, %v in a full database", again, existed, err)
	}
	makeRoom()
	if _, existed, err := st.Outbox().Enqueue(ctx, big, keysFrom); err != nil || existed {
		t.Fatalf("after room was made: existed %v, %v", existed, err)
	}
}

// takeRoom makes the database behave as if it were full until makeRoom is called. PostgreSQL has no setting for this,
// so a trigger refuses large messages with the error of a full disk.
func takeRoom(t *testing.T, st *store.Store) (makeRoom func()) {
	t.Helper()
	run := func(statement string) {
		_, err := st.DB().Exec(bounded(t), statement)
		must(t, err)
	}
	if st.DB().Dialect == dbutil.SQLite {
		run("PRAGMA max_page_count=1") // SQLite raises the limit to the current size
		return func() { run("PRAGMA max_page_count=1000000") }
	}
	run(`CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE='disk_full'; END $$`)
	run("CREATE TRIGGER no_room BEFORE INSERT ON wasup_outbox FOR EACH ROW WHEN (length(NEW.body) > 1000) EXECUTE FUNCTION no_room()")
	return func() { run("DROP TRIGGER no_room ON wasup_outbox") }
}

func readOnly(t *testing.T, st *store.Store) {
	ctx := bounded(t)
	lodge(t, st, "51")
	if st.DB().Dialect == dbutil.SQLite {
		_, err := st.DB().Exec(ctx, "PRAGMA query_only=1")
		must(t, err)
	} else {
		becomeReadOnly(t, st)
	}
	_, _, err := st.Outbox().Enqueue(ctx, entry("51", "k"), keysFrom)
	wantCode(t, err, session.CodeStoreUnavailable)
	wantDiscreet(t, err)
	_, err = st.Sessions().SetDesired(ctx, "51", session.DesiredRun)
	wantCode(t, err, session.CodeStoreUnavailable)
	must(t, st.Ping(ctx))
}

// becomeReadOnly makes a PostgreSQL database read-only, as on a standby. It ends the connections of the pool, but not
// the one with the lock.
func becomeReadOnly(t *testing.T, st *store.Store) {
	t.Helper()
	ctx := bounded(t)
	var name string
	must(t, st.DB().QueryRow(ctx, "SELECT current_database()").Scan(&name))
	_, err := st.DB().Exec(ctx, "ALTER DATABASE "+name+" SET default_transaction_read_only=on")
	must(t, err)
	// The statement also ends its own connection, so its result is always an error.
	_, _ = st.DB().Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname=current_database() AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype='advisory')
		ORDER BY pid=pg_backend_pid()`)
}

func closed(t *testing.T, st *store.Store) {
	must(t, st.Close())
	must(t, st.Close())
	ctx := bounded(t)
	_, found, err := st.Sessions().Load(ctx, "51")
	if found {
		t.Error("a closed store found a row")
	}
	wantCode(t, err, session.CodeStoreUnavailable)
	wantCode(t, st.Ping(ctx), session.CodeStoreUnavailable)
	_, _, err = st.Outbox().Enqueue(ctx, entry("51", "k"), keysFrom)
	wantCode(t, err, session.CodeStoreUnavailable)
	wantDiscreet(t, err)
}

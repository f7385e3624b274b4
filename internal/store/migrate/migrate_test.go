package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/migrate"
	"wasup/internal/store/pgtest"
	"wasup/internal/store/storetest"
	"wasup/internal/webhooks"
)

func openDSN(t *testing.T, dsn string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), dsn, store.Options{BusyTimeout: storetest.Patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// opener opens a new and empty store.
type opener struct {
	name string
	open func(t *testing.T) *store.Store
}

func bothDatabases() []opener {
	return []opener{
		{"sqlite", func(t *testing.T) *store.Store { return openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db")) }},
		{"postgres", func(t *testing.T) *store.Store { return openDSN(t, pgtest.DSN(t)) }},
	}
}

// fill writes sessions and messages with every kind of value that a row can have, and a number of plain sessions.
func fill(t *testing.T, st *store.Store, plain int) {
	t.Helper()
	ctx := t.Context()
	settings := session.Settings{Name: "Ana ⚽", Metadata: map[string]string{"k": "zero \x00"}, Proxy: "socks5://u:p@proxy.example:1080"}
	_, err := st.Sessions().Create(ctx, "51", session.DesiredRun, settings)
	if err != nil {
		t.Fatal(err)
	}
	err = st.DB().DoTxn(ctx, nil, func(ctx context.Context) error { // one commit for all of them
		for n := range plain {
			if _, err := st.Sessions().SetDesired(ctx, session.ID(fmt.Sprintf("s%d", n)), session.DesiredStop); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		st.Sessions().BindDevice(ctx, "51", "5491100000000:12@s.whatsapp.net"),
		st.Sessions().SaveObserved(ctx, session.Record{
			ID: "51", State: session.Ready, Cause: session.CauseConnected, LastCause: session.CauseSocketLost,
			LastError: "lost", Account: session.Account{JID: "5491100000000:12@s.whatsapp.net", PushName: "Ana"},
			ConnectedAt: time.UnixMilli(1_780_000_000_123).UTC(),
		}))
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Events().Append(ctx, received("k"), received("")); err != nil {
		t.Fatal(err)
	}
	hook := webhooks.Webhook{ID: "wh_1", URL: "https://a.example/", Headers: map[string]string{"X-A": "b"}, Active: true}
	if _, err := st.Webhooks().Create(ctx, hook, webhooks.Origin{Seq: 1}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"sending", "acked", ""} {
		entry := entryOf(key)
		entry.Content.Text = "zero \x00 and ⚽"
		stored, _, err := st.Outbox().Enqueue(ctx, entry, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if key == "acked" {
			_, err := st.Outbox().Receipt(ctx, "51", events.ReceiptData{
				IDs: []string{stored.ID}, Status: "read", Sender: message.Address{LID: "7@lid"}, At: time.UnixMilli(1_780_000_000_456),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func entryOf(key string) outbox.Entry {
	return outbox.Entry{BodyHash: key, Message: message.Message{
		Session: "51", ID: outbox.NewMessageID("51", key, key), Key: key, To: "5491100000001@s.whatsapp.net",
		Content: message.TextOf("text of " + key), State: message.Queued,
	}}
}

func received(key string) events.Event {
	return events.Event{
		Session: "51", Type: events.TypeMessage, Key: key, Data: []byte(`{"text":"\u0000 and ⚽"}`),
		Remote: &message.Remote{ID: "of " + key, Key: []byte{0, 1}, Kind: message.KindImage},
	}
}

func TestAMigrationCarriesEverythingOver(t *testing.T) {
	for _, from := range bothDatabases() {
		for _, to := range bothDatabases() {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				source, target := from.open(t), to.open(t)
				fill(t, source, 600) // more than one batch
				told := map[string]int{}
				err := migrate.Run(t.Context(), source.ForMigration(), target.ForMigration(), func(table string, done, total int) {
					if done < told[table] || done > total {
						t.Errorf("told %d of %d rows of %s after %d", done, total, table, told[table])
					}
					told[table] = done
				})
				if err != nil {
					t.Fatal(err)
				}
				maps.DeleteFunc(told, func(_ string, rows int) bool { return rows == 0 })
				want := map[string]int{
					"wasup_session": 601, "wasup_outbox": 3, "wasup_receipt": 1, "wasup_event": 3, "wasup_event_head": 2,
					"wasup_webhook": 1, "wasup_webhook_cursor": 1,
				}
				if !reflect.DeepEqual(told, want) {
					t.Errorf("told %v, want %v", told, want)
				}
				wantSame(t, source, target)
				wantAlive(t, target)
			})
		}
	}
}

func wantSame(t *testing.T, source, target *store.Store) {
	t.Helper()
	want, err := source.Sessions().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := target.Sessions().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != 601 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d sessions became %d", len(want), len(got))
	}
	log, _, err := source.Events().Read(t.Context(), events.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if carried, upTo, err := target.Events().Read(t.Context(), events.Query{}); err != nil || upTo != 3 || len(log) != 3 || !reflect.DeepEqual(carried, log) {
		t.Errorf("the log is %+v, %v; was %+v", carried, err, log)
	}
	hooks, err := source.Webhooks().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if carried, err := target.Webhooks().List(t.Context()); err != nil || len(hooks) != 1 || !reflect.DeepEqual(carried, hooks) {
		t.Errorf("webhooks are %+v, %v; were %+v", carried, err, hooks)
	} else if behind, err := target.Webhooks().Behind(t.Context(), carried[0]); err != nil || len(behind) != 1 {
		t.Errorf("behind with %v, %v", behind, err)
	}
	for _, key := range []string{"sending", "acked", ""} {
		was, existed, err := source.Outbox().Enqueue(t.Context(), entryOf(key), time.Time{})
		if err != nil || existed != (key != "") {
			t.Fatal(existed, err)
		}
		is, existed, err := target.Outbox().Enqueue(t.Context(), entryOf(key), time.Time{})
		if err != nil || existed != (key != "") || (key != "" && !reflect.DeepEqual(is, was)) {
			t.Errorf("message %q is %+v, %v, %v; was %+v", key, is, existed, err, was)
		}
		if key == "" {
			continue
		}
		full, err := source.Outbox().Message(t.Context(), "51", was.ID)
		copied, copyErr := target.Outbox().Message(t.Context(), "51", was.ID)
		if err != nil || copyErr != nil || !reflect.DeepEqual(full, copied) || (len(full.Receipts) == 1) != (key == "acked") {
			t.Errorf("message %q is %+v, %v; was %+v, %v", key, copied, copyErr, full, err)
		}
	}
}

// wantAlive writes new rows next to the copied ones: the database must not give out numbers that are in use.
func wantAlive(t *testing.T, st *store.Store) {
	t.Helper()
	if err := st.Events().Append(t.Context(), received("k"), received("new")); err != nil {
		t.Fatal(err)
	}
	if last, err := st.Events().LastSeq(t.Context(), "51"); err != nil || last != 4 {
		t.Fatalf("the log goes on with %d, %v", last, err)
	}
	for n := range 5 {
		if _, existed, err := st.Outbox().Enqueue(t.Context(), entryOf(fmt.Sprint("new", n)), time.Time{}); err != nil || existed {
			t.Fatalf("a message after the migration: %v, %v", existed, err)
		}
	}
}

func TestAMigrationIntoADatabaseThatIsInUseIsRefused(t *testing.T) {
	for _, to := range bothDatabases() {
		t.Run(to.name, func(t *testing.T) {
			source, target := openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db")), to.open(t)
			fill(t, source, 3)
			if _, err := target.Sessions().SetDesired(t.Context(), "7", session.DesiredRun); err != nil {
				t.Fatal(err)
			}
			wantNotMigrated(t, source, target, 1, "not empty", "wasup_session has 1 rows")
		})
	}
}

// wantNotMigrated fails the test unless Run refuses with these words and leaves the target's sessions unchanged.
func wantNotMigrated(t *testing.T, source, target *store.Store, sessions int, words ...string) {
	t.Helper()
	err := migrate.Run(t.Context(), source.ForMigration(), target.ForMigration(), nil)
	var e *session.Error
	if !errors.As(err, &e) || e.Code != session.CodeWrongState {
		t.Fatalf("migrated with %v", err)
	}
	for _, word := range words {
		if !strings.Contains(e.Message, word) {
			t.Errorf("message %q does not say %q", e.Message, word)
		}
	}
	records, err := target.Sessions().List(t.Context())
	if err != nil || len(records) != sessions {
		t.Errorf("the target has %d sessions, want %d; %v", len(records), sessions, err)
	}
}

// alter runs a statement in each of the stores.
func alter(t *testing.T, statement string, stores ...*store.Store) {
	t.Helper()
	for _, st := range stores {
		if _, err := st.DB().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMigrationIsAllOrNothingAndMissesNoTable(t *testing.T) {
	both := func(t *testing.T) (source, target *store.Store) {
		source, target = openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db")), openDSN(t, pgtest.DSN(t))
		fill(t, source, 3)
		return source, target
	}
	t.Run("a table that only the source has", func(t *testing.T) {
		source, target := both(t)
		alter(t, "CREATE TABLE zoo (id TEXT)", source)
		wantNotMigrated(t, source, target, 0, "zoo")
	})
	t.Run("a table that only the target has", func(t *testing.T) {
		source, target := both(t)
		alter(t, "CREATE TABLE zoo (id TEXT)", target)
		wantNotMigrated(t, source, target, 0, "zoo")
	})
	t.Run("a column that only the source has", func(t *testing.T) {
		source, target := both(t)
		alter(t, "ALTER TABLE wasup_session ADD COLUMN colour TEXT", source)
		wantNotMigrated(t, source, target, 0, "wasup_session", "colour")
	})
	t.Run("another version of the schema", func(t *testing.T) {
		source, target := both(t)
		alter(t, "UPDATE wasup_version SET version=version+1", source)
		wantNotMigrated(t, source, target, 0, "wasup_version")
	})
	t.Run("a type that nobody has thought of", func(t *testing.T) {
		source, target := both(t)
		alter(t, "CREATE TABLE zoo (at TIMESTAMP)", source, target)
		wantNotMigrated(t, source, target, 0, "zoo", "timestamp")
	})
	t.Run("a value that does not fit its type", func(t *testing.T) {
		source, target := both(t)
		alter(t, "CREATE TABLE zoo (id BIGINT)", source, target)
		alter(t, "INSERT INTO zoo (id) VALUES ('elephant')", source)
		wantNotMigrated(t, source, target, 0, "zoo", "id")
	})
	t.Run("a row that the target refuses", func(t *testing.T) {
		source, target := both(t)
		alter(t, "CREATE TABLE zoo (id BIGINT)", source, target)
		alter(t, "ALTER TABLE zoo ADD CHECK (id < 10)", target)
		alter(t, "INSERT INTO zoo (id) VALUES (11)", source)
		if err := migrate.Run(t.Context(), source.ForMigration(), target.ForMigration(), nil); session.CodeOf(err) != session.CodeStoreUnavailable {
			t.Fatalf("migrated with %v", err)
		}
		if records, err := target.Sessions().List(t.Context()); err != nil || len(records) != 0 {
			t.Errorf("the target has %d sessions, %v", len(records), err)
		}
		alter(t, "DELETE FROM zoo", source)
		if err := migrate.Run(t.Context(), source.ForMigration(), target.ForMigration(), nil); err != nil {
			t.Errorf("once the cause is gone: %v", err)
		}
	})
	t.Run("an end in the middle", func(t *testing.T) {
		source, target := both(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := migrate.Run(ctx, source.ForMigration(), target.ForMigration(), func(_ string, done, _ int) {
			if done > 0 {
				cancel()
			}
		})
		if session.CodeOf(err) != session.CodeStoreUnavailable {
			t.Fatalf("migrated with %v", err)
		}
		if records, err := target.Sessions().List(t.Context()); err != nil || len(records) != 0 {
			t.Errorf("the target has %d sessions, %v", len(records), err)
		}
	})
}

func TestWhatTrialWritesLeftDoesNotStopAMigration(t *testing.T) {
	for _, to := range bothDatabases() {
		t.Run(to.name, func(t *testing.T) {
			source, target := openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db")), to.open(t)
			alter(t, "INSERT INTO wasup_trial (text) VALUES ('of a process that was killed')", source, target)
			if err := migrate.Run(t.Context(), source.ForMigration(), target.ForMigration(), nil); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAMigrationKeepsTypesAndOrderAndCleansTextThatCannotBe(t *testing.T) {
	source, target := openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db")), openDSN(t, pgtest.DSN(t))
	back := openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "back.db"))
	// "animal" sorts before "cage", the table that it refers to.
	for _, st := range []*store.Store{source, target, back} {
		alter(t, "CREATE TABLE cage (id TEXT PRIMARY KEY, big BIGINT, open BOOLEAN, key bytea, tag uuid, weight DOUBLE PRECISION)", st)
		alter(t, "CREATE TABLE animal (name TEXT PRIMARY KEY, cage TEXT REFERENCES cage(id))", st)
	}
	const tag = "123e4567-e89b-12d3-a456-426614174000"
	alter(t, "INSERT INTO cage VALUES ('a', 9223372036854775807, true, x'00ff80', '"+tag+"', 1.5), ('b', NULL, false, x'', NULL, NULL)", source)
	alter(t, "INSERT INTO animal VALUES ('zero ' || char(0) || ' byte', 'a'), ('free', NULL)", source)
	for _, way := range []struct {
		from, to *store.Store
		bytes    string // SQL condition: the column key has the type for bytes
	}{{source, target, "pg_typeof(key)::text='bytea'"}, {target, back, "typeof(key)='blob'"}} {
		if err := migrate.Run(t.Context(), way.from.ForMigration(), way.to.ForMigration(), nil); err != nil {
			t.Fatal(err)
		}
		var big int64
		var open, typed, same bool
		var key []byte
		var uuid, name string
		var weight float64
		err := way.to.DB().QueryRow(t.Context(), "SELECT big, open, key, CAST(tag AS TEXT), weight, "+way.bytes+" FROM cage WHERE id='a'").
			Scan(&big, &open, &key, &uuid, &weight, &typed)
		if err != nil || big != 9223372036854775807 || !open || string(key) != "\x00\xff\x80" || uuid != tag || weight != 1.5 || !typed {
			t.Errorf("row a is %d %v %x %s %v %v, %v", big, open, key, uuid, weight, typed, err)
		}
		err = way.to.DB().QueryRow(t.Context(), "SELECT big IS NULL AND NOT open AND length(key)=0 AND tag IS NULL AND weight IS NULL AND "+
			way.bytes+" FROM cage WHERE id='b'").Scan(&same)
		if err != nil || !same {
			t.Errorf("row b is not as it was: %v", err)
		}
		if err := way.to.DB().QueryRow(t.Context(), "SELECT name FROM animal WHERE cage='a'").Scan(&name); err != nil || name != "zero \uFFFD byte" {
			t.Errorf("the name is %q, %v", name, err)
		}
	}
}

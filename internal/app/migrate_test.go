package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"go.mau.fi/util/dbutil"

	"wasup/internal/sandbox"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/migrate"
	"wasup/internal/store/pgtest"
	"wasup/internal/whatsapp"
)

// talk sends a message from a linked session to its contact and another one back, so that the ratchet turns both ways.
func (h *house) talk(client int64, linked, contact *sandbox.Phone, text string) {
	h.t.Helper()
	id := h.Send(client, contact.Number(), text).Is(200).Text("message_id")
	if got := arrived(h.t, contact, id, phones.StatusRead); got.Text != text {
		h.t.Fatalf("the contact read %q, want %q", got.Text, text)
	}
	events, end := h.server.Subscribe()
	defer end()
	back, err := contact.SendText(apptest.Bounded(h.t), linked.Number(), "re: "+text)
	if err != nil {
		h.t.Fatal(err)
	}
	// The linked device confirms that it has decrypted the answer, or asks for it again.
	ctx := apptest.Bounded(h.t)
	for {
		select {
		case e := <-events:
			kind, about, _ := strings.Cut(e.Detail, " ")
			if e.Kind != observe.EventReceipt || about != back || !strings.Contains(e.Device, ":") {
				continue
			}
			if kind == "retry" {
				h.t.Fatalf("session %d could not decrypt %q", client, "re: "+text)
			}
			return
		case <-ctx.Done():
			h.t.Fatalf("session %d did not receive %q", client, "re: "+text)
		}
	}
}

func TestSessionsGoOnInAnotherDatabaseWithoutAQR(t *testing.T) {
	for _, way := range []struct {
		name     string
		from, to func(testing.TB) string
	}{
		{"from SQLite to PostgreSQL", apptest.NewDSN, pgtest.DSN},
		{"from PostgreSQL to SQLite", pgtest.DSN, apptest.NewDSN},
	} {
		t.Run(way.name, func(t *testing.T) { moves(t, way.from(t), way.to(t)) })
	}
}

func moves(t *testing.T, from, to string) {
	t.Helper()
	server := apptest.NewSandbox(t, sandbox.Config{})
	h := open(t, server, apptest.Quick(server, from), seams{})
	own := []*sandbox.Phone{h.linked(1), h.linked(2)}
	bruno := h.phone(phones.ScriptRead)
	for i, phone := range own {
		h.talk(int64(i+1), phone, bruno, fmt.Sprint("before ", i))
	}
	key := []string{"Idempotency-Key", "order-4711"}
	once := h.Send(1, bruno.Number(), "once", key...).Is(200).Text("message_id")

	// said is what a person sees: each table with its number of rows, and the error.
	migrate := func() (rows int, said string) {
		var progress strings.Builder
		log := slog.New(slog.NewTextHandler(&progress, &slog.HandlerOptions{Level: slog.LevelWarn}))
		rows, err := Migrate(apptest.Bounded(t), from, to, log, &progress)
		if err != nil {
			return 0, progress.String() + err.Error()
		}
		return rows, progress.String()
	}
	if rows, said := migrate(); rows != 0 || !strings.Contains(said, "is in use by") {
		t.Fatalf("a database in use was migrated: %d rows, %s", rows, said)
	}
	h.close()
	rows, said := migrate()
	if rows == 0 || !strings.Contains(said, "whatsmeow_device") {
		t.Fatalf("the migration moved %d rows and says %s", rows, said)
	}
	if strings.Contains(said, "p@ss") {
		t.Errorf("the migration tells the password: %s", said)
	}
	if rows, said := migrate(); rows != 0 || !strings.Contains(said, "not empty") {
		t.Errorf("a second migration moved %d rows and says %s", rows, said)
	}

	h = open(t, server, apptest.Quick(server, to), seams{})
	for i, phone := range own {
		client := int64(i + 1)
		h.ready(client)
		if n := h.seen.count(session.NumericID(client), session.QRRequired); n != 0 || len(phone.Devices()) != 1 {
			t.Fatalf("session %d asked for a QR %d times and has %d devices", client, n, len(phone.Devices()))
		}
		h.talk(client, phone, bruno, fmt.Sprint("after ", i))
	}
	if again := h.Send(1, bruno.Number(), "once", key...).Is(200).Text("message_id"); again != once {
		t.Errorf("the key is answered %s, not %s", again, once)
	}
	if copies := arrived(t, bruno, once, phones.StatusRead).Copies; copies != 1 {
		t.Errorf("the message arrived %d times", copies)
	}
	if n := server.Counters().Retries; n != 0 {
		t.Errorf("%d messages had to be asked for again", n)
	}
	// A third session pairs with the new database.
	h.linked(3)
}

// rowsOfEveryTable has one INSERT, in SQLite's dialect, for each table that a migration must copy. The test below fails
// on a table that is missing here, because an upgrade of whatsmeow or of wasup has added it.
var rowsOfEveryTable = map[string]string{
	"wasup_session": `(id, desired, device_jid, state, cause, last_cause, created_at, updated_at, name, metadata, proxy)
		VALUES ('51', 'run', 'a@s', 'READY', 'connected', 'none', 1, 2, 'Ana', '{"a":"b"}', 'http://proxy.example:1')`,
	"wasup_outbox": `(session_id, message_id, idempotency_key, body_hash, recipient, body, state, created_at, updated_at)
		VALUES ('51', '3EB0', 'k', 'h', 'b@s', 'text', 'sending', 1, 2)`,
	"wasup_event": `(pos, session_id, seq, at, type, key, data, media, remote)
		VALUES (7, '51', 3, 1, 'message.received', 'k', '{"a":"⚽"}', 'm', '{"key":"AA=="}'), (9, '51', 4, 2, 'session.state', NULL, '{}', NULL, NULL)`,
	"wasup_unlink":         `VALUES ('b@s', '52', 'http://proxy.example:2', 3, 2, 9)`,
	"wasup_alias":          `VALUES ('5511987654321', '101@lid', '551187654321@s.whatsapp.net', 9)`,
	"wasup_timer":          `VALUES ('51', '900@lid', '101@lid', 86400, 1780000000, true, 1, 2, '3EB0')`,
	"wasup_event_head":     `VALUES ('51', 4), ('', 9)`,
	"wasup_kept":           `VALUES ('0a', '51', 'm', 7, 'image', 10, 'failed', 'media_gone', 3, 9)`,
	"wasup_webhook":        `VALUES ('w1', '51', 'https://example.org/', 'd', '*', '{"A":"b"}', 'whsec_a', 'whsec_b', 5, true, '', 1, 2)`,
	"wasup_webhook_cursor": `VALUES ('w1', '51', 3, 4, 2, 1, 9)`,
	"wasup_webhook_gap":    `VALUES ('w1', '51', 1, 2, 5, 2, 1, 2, 3, 'told')`,
	"wasup_webhook_dead":   `VALUES ('w1', 5, '51', 2, 1, 'call', '{}', 8, 503, 'busy', 9, true)`,
	"wasup_webhook_delivery": `(webhook_id, n, session_id, seq, pos, type, at, attempt, outcome, status, took_us, error)
		VALUES ('w1', 1, '51', 2, 5, 'call', 1, 8, 'dead', 503, 1234, 'busy')`,
	"wasup_receipt": `VALUES ((SELECT seq FROM wasup_outbox), 'b@s', 2, 'b@lid', 'b@s', 1, 2, 3)`,
	"whatsmeow_device": `(jid, lid, facebook_uuid, registration_id, noise_key, identity_key, signed_pre_key, signed_pre_key_id,
		signed_pre_key_sig, adv_key, adv_details, adv_account_sig, adv_account_sig_key, adv_device_sig, platform, business_name,
		push_name, lid_migration_ts, companion_meta_nonce)
		VALUES ('a@s', 'a@lid', '123e4567-e89b-12d3-a456-426614174000', 4294967295, randomblob(32), randomblob(32), randomblob(32),
		16777215, randomblob(64), randomblob(9), x'', randomblob(64), randomblob(32), randomblob(64), 'android', 'Ltd', 'Ana ⚽', 3, 'n')`,
	"whatsmeow_identity_keys":           `VALUES ('a@s', 'b.1', randomblob(32))`,
	"whatsmeow_pre_keys":                `VALUES ('a@s', 1, randomblob(32), true), ('a@s', 2, randomblob(32), false)`,
	"whatsmeow_sessions":                `VALUES ('a@s', 'b.1', randomblob(700)), ('a@s', 'b.2', NULL)`,
	"whatsmeow_sender_keys":             `VALUES ('a@s', 'g@g.us', 'b.1', randomblob(200))`,
	"whatsmeow_app_state_sync_keys":     `VALUES ('a@s', randomblob(6), randomblob(32), 1780000000, randomblob(4))`,
	"whatsmeow_app_state_version":       `VALUES ('a@s', 'regular', 7, randomblob(128))`,
	"whatsmeow_app_state_mutation_macs": `VALUES ('a@s', 'regular', 7, randomblob(32), randomblob(32))`,
	"whatsmeow_contacts":                `VALUES ('a@s', 'b@s', NULL, 'Bruno', 'B', NULL, NULL)`,
	"whatsmeow_chat_settings":           `VALUES ('a@s', 'b@s', -1, true, false)`,
	"whatsmeow_message_secrets":         `VALUES ('a@s', 'b@s', 'b@s', '3EB0', randomblob(32))`,
	"whatsmeow_privacy_tokens":          `VALUES ('a@s', 'b@s', randomblob(11), 5, NULL)`,
	"whatsmeow_nct_salt":                `VALUES ('a@s', randomblob(16))`,
	"whatsmeow_lid_map":                 `VALUES ('1', '2')`,
	"whatsmeow_event_buffer":            `VALUES ('a@s', randomblob(32), NULL, 5, 6)`,
	"whatsmeow_retry_buffer":            `VALUES ('a@s', 'b@s', '3EB0', 'plain', randomblob(50), 5)`,
}

// whole opens a database that has all tables.
func whole(t *testing.T, dsn string) *store.Store {
	t.Helper()
	st, err := store.Open(apptest.Bounded(t), dsn, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := whatsapp.UpgradeTables(apptest.Bounded(t), st.DB(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return st
}

// tablesOf lists every table that the database holds, apart from those of schema versions and of trial writes.
func tablesOf(t *testing.T, st *store.Store) []string {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
	if st.DB().Dialect == dbutil.Postgres {
		query = "SELECT table_name::text FROM information_schema.tables WHERE table_schema='public'"
	}
	rows, err := st.DB().Query(apptest.Bounded(t), query)
	names, err := dbutil.NewRowIterWithError(rows, dbutil.ScanSingleColumn[string], err).AsList()
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "wasup_trial" || strings.HasSuffix(name, "_version") && !strings.HasSuffix(name, "state_version")
	})
	slices.Sort(names)
	return names
}

// contents returns every row of a table as JSON, in an order that does not depend on the kind of database.
func contents(t *testing.T, st *store.Store, table string) []string {
	t.Helper()
	rows, err := st.DB().Query(apptest.Bounded(t), "SELECT * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for i, name := range columns {
			row[name] = plain(name, values[i])
		}
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// plain converts a value to a form that is the same for both drivers.
func plain(name string, value any) any {
	switch v := value.(type) {
	case []byte:
		if name == "body" { // SQLite has text, PostgreSQL has bytes
			return string(v)
		}
		return fmt.Sprintf("%x", v)
	case bool: // SQLite has a number
		if v {
			return "1"
		}
		return "0"
	case int64:
		return fmt.Sprint(v)
	default:
		return v
	}
}

func TestAMigrationCarriesEveryTableOfWhatsmeowAndOurs(t *testing.T) {
	source, target := whole(t, apptest.NewDSN(t)), whole(t, pgtest.DSN(t))
	back := whole(t, "sqlite:"+filepath.Join(t.TempDir(), "back.db"))
	names := tablesOf(t, source)
	if got := tablesOf(t, target); !slices.Equal(got, names) {
		t.Fatalf("PostgreSQL has the tables %v, SQLite %v", got, names)
	}
	err := source.DB().DoTxn(apptest.Bounded(t), nil, func(ctx context.Context) error {
		if _, err := source.DB().Exec(ctx, "PRAGMA defer_foreign_keys=1"); err != nil {
			return err
		}
		for _, name := range names {
			row, known := rowsOfEveryTable[name]
			if !known {
				t.Errorf("table %s has no row here: add one, so that its migration is tested", name)
				continue
			}
			if _, err := source.DB().Exec(ctx, "INSERT INTO "+name+" "+row); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range [][2]*store.Store{{source, target}, {target, back}} {
		if err := migrate.Run(apptest.Bounded(t), way[0].ForMigration(), way[1].ForMigration(), nil); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			want := contents(t, way[0], name)
			if got := contents(t, way[1], name); len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("table %s is\n%v\nwant\n%v", name, got, want)
			}
		}
	}
}

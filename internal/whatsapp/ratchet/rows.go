package ratchet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/groupcommit"
)

// rows writes the changes of many devices. What every message changes is written to whatsmeow's tables with many rows
// per statement, the rest through whatsmeow's own store.
type rows struct {
	db       *dbutil.Database
	sessions *table
	outgoing *table
	buffered *table
}

// rowsAtOnce lists the rows per statement for SQLite. There are few sizes, so that each statement is prepared once. The
// last one must be 1.
var rowsAtOnce = [...]int{32, 16, 8, 4, 2, 1}

// table inserts into one of whatsmeow's tables, with the same effect as whatsmeow's own statement.
type table struct {
	columns  int
	texts    [len(rowsAtOnce)]string    // SQLite
	prepared [len(rowsAtOnce)]*sql.Stmt // of texts; nil if preparing it failed at the start of the process
	arrays   string                     // PostgreSQL: one statement for any number of rows; each argument is the array of one column
}

// newTable makes the statements for a table. types are PostgreSQL's names of the columns' types.
func newTable(ctx context.Context, db *dbutil.Database, name string, columns, types []string, conflict string) *table {
	t := &table{columns: len(columns)}
	into := "INSERT INTO " + name + " (" + strings.Join(columns, ",") + ") "
	if db.Dialect != dbutil.SQLite {
		places := make([]string, len(types))
		for i, kind := range types {
			places[i] = fmt.Sprintf("$%d::%s[]", i+1, kind)
		}
		t.arrays = into + "SELECT * FROM unnest(" + strings.Join(places, ",") + ") " + conflict
		return t
	}
	row := "(" + strings.Repeat("?,", len(columns)-1) + "?)"
	for i, size := range rowsAtOnce {
		t.texts[i] = into + "VALUES " + strings.Repeat(row+",", size-1) + row + " " + conflict
		// Prepare now: a transaction occupies the one connection that could prepare a statement. An error is ignored here,
		// and shows up in the sessions that use the database.
		if statement, err := db.RawDB.PrepareContext(ctx, t.texts[i]); err == nil { //nolint:sqlclosecheck // close does it
			t.prepared[i] = statement
		}
	}
	return t
}

func (t *table) close() {
	for _, statement := range t.prepared {
		if statement != nil {
			_ = statement.Close()
		}
	}
}

func newRows(ctx context.Context, db *dbutil.Database) *rows {
	return &rows{
		db: db,
		sessions: newTable(ctx, db, "whatsmeow_sessions",
			[]string{"our_jid", "their_id", "session"}, []string{"text", "text", "bytea"},
			"ON CONFLICT (our_jid, their_id) DO UPDATE SET session=excluded.session"),
		outgoing: newTable(ctx, db, "whatsmeow_retry_buffer",
			[]string{"our_jid", "chat_jid", "message_id", "format", "plaintext", "timestamp"},
			[]string{"text", "text", "text", "text", "bytea", "bigint"},
			"ON CONFLICT (our_jid, chat_jid, message_id) DO UPDATE SET format=excluded.format, plaintext=excluded.plaintext, timestamp=excluded.timestamp"),
		// If another connection of the device has received the same message, both handle it, and the log drops the second
		// copy.
		buffered: newTable(ctx, db, "whatsmeow_event_buffer",
			[]string{"our_jid", "ciphertext_hash", "plaintext", "server_timestamp", "insert_timestamp"},
			[]string{"text", "bytea", "bytea", "bigint", "bigint"}, "ON CONFLICT (our_jid, ciphertext_hash) DO NOTHING"),
	}
}

func (r *rows) close() {
	for _, t := range []*table{r.sessions, r.outgoing, r.buffered} {
		t.close()
	}
}

// write writes the entries within the transaction of ctx.
func (r *rows) write(ctx context.Context, entries []*groupcommit.Entry[written]) error {
	now := time.Now().UnixMilli()
	var sessions, outgoing, buffered []any
	for _, entry := range entries {
		c, jid := entry.What.changes, entry.What.r.jid
		for address, record := range c.sessions {
			if record != nil {
				sessions = append(sessions, jid, address, record)
			}
		}
		for _, e := range c.outgoing {
			outgoing = append(outgoing, jid, e.chat.String(), e.id, e.format, e.plaintext, now)
		}
		for _, e := range c.buffered {
			buffered = append(buffered, jid, e.hash[:], e.plaintext, e.at.Unix(), now)
		}
		if err := c.applyRest(ctx, entry.What.r.write); err != nil {
			return err
		}
	}
	if err := r.insert(ctx, r.outgoing, outgoing); err != nil {
		return err
	}
	if err := r.insert(ctx, r.sessions, sessions); err != nil {
		return err
	}
	return r.insert(ctx, r.buffered, buffered)
}

// insert writes rows. values holds their columns one row after the other.
func (r *rows) insert(ctx context.Context, t *table, values []any) error {
	if len(values) == 0 {
		return nil
	}
	within := r.db.Execable(ctx)
	if t.arrays != "" {
		_, err := within.ExecContext(ctx, t.arrays, t.columnsOf(values)...)
		return err
	}
	transaction, ok := within.(*dbutil.LoggingTxn)
	if !ok {
		return errNoTransaction
	}
	for i, size := range rowsAtOnce {
		for take := size * t.columns; len(values) >= take; values = values[take:] {
			if err := t.exec(ctx, transaction.UnderlyingTx, i, values[:take]); err != nil {
				return err
			}
		}
	}
	return nil
}

// exec runs SQLite's statement with the index size in rowsAtOnce.
func (t *table) exec(ctx context.Context, transaction *sql.Tx, size int, values []any) (err error) {
	if t.prepared[size] == nil {
		_, err = transaction.ExecContext(ctx, t.texts[size], values...)
	} else {
		_, err = transaction.StmtContext(ctx, t.prepared[size]).ExecContext(ctx, values...) //nolint:sqlclosecheck // the transaction closes it
	}
	return err
}

// errNoTransaction shows a bug to a developer: a Config.Commit that does not begin a transaction.
var errNoTransaction = errors.New("the work's context carries no transaction")

// columnsOf turns rows into columns. Each column is a typed slice.
func (t *table) columnsOf(values []any) []any {
	columns := make([]any, t.columns)
	for i := range columns {
		switch values[i].(type) {
		case string:
			columns[i] = column[string](values, i, t.columns)
		case int64:
			columns[i] = column[int64](values, i, t.columns)
		default:
			columns[i] = column[[]byte](values, i, t.columns)
		}
	}
	return columns
}

func column[T any](values []any, first, step int) []T {
	all := make([]T, 0, len(values)/step)
	for i := first; i < len(values); i += step {
		value, _ := values[i].(T)
		all = append(all, value)
	}
	return all
}

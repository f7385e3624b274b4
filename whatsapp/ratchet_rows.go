package whatsapp

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/util/dbutil"
)

// rows writes changes of many devices. What every message changes goes many rows at a time into whatsmeow's tables, the
// rest through whatsmeow's own store.
type rows struct {
	db       *dbutil.Database
	sessions *table
	outgoing *table
	buffered *table
}

// rowsAtOnce are the sizes of statements. Few, so that each of them is prepared once.
var rowsAtOnce = [...]int{32, 8, 1}

// table inserts into one of whatsmeow's tables as whatsmeow does.
type table struct {
	columns  int
	queries  [len(rowsAtOnce)]string
	prepared [len(rowsAtOnce)]*sql.Stmt // SQLite; PostgreSQL's driver keeps its own
}

func newTable(into string, columns int, conflict string) *table {
	t := &table{columns: columns}
	for i, size := range rowsAtOnce {
		var query strings.Builder
		query.WriteString("INSERT INTO " + into + " VALUES ")
		for n := range size * columns {
			switch {
			case n%columns > 0:
				query.WriteString(",")
			case n > 0:
				query.WriteString("),(")
			default:
				query.WriteString("(")
			}
			fmt.Fprintf(&query, "$%d", n+1)
		}
		query.WriteString(") " + conflict)
		t.queries[i] = query.String()
	}
	return t
}

func newRows(ctx context.Context, db *dbutil.Database) (*rows, error) {
	r := &rows{
		db: db,
		sessions: newTable("whatsmeow_sessions (our_jid, their_id, session)", 3,
			"ON CONFLICT (our_jid, their_id) DO UPDATE SET session=excluded.session"),
		outgoing: newTable("whatsmeow_retry_buffer (our_jid, chat_jid, message_id, format, plaintext, timestamp)", 6,
			"ON CONFLICT (our_jid, chat_jid, message_id) DO UPDATE SET format=excluded.format, plaintext=excluded.plaintext, timestamp=excluded.timestamp"),
		buffered: newTable("whatsmeow_event_buffer (our_jid, ciphertext_hash, plaintext, server_timestamp, insert_timestamp)", 5, ""),
	}
	if db.Dialect != dbutil.SQLite {
		return r, nil
	}
	// Now: within a transaction the one connection that could prepare a statement is taken.
	for _, t := range []*table{r.sessions, r.outgoing, r.buffered} {
		for i, query := range t.queries {
			statement, err := db.RawDB.PrepareContext(ctx, query)
			if err != nil {
				r.close()
				return nil, err
			}
			t.prepared[i] = statement
		}
	}
	return r, nil
}

func (r *rows) close() {
	for _, t := range []*table{r.sessions, r.outgoing, r.buffered} {
		for _, statement := range t.prepared {
			if statement != nil {
				_ = statement.Close()
			}
		}
	}
}

// write takes part in the transaction of ctx.
func (r *rows) write(ctx context.Context, batch []*written) error {
	now := time.Now().UnixMilli()
	var sessions, outgoing, buffered []any
	for _, entry := range batch {
		c, jid := entry.changes, entry.r.jid
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
		if err := c.applyRest(ctx, entry.r.write); err != nil {
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

func (r *rows) insert(ctx context.Context, t *table, values []any) error {
	for i, size := range rowsAtOnce {
		for take := size * t.columns; len(values) >= take; values = values[take:] {
			if err := r.exec(ctx, t, i, values[:take]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rows) exec(ctx context.Context, t *table, i int, values []any) error {
	within := r.db.Execable(ctx)
	if transaction, ok := within.(*dbutil.LoggingTxn); ok && t.prepared[i] != nil {
		statement := transaction.UnderlyingTx.StmtContext(ctx, t.prepared[i])
		_, err := statement.ExecContext(ctx, values...)
		return err
	}
	_, err := within.ExecContext(ctx, t.queries[i], values...)
	return err
}

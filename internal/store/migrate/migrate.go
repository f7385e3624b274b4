// Package migrate copies a whole database into another one, SQLite or PostgreSQL, with the tables of whatsmeow.
//
// It owns the list of tables and their order, the conversion of values, and the check that both databases have one
// schema. It knows no table by name and no driver. The store opens both databases, locks them, and maps their errors.
package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"go.mau.fi/util/dbutil"

	"wasup/internal/session"
)

// batchRows and batchValues limit one INSERT. A statement of SQLite takes 32,766 values, one of PostgreSQL 65,535.
const (
	batchRows   = 500
	batchValues = 30_000
)

// Database is one of the two databases.
type Database struct {
	Name        string                                          // in messages
	Postgres    bool                                            // otherwise it is SQLite
	Write, Read *dbutil.Database                                // Read does not wait for SQLite's writer
	Except      string                                          // a table that is not copied
	Wrote       func()                                          // is called after each batch of rows
	Clean       func(text string) string                        // replaces what PostgreSQL does not store in text
	Failure     func(op string, id session.ID, err error) error // maps an error of the database; nil stays nil
	Log         *slog.Logger
}

// Run copies every table of from into to, whatsmeow's tables included, so that the sessions need not be paired again.
// Both databases are open, and so locked against other processes. Both must have all tables already:
// whatsapp.UpgradeTables creates whatsmeow's. Run reads the list of tables from the databases, so that it also copies
// tables of later versions.
//
// Run writes in one transaction: after an error the target is as empty as before. It only reads the source. It calls
// progress, if not nil, for each table: at its start with done 0, and after each batch of rows.
//
// Errors are *session.Error with a Message for the operator: CodeWrongState if the target has rows already, the schemas
// differ or a row cannot be converted; otherwise a code of the store.
//
// Do not run the source again afterwards: two processes that use copies of one device's keys break each other's chats.
func Run(ctx context.Context, from, to Database, progress func(table string, done, total int)) error {
	if progress == nil {
		progress = func(string, int, int) {}
	}
	m := &migration{from: from, to: to, progress: progress}
	source, err := from.beginRead(ctx)
	if err != nil {
		return to.Failure(op, "", err)
	}
	defer func() { _ = source.Rollback() }()
	m.source = source
	plan, err := m.plan(ctx)
	if err != nil {
		return to.Failure(op, "", err)
	}
	err = to.Write.DoTxn(ctx, nil, func(ctx context.Context) error {
		if err := m.checkEmpty(ctx, plan); err != nil {
			return err
		}
		for _, t := range plan {
			if err := m.copy(ctx, t); err != nil {
				return fmt.Errorf("table %s: %w", t.name, err)
			}
		}
		return nil
	})
	if err != nil {
		return to.Failure(op, "", err)
	}
	for _, column := range m.cleaned {
		to.Log.Warn("characters that PostgreSQL cannot store were replaced", "column", column)
	}
	return nil
}

const op = "migrate database"

type migration struct {
	from, to Database
	source   *sql.Tx
	progress func(string, int, int)
	cleaned  []string // columns with text that had to be changed, as table.column
}

func refused(format string, args ...any) error {
	return &session.Error{Code: session.CodeWrongState, Op: op, Message: fmt.Sprintf(format, args...)}
}

// beginRead begins a read-only transaction that sees one snapshot of the whole database.
func (d Database) beginRead(ctx context.Context) (*sql.Tx, error) {
	if d.Postgres {
		return d.Read.RawDB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	}
	return d.Read.RawDB.BeginTx(ctx, nil) // the readers' pool is read-only, and every transaction of SQLite is a snapshot
}

// plan returns the tables to copy, in an order that satisfies the foreign keys. It refuses databases that differ.
func (m *migration) plan(ctx context.Context) ([]table, error) {
	source, err := m.from.tables(ctx)
	if err != nil {
		return nil, err
	}
	target, err := m.to.tables(ctx)
	if err != nil {
		return nil, err
	}
	var plan []table
	for _, s := range source {
		i := slices.IndexFunc(target, func(t table) bool { return t.name == s.name })
		if i < 0 {
			return nil, refused("database %s has a table %s, which database %s does not have; nothing was copied", m.from.Name, s.name, m.to.Name)
		}
		t := target[i]
		if s.version() != t.version() {
			return nil, refused("table %s differs between the two databases; nothing was copied", s.name)
		}
		if t.version() {
			if err := m.sameVersion(ctx, t); err != nil {
				return nil, err
			}
			continue
		}
		if err := sameColumns(s, t); err != nil {
			return nil, err
		}
		plan = append(plan, t)
	}
	for _, t := range target {
		if !slices.ContainsFunc(source, func(s table) bool { return s.name == t.name }) {
			return nil, refused("database %s has a table %s, which database %s does not have; nothing was copied", m.to.Name, t.name, m.from.Name)
		}
	}
	return parentsFirst(plan)
}

func sameColumns(source, target table) error {
	var differ []string
	for _, pair := range [][2]table{{source, target}, {target, source}} {
		for _, c := range pair[0].columns {
			if !slices.ContainsFunc(pair[1].columns, func(o column) bool { return o.name == c.name }) {
				differ = append(differ, c.name)
			}
		}
	}
	if len(differ) > 0 {
		return refused("table %s differs between the two databases in the columns %s; nothing was copied", target.name, strings.Join(differ, ", "))
	}
	for _, c := range target.columns {
		if c.kind == kindUnknown {
			return refused("column %s of table %s has the type %s, which cannot be converted; nothing was copied", c.name, target.name, c.declared)
		}
	}
	return nil
}

// sameVersion checks that a table of schema versions has the same version in both databases. In another version the
// same columns could mean something else.
func (m *migration) sameVersion(ctx context.Context, t table) error {
	var source, target int
	query := "SELECT version FROM " + quoted(t.name)
	if err := m.source.QueryRowContext(ctx, query).Scan(&source); err != nil {
		return err
	}
	if err := m.to.Read.QueryRow(ctx, query).Scan(&target); err != nil {
		return err
	}
	if source != target {
		return refused("the schema version in %s is %d in database %s and %d in database %s; nothing was copied", t.name, source, m.from.Name, target, m.to.Name)
	}
	return nil
}

func (m *migration) checkEmpty(ctx context.Context, plan []table) error {
	for _, t := range plan {
		var rows int
		if err := m.to.Write.QueryRow(ctx, "SELECT count(*) FROM "+quoted(t.name)).Scan(&rows); err != nil {
			return err
		}
		if rows > 0 {
			return refused("database %s is not empty: table %s has %d rows; expected a database that wasup has not used yet", m.to.Name, t.name, rows)
		}
	}
	return nil
}

// copy copies the rows of one table in batches and verifies their number.
func (m *migration) copy(ctx context.Context, t table) error {
	var total int
	if err := m.source.QueryRowContext(ctx, "SELECT count(*) FROM "+quoted(t.name)).Scan(&total); err != nil {
		return err
	}
	m.progress(t.name, 0, total)
	rows, err := m.source.QueryContext(ctx, "SELECT "+t.list()+" FROM "+quoted(t.name))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	size := min(batchRows, batchValues/len(t.columns))
	batch := make([]any, 0, size*len(t.columns))
	done := 0
	flush := func() error {
		n := len(batch) / len(t.columns)
		if n == 0 {
			return nil
		}
		if _, err := m.to.Write.Exec(ctx, t.insert(n), batch...); err != nil {
			return err
		}
		batch, done = batch[:0], done+n
		m.to.Wrote()
		m.progress(t.name, done, total)
		return nil
	}
	for rows.Next() {
		if batch, err = m.appendRow(batch, t, rows); err != nil {
			return err
		}
		if len(batch) == cap(batch) {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	return m.verify(ctx, t, total)
}

func (m *migration) appendRow(batch []any, t table, row dbutil.Scannable) ([]any, error) {
	values := make([]any, len(t.columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	if err := row.Scan(into...); err != nil {
		return batch, err
	}
	for i, c := range t.columns {
		value, cleaned, err := c.convert(values[i], m.to)
		if err != nil {
			return batch, refused("table %s, column %s: %v; nothing was copied", t.name, c.name, err)
		}
		if where := t.name + "." + c.name; cleaned && !slices.Contains(m.cleaned, where) {
			m.cleaned = append(m.cleaned, where)
		}
		batch = append(batch, value)
	}
	return batch, nil
}

// verify checks that the target has all rows of a table. It then sets PostgreSQL's sequences to the highest copied
// number, so that new rows get later numbers.
func (m *migration) verify(ctx context.Context, t table, want int) error {
	var got int
	if err := m.to.Write.QueryRow(ctx, "SELECT count(*) FROM "+quoted(t.name)).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return refused("table %s: the target has %d of %d rows after the copy; nothing was copied", t.name, got, want)
	}
	for _, c := range t.columns {
		if !c.generated || !m.to.Postgres || got == 0 {
			continue
		}
		var next int64
		err := m.to.Write.QueryRow(ctx, "SELECT setval(pg_get_serial_sequence($1, $2), (SELECT max("+quoted(c.name)+") FROM "+quoted(t.name)+"))",
			quoted(t.name), c.name).Scan(&next)
		if err != nil {
			return err
		}
	}
	return nil
}

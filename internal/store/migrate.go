package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"go.mau.fi/util/dbutil"

	"wasup/internal/session"
)

// batchRows and batchValues bound one INSERT. SQLite takes 32,766 values in a statement, PostgreSQL 65,535.
const (
	batchRows   = 500
	batchValues = 30_000
)

// Migrate copies every table of from into to, whatsmeow's included, so that the sessions go on without being paired
// again. Both are open, so both are locked against other processes, and both have all their tables already: whatsmeow's
// are brought up by the adapter (whatsapp.UpgradeTables). The tables are those that the databases have, not a list kept
// here, so that none is missed when an upgrade adds one.
//
// It is one transaction: after an error the target is as empty as before. The source is only read. progress, if not nil,
// is told the rows of each table: at its start with done 0, then after each batch.
//
// Errors are *session.Error with a Message for the person who asked: CodeWrongState where the target has rows already,
// the schemas differ or a row cannot be carried over, else a code of the store.
//
// Do not start the source again afterwards: two copies of one device's keys break each other.
func Migrate(ctx context.Context, from, to *Store, progress func(table string, done, total int)) error {
	if progress == nil {
		progress = func(string, int, int) {}
	}
	m := &migration{from: from, to: to, progress: progress}
	source, err := from.beginRead(ctx)
	if err != nil {
		return failure(opMigrate, "", err)
	}
	defer func() { _ = source.Rollback() }()
	m.source = source
	plan, err := m.plan(ctx)
	if err != nil {
		return failure(opMigrate, "", err)
	}
	err = to.write.DoTxn(ctx, nil, func(ctx context.Context) error {
		if err := m.wantEmpty(ctx, plan); err != nil {
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
		return failure(opMigrate, "", err)
	}
	for _, column := range m.cleaned {
		to.options.Logger.Warn("text that PostgreSQL cannot hold was carried over with replacement characters", "column", column)
	}
	return nil
}

const opMigrate = "migrate database"

type migration struct {
	from, to *Store
	source   *sql.Tx
	progress func(string, int, int)
	cleaned  []string // columns in which text had to be changed
}

func refused(format string, args ...any) error {
	return &session.Error{Code: session.CodeWrongState, Op: opMigrate, Message: fmt.Sprintf(format, args...)}
}

// beginRead is a snapshot of the whole database.
func (s *Store) beginRead(ctx context.Context) (*sql.Tx, error) {
	if s.postgres() {
		return s.read.RawDB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	}
	return s.read.RawDB.BeginTx(ctx, nil) // the readers' pool is read-only, and a transaction of SQLite is a snapshot
}

// plan lists the tables to copy, those that others refer to first.
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
			return nil, refused("database %s has a table %s, which database %s does not have; nothing was copied", m.from.name, s.name, m.to.name)
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
			return nil, refused("database %s has a table %s, which database %s does not have; nothing was copied", m.to.name, t.name, m.from.name)
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
			return refused("column %s of table %s has the type %s, which cannot be carried over; nothing was copied", c.name, target.name, c.declared)
		}
	}
	return nil
}

// sameVersion wants both databases to be at one version of a schema: the columns would mean other things.
func (m *migration) sameVersion(ctx context.Context, t table) error {
	var source, target int
	query := "SELECT version FROM " + quoted(t.name)
	if err := m.source.QueryRowContext(ctx, query).Scan(&source); err != nil {
		return err
	}
	if err := m.to.read.QueryRow(ctx, query).Scan(&target); err != nil {
		return err
	}
	if source != target {
		return refused("%s is %d in database %s and %d in database %s; nothing was copied", t.name, source, m.from.name, target, m.to.name)
	}
	return nil
}

func (m *migration) wantEmpty(ctx context.Context, plan []table) error {
	for _, t := range plan {
		var rows int
		if err := m.to.write.QueryRow(ctx, "SELECT count(*) FROM "+quoted(t.name)).Scan(&rows); err != nil {
			return err
		}
		if rows > 0 {
			return refused("database %s is not empty: table %s has %d rows; expected one that no wasup has used", m.to.name, t.name, rows)
		}
	}
	return nil
}

// copy carries one table over and counts what arrived.
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
		if _, err := m.to.write.Exec(ctx, t.insert(n), batch...); err != nil {
			return err
		}
		batch, done = batch[:0], done+n
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
	return m.arrived(ctx, t, total)
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
		value, cleaned, err := c.carry(values[i], m.to.postgres())
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

// arrived counts, and lets numbers that the database gives out go on after the highest that was copied.
func (m *migration) arrived(ctx context.Context, t table, want int) error {
	var got int
	if err := m.to.write.QueryRow(ctx, "SELECT count(*) FROM "+quoted(t.name)).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return refused("table %s: %d of %d rows arrived; nothing was copied", t.name, got, want)
	}
	for _, c := range t.columns {
		if !c.counted || !m.to.postgres() || got == 0 {
			continue
		}
		var next int64
		err := m.to.write.QueryRow(ctx, "SELECT setval(pg_get_serial_sequence($1, $2), (SELECT max("+quoted(c.name)+") FROM "+quoted(t.name)+"))",
			quoted(t.name), c.name).Scan(&next)
		if err != nil {
			return err
		}
	}
	return nil
}

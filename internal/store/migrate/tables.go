package migrate

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"go.mau.fi/util/dbutil"
)

// table describes a table of a database.
type table struct {
	name    string
	columns []column // without generated columns
	parents []string // tables that its foreign keys refer to
}

type column struct {
	name      string
	declared  string
	kind      kind
	generated bool // an identity or serial column: PostgreSQL gives out its numbers
}

// version reports whether the table is a version table of the database library (dbutil). Each database writes its own,
// so Run does not copy it.
func (t table) version() bool {
	return len(t.columns) == 2 && t.columns[0].name == "version" && t.columns[1].name == "compat"
}

func (t table) list() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = quoted(c.name)
	}
	return strings.Join(names, ", ")
}

func (t table) insert(rows int) string {
	n := 0
	values := make([]string, rows)
	for row := range values {
		places := make([]string, len(t.columns))
		for i := range places {
			n++
			places[i] = "$" + strconv.Itoa(n)
		}
		values[row] = "(" + strings.Join(places, ", ") + ")"
	}
	return "INSERT INTO " + quoted(t.name) + " (" + t.list() + ") VALUES " + strings.Join(values, ", ")
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// tables returns every table of the database that has data, ordered by name.
func (d Database) tables(ctx context.Context) ([]table, error) {
	list, columns, parents := sqliteTables, sqliteColumns, sqliteParents
	if d.Postgres {
		list, columns, parents = postgresTables, postgresColumns, postgresParents
	}
	names, err := d.strings(ctx, list)
	if err != nil {
		return nil, err
	}
	all := make([]table, 0, len(names))
	for _, name := range names {
		if name == d.Except {
			continue
		}
		t := table{name: name}
		rows, err := d.Read.Query(ctx, columns, name)
		t.columns, err = dbutil.NewRowIterWithError(rows, scanColumn, err).AsList()
		if err != nil {
			return nil, err
		}
		if t.parents, err = d.strings(ctx, parents, name); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

const (
	sqliteTables = `SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`
	// Generated columns are hidden.
	sqliteColumns = `SELECT name, lower(type), false FROM pragma_table_xinfo($1) WHERE hidden=0 ORDER BY cid`
	sqliteParents = `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1) ORDER BY 1`

	postgresTables = `SELECT relname::text FROM pg_class
		WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace=current_schema()::regnamespace ORDER BY relname`
	postgresColumns = `SELECT column_name::text, udt_name::text, is_identity='YES' OR coalesce(column_default LIKE 'nextval(%', false)
		FROM information_schema.columns
		WHERE table_schema=current_schema() AND table_name=$1 AND is_generated='NEVER' ORDER BY ordinal_position`
	postgresParents = `SELECT DISTINCT p.relname::text FROM pg_constraint k
		JOIN pg_class c ON c.oid=k.conrelid JOIN pg_class p ON p.oid=k.confrelid
		WHERE k.contype='f' AND c.relnamespace=current_schema()::regnamespace AND c.relname=$1 ORDER BY 1`
)

func scanColumn(row dbutil.Scannable) (c column, err error) {
	err = row.Scan(&c.name, &c.declared, &c.generated)
	c.kind = kindOf(c.declared)
	return c, err
}

func (d Database) strings(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := d.Read.Query(ctx, query, args...)
	return dbutil.NewRowIterWithError(rows, dbutil.ScanSingleColumn[string], err).AsList()
}

// parentsFirst orders tables so that each comes after the tables that its foreign keys refer to.
func parentsFirst(tables []table) ([]table, error) {
	var ordered []table
	placed := func(name string) bool {
		return slices.ContainsFunc(ordered, func(t table) bool { return t.name == name })
	}
	for len(ordered) < len(tables) {
		before := len(ordered)
		for _, t := range tables {
			waits := slices.ContainsFunc(t.parents, func(parent string) bool {
				return parent != t.name && !placed(parent) &&
					slices.ContainsFunc(tables, func(o table) bool { return o.name == parent })
			})
			if !placed(t.name) && !waits {
				ordered = append(ordered, t)
			}
		}
		if len(ordered) == before {
			return nil, refused("the foreign keys of the tables form a cycle; nothing was copied")
		}
	}
	return ordered, nil
}

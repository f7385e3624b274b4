package store

import (
	"cmp"
	"fmt"

	"go.mau.fi/util/dbutil"
)

// page is the SQL of a page: rows in an order, at most a number of them, and not many more bytes than a limit in one
// column. listUpTo reads it. SQLite gives the rows one by one, so listUpTo bounds the bytes. PostgreSQL sends them all,
// so there the SQL does it.
type page struct {
	columns string // of the table, which is called e
	table   string
	where   string
	key     string // the order of the page
	newest  bool   // the greatest key comes first
	index   string // a column of the same order, which has an index together with where; "": key
	same    string // a condition that makes the key unique; may be empty
	limit   string // the placeholder of the number of rows
	large   string // the column that is large
	bytes   int
}

// sql returns a statement.
func (p page) sql(postgres bool) string {
	order := ""
	if p.newest {
		order = " DESC"
	}
	chosen := fmt.Sprintf("FROM %s e WHERE %s ORDER BY e.%s%s LIMIT %s", p.table, p.where, cmp.Or(p.index, p.key), order, p.limit)
	if !postgres {
		return "SELECT " + p.columns + " " + chosen
	}
	same := ""
	if p.same != "" {
		same = " AND " + p.same
	}
	// A row is on the page if those before it leave room. To know a size, the database needs not read the column.
	return fmt.Sprintf(`
		WITH chosen AS (SELECT e.%[1]s AS place, coalesce(octet_length(e.%[2]s), 0) AS bytes %[3]s),
			sized AS (SELECT place, sum(bytes) OVER (ORDER BY place%[4]s) - bytes AS before FROM chosen)
		SELECT %[5]s FROM sized JOIN %[6]s e ON e.%[1]s=place%[7]s WHERE before<%[8]d ORDER BY place%[4]s`,
		p.key, p.large, chosen, order, p.columns, p.table, same, p.bytes)
}

// listUpTo returns rows until they have a number of bytes together. The row that reaches it is the last one.
func listUpTo[T any](rows dbutil.Rows, err error, most int, scan func(dbutil.Scannable) (T, error), size func(*T) int) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // an error of the rows is the one of Err
	var list []T
	for left := most; left > 0 && rows.Next(); {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		left -= size(&one)
		list = append(list, one)
	}
	return list, rows.Err()
}

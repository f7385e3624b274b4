package store_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mau.fi/util/dbutil"

	"wasup/internal/store"
)

// statements collects what stores run.
type statements struct {
	mu   sync.Mutex
	args map[string][]any // of one run, by statement
}

// watch collects the statements of a store.
func (s *statements) watch(st *store.Store) *store.Store {
	st.OnStatement(func(query string, args []any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.args == nil {
			s.args = make(map[string][]any)
		}
		s.args[query] = args
	})
	return st
}

// wholes are the scans that are meant: by the start of the plan's line, and a part of the statement.
var wholes = []struct{ line, part, why string }{
	{"SCAN CONSTANT ROW", "", "it reads no table"},
	{"SCAN v", "WITH v (", "the rows are the statement's own"},
	{"SCAN wasup_version", "LIMIT 1", "it has one row"},
	{"SCAN wasup_session USING INDEX", "ORDER BY id", "the answer is every session"},
	{"SCAN wasup_webhook", "FROM wasup_webhook ORDER BY", "the answer is every webhook"},
	{"SCAN wasup_unlink", "ORDER BY next_at, since", "the answer is every device that is to be unlinked"},
	{"SCAN wasup_event_head", "INSERT INTO wasup_webhook_cursor", "a new webhook gets a cursor for every session"},
	{"SCAN h", "FROM wasup_event_head h", "it is about every session, and the table has a row for each"},
	{"SCAN wasup_webhook_cursor", "DELETE FROM wasup_webhook_cursor WHERE NOT EXISTS", "it looks for what other tables do not have, rarely"},
	{"SCAN wasup_webhook_delivery", "DELETE FROM wasup_webhook_delivery WHERE session_id", "a session is deleted rarely, and each webhook has few deliveries"},
	{"SCAN wasup_outbox USING INDEX wasup_outbox_open_idx", "GROUP BY session_id", "the answer is about every open message, once at start"},
	{"SCAN wasup_outbox USING INDEX wasup_outbox_settled_idx", "SELECT (SELECT count(*)", "SQLite counts the entries of the index without the rows"},
	{"SCAN wasup_event USING INDEX wasup_event_qr_idx", "LIMIT", "the index has codes only, and retention keeps few"},
	{"SCAN wasup_kept USING INDEX wasup_kept_size_idx", "LIMIT", "the limit ends it"},
}

// rowsOf matches a list of values in a plan.
var rowsOf = regexp.MustCompile(`^SCAN \d+(-ROW VALUES CLAUSE| CONSTANT ROWS)$`)

// isWhole reports whether a line of a plan of SQLite says that all rows of a table, or of an index, are read. An index that
// covers a statement is read without the rows.
func isWhole(line, query string) bool {
	if !strings.HasPrefix(line, "SCAN ") || strings.Contains(line, "USING COVERING INDEX") || rowsOf.MatchString(line) {
		return false
	}
	return !slices.ContainsFunc(wholes, func(w struct{ line, part, why string }) bool {
		return strings.HasPrefix(line, w.line) && strings.Contains(query, w.part)
	})
}

// wantNoScans fails the test for each statement of wasup's that reads a whole table.
func (s *statements) wantNoScans(t *testing.T, st *store.Store) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for query, args := range s.args {
		query = strings.Join(strings.Fields(query), " ")
		if verb, _, _ := strings.Cut(query, " "); !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, verb) {
			continue
		}
		lines, err := planOf(t.Context(), st, query, args)
		if err != nil && !strings.Contains(query, "no_such_table") {
			t.Errorf("%s: %v", query, err)
		}
		for _, line := range lines {
			if isWhole(line, query) {
				t.Errorf("%s: %.500s", line, query)
			}
		}
	}
}

// planOf returns the lines of a statement's plan.
func planOf(ctx context.Context, st *store.Store, query string, args []any) ([]string, error) {
	rows, err := st.ReadDB().Query(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	return dbutil.NewRowIterWithError(rows, func(row dbutil.Scannable) (line string, err error) {
		var number int
		return line, row.Scan(&number, &number, &number, &line)
	}, err).AsList()
}

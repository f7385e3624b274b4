package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mau.fi/util/dbutil"

	"wasup/internal/session"
	"wasup/internal/webhooks"
)

// rowsPerStatement is the number of rows that one statement writes at most. Many rows save round trips; the limit
// bounds the number of different statements that the database prepares.
const rowsPerStatement = 32

type cursorKey struct {
	webhook string
	session session.ID
}

// Record implements webhooks.Cursors.
func (w *Webhooks) Record(ctx context.Context, list []webhooks.Progress) (moved []bool, err error) {
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		on := make(map[cursorKey]bool, len(list))
		for some := range slices.Chunk(list, rowsPerStatement) {
			if err := w.moveCursors(ctx, some, on); err != nil {
				return err
			}
		}
		attempts := make(map[string][]webhooks.Delivery)
		moved = make([]bool, len(list))
		for i, p := range list {
			if moved[i] = on[cursorKey{p.Webhook, p.Session}]; moved[i] {
				attempts[p.Webhook] = append(attempts[p.Webhook], p.Attempts...)
			}
		}
		for webhook, made := range attempts {
			if err := w.recordAttempts(ctx, webhook, made...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, failure("move cursors", "", err)
	}
	return moved, nil
}

// moveCursors moves many cursors in one statement, as moveCursor moves one. It sets on for each cursor that it moved.
func (w *Webhooks) moveCursors(ctx context.Context, list []webhooks.Progress, on map[cursorKey]bool) error {
	var values strings.Builder
	args := make([]any, 0, 4*len(list))
	for i, p := range list {
		n := len(args)
		fmt.Fprintf(&values, "%s($%d, $%d, CAST($%d AS BIGINT), CAST($%d AS BIGINT))", separator(i), n+1, n+2, n+3, n+4)
		args = append(args, p.Webhook, string(p.Session), int64(p.From), int64(p.To))
	}
	rows, err := w.store.write.Query(ctx, "WITH v (webhook, session, behind, ahead) AS (VALUES "+values.String()+`)
		UPDATE wasup_webhook_cursor SET seq=v.ahead, attempt_seq=0, attempts=0, first_failed=0, next_at=0 FROM v
		WHERE webhook_id=v.webhook AND session_id=v.session AND seq=v.behind RETURNING webhook_id, session_id`, args...)
	found, err := dbutil.NewRowIterWithError(rows, func(row dbutil.Scannable) (p cursorKey, err error) {
		return p, row.Scan(&p.webhook, &p.session)
	}, err).AsList()
	for _, p := range found {
		on[p] = true
	}
	return err
}

// recordAttempts stores attempts of a webhook, as part of a transaction, and deletes all but the newest maxAttempts.
func (w *Webhooks) recordAttempts(ctx context.Context, webhook string, list ...webhooks.Delivery) error {
	db := w.store.write
	var last uint64
	err := db.QueryRow(ctx, "SELECT coalesce(max(n), 0) FROM wasup_webhook_delivery WHERE webhook_id=$1", webhook).Scan(&last)
	if err != nil {
		return err
	}
	upTo := last + uint64(len(list))
	// Attempts beyond maxAttempts get a number but are not written, because they would be deleted at once.
	written := list[max(0, len(list)-maxAttempts):]
	n := upTo - uint64(len(written))
	for some := range slices.Chunk(written, rowsPerStatement) {
		var values strings.Builder
		args := make([]any, 0, 12*len(some))
		for i := range some {
			d := &some[i]
			n++
			values.WriteString(separator(i) + "(")
			for c := range 12 {
				values.WriteString(separator(c) + placeholder(len(args)+c+1))
			}
			values.WriteString(")")
			args = append(args, webhook, int64(n), string(d.Session), int64(d.Seq), int64(d.Pos), string(d.Type), millis(d.At), d.Attempt,
				string(d.Outcome), d.Status, d.Took.Microseconds(), clean(d.Error))
		}
		_, err = db.Exec(ctx, `
			INSERT INTO wasup_webhook_delivery (webhook_id, n, session_id, seq, pos, type, at, attempt, outcome, status, took_us, error)
			VALUES `+values.String(), args...)
		if err != nil {
			return err
		}
	}
	if upTo <= maxAttempts {
		return nil
	}
	_, err = db.Exec(ctx, "DELETE FROM wasup_webhook_delivery WHERE webhook_id=$1 AND n<=$2", webhook, int64(upTo-maxAttempts))
	return err
}

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

// rowsTogether is how many rows one statement writes: as many round trips are saved, and the number of different
// statements that the database prepares is bounded.
const rowsTogether = 32

type place struct {
	webhook string
	session session.ID
}

// Record implements webhooks.Cursors.
func (w *Webhooks) Record(ctx context.Context, list []webhooks.Progress) (moved []bool, err error) {
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		on := make(map[place]bool, len(list))
		for some := range slices.Chunk(list, rowsTogether) {
			if err := w.moveMany(ctx, some, on); err != nil {
				return err
			}
		}
		attempts := make(map[string][]webhooks.Delivery)
		moved = make([]bool, len(list))
		for i, p := range list {
			if moved[i] = on[place{p.Webhook, p.Session}]; moved[i] {
				attempts[p.Webhook] = append(attempts[p.Webhook], p.Attempts...)
			}
		}
		for webhook, made := range attempts {
			if err := w.note(ctx, webhook, made...); err != nil {
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

// moveMany is moveOn for many cursors.
func (w *Webhooks) moveMany(ctx context.Context, list []webhooks.Progress, on map[place]bool) error {
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
	found, err := dbutil.NewRowIterWithError(rows, func(row dbutil.Scannable) (p place, err error) {
		return p, row.Scan(&p.webhook, &p.session)
	}, err).AsList()
	for _, p := range found {
		on[p] = true
	}
	return err
}

// note remembers attempts, as part of a transaction.
func (w *Webhooks) note(ctx context.Context, webhook string, list ...webhooks.Delivery) error {
	db := w.store.write
	var last uint64
	err := db.QueryRow(ctx, "SELECT coalesce(max(n), 0) FROM wasup_webhook_delivery WHERE webhook_id=$1", webhook).Scan(&last)
	if err != nil {
		return err
	}
	upTo := last + uint64(len(list))
	// What would be forgotten at once is counted, and not written.
	written := list[max(0, len(list)-keptAttempts):]
	n := upTo - uint64(len(written))
	for some := range slices.Chunk(written, rowsTogether) {
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
	if upTo <= keptAttempts {
		return nil
	}
	_, err = db.Exec(ctx, "DELETE FROM wasup_webhook_delivery WHERE webhook_id=$1 AND n<=$2", webhook, int64(upTo-keptAttempts))
	return err
}

package store

import (
	"context"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/webhooks"
)

// maxAttempts is the number of attempts of a webhook that are kept. A new one replaces the oldest.
const maxAttempts = 200

// Note implements webhooks.Attempts.
func (w *Webhooks) Note(ctx context.Context, webhook string, attempt webhooks.Delivery) error {
	err := w.store.Commit(ctx, func(ctx context.Context) error {
		there, err := affected(w.store.write.Exec(ctx, "UPDATE wasup_webhook SET id=id WHERE id=$1", webhook))
		if err != nil || !there {
			return err
		}
		return w.recordAttempts(ctx, webhook, attempt)
	})
	return failure("store attempt", attempt.Session, err)
}

func scanDelivery(row dbutil.Scannable) (d webhooks.Delivery, err error) {
	var at, took int64
	err = row.Scan(&d.N, &d.Session, &d.Seq, &d.Pos, &d.Type, &at, &d.Attempt, &d.Outcome, &d.Status, &took, &d.Error)
	d.At, d.Took = timeOf(at), time.Duration(took)*time.Microsecond
	return d, err
}

// Deliveries implements webhooks.Attempts.
func (w *Webhooks) Deliveries(ctx context.Context, webhook string, before uint64, limit int) ([]webhooks.Delivery, error) {
	rows, err := w.store.read.Query(ctx, `
		SELECT n, session_id, seq, pos, type, at, attempt, outcome, status, took_us, error FROM wasup_webhook_delivery
		WHERE webhook_id=$1 AND (CAST($2 AS BIGINT)=0 OR n<CAST($2 AS BIGINT)) ORDER BY n DESC LIMIT $3`, webhook, int64(before), limit)
	all, err := dbutil.NewRowIterWithError(rows, scanDelivery, err).AsList()
	return all, failure("list deliveries", "", err)
}

// DeadLetter implements webhooks.Cursors.
func (w *Webhooks) DeadLetter(
	ctx context.Context, c webhooks.Cursor, letter webhooks.DeadLetter, attempt webhooks.Delivery, forget time.Time,
) (moved bool, err error) {
	e := &letter.Event
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		moved, err = w.moveCursor(ctx, c, e.Seq)
		if err != nil || !moved {
			return err
		}
		// After a replay the event may be a dead letter already.
		_, err = w.store.write.Exec(ctx, `
			INSERT INTO wasup_webhook_dead (webhook_id, pos, session_id, seq, at, type, data, attempts, status, error, died_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (webhook_id, pos) DO UPDATE SET attempts=excluded.attempts, status=excluded.status, error=excluded.error,
				died_at=excluded.died_at, requeued=false`,
			c.Webhook, int64(e.Pos), string(e.Session), int64(e.Seq), millis(e.At), string(e.Type), string(e.Data),
			letter.Attempts, letter.Status, clean(letter.Error), millis(letter.DiedAt))
		if err != nil {
			return err
		}
		if _, err = w.store.write.Exec(ctx, "DELETE FROM wasup_webhook_dead WHERE died_at<$1", millis(forget)); err != nil {
			return err
		}
		return w.recordAttempts(ctx, c.Webhook, attempt)
	})
	return moved && err == nil, failure("store dead letter", c.Session, err)
}

// Backlog implements webhooks.Cursors. CROSS JOIN keeps SQLite from reading the whole log and looking up the cursor of each
// event: it reads what is undelivered only.
func (w *Webhooks) Backlog(ctx context.Context, hook webhooks.Webhook) (n int, oldest time.Time, err error) {
	where, args := typeFilter(hook.Events, hook.ID, string(hook.Session))
	var first int64
	err = w.store.read.QueryRow(ctx, `
		SELECT count(*), coalesce(min(e.at), 0) FROM wasup_event_head h
		LEFT JOIN wasup_webhook_cursor c ON c.webhook_id=$1 AND c.session_id=h.session_id
		CROSS JOIN wasup_event e
		WHERE e.session_id=h.session_id AND e.seq>coalesce(c.seq, 0)
			AND h.session_id<>'' AND ($2='' OR h.session_id=$2) AND h.last>coalesce(c.seq, 0)`+where, args...).Scan(&n, &first)
	return n, timeOf(first), failure("count undelivered events", "", err)
}

func scanDead(row dbutil.Scannable) (d webhooks.DeadLetter, err error) {
	var at, died int64
	var data string
	err = row.Scan(&d.Event.Pos, &d.Event.Session, &d.Event.Seq, &at, &d.Event.Type, &data, &d.Attempts, &d.Status, &d.Error, &died, &d.Requeued)
	d.Event.At, d.DiedAt = timeOf(at), timeOf(died)
	setData(&d.Event, data)
	return d, err
}

// DeadLetters implements webhooks.Attempts.
func (w *Webhooks) DeadLetters(ctx context.Context, webhook string, id session.ID, after uint64, limit int) ([]webhooks.DeadLetter, error) {
	return w.deadLetters(ctx, "", webhook, string(id), int64(after), limit)
}

// Requeued implements webhooks.Attempts.
func (w *Webhooks) Requeued(ctx context.Context, webhook string, limit int) ([]webhooks.DeadLetter, error) {
	return w.deadLetters(ctx, " AND e.requeued", webhook, "", int64(0), limit)
}

func (w *Webhooks) deadLetters(ctx context.Context, which string, args ...any) ([]webhooks.DeadLetter, error) {
	list := page{
		columns: "e.pos, e.session_id, e.seq, e.at, e.type, e.data, e.attempts, e.status, e.error, e.died_at, e.requeued",
		table:   "wasup_webhook_dead", where: "e.webhook_id=$1 AND ($2='' OR e.session_id=$2) AND e.pos>$3" + which,
		key: "pos", same: "e.webhook_id=$1", limit: "$4", large: "data", bytes: events.PageBytes,
	}
	rows, err := w.store.read.Query(ctx, list.sql(w.store.postgres()), args...)
	all, err := listUpTo(rows, err, list.bytes, scanDead, func(d *webhooks.DeadLetter) int { return d.Event.Size() })
	return all, failure("list dead letters", "", err)
}

// CountDead implements webhooks.Attempts.
func (w *Webhooks) CountDead(ctx context.Context, webhook string) (n int, err error) {
	err = w.store.read.QueryRow(ctx, "SELECT count(*) FROM wasup_webhook_dead WHERE webhook_id=$1", webhook).Scan(&n)
	return n, failure("count dead letters", "", err)
}

const chosenDead = " WHERE webhook_id=$1 AND ($2='' OR session_id=$2) AND (CAST($3 AS BIGINT)=0 OR pos=CAST($3 AS BIGINT))"

// Requeue implements webhooks.Attempts.
func (w *Webhooks) Requeue(ctx context.Context, webhook string, id session.ID, pos uint64) (int, error) {
	return w.changeDead(ctx, "UPDATE wasup_webhook_dead SET requeued=true", webhook, id, pos)
}

// Discard implements webhooks.Attempts.
func (w *Webhooks) Discard(ctx context.Context, webhook string, id session.ID, pos uint64) (int, error) {
	return w.changeDead(ctx, "DELETE FROM wasup_webhook_dead", webhook, id, pos)
}

func (w *Webhooks) changeDead(ctx context.Context, change, webhook string, id session.ID, pos uint64) (n int, err error) {
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		done, err := w.store.write.Exec(ctx, change+chosenDead, webhook, string(id), int64(pos))
		if err != nil {
			return err
		}
		changed, err := done.RowsAffected()
		n = int(changed)
		return err
	})
	return n, failure("change dead letters", id, err)
}

// Settle implements webhooks.Attempts.
func (w *Webhooks) Settle(ctx context.Context, webhook string, pos uint64, attempt webhooks.Delivery) error {
	err := w.store.Commit(ctx, func(ctx context.Context) error {
		db := w.store.write
		var there bool
		var err error
		if attempt.Outcome == webhooks.Delivered {
			there, err = affected(db.Exec(ctx, "DELETE FROM wasup_webhook_dead WHERE webhook_id=$1 AND pos=$2", webhook, int64(pos)))
		} else {
			there, err = affected(db.Exec(ctx, `
				UPDATE wasup_webhook_dead SET requeued=false, attempts=$3, status=$4, error=$5 WHERE webhook_id=$1 AND pos=$2`,
				webhook, int64(pos), attempt.Attempt, attempt.Status, clean(attempt.Error)))
		}
		if err != nil || !there {
			return err // the dead letter was discarded, or deleted with its session, in between
		}
		return w.recordAttempts(ctx, webhook, attempt)
	})
	return failure("settle dead letter", attempt.Session, err)
}

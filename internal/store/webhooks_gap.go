package store

import (
	"context"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/webhooks"
)

const gapColumns = "webhook_id, session_id, first_seq, last_seq, last_pos, n, since, until, noted_at, state"

func scanGap(row dbutil.Scannable) (g events.Gap, err error) {
	var from, to, at int64
	err = row.Scan(&g.Webhook, &g.Session, &g.First, &g.Last, &g.Pos, &g.Count, &from, &to, &at, &g.State)
	g.From, g.To, g.At = timeOf(from), timeOf(to), timeOf(at)
	return g, err
}

// undelivered is SQL that joins events e with the webhooks w that have yet to deliver them. Event types come from a
// fixed list and need no escaping in LIKE.
const undelivered = ` FROM wasup_event e
	JOIN wasup_webhook w ON w.session_id='' OR w.session_id=e.session_id
	LEFT JOIN wasup_webhook_cursor c ON c.webhook_id=w.id AND c.session_id=e.session_id
	WHERE e.pos>$1 AND e.pos<=$2 AND e.session_id<>'' AND e.seq>coalesce(c.seq, 0)
		AND (w.events IN ('null', '[]') OR w.events LIKE '%"' || e.type || '"%')`

// beforeUndelivered returns the position before the first event after from and up to end that a webhook has yet to
// deliver, or end if there is none. A disabled webhook does not count, because its receiver is gone (410) and will not
// get the events.
func (w *Webhooks) beforeUndelivered(ctx context.Context, from, end uint64) (uint64, error) {
	var first int64
	err := w.store.write.QueryRow(ctx, "SELECT coalesce(min(e.pos), 0)"+undelivered+" AND w.disabled=''", int64(from), int64(end)).Scan(&first)
	if err != nil || first == 0 {
		return end, err
	}
	return uint64(first) - 1, nil
}

// recordGaps stores, as part of a transaction, the gaps that webhooks get because the events up to a position are
// deleted. It moves their cursors past the gaps.
func (w *Webhooks) recordGaps(ctx context.Context, end uint64) ([]events.Gap, error) {
	now := millis(w.store.options.Now())
	rows, err := w.store.write.Query(ctx, `
		SELECT w.id, e.session_id, min(e.seq), max(e.seq), max(e.pos), count(*), min(e.at), max(e.at), CAST($3 AS BIGINT), 'waiting'`+undelivered+`
		GROUP BY w.id, e.session_id ORDER BY w.id, e.session_id`, int64(0), int64(end), now)
	gaps, err := dbutil.NewRowIterWithError(rows, scanGap, err).AsList()
	if err != nil {
		return nil, err
	}
	for i := range gaps {
		if err := w.recordGap(ctx, &gaps[i]); err != nil {
			return nil, err
		}
	}
	return gaps, nil
}

func (w *Webhooks) recordGap(ctx context.Context, g *events.Gap) error {
	db := w.store.write
	grown, err := affected(db.Exec(ctx, `
		UPDATE wasup_webhook_gap SET last_seq=$3, last_pos=$4, n=n+$5, until=$6, noted_at=$7
		WHERE webhook_id=$1 AND session_id=$2 AND state='waiting'`,
		g.Webhook, string(g.Session), int64(g.Last), int64(g.Pos), g.Count, millis(g.To), millis(g.At)))
	if err != nil {
		return err
	}
	if !grown {
		_, err = db.Exec(ctx, "INSERT INTO wasup_webhook_gap ("+gapColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			g.Webhook, string(g.Session), int64(g.First), int64(g.Last), int64(g.Pos), g.Count, millis(g.From), millis(g.To),
			millis(g.At), string(g.State))
		if err != nil {
			return err
		}
	}
	_, err = db.Exec(ctx, `
		INSERT INTO wasup_webhook_cursor (webhook_id, session_id, seq) VALUES ($1, $2, $3)
		ON CONFLICT (webhook_id, session_id) DO UPDATE SET seq=excluded.seq, attempt_seq=0, attempts=0, first_failed=0, next_at=0`,
		g.Webhook, string(g.Session), int64(g.Last))
	return err
}

// Gap implements webhooks.Cursors.
func (w *Webhooks) Gap(ctx context.Context, webhook string, id session.ID) (events.Gap, error) {
	const op = "read gap"
	g, err := scanGap(w.store.read.QueryRow(ctx,
		"SELECT "+gapColumns+" FROM wasup_webhook_gap WHERE webhook_id=$1 AND session_id=$2 AND state='waiting'", webhook, string(id)))
	if isNoRows(err) {
		return g, notFound(op, id)
	}
	return g, failure(op, id, err)
}

// EndGap implements webhooks.Cursors.
func (w *Webhooks) EndGap(ctx context.Context, c webhooks.Cursor, gap events.Gap, attempt webhooks.Delivery) (ended bool, err error) {
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		ended, err = affected(w.store.write.Exec(ctx, `
			UPDATE wasup_webhook_gap SET state=$5 WHERE webhook_id=$1 AND session_id=$2 AND first_seq=$3 AND last_seq=$4 AND state='waiting'`,
			gap.Webhook, string(gap.Session), int64(gap.First), int64(gap.Last), string(gap.State)))
		if err != nil || !ended {
			return err
		}
		// A replay may have moved the cursor in between. The gap is over all the same, because the receiver knows of it.
		if _, err = w.moveCursor(ctx, c, c.Seq); err != nil {
			return err
		}
		return w.recordAttempts(ctx, c.Webhook, attempt)
	})
	return ended && err == nil, failure("end gap", c.Session, err)
}

// Gaps implements webhooks.Cursors.
func (w *Webhooks) Gaps(ctx context.Context, webhook string, limit int) (missed int, newest []events.Gap, err error) {
	err = w.store.read.QueryRow(ctx, "SELECT coalesce(sum(n), 0) FROM wasup_webhook_gap WHERE webhook_id=$1", webhook).Scan(&missed)
	if err != nil || missed == 0 {
		return 0, nil, failure("count missed events", "", err)
	}
	rows, err := w.store.read.Query(ctx, "SELECT "+gapColumns+` FROM wasup_webhook_gap
		WHERE webhook_id=$1 ORDER BY noted_at DESC, session_id, first_seq DESC LIMIT $2`, webhook, limit)
	newest, err = dbutil.NewRowIterWithError(rows, scanGap, err).AsList()
	return missed, newest, failure("list gaps", "", err)
}

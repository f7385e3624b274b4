package store

import (
	"context"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

// Prune implements events.Table. It finds positions by age with At, so that the table needs no index of times.
func (e *Events) Prune(ctx context.Context, cut events.Cut, limit int) (n int, missed []events.Gap, err error) {
	first, last, err := e.Bounds(ctx)
	if err != nil || first > last {
		return 0, nil, err
	}
	upTo, err := e.oldest(ctx, last, cut.Before, cut.Keep)
	if err != nil || upTo < first {
		return 0, nil, err
	}
	most, err := e.oldest(ctx, last, cut.MaxBefore, cut.MaxKeep)
	if err != nil {
		return 0, nil, err
	}
	err = e.store.Commit(ctx, func(ctx context.Context) error {
		n, missed, err = e.cut(ctx, upTo, min(most, upTo), limit)
		return err
	})
	if err != nil {
		return 0, nil, failure("prune events", "", err)
	}
	return n, missed, nil
}

// oldest returns the position of the last event that is older than before or beyond the newest keep; 0 if there is
// none.
func (e *Events) oldest(ctx context.Context, last uint64, before time.Time, keep uint64) (upTo uint64, err error) {
	if keep > 0 && last > keep {
		upTo = last - keep
	}
	if before.IsZero() {
		return upTo, nil
	}
	pos, err := e.At(ctx, before)
	return max(upTo, pos), err
}

// cut deletes a batch of the events up to the position upTo, as part of a transaction. It deletes events up to most in
// any case, and later ones only up to the first event that a webhook has yet to deliver. It returns the number of
// deleted events and the gaps that webhooks have because of it.
func (e *Events) cut(ctx context.Context, upTo, most uint64, limit int) (int, []events.Gap, error) {
	var end uint64
	err := e.store.write.QueryRow(ctx,
		"SELECT coalesce(max(pos), 0) FROM (SELECT pos FROM wasup_event WHERE pos<=$1 ORDER BY pos LIMIT $2) batch", int64(upTo), limit).Scan(&end)
	if err != nil {
		return 0, nil, err
	}
	hooks := e.store.Webhooks()
	if end > most {
		if end, err = hooks.beforeUndelivered(ctx, most, end); err != nil {
			return 0, nil, err
		}
	}
	missed, err := hooks.recordGaps(ctx, end)
	if err != nil {
		return 0, nil, err
	}
	done, err := e.store.write.Exec(ctx, "DELETE FROM wasup_event WHERE pos<=$1", int64(end))
	if err != nil {
		return 0, nil, err
	}
	n, err := done.RowsAffected()
	return int(n), missed, err
}

// PruneQR implements events.Table.
func (e *Events) PruneQR(ctx context.Context, before time.Time, limit int) (int, error) {
	return e.delete(ctx, "type = 'session.qr' AND at < $1 ORDER BY pos", millis(before), limit)
}

func (e *Events) delete(ctx context.Context, where string, bound int64, limit int) (int, error) {
	done, err := e.store.write.Exec(ctx,
		"DELETE FROM wasup_event WHERE pos IN (SELECT pos FROM wasup_event WHERE "+where+" LIMIT $2)", bound, limit)
	if err != nil {
		return 0, failure("prune events", "", err)
	}
	n, err := done.RowsAffected()
	return int(n), failure("prune events", "", err)
}

// Forget implements events.Table.
func (e *Events) Forget(ctx context.Context, id session.ID, upTo uint64, limit int) (int, error) {
	done, err := e.store.write.Exec(ctx, `
		DELETE FROM wasup_event WHERE pos IN (
			SELECT pos FROM wasup_event WHERE session_id=$1 AND seq<=$2 ORDER BY seq LIMIT $3)`, string(id), int64(upTo), limit)
	if err != nil {
		return 0, failure("forget events", id, err)
	}
	n, err := done.RowsAffected()
	return int(n), failure("forget events", id, err)
}

package store

import (
	"context"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

// Prune implements events.Table. Age is looked up from the oldest end, so that no index of times has to be kept.
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

// oldest is the position of the last event that is too old, or too much; 0 where there is none.
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

// cut deletes a batch of the events up to a position, as part of a transaction: those up to most in any case, others as
// far as no webhook waits for one.
func (e *Events) cut(ctx context.Context, upTo, most uint64, limit int) (int, []events.Gap, error) {
	var end uint64
	err := e.store.write.QueryRow(ctx,
		"SELECT coalesce(max(pos), 0) FROM (SELECT pos FROM wasup_event WHERE pos<=$1 ORDER BY pos LIMIT $2) batch", int64(upTo), limit).Scan(&end)
	if err != nil {
		return 0, nil, err
	}
	hooks := e.store.Webhooks()
	if end > most {
		if end, err = hooks.held(ctx, most, end); err != nil {
			return 0, nil, err
		}
	}
	missed, err := hooks.miss(ctx, end)
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

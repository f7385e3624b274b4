package store

import (
	"context"
	"time"

	"wasup/session"
)

// Prune implements events.Table. Age is looked up from the oldest end, so that no index of times has to be kept.
func (e *Events) Prune(ctx context.Context, before time.Time, keep uint64, limit int) (int, error) {
	first, last, err := e.Bounds(ctx)
	if err != nil || first > last {
		return 0, err
	}
	var upTo uint64
	if keep > 0 && last > keep {
		upTo = last - keep
	}
	if !before.IsZero() {
		pos, err := e.At(ctx, before)
		if err != nil {
			return 0, err
		}
		upTo = max(upTo, pos)
	}
	if upTo < first {
		return 0, nil
	}
	return e.delete(ctx, "pos <= $1 ORDER BY pos", int64(upTo), limit)
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

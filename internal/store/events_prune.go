package store

import (
	"context"
	"time"

	"go.mau.fi/util/dbutil"

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
	upTo = max(upTo, cut.UpTo)
	if err != nil || upTo < first {
		return 0, nil, err
	}
	most, err := e.oldest(ctx, last, cut.MaxBefore, cut.MaxKeep)
	if err != nil {
		return 0, nil, err
	}
	most = max(most, cut.MaxUpTo)
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

// Weigh implements events.Table. The database knows the size of a text without reading it.
func (e *Events) Weigh(ctx context.Context, after, block uint64, n int) ([]uint64, error) {
	rows, err := e.store.read.Query(ctx, `
		SELECT (pos-1-CAST($1 AS BIGINT))/CAST($2 AS BIGINT) AS block, CAST(sum(octet_length(data)+coalesce(octet_length(remote), 0)) AS BIGINT)
		FROM wasup_event WHERE pos>$1 AND pos<=$3 GROUP BY 1`, int64(after), int64(block), int64(after+block*uint64(n)))
	sums := make([]uint64, n)
	err = dbutil.NewRowIterWithError(rows, func(row dbutil.Scannable) (sum [2]uint64, err error) {
		return sum, row.Scan(&sum[0], &sum[1])
	}, err).Iter(func(sum [2]uint64) (bool, error) {
		sums[sum[0]] = sum[1]
		return true, nil
	})
	return sums, failure("weigh events", "", err)
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

package outbox

import (
	"context"
	"time"

	"wasup/session"
)

// pruneBatch bounds one deletion: the writer is free for messages between two.
const pruneBatch = 500

// prune deletes expired entries until Close. A failure is logged and tried again at the next look.
func (o *Outbox) prune() {
	defer o.owned.Done()
	look := time.NewTicker(o.options.PruneEvery)
	defer look.Stop()
	for {
		select {
		case <-o.closed:
			return
		case <-look.C:
		}
		if err := o.pruneExpired(time.Now().Add(-o.options.KeyRetention)); err != nil {
			o.options.Logger.Warn("expired messages were not deleted", "code", session.CodeOf(err), "err", err)
		}
	}
}

func (o *Outbox) pruneExpired(before time.Time) error {
	for {
		ctx, cancel := context.WithTimeout(o.base, o.options.FinishTimeout)
		n, err := o.ledger.Prune(ctx, before, pruneBatch)
		cancel()
		if err != nil || n < pruneBatch {
			return err
		}
		select {
		case <-o.closed:
			return nil
		default:
		}
	}
}

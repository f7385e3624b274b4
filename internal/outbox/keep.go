package outbox

import (
	"context"
	"time"

	"wasup/internal/session"
)

const (
	// keepBatch bounds one write of the keeper: the writer is free for messages between two.
	keepBatch = 500
	// expiryRetry is the pause before what ran out, and was on its way just then, is looked at again.
	expiryRetry = 5 * time.Second
)

// keep lets messages run out and deletes old ones, until Close.
func (o *Outbox) keep() {
	defer o.owned.Done()
	prune := time.NewTicker(o.options.PruneEvery)
	defer prune.Stop()
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		select {
		case <-o.closed:
			return
		case <-prune.C:
			if err := o.prune(time.Now()); err != nil {
				o.options.Logger.Warn("old messages were not deleted", "code", session.CodeOf(err), "err", err)
			}
		case <-look.C:
			o.look(look)
		case <-o.expiry:
			o.mu.Lock()
			next := o.nextLook
			o.mu.Unlock()
			look.Reset(max(0, time.Until(next)))
		}
	}
}

// expires makes the keeper look when a message runs out.
func (o *Outbox) expires(at time.Time) {
	o.mu.Lock()
	sooner := o.nextLook.IsZero() || at.Before(o.nextLook)
	if sooner {
		o.nextLook = at
	}
	o.mu.Unlock()
	if sooner {
		select {
		case o.expiry <- struct{}{}:
		default:
		}
	}
}

// look fails what ran out and sets the time of the next look.
func (o *Outbox) look(timer *time.Timer) {
	o.mu.Lock()
	o.nextLook = time.Time{} // from here on every new limit counts
	o.mu.Unlock()
	next, err := o.expire(time.Now())
	if err != nil {
		o.options.Logger.Warn("messages that ran out could not be settled", "code", session.CodeOf(err), "err", err)
		next = time.Now().Add(expiryRetry)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if next.IsZero() || (!o.nextLook.IsZero() && o.nextLook.Before(next)) {
		next = o.nextLook
	}
	if o.nextLook = next; !next.IsZero() {
		timer.Reset(max(0, time.Until(next)))
	}
}

// expire fails the messages that ran out and gives the time at which there will be more.
func (o *Outbox) expire(now time.Time) (time.Time, error) {
	for {
		ctx, cancel := context.WithTimeout(o.base, o.options.StoreTimeout)
		page, next, err := o.ledger.Expired(ctx, now, keepBatch)
		cancel()
		if err != nil {
			return time.Time{}, err
		}
		var list []outcome
		for i := range page {
			if !o.sending(page[i].Session, page[i].ID) { // its attempt decides
				list = append(list, expired(&page[i], now))
			}
		}
		if len(list) > 0 {
			if err := o.apply(list); err != nil {
				return time.Time{}, err
			}
		}
		if len(list) < len(page) {
			return now.Add(expiryRetry), nil
		}
		if len(page) < keepBatch {
			return next, nil
		}
	}
}

func (o *Outbox) apply(list []outcome) error {
	changes := make([]Change, len(list))
	for i := range list {
		changes[i] = list[i].change
	}
	ctx, cancel := context.WithTimeout(o.base, o.options.StoreTimeout)
	defer cancel()
	carried, err := o.ledger.Advance(ctx, changes...)
	if err == nil {
		o.moved(list, carried)
	}
	return err
}

// prune deletes settled messages that are too old or too many, a batch at a time.
func (o *Outbox) prune(now time.Time) error {
	what := Retention{
		Before: now.Add(-o.options.Retention), KeyBefore: now.Add(-o.options.KeyRetention), Keep: max(0, o.options.RetentionCount),
		Limit: keepBatch,
	}
	for {
		ctx, cancel := context.WithTimeout(o.base, o.options.StoreTimeout)
		n, err := o.ledger.Prune(ctx, what)
		cancel()
		if err != nil || n < keepBatch {
			return err
		}
		select {
		case <-o.closed:
			return nil
		default:
		}
	}
}

package outbox

import (
	"context"
	"sync"
	"time"

	"wasup/internal/session"
)

const (
	// retainBatch is the number of messages that the retainer changes in one write. Between two writes the database is
	// free for sending.
	retainBatch = 500
	// expiryRetry is the pause before the retainer checks again messages that expired while they were being sent.
	expiryRetry = 5 * time.Second
)

// retainer fails messages that expired and deletes old ones.
type retainer struct {
	box     *Outbox
	earlier chan struct{} // holds a token when next became earlier

	mu   sync.Mutex
	next time.Time // when the next message expires; zero: no message has a time limit
}

func newRetainer(o *Outbox) *retainer { return &retainer{box: o, earlier: make(chan struct{}, 1)} }

// run is the retainer's goroutine, until Stop.
func (r *retainer) run() {
	o := r.box
	prune := time.NewTicker(o.options.PruneEvery)
	defer prune.Stop()
	expiry := time.NewTimer(0)
	defer expiry.Stop()
	for {
		select {
		case <-o.closed:
			return
		case <-prune.C:
			if err := r.prune(time.Now()); err != nil {
				o.options.Logger.Warn("old messages could not be deleted", "code", session.CodeOf(err), "err", err)
			}
		case <-expiry.C:
			r.sweep(expiry)
		case <-r.earlier:
			r.mu.Lock()
			next := r.next
			r.mu.Unlock()
			expiry.Reset(max(0, time.Until(next)))
		}
	}
}

// noteExpiry tells the retainer about a message that expires at a time.
func (r *retainer) noteExpiry(at time.Time) {
	r.mu.Lock()
	sooner := r.next.IsZero() || at.Before(r.next)
	if sooner {
		r.next = at
	}
	r.mu.Unlock()
	if sooner {
		select {
		case r.earlier <- struct{}{}:
		default:
		}
	}
}

// sweep fails expired messages and sets the timer for the next sweep.
func (r *retainer) sweep(timer *time.Timer) {
	r.mu.Lock()
	r.next = time.Time{} // so that every limit that comes during the sweep is noted
	r.mu.Unlock()
	next, err := r.expire(time.Now())
	if err != nil {
		r.box.options.Logger.Warn("expired messages could not be marked as failed", "code", session.CodeOf(err), "err", err)
		next = time.Now().Add(expiryRetry)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if next.IsZero() || (!r.next.IsZero() && r.next.Before(next)) {
		next = r.next
	}
	if r.next = next; !next.IsZero() {
		timer.Reset(max(0, time.Until(next)))
	}
}

// expire fails the messages that expired by now and returns the time of the next sweep; zero if none is needed.
func (r *retainer) expire(now time.Time) (time.Time, error) {
	for {
		ctx, cancel := context.WithTimeout(r.box.base, r.box.options.StoreTimeout)
		page, next, err := r.box.ledger.Expired(ctx, now, retainBatch)
		cancel()
		if err != nil {
			return time.Time{}, err
		}
		var list []outcome
		for i := range page {
			if !r.box.sending(page[i].Session, page[i].ID) { // the running attempt decides about the message
				list = append(list, expired(&page[i], now))
			}
		}
		if len(list) > 0 {
			if err := r.apply(list); err != nil {
				return time.Time{}, err
			}
		}
		if len(list) < len(page) {
			return now.Add(expiryRetry), nil
		}
		if len(page) < retainBatch {
			return next, nil
		}
	}
}

func (r *retainer) apply(list []outcome) error {
	changes := make([]Change, len(list))
	for i := range list {
		changes[i] = list[i].change
	}
	ctx, cancel := context.WithTimeout(r.box.base, r.box.options.StoreTimeout)
	defer cancel()
	carried, err := r.box.ledger.Advance(ctx, changes...)
	if err == nil {
		r.box.records.announce(list, carried)
	}
	return err
}

// prune deletes settled messages that are too old or too many, in batches.
func (r *retainer) prune(now time.Time) error {
	what := Retention{
		Before: now.Add(-r.box.options.Retention), KeyBefore: now.Add(-r.box.options.KeyRetention), Keep: max(0, r.box.options.RetentionCount),
		Limit: retainBatch,
	}
	for {
		ctx, cancel := context.WithTimeout(r.box.base, r.box.options.StoreTimeout)
		n, err := r.box.ledger.Prune(ctx, what)
		cancel()
		if err != nil || n < retainBatch {
			return err
		}
		select {
		case <-r.box.closed:
			return nil
		default:
		}
	}
}

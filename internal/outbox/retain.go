package outbox

import (
	"context"
	"sync"
	"time"

	"wasup/internal/session"
)

const (
	// retainBatch bounds one write of the retainer: the writer is free for messages between two.
	retainBatch = 500
	// expiryRetry is the pause before what ran out, and was on its way just then, is looked at again.
	expiryRetry = 5 * time.Second
)

// retainer lets messages run out, and deletes old ones.
type retainer struct {
	box    *Outbox
	sooner chan struct{} // holds a token: a message runs out earlier than was known

	mu   sync.Mutex
	next time.Time // when messages will have run out; zero: none will
}

func newRetainer(o *Outbox) *retainer { return &retainer{box: o, sooner: make(chan struct{}, 1)} }

// run is the retainer's goroutine, until Stop.
func (r *retainer) run() {
	o := r.box
	prune := time.NewTicker(o.options.PruneEvery)
	defer prune.Stop()
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		select {
		case <-o.closed:
			return
		case <-prune.C:
			if err := r.prune(time.Now()); err != nil {
				o.options.Logger.Warn("old messages were not deleted", "code", session.CodeOf(err), "err", err)
			}
		case <-look.C:
			r.sweep(look)
		case <-r.sooner:
			r.mu.Lock()
			next := r.next
			r.mu.Unlock()
			look.Reset(max(0, time.Until(next)))
		}
	}
}

// expires makes the retainer look when a message runs out.
func (r *retainer) expires(at time.Time) {
	r.mu.Lock()
	sooner := r.next.IsZero() || at.Before(r.next)
	if sooner {
		r.next = at
	}
	r.mu.Unlock()
	if sooner {
		select {
		case r.sooner <- struct{}{}:
		default:
		}
	}
}

// sweep fails what ran out and sets the time of the next sweep.
func (r *retainer) sweep(timer *time.Timer) {
	r.mu.Lock()
	r.next = time.Time{} // from here on every new limit counts
	r.mu.Unlock()
	next, err := r.expire(time.Now())
	if err != nil {
		r.box.options.Logger.Warn("messages that ran out could not be settled", "code", session.CodeOf(err), "err", err)
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

// expire fails the messages that ran out and gives the time at which there will be more.
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
			if !r.box.sending(page[i].Session, page[i].ID) { // its attempt decides
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
		r.box.moved(list, carried)
	}
	return err
}

// prune deletes settled messages that are too old or too many, a batch at a time.
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

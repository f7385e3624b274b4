package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"wasup/internal/pause"
)

const (
	// pruneBatch is the number of events that one statement deletes. Other writers wait no longer than one statement.
	pruneBatch = 500
	// pruneRest is the pause between two statements, in which others can write.
	pruneRest = 20 * time.Millisecond
	// codeAge is how long QR events are kept. A code expires after a minute at most.
	codeAge = 10 * time.Minute
)

// Keep says how much of the log to keep. An age, a count or a size of 0 means no limit.
type Keep struct {
	Age   time.Duration // since an event was stored
	Count uint64        // the newest events of all sessions together
	Bytes uint64        // their size; about, because events are deleted in blocks
	Every time.Duration // time between two runs; default 1 minute
	// MaxAge, MaxCount and MaxBytes are the limits for events beyond Age, Count and Bytes that a webhook has not delivered
	// yet.
	MaxAge   time.Duration
	MaxCount uint64
	MaxBytes uint64
	// Missed is called with the deleted events that webhooks have not delivered; may be nil.
	Missed func([]Gap)
}

// Retention deletes old events, and the events of deleted sessions, in small batches. Its goroutine ends with Stop.
type Retention struct {
	log    *Log
	keep   Keep
	now    func() time.Time
	logger *slog.Logger
	sizes  weights

	life  context.Context
	end   context.CancelFunc
	once  sync.Once     // Start, or the Stop before it
	ended chan struct{} // closed when the goroutine has ended, or never starts
}

// NewRetention makes a retention. It does nothing before Start. now may be nil.
func NewRetention(log *Log, keep Keep, now func() time.Time) *Retention {
	keep.Every = cmp.Or(keep.Every, time.Minute)
	if now == nil {
		now = time.Now
	}
	life, end := context.WithCancel(context.Background())
	return &Retention{
		log: log, keep: keep, now: now, logger: log.options.Logger, sizes: weights{table: log}, life: life, end: end, ended: make(chan struct{}),
	}
}

// Start starts the goroutine. After Stop it does nothing.
func (r *Retention) Start(context.Context) error {
	r.once.Do(func() {
		go func() {
			defer close(r.ended)
			r.run()
		}()
	})
	return nil
}

// Stop ends the goroutine and waits for it, or until ctx ends. It is idempotent and legal before Start.
func (r *Retention) Stop(ctx context.Context) error {
	r.end()
	r.once.Do(func() { close(r.ended) })
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for retention to end: %w", ctx.Err())
	}
}

// run prunes regularly and follows the deletions of sessions until the retention or the log stops. Sessions that were
// deleted before this start are not looked for: their events are deleted when they are old enough.
func (r *Retention) run() {
	timer := time.NewTimer(r.keep.Every)
	defer timer.Stop()
	known := uint64(FromNow)
	for {
		var err error
		known, err = r.follow(known, timer)
		switch {
		case r.life.Err() != nil, errors.Is(err, ErrClosed):
			return
		case errors.Is(err, ErrOvertaken):
			known = FromNow
		}
		r.logger.Warn("retention: cannot follow the deletions of sessions", "err", err)
		select {
		case <-r.life.Done():
			return
		case <-timer.C:
			r.prune(timer)
		}
	}
}

// follow handles deletions after the position known, and prunes when the timer fires, until the retention or the log
// stops, or the log cannot be read. It returns the position of the last deletion that it handled.
func (r *Retention) follow(known uint64, timer *time.Timer) (uint64, error) {
	removed, err := r.log.Subscribe(r.life, known, "", []Type{TypeRemoved})
	if err != nil {
		return known, err
	}
	defer removed.Close()
	if known == FromNow {
		known = removed.From()
	}
	for {
		found, err := removed.Next(r.life)
		if err != nil {
			return known, err
		}
		for i := range found {
			r.deleteEventsBefore(&found[i])
			known = found[i].Pos
		}
		if len(found) > 0 {
			continue
		}
		select {
		case <-r.life.Done():
			return known, r.life.Err()
		case <-removed.C(): // when it is closed, Next returns the reason
		case <-timer.C:
			r.prune(timer)
		}
	}
}

// prune runs once and sets the timer for the next run.
func (r *Retention) prune(timer *time.Timer) {
	r.Run(r.life)
	timer.Reset(r.keep.Every)
}

// Run deletes all events that are too old. It ends when none is left, at an error, or when ctx ends.
func (r *Retention) Run(ctx context.Context) {
	cut := Cut{Keep: r.keep.Count, MaxKeep: r.keep.MaxCount}
	if r.keep.Age > 0 {
		cut.Before = r.now().Add(-r.keep.Age)
	}
	if r.keep.MaxAge > 0 {
		cut.MaxBefore = r.now().Add(-r.keep.MaxAge)
	}
	if r.keep.Bytes > 0 || r.keep.MaxBytes > 0 {
		if err := r.sizes.update(ctx); err != nil && ctx.Err() == nil {
			r.logger.Warn("retention: cannot find out the size of the events", "err", err) // the next run tries again
		}
		cut.UpTo, cut.MaxUpTo = r.sizes.beyond(r.keep.Bytes), r.sizes.beyond(r.keep.MaxBytes)
	}
	pruned := r.inBatches(ctx, func() (int, error) {
		n, missed, err := r.log.Prune(ctx, cut, pruneBatch)
		if len(missed) > 0 && r.keep.Missed != nil {
			r.keep.Missed(missed)
		}
		return n, err
	})
	codes := r.inBatches(ctx, func() (int, error) { return r.log.PruneQR(ctx, r.now().Add(-codeAge), pruneBatch) })
	if pruned > 0 {
		if first, _, err := r.log.Bounds(ctx); err == nil {
			r.log.raiseFloor(max(first, 1) - 1)
		}
	}
	if pruned+codes > 0 {
		r.logger.Debug("retention: old events deleted", "events", pruned, "codes", codes)
	}
}

// deleteEventsBefore deletes the events of a deleted session. It keeps the given event, which tells of the deletion.
func (r *Retention) deleteEventsBefore(event *Event) {
	r.inBatches(r.life, func() (int, error) { return r.log.Forget(r.life, event.Session, event.Seq-1, pruneBatch) })
	r.sizes = weights{table: r.log} // the next run weighs what is left
}

// inBatches calls one, which deletes at most pruneBatch events, until less than a batch was left. It returns the sum.
func (r *Retention) inBatches(ctx context.Context, one func() (int, error)) int {
	total := 0
	for {
		n, err := one()
		total += n
		if err != nil && ctx.Err() == nil {
			// The next run tries again.
			r.logger.Warn("retention: cannot delete old events", "err", err)
		}
		if err != nil || n < pruneBatch {
			return total
		}
		if !pause.Sleep(ctx.Done(), pruneRest) {
			return total
		}
	}
}

package events

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"wasup/internal/pause"
)

const (
	// pruneBatch is how many events one statement deletes: others that write wait that long and no longer.
	pruneBatch = 500
	// pruneRest is what is left to the others between two statements.
	pruneRest = 20 * time.Millisecond
	// codeAge is how long a code is kept: it expires after a minute at most.
	codeAge = 10 * time.Minute
)

// Keep says how much of the log is kept. The zero value of ages and counts is no limit.
type Keep struct {
	Age   time.Duration // since an event was stored
	Count uint64        // the newest events of all sessions together
	Every time.Duration // how often it is looked after; default 1 minute
	// MaxAge and MaxCount bound what is kept beyond Age and Count because a webhook has yet to deliver it.
	MaxAge   time.Duration
	MaxCount uint64
	// Missed is told of events that webhooks will not get any more; may be nil.
	Missed func([]Gap)
}

// Retention deletes what is too old, in small batches, and what belongs to sessions that were deleted. Its goroutine ends
// with Stop.
type Retention struct {
	log    *Log
	keep   Keep
	now    func() time.Time
	logger *slog.Logger

	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup
	once sync.Once
}

// NewRetention makes a retention that does nothing before Start.
func NewRetention(log *Log, keep Keep, now func() time.Time) *Retention {
	keep.Every = cmp.Or(keep.Every, time.Minute)
	if now == nil {
		now = time.Now
	}
	life, end := context.WithCancel(context.Background())
	return &Retention{log: log, keep: keep, now: now, logger: log.options.Logger, life: life, end: end}
}

// Start begins.
func (r *Retention) Start() {
	r.once.Do(func() { r.work.Go(r.run) })
}

// Stop ends after the statement that runs. It is idempotent and legal before Start.
func (r *Retention) Stop(context.Context) error {
	r.end()
	r.once.Do(func() {})
	r.work.Wait()
	return nil
}

func (r *Retention) run() {
	// From now on; what a process that died left of deleted sessions goes with its age.
	removed, err := r.log.Subscribe(r.life, FromNow, "", []Type{TypeRemoved})
	if err != nil {
		return
	}
	defer removed.Close()
	if _, err := removed.Past(r.life); err != nil {
		return
	}
	timer := time.NewTimer(r.keep.Every)
	defer timer.Stop()
	for {
		select {
		case <-r.life.Done():
			return
		case event, open := <-removed.C():
			if !open {
				return
			}
			r.forget(&event)
		case <-timer.C:
			r.Run(r.life)
			timer.Reset(r.keep.Every)
		}
	}
}

// Run deletes once what is too old, until nothing of it is left or ctx ends.
func (r *Retention) Run(ctx context.Context) {
	cut := Cut{Keep: r.keep.Count, MaxKeep: r.keep.MaxCount}
	if r.keep.Age > 0 {
		cut.Before = r.now().Add(-r.keep.Age)
	}
	if r.keep.MaxAge > 0 {
		cut.MaxBefore = r.now().Add(-r.keep.MaxAge)
	}
	pruned := r.batches(ctx, func() (int, error) {
		n, missed, err := r.log.Prune(ctx, cut, pruneBatch)
		if len(missed) > 0 && r.keep.Missed != nil {
			r.keep.Missed(missed)
		}
		return n, err
	})
	codes := r.batches(ctx, func() (int, error) { return r.log.PruneQR(ctx, r.now().Add(-codeAge), pruneBatch) })
	if pruned > 0 {
		if first, _, err := r.log.Bounds(ctx); err == nil {
			r.log.raiseFloor(max(first, 1) - 1)
		}
	}
	if pruned+codes > 0 {
		r.logger.Debug("old events were deleted", "events", pruned, "codes", codes)
	}
}

// forget deletes what came before a session's deletion.
func (r *Retention) forget(event *Event) {
	r.batches(r.life, func() (int, error) { return r.log.Forget(r.life, event.Session, event.Seq-1, pruneBatch) })
}

func (r *Retention) batches(ctx context.Context, one func() (int, error)) int {
	total := 0
	for {
		n, err := one()
		total += n
		if err != nil && ctx.Err() == nil {
			// The next turn tries again.
			r.logger.Warn("old events could not be deleted", "err", err)
		}
		if err != nil || n < pruneBatch {
			return total
		}
		if !pause.Sleep(ctx.Done(), pruneRest) {
			return total
		}
	}
}

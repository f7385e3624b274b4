package whatsapp

import (
	"context"
	"sync"
	"time"
)

// sweepEvery is how often the remains of old messages are looked for.
const sweepEvery = 12 * time.Hour

// sweepAtOnce bounds the works of one commit, and sweepWaiting those that wait: what is beyond that stays until old
// entries are deleted.
const (
	sweepAtOnce  = 256
	sweepWaiting = 16 << 10
)

// sweeper does what nobody waits for, many at a time, on a goroutine that exists while there is something to do. What it
// does not get to is done again: by the deletion of old entries, or when WhatsApp delivers a message once more.
type sweeper struct {
	commit func(ctx context.Context, work func(ctx context.Context) error) error
	failed func(err error)

	mu      sync.Mutex
	works   []func(ctx context.Context) error
	running bool
	closed  bool
	swept   time.Time
	idle    sync.WaitGroup
}

// due reports, once in sweepEvery, that old entries are to be deleted.
func (s *sweeper) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.swept.IsZero() && time.Since(s.swept) < sweepEvery {
		return false
	}
	s.swept = time.Now()
	return true
}

func (s *sweeper) add(work func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.works) >= sweepWaiting {
		return
	}
	s.works = append(s.works, work)
	if !s.running {
		s.running = true
		s.idle.Go(s.run)
	}
}

func (s *sweeper) take() []func(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.works), sweepAtOnce)
	batch := s.works[:n:n]
	s.works = s.works[n:]
	s.running = n > 0
	return batch
}

func (s *sweeper) run() {
	for batch := s.take(); len(batch) > 0; batch = s.take() {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		err := s.commit(ctx, func(ctx context.Context) error {
			for _, work := range batch {
				if err := work(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		cancel()
		if err != nil {
			s.failed(err)
		}
	}
}

// close refuses what comes and returns when there is nothing left to do.
func (s *sweeper) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.idle.Wait()
}

package ratchet

import (
	"context"
	"sync"
	"time"

	"wasup/internal/groupcommit"
)

// sweepEvery is how often old entries are deleted.
const sweepEvery = 12 * time.Hour

// sweepAtOnce bounds the works of one commit, sweepWaiting the works that wait. Works beyond that are dropped; the
// deletion of old entries makes up for them.
const (
	sweepAtOnce  = 256
	sweepWaiting = 16 << 10
)

// sweepTimeout bounds one commit.
const sweepTimeout = 10 * time.Second

// sweeper runs works that nobody waits for, many in one commit. A work that is dropped or fails is made up for later:
// by the deletion of old entries, or when WhatsApp delivers a message once more.
type sweeper struct {
	commit func(ctx context.Context, work func(ctx context.Context) error) error
	failed func(err error)
	queue  *groupcommit.Queue[func(ctx context.Context) error]

	mu    sync.Mutex
	swept time.Time
}

func newSweeper(commit func(ctx context.Context, work func(ctx context.Context) error) error, failed func(err error)) *sweeper {
	s := &sweeper{commit: commit, failed: failed}
	s.queue = groupcommit.New(s.round)
	return s
}

// due reports, once every sweepEvery, that it is time to delete old entries.
func (s *sweeper) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.swept.IsZero() && time.Since(s.swept) < sweepEvery {
		return false
	}
	s.swept = time.Now()
	return true
}

func (s *sweeper) add(work func(ctx context.Context) error) { s.queue.Leave(work, sweepWaiting) }

func (s *sweeper) round(queue *groupcommit.Queue[func(ctx context.Context) error]) {
	works := queue.Take(sweepAtOnce)
	ctx, cancel := context.WithTimeout(context.Background(), sweepTimeout)
	defer cancel()
	err := s.commit(ctx, func(ctx context.Context) error {
		for _, e := range works {
			if err := e.What(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.failed(err)
	}
	groupcommit.AnswerAll(works, err)
}

// close refuses new works and returns when the waiting ones are done.
func (s *sweeper) close() { s.queue.Close() }

package outgoing

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Sweeper deletes the files of a folder that no message needs, between Start and Stop.
type Sweeper struct {
	folder     *Folder
	every, age time.Duration
	inUse      func(ctx context.Context, files []string) ([]string, error)

	life  context.Context
	end   context.CancelFunc
	once  sync.Once     // Start, or the Stop before it
	ended chan struct{} // closed when nothing of the sweeper runs any more
}

// NewSweeper makes a sweeper that does nothing before Start. It sweeps at the start and then at the interval every. It
// deletes files that were not used for age and that inUse does not return.
func NewSweeper(folder *Folder, every, age time.Duration, inUse func(ctx context.Context, files []string) ([]string, error)) *Sweeper {
	life, end := context.WithCancel(context.Background())
	return &Sweeper{folder: folder, every: every, age: age, inUse: inUse, life: life, end: end, ended: make(chan struct{})}
}

// Start starts the sweeping. It is called once. After Stop it does nothing.
func (s *Sweeper) Start(context.Context) error {
	s.once.Do(func() {
		go func() {
			defer close(s.ended)
			s.run()
		}()
	})
	return nil
}

// Stop returns once the file being deleted is deleted, or when ctx ends. It is idempotent and legal before Start; a later
// call waits on.
func (s *Sweeper) Stop(ctx context.Context) error {
	s.end()
	s.once.Do(func() { close(s.ended) })
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for a sweep to end: %w", ctx.Err())
	}
}

func (s *Sweeper) run() {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for {
		removed, err := s.folder.Sweep(s.life, time.Now().Add(-s.age), s.inUse)
		switch {
		case err != nil && s.life.Err() == nil:
			s.folder.log.Warn("files that nobody needs were not all removed", "op", "sweep", "err", err)
		case removed > 0:
			s.folder.log.Debug("files that nobody needs were removed", "op", "sweep", "removed", removed)
		}
		select {
		case <-ticker.C:
		case <-s.life.Done():
			return
		}
	}
}

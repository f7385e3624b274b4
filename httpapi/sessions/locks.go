package sessions

import (
	"context"
	"hash/maphash"

	"wasup/internal/session"
)

// keyedLocks has a lock for each session. Several sessions share one lock, so that the number of locks is bounded.
// Callers for two sessions then rarely wait for each other.
type keyedLocks struct {
	seed maphash.Seed
	free [64]chan struct{}
}

func newKeyedLocks() *keyedLocks {
	t := &keyedLocks{seed: maphash.MakeSeed()}
	for i := range t.free {
		t.free[i] = make(chan struct{}, 1)
	}
	return t
}

func (t *keyedLocks) lock(ctx context.Context, id session.ID) (done func(), err error) {
	turn := t.free[maphash.String(t.seed, string(id))%uint64(len(t.free))]
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, &session.Error{Code: session.CodeTimeout, Op: "change a session", Session: id, Err: ctx.Err()}
	}
}

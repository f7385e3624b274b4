package sessions

import (
	"context"
	"hash/maphash"

	"wasup/internal/session"
)

// turns lets one caller at a time through for each session. Sessions that share a turn wait for each other needlessly
// but rarely, and the number of turns is bounded.
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

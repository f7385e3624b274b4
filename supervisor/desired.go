package supervisor

import (
	"context"
	"fmt"
	"sync"

	"wasup/internal/session"
)

// desires keep what people want of each session in one order: the order in which it is stored. Without it, of a start
// and a stop at the same time one could be stored last and the other be done last.
type desires struct{ all sync.Map } // session.ID -> *desire

// desire is what people want of one session. Who has put the token into lock may use the rest.
type desire struct {
	lock   chan struct{} // holds one token
	stored session.Desired
	order  uint64 // of what is stored
}

// desiredUnknown is noted where a write failed: it may have been done or not.
const desiredUnknown session.Desired = ""

func (d *desires) of(id session.ID) *desire {
	if v, ok := d.all.Load(id); ok {
		return v.(*desire)
	}
	v, _ := d.all.LoadOrStore(id, &desire{lock: make(chan struct{}, 1)})
	return v.(*desire)
}

// remove forgets a session that was deleted.
func (d *desires) remove(id session.ID) { d.all.Delete(id) }

// setDesired stores what people want of a session and makes its entry. order is its place among all that was wanted.
func (s *Supervisor) setDesired(ctx context.Context, id session.ID, desired session.Desired) (e *entry, order uint64, err error) {
	unlock, err := s.lockDesired(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	d := s.desires.of(id)
	if e, ok := s.entry(id); ok {
		if d.order == 0 { // nobody has wanted anything yet: it is as it was read
			d.stored, d.order = e.core.Status().Desired, 1
		}
		if d.stored == desired {
			return e, d.order, nil
		}
	}
	d.order++
	d.stored = desiredUnknown
	record, err := s.cfg.Store.SetDesired(ctx, id, desired)
	if err != nil {
		return nil, 0, fmt.Errorf("store what session %s should do: %w", id, err)
	}
	d.stored = desired
	return s.enter(record), d.order, nil
}

// lockDesired waits until nobody else stores what is wanted of a session. The caller unlocks it.
func (s *Supervisor) lockDesired(ctx context.Context, id session.ID) (unlock func(), err error) {
	if s.env.Draining.Load() {
		return nil, shuttingDown(id)
	}
	d := s.desires.of(id)
	select {
	case d.lock <- struct{}{}:
		return func() { <-d.lock }, nil
	case <-ctx.Done():
		return nil, &session.Error{Code: session.CodeTimeout, Op: "reach session", Session: id, Err: ctx.Err()}
	}
}

package supervisor

import (
	"context"
	"fmt"
	"sync"

	"wasup/internal/session"
)

// desires numbers the changes of each session's desired state in the order in which they are stored. Without the
// numbers, if a start and a stop come at the same time, one could be stored last and the other carried out last.
type desires struct{ all sync.Map } // session.ID -> *desire

// desire is the desired state of one session. Only the goroutine that has put a value into lock may use the other
// fields.
type desire struct {
	lock   chan struct{} // of size 1
	stored session.Desired
	order  uint64 // the number of the last change
}

// desiredUnknown means that a write failed: the database may have stored the change or not.
const desiredUnknown session.Desired = ""

func (d *desires) of(id session.ID) *desire {
	if v, ok := d.all.Load(id); ok {
		return v.(*desire)
	}
	v, _ := d.all.LoadOrStore(id, &desire{lock: make(chan struct{}, 1)})
	return v.(*desire)
}

// remove removes the entry of a deleted session.
func (d *desires) remove(id session.ID) { d.all.Delete(id) }

// setDesired stores the desired state of a session and makes the session's entry if there is none. order is the number
// of the change. If that desired state is stored already, nothing is written and order is that of the earlier change.
func (s *Supervisor) setDesired(ctx context.Context, id session.ID, desired session.Desired) (e *entry, order uint64, err error) {
	unlock, err := s.lockDesired(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	d := s.desires.of(id)
	if e, ok := s.entry(id); ok {
		if d.order == 0 { // the first change since the process started: the stored state is the one that was read
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
		return nil, 0, fmt.Errorf("store the desired state of session %s: %w", id, err)
	}
	d.stored = desired
	return s.addEntry(record), d.order, nil
}

// lockDesired locks the desired state of a session. The caller must call unlock.
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

package supervisor

import (
	"context"
	"fmt"

	"wasup/internal/session"
)

// wishes keeps in one order what people want of a session: the order in which it is stored. Without it, of a start and
// a stop at the same time one could be stored last and the other be done last.
type wishes struct {
	turn   chan struct{} // holds one: whoever has put it in has the turn
	stored session.Desired
	order  uint64 // of what is stored
}

// unsure is stored where a write failed: it may have been done or not.
const unsure session.Desired = ""

// want stores what people want of a session and makes its entry. The number is the wish's place among all of them.
func (s *Supervisor) want(ctx context.Context, id session.ID, desired session.Desired) (*entry, uint64, error) {
	done, err := s.turnOf(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	defer done()
	w := s.wishes(id)
	if e, ok := s.entry(id); ok {
		if w.order == 0 { // nobody has wished anything yet: it is as it was read
			w.stored, w.order = e.core.Status().Desired, 1
		}
		if w.stored == desired {
			return e, w.order, nil
		}
	}
	w.order++
	w.stored = unsure
	record, err := s.cfg.Store.SetDesired(ctx, id, desired)
	if err != nil {
		return nil, 0, fmt.Errorf("store what session %s should do: %w", id, err)
	}
	w.stored = desired
	return s.enter(record), w.order, nil
}

// turnOf waits for the turn to store something of a session. The caller ends it.
func (s *Supervisor) turnOf(ctx context.Context, id session.ID) (done func(), err error) {
	if s.env.Draining.Load() {
		return nil, shuttingDown(id)
	}
	w := s.wishes(id)
	select {
	case w.turn <- struct{}{}:
		return func() { <-w.turn }, nil
	case <-ctx.Done():
		return nil, &session.Error{Code: session.CodeTimeout, Op: "reach session", Session: id, Err: ctx.Err()}
	}
}

func (s *Supervisor) wishes(id session.ID) *wishes {
	if v, ok := s.wished.Load(id); ok {
		return v.(*wishes)
	}
	v, _ := s.wished.LoadOrStore(id, &wishes{turn: make(chan struct{}, 1)})
	return v.(*wishes)
}

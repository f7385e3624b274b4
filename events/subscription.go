package events

import "wasup/session"

// Subscription is one reader of the hub.
type Subscription struct {
	of     *Live
	id     session.ID // "": all sessions
	events chan session.LiveEvent
	from   uint64
	missed bool
}

// Subscribe follows one session, or all with the empty id. after is the number of the last event that the reader knows:
// what came later is told first. 0 begins with what happens from now on. The reader calls Close when it is done.
func (l *Live) Subscribe(after uint64, id session.ID) (*Subscription, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	s := &Subscription{of: l, id: id, from: l.seq}
	var replay []session.LiveEvent
	switch {
	case after == 0:
	case after < l.oldest, after > l.seq:
		s.missed = true
	default:
		replay = l.since(after, s)
	}
	s.events = make(chan session.LiveEvent, len(replay)+l.perReader)
	for i := range replay {
		s.events <- replay[i]
	}
	l.admit(s)
	return s, nil
}

// since gives what a reader wants of the remembered events after a number, oldest first.
func (l *Live) since(after uint64, s *Subscription) []session.LiveEvent {
	var found []session.LiveEvent
	for i := range l.ring {
		// Until the ring is full next is 0, and the events lie in order.
		if event := &l.ring[(l.next+i)%len(l.ring)]; event.Seq > after && s.wants(event.Status.ID) {
			found = append(found, *event)
		}
	}
	return found
}

func (s *Subscription) wants(id session.ID) bool { return s.id == "" || s.id == id }

// C yields the events. It is closed when the reader was too slow, and when the hub closes.
func (s *Subscription) C() <-chan session.LiveEvent { return s.events }

// Missed reports that events were lost between the number the reader came with and now: it has to read the present
// state anew.
func (s *Subscription) Missed() bool { return s.missed }

// From is the number of the last event at the time of the subscription: what the reader knows once it has read the
// present state.
func (s *Subscription) From() uint64 { return s.from }

// Close ends the subscription. It is idempotent.
func (s *Subscription) Close() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.drop(s)
}

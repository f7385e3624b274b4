package events

import (
	"context"
	"slices"

	"wasup/internal/session"
)

// Subscription is one reader of the log. It first reads the stored events with Past, page by page. Then it gets new
// events through C. Only one goroutine may call Past.
type Subscription struct {
	of     *Log
	id     session.ID // "": all sessions
	types  []Type
	events chan Event
	from   uint64
	known  uint64 // all events up to this position were returned, or are not wanted
	missed bool
	live   bool // new events come through the channel
	over   bool // the subscription has ended
}

// Subscribe follows one session, or all sessions if the id is empty, and only the given types if there are any. after
// is the position of the last event that the reader knows. 0 begins with the oldest event in the log, FromNow with the
// next event. The reader calls Close when it is done. Errors carry a session.Code; ErrClosed is one of them.
func (l *Log) Subscribe(ctx context.Context, after uint64, id session.ID, types []Type) (*Subscription, error) {
	l.mu.Lock()
	beyond := after > l.tail && after != FromNow
	l.mu.Unlock()
	if beyond {
		// A caller that reads pages of the table can be ahead of the log's goroutine.
		_, last, err := l.Bounds(ctx)
		if err != nil {
			return nil, err
		}
		beyond = after > last
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	s := &Subscription{
		of: l, id: id, types: types, from: l.tail, known: after,
		events: make(chan Event, l.options.PerReader),
	}
	s.missed = beyond || after > 0 && after < l.floor
	if s.missed || after == FromNow {
		s.known = l.tail
	}
	l.open++
	return s, nil
}

// Past returns the next stored events that the reader does not know, oldest first. If it returns none, further events
// come through C. Errors carry a session.Code.
func (s *Subscription) Past(ctx context.Context) ([]Event, error) {
	for {
		found, live, err := s.readRing()
		if err != nil || live || len(found) > 0 {
			return found, err
		}
		found, upTo, err := s.of.Read(ctx, Query{Session: s.id, After: s.known, Types: s.types, Limit: s.of.options.Page})
		if err != nil {
			return nil, err
		}
		if err = s.checkOvertaken(ctx); err != nil {
			return nil, err
		}
		s.known = max(s.known, upTo)
		if len(found) > 0 {
			return found, nil
		}
	}
}

// checkOvertaken returns ErrOvertaken if retention has deleted events that the reader does not know.
func (s *Subscription) checkOvertaken(ctx context.Context) error {
	if s.known == 0 { // the reader begins with the oldest event, whichever that is
		return nil
	}
	first, _, err := s.of.Bounds(ctx)
	if err == nil && s.known+1 < first {
		err = ErrOvertaken
	}
	return err
}

// readRing returns the ring's events that the reader does not know. It returns none if the ring does not go back far
// enough: the reader has to read the table. If the reader knows all events, it becomes live.
func (s *Subscription) readRing() (found []Event, live bool, err error) {
	l := s.of
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.live: // also if it was dropped: its channel may still hold events to read
		return nil, true, nil
	case l.closed || s.over:
		return nil, false, ErrClosed
	case s.known < l.oldest:
		return nil, false, nil
	}
	for i := range l.ring {
		// Until the ring is full, next is 0 and the events are in order.
		if event := &l.ring[(l.next+i)%len(l.ring)]; s.wants(event) && s.covers(event) {
			found = append(found, *event)
		}
	}
	s.known = max(s.known, l.tail)
	if len(found) > 0 {
		return found, false, nil
	}
	if l.readers[s.id] == nil {
		l.readers[s.id] = make(map[*Subscription]struct{})
	}
	l.readers[s.id][s] = struct{}{}
	s.live = true
	return nil, true, nil
}

func (s *Subscription) covers(event *Event) bool { return s.id == "" || s.id == event.Session }

// wants reports whether the reader wants the event. It does not want an event that it knows from a page of the table
// which was ahead of the log's goroutine.
func (s *Subscription) wants(event *Event) bool {
	return event.Pos > s.known && (len(s.types) == 0 || slices.Contains(s.types, event.Type))
}

// C returns the channel with the events after Past. It is closed when the reader is too slow, and when the log or the
// subscription ends.
func (s *Subscription) C() <-chan Event { return s.events }

// Missed reports whether events after the reader's position were deleted, or the log never had this position. The
// reader then has to read the present state again.
func (s *Subscription) Missed() bool { return s.missed }

// From returns the position of the last event at the time of the subscription. A reader that has read the present state
// since then knows everything up to this position.
func (s *Subscription) From() uint64 { return s.from }

// Close ends the subscription. It is idempotent.
func (s *Subscription) Close() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.endSubscription(s)
}

// endSubscription ends a subscription. The caller holds the lock.
func (l *Log) endSubscription(reader *Subscription) {
	if reader.over {
		return
	}
	reader.over = true
	l.open--
	if reader.live {
		group := l.readers[reader.id]
		delete(group, reader)
		if len(group) == 0 {
			delete(l.readers, reader.id)
		}
	}
	close(reader.events)
}

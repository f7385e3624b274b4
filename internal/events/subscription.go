package events

import (
	"context"
	"slices"

	"wasup/internal/session"
)

// Subscription is one reader of the log. It first asks for what is stored, page by page, and then is handed what is new.
// Past belongs to one goroutine.
type Subscription struct {
	of     *Log
	id     session.ID // "": all sessions
	types  []Type
	events chan Event
	from   uint64
	known  uint64 // every event up to this position was given, or was not wanted
	missed bool
	live   bool // admitted: the events come through the channel
	over   bool
}

// Subscribe follows one session, or all with the empty id, and only the given types if there are any. after is the
// position of the last event that the reader knows: what came later is told first. 0 begins with the oldest that is kept,
// session.FromNow with what happens from now on. The reader calls Close when it is done. Errors carry a session.Code; ErrClosed is one of them.
func (l *Log) Subscribe(ctx context.Context, after uint64, id session.ID, types []Type) (*Subscription, error) {
	l.mu.Lock()
	beyond := after > l.tail && after != FromNow
	l.mu.Unlock()
	if beyond {
		// A caller who reads pages can be ahead of what was handed on.
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

// Past gives the next stored events that the reader does not know, oldest first; none: from now on they come through C.
// Errors carry a session.Code.
func (s *Subscription) Past(ctx context.Context) ([]Event, error) {
	for {
		found, live, err := s.remembered()
		if err != nil || live || len(found) > 0 {
			return found, err
		}
		found, upTo, err := s.of.Read(ctx, Query{Session: s.id, After: s.known, Types: s.types, Limit: s.of.options.Page})
		if err != nil {
			return nil, err
		}
		if err = s.overtaken(ctx); err != nil {
			return nil, err
		}
		s.known = max(s.known, upTo)
		if len(found) > 0 {
			return found, nil
		}
	}
}

// overtaken reports that retention has deleted what comes behind the last event that the reader knows.
func (s *Subscription) overtaken(ctx context.Context) error {
	if s.known == 0 { // begins with the oldest, whichever that is
		return nil
	}
	first, _, err := s.of.Bounds(ctx)
	if err == nil && s.known+1 < first {
		err = ErrOvertaken
	}
	return err
}

// remembered gives what the ring has for the reader, once it has all that is missing; with nothing missing the reader is
// admitted.
func (s *Subscription) remembered() (found []Event, live bool, err error) {
	l := s.of
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.live: // also one that was dropped: what it was handed before is still to be read
		return nil, true, nil
	case l.closed || s.over:
		return nil, false, ErrClosed
	case s.known < l.oldest:
		return nil, false, nil
	}
	for i := range l.ring {
		// Until the ring is full next is 0, and the events lie in order.
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

// wants leaves out what a page read ahead of the log's follower had already.
func (s *Subscription) wants(event *Event) bool {
	return event.Pos > s.known && (len(s.types) == 0 || slices.Contains(s.types, event.Type))
}

// C yields the events once Past has none. It is closed when the reader was too slow, and when the log is stopped.
func (s *Subscription) C() <-chan Event { return s.events }

// Missed reports that events were lost between the position the reader came with and now: it has to read the present
// state anew.
func (s *Subscription) Missed() bool { return s.missed }

// From is the position of the last event at the time of the subscription: what a reader without a past knows once it has
// read the present state.
func (s *Subscription) From() uint64 { return s.from }

// Close ends the subscription. It is idempotent.
func (s *Subscription) Close() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.drop(s)
}

// drop ends a subscription; the lock is held.
func (l *Log) drop(reader *Subscription) {
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

package events

import (
	"context"
	"slices"

	"wasup/internal/session"
)

// ChunkBytes is the size at which Next ends a chunk. The event with which a chunk reaches it can be larger.
const ChunkBytes = 128 << 10

// Subscription is one reader of the log. It asks for the next events, and gets a signal when there are further ones. A
// reader may be as slow as it likes: no event waits for it in memory. Only one goroutine at a time may call Next and
// Again.
type Subscription struct {
	of     *Log
	id     session.ID // "": all sessions
	types  []Type
	wake   chan struct{} // gets a token when there may be something to read; closed at the end
	from   uint64
	known  uint64 // all events up to this position were returned, or are not wanted
	missed bool
	waits  bool // the log wakes the reader
	behind bool // since the reader knew all events there was one that it wants
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
		of: l, id: id, types: types, from: l.tail, known: after, wake: make(chan struct{}, 1),
	}
	s.missed = beyond || after > 0 && after < l.floor
	if s.missed || after == FromNow {
		s.known = l.tail
	}
	l.open++
	return s, nil
}

// Next returns the next events that the reader does not know, oldest first, and not many more bytes than ChunkBytes. If
// it returns none, the reader knows all events, and C tells when there are more. Errors carry a session.Code: ErrClosed
// after the end, ErrOvertaken if the reader was too slow for the retention.
func (s *Subscription) Next(ctx context.Context) ([]Event, error) {
	for {
		found, reached, err := s.readRing()
		if err != nil || reached {
			return found, err
		}
		found, upTo, err := s.of.load(ctx, s.chunk(s.known))
		if err != nil {
			return nil, err
		}
		if err = s.checkOvertaken(ctx); err != nil {
			return nil, err
		}
		s.learn(upTo)
		if len(found) > 0 {
			return found, nil
		}
	}
}

// learn notes that the reader knows all events up to a position.
func (s *Subscription) learn(upTo uint64) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.known = max(s.known, upTo)
}

// chunk is the query for the next events after a position.
func (s *Subscription) chunk(after uint64) Query {
	return Query{Session: s.id, After: after, Types: s.types, Limit: s.of.options.Page, Bytes: ChunkBytes}
}

// Again returns an event that Next has returned, so that a reader needs not hold a large one while it writes it.
// ErrOvertaken if retention has deleted it meanwhile.
func (s *Subscription) Again(ctx context.Context, pos uint64) (Event, error) {
	if event, is := s.of.held(pos); is {
		return event, nil
	}
	query := s.chunk(pos - 1)
	query.Limit = 1
	found, _, err := s.of.load(ctx, query)
	if err != nil {
		return Event{}, err
	}
	if len(found) == 0 || found[0].Pos != pos {
		return Event{}, ErrOvertaken
	}
	return found[0], nil
}

// held returns the ring's event at a position.
func (l *Log) held(pos uint64) (Event, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.ring.after(pos - 1); i < l.ring.count && l.ring.at(i).Pos == pos {
		return *l.ring.at(i), true
	}
	return Event{}, false
}

// checkOvertaken returns ErrOvertaken if retention has deleted events that the reader does not know.
func (s *Subscription) checkOvertaken(ctx context.Context) error {
	if s.known == 0 { // the reader begins with the oldest event, whichever that is
		return nil
	}
	first, _, err := s.of.Bounds(ctx)
	if err == nil && s.known+1 < first {
		s.of.options.Observer.ReaderDropped()
		err = ErrOvertaken
	}
	return err
}

// readRing returns the ring's next events that the reader does not know. reached false: the ring does not go back far
// enough, so the reader has to read the table. If the reader knows all events, the log wakes it from now on.
func (s *Subscription) readRing() (found []Event, reached bool, err error) {
	l := s.of
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed || s.over:
		return nil, false, ErrClosed
	case s.waits && !s.behind:
		s.known = max(s.known, l.tail)
		return nil, true, nil
	case s.known < l.oldest:
		return nil, false, nil
	}
	size := 0
	for i := l.ring.after(s.known); i < l.ring.count; i++ {
		event := l.ring.at(i)
		if !s.covers(event) || !s.wants(event) {
			continue
		}
		found = append(found, *event)
		if size += len(event.Data); size >= ChunkBytes || len(found) == l.options.Page {
			s.known = event.Pos
			return found, true, nil
		}
	}
	s.known, s.behind = max(s.known, l.tail), false
	if !s.waits {
		s.waits = true
		if l.readers[s.id] == nil {
			l.readers[s.id] = make(map[*Subscription]struct{})
		}
		l.readers[s.id][s] = struct{}{}
	}
	return found, true, nil
}

func (s *Subscription) covers(event *Event) bool { return s.id == "" || s.id == event.Session }

// wants reports whether the reader wants the event. It does not want an event that it knows from a page of the table
// which was ahead of the log's goroutine.
func (s *Subscription) wants(event *Event) bool {
	return event.Pos > s.known && (len(s.types) == 0 || slices.Contains(s.types, event.Type))
}

// C returns a channel that gets a signal when Next may have something to return. It is closed when the log or the
// subscription ends. A signal may come without a reason.
func (s *Subscription) C() <-chan struct{} { return s.wake }

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
	if reader.waits {
		group := l.readers[reader.id]
		delete(group, reader)
		if len(group) == 0 {
			delete(l.readers, reader.id)
		}
	}
	close(reader.wake)
}

package events

import (
	"time"

	"wasup/internal/pause"
	"wasup/internal/session"
)

// backoff is the pause between attempts while the database does not answer.
var backoff = session.Backoff{First: 50 * time.Millisecond, Longest: 5 * time.Second}

// follow passes committed events on to the readers, until Stop.
func (l *Log) follow() {
	failures := 0
	for {
		more, err := l.handOn()
		switch {
		case err != nil && l.life.Err() != nil:
			return
		case err != nil:
			failures++
			wait := backoff.Step(failures)
			l.options.Logger.Warn("event log: cannot read; retrying", "err", err, "in", wait)
			if !pause.Sleep(l.life.Done(), wait) {
				return
			}
			continue
		case more:
			continue
		}
		failures = 0
		select {
		case <-l.Appended():
		case <-l.life.Done():
			return
		}
	}
}

// handOn reads one page of new events and passes them on. more says that there may be another page already.
func (l *Log) handOn() (more bool, err error) {
	l.mu.Lock()
	after := l.tail
	l.mu.Unlock()
	found, upTo, err := l.Read(l.life, Query{After: after, Limit: l.options.Page})
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range found {
		l.passOn(&found[i])
	}
	l.tail = max(l.tail, upTo)
	for watch := range l.watchers {
		watch.noteGrowth(found)
	}
	return len(found) == l.options.Page, nil
}

// passOn puts an event into the ring and sends it to the readers that want it.
func (l *Log) passOn(event *Event) {
	if len(l.ring) < cap(l.ring) {
		l.ring = append(l.ring, *event)
	} else {
		l.oldest = l.ring[l.next].Pos
		l.ring[l.next] = *event
		l.next = (l.next + 1) % len(l.ring)
	}
	l.tail = event.Pos
	l.options.Observer.EventLogged(event.Type)
	l.send(l.readers[""], event)
	l.send(l.readers[event.Session], event)
}

func (l *Log) send(readers map[*Subscription]struct{}, event *Event) {
	for reader := range readers {
		if !reader.wants(event) {
			continue
		}
		select {
		case reader.events <- *event:
		default:
			// The reader is too slow. It can subscribe again with the position of the last event that it has read.
			l.options.Observer.ReaderDropped()
			l.endSubscription(reader)
		}
	}
}

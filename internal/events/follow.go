package events

import (
	"time"

	"wasup/internal/pause"
	"wasup/internal/session"
)

// backoff is the pause between two attempts on a table that does not answer.
var backoff = session.Backoff{First: 50 * time.Millisecond, Longest: 5 * time.Second}

// follow hands on what was committed, until Stop.
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
			l.options.Logger.Warn("the log of events could not be read; trying again", "err", err, "in", wait)
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

// handOn reads one page; more: another one may be there already.
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
		l.add(&found[i])
	}
	l.tail = max(l.tail, upTo)
	for watch := range l.watchers {
		watch.told(found)
	}
	return len(found) == l.options.Page, nil
}

// add remembers an event and hands it to whoever follows.
func (l *Log) add(event *Event) {
	if len(l.ring) < cap(l.ring) {
		l.ring = append(l.ring, *event)
	} else {
		l.oldest = l.ring[l.next].Pos
		l.ring[l.next] = *event
		l.next = (l.next + 1) % len(l.ring)
	}
	l.tail = event.Pos
	l.options.Observer.EventLogged(event.Type)
	l.hand(l.readers[""], event)
	l.hand(l.readers[event.Session], event)
}

func (l *Log) hand(readers map[*Subscription]struct{}, event *Event) {
	for reader := range readers {
		if !reader.wants(event) {
			continue
		}
		select {
		case reader.events <- *event:
		default:
			// It is too slow; it comes back with the position of the last event it has read.
			l.options.Observer.ReaderDropped()
			l.drop(reader)
		}
	}
}

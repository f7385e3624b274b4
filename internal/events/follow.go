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
	query := Query{After: after, Limit: l.options.Page}
	found, upTo, err := l.Read(l.life, query)
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
	return query.Full(found), nil
}

// passOn puts an event into the ring and wakes the readers that follow its session.
func (l *Log) passOn(event *Event) {
	l.oldest = max(l.oldest, l.ring.push(event))
	l.tail = event.Pos
	l.options.Observer.EventLogged(event.Type)
	wake(l.readers[""], event)
	wake(l.readers[event.Session], event)
}

// wake wakes readers. It waits for none: a reader that has a signal already finds this event as well.
func wake(readers map[*Subscription]struct{}, event *Event) {
	for reader := range readers {
		if !reader.wants(event) {
			continue
		}
		if !reader.behind { // it knows all that came before, or does not want it
			reader.behind, reader.known = true, event.Pos-1
		}
		select {
		case reader.wake <- struct{}{}:
		default:
		}
	}
}

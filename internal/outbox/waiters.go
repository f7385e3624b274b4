package outbox

import (
	"slices"
	"sync"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// news is what somebody who waits for a message has to know. It is overwritten by newer news.
type news struct {
	state   message.State
	ackedAt time.Time
	failure message.Failure
	err     error // of the last attempt
	unready bool  // the session left READY since the wait began
	removed bool  // the session was deleted
}

// waiter is one wait for a message. The lock of waiters guards its news.
type waiter struct {
	session session.ID
	message string
	news    news
	signal  chan struct{} // holds a token: there are news
}

func (w *waiter) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// waiters are those who wait for messages. Their lock may be taken while the outbox's is held, and never the other way
// round.
type waiters struct {
	mu  sync.Mutex
	all map[session.ID]map[string][]*waiter // by session and message
}

func newWaiters() *waiters { return &waiters{all: map[session.ID]map[string][]*waiter{}} }

// add registers a wait; remove ends it.
func (ws *waiters) add(id session.ID, messageID string) *waiter {
	w := &waiter{session: id, message: messageID, signal: make(chan struct{}, 1)}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.all[id] == nil {
		ws.all[id] = map[string][]*waiter{}
	}
	ws.all[id][messageID] = append(ws.all[id][messageID], w)
	return w
}

func (ws *waiters) remove(w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	of := ws.all[w.session]
	of[w.message] = slices.DeleteFunc(of[w.message], func(other *waiter) bool { return other == w })
	if len(of[w.message]) == 0 {
		delete(of, w.message)
	}
	if len(of) == 0 {
		delete(ws.all, w.session)
	}
}

// post hands news to those who wait for a message.
func (ws *waiters) post(id session.ID, messageID string, n news) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.all[id][messageID] {
		n.unready, n.removed = w.news.unready, w.news.removed
		if n.err == nil && !n.state.Settled() {
			n.err = w.news.err // the next attempt may begin before the end of this one was heard
		}
		w.news = n
		w.wake()
	}
}

// change changes the news of everybody who waits for messages of a session, and wakes them.
func (ws *waiters) change(id session.ID, how func(*news)) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, list := range ws.all[id] {
		for _, w := range list {
			how(&w.news)
			w.wake()
		}
	}
}

// wake lets everybody look where their messages are.
func (ws *waiters) wake() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, of := range ws.all {
		for _, list := range of {
			for _, w := range list {
				w.wake()
			}
		}
	}
}

// take gives a waiter's news.
func (ws *waiters) take(w *waiter) news {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	n := w.news
	w.news.unready, w.news.err = false, nil
	return n
}

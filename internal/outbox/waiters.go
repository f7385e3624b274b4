package outbox

import (
	"slices"
	"sync"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// news is the latest known state of a message and its session, for one waiter. Newer news replace it.
type news struct {
	state     message.State
	ackedAt   time.Time
	failure   message.Failure
	attempts  int   // that may have brought the message to WhatsApp so far; countless: not known
	err       error // error of the last attempt
	withdrawn error // the message was deleted before it left; what its sender was told
	removed   bool  // the session was deleted
	// handedOver: the session was linked to another account since the wait began, which may have the message held
	handedOver bool
}

// waiter is one caller that waits for a message. The lock of waiters guards its news.
type waiter struct {
	session session.ID
	message string
	news    news
	signal  chan struct{} // holds a token when there are news
}

func (w *waiter) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// waiters holds all callers that wait for messages. Its lock may be taken while the outbox's lock is held, but never
// the other way round.
type waiters struct {
	mu  sync.Mutex
	all map[session.ID]map[string][]*waiter // by session and message
}

func newWaiters() *waiters { return &waiters{all: map[session.ID]map[string][]*waiter{}} }

// add registers a waiter for a message. The caller must remove it.
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

// post gives news to the waiters of a message and wakes them.
func (ws *waiters) post(id session.ID, messageID string, n news) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.all[id][messageID] {
		n.removed, n.handedOver = w.news.removed, w.news.handedOver
		if n.err == nil && !n.state.Settled() {
			n.err = w.news.err // the next attempt may begin before the waiter has read the error of this one
		}
		w.news = n
		w.wake()
	}
}

// update changes the news of all waiters of a session's messages and wakes them.
func (ws *waiters) update(id session.ID, how func(*news)) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, list := range ws.all[id] {
		for _, w := range list {
			how(&w.news)
			w.wake()
		}
	}
}

// wakeAll wakes all waiters, so that they check their messages.
func (ws *waiters) wakeAll() {
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

// takeNews returns a waiter's news and clears the part that is read only once: the attempt's error.
func (ws *waiters) takeNews(w *waiter) news {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	n := w.news
	w.news.err = nil
	return n
}

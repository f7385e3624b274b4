package webhooks

import (
	"context"
	"sync"
	"time"

	"wasup/internal/session"
)

// mostUnnoted is how many events of a lane may have been delivered without the database knowing: as many come again after
// a kill, at most.
const mostUnnoted = 32

// Progress is what a webhook has come further with a session: from a cursor, over events that were delivered.
type Progress struct {
	Webhook  string
	Session  session.ID
	From, To uint64
	Attempts []Delivery
}

// notes writes down what was delivered, for all lanes together: while one commit is on its way the lanes go on, and what
// they deliver meanwhile shares the next one. What the database does not take is tried again for as long as the process
// lives; a lane that has too much in here waits.
type notes struct {
	of *Webhooks

	mu      sync.Mutex
	waiting map[place]*Progress
	writing map[place]*Progress
	busy    bool          // the goroutine exists
	turned  chan struct{} // is closed, and replaced, after each attempt to write
	err     error         // of the last attempt
}

type place struct {
	webhook string
	session session.ID
}

func newNotes(w *Webhooks) *notes {
	return &notes{of: w, waiting: make(map[place]*Progress), turned: make(chan struct{})}
}

// add notes a delivered event behind the cursor. wait: the lane has to settle before it goes on, because much of it is not
// written yet, or the database does not take it.
func (n *notes) add(c Cursor, d Delivery) (wait bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := place{c.Webhook, c.Session}
	p := n.waiting[at]
	if p == nil {
		p = &Progress{Webhook: c.Webhook, Session: c.Session, From: c.Seq}
		n.waiting[at] = p
	}
	p.To, p.Attempts = d.Seq, append(p.Attempts, d)
	if !n.busy {
		n.busy = true
		// A turn adds, and work counts it: Stop is still waiting.
		n.of.work.Go(n.write)
	}
	held := len(p.Attempts)
	if w := n.writing[at]; w != nil {
		held += len(w.Attempts)
	}
	return held >= mostUnnoted || n.err != nil
}

// settle returns once nothing of a lane waits to be written; with an error where the database does not take it, or ctx
// has ended. With the empty session it is about every lane of the webhook.
func (n *notes) settle(ctx context.Context, webhook string, id session.ID) error {
	for {
		n.mu.Lock()
		holds, err, turned := n.holds(webhook, id), n.err, n.turned
		n.mu.Unlock()
		switch {
		case !holds:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return &session.Error{Code: session.CodeTimeout, Op: "note deliveries", Session: id, Err: ctx.Err()}
		}
	}
}

func (n *notes) holds(webhook string, id session.ID) bool {
	for _, list := range []map[place]*Progress{n.waiting, n.writing} {
		if id != "" {
			if list[place{webhook, id}] != nil {
				return true
			}
			continue
		}
		for at := range list {
			if at.webhook == webhook {
				return true
			}
		}
	}
	return false
}

// write is the goroutine. It ends with the work, or with the process.
func (n *notes) write() {
	for {
		n.mu.Lock()
		if n.busy = len(n.waiting) > 0; !n.busy {
			n.mu.Unlock()
			return
		}
		list := make([]Progress, 0, len(n.waiting))
		for _, p := range n.waiting {
			list = append(list, *p)
		}
		n.writing, n.waiting = n.waiting, make(map[place]*Progress)
		n.mu.Unlock()

		moved, err := n.of.store.Record(n.of.life, list)
		n.written(err)
		if err != nil && !n.rest(err) {
			return
		}
		for i := range moved {
			if !moved[i] { // by a replay, by retention, or together with its webhook
				n.of.moved(list[i].Webhook, list[i].Session)
			}
		}
	}
}

// written tells those who wait. What was not taken goes in front of what came since.
func (n *notes) written(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		for at, p := range n.writing {
			if later := n.waiting[at]; later != nil {
				p.To, p.Attempts = later.To, append(p.Attempts, later.Attempts...)
			}
			n.waiting[at] = p
		}
	}
	n.writing, n.err = nil, err
	close(n.turned)
	n.turned = make(chan struct{})
}

// rest waits before the next attempt; false: the process ends, and what is not written is delivered again.
func (n *notes) rest(err error) bool {
	if n.of.life.Err() == nil {
		n.of.opts.Log.Warn("what webhooks have delivered waits for the database", "err", err)
	}
	timer := time.NewTimer(min(storePause, n.of.opts.RetryMin))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-n.of.draining:
	case <-n.of.life.Done():
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.busy = false
	return false
}

// moved makes a lane read its cursor again.
func (w *Webhooks) moved(webhook string, id session.ID) {
	w.tell(func(l *loop) {
		if r := l.receivers[webhook]; r != nil {
			l.again(r, id)
		}
	})
}

package webhooks

import (
	"context"
	"sync"
	"time"

	"wasup/internal/session"
)

// mostUnnoted is the maximum number of a lane's delivered events that are not stored as delivered yet. After a kill,
// the receiver gets at most so many events again.
const mostUnnoted = 32

// Progress is the movement of a cursor over delivered events.
type Progress struct {
	Webhook  string
	Session  session.ID
	From, To uint64 // the Seq of the cursor before and after
	Attempts []Delivery
}

// notes stores which events were delivered, for all lanes together. While one commit runs, the lanes continue to
// deliver, and their deliveries share the next commit. A failed commit is repeated until it succeeds or the process
// ends. A lane with too many deliveries in here waits.
type notes struct {
	of *Webhooks

	mu      sync.Mutex
	waiting map[place]*Progress
	writing map[place]*Progress
	busy    bool          // the goroutine runs
	turned  chan struct{} // closed and replaced after each attempt to write
	err     error         // of the last attempt to write
}

// place is a lane: a webhook and a session.
type place struct {
	webhook string
	session session.ID
}

func newNotes(w *Webhooks) *notes {
	return &notes{of: w, waiting: make(map[place]*Progress), turned: make(chan struct{})}
}

// add notes a delivered event after the cursor. wait says that the lane has to call waitStored before it continues,
// because too many of its deliveries are not stored yet, or because the database fails.
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
		// Go is safe here: a turn calls add, and Stop waits for that turn.
		n.of.work.Go(n.write)
	}
	held := len(p.Attempts)
	if w := n.writing[at]; w != nil {
		held += len(w.Attempts)
	}
	return held >= mostUnnoted || n.err != nil
}

// waitStored waits until all deliveries of a lane are stored, or of all lanes of the webhook if id is empty. It returns
// an error if the database fails or ctx ends.
func (n *notes) waitStored(ctx context.Context, webhook string, id session.ID) error {
	for {
		n.mu.Lock()
		unstored, err, turned := n.hasUnstored(webhook, id), n.err, n.turned
		n.mu.Unlock()
		switch {
		case !unstored:
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

func (n *notes) hasUnstored(webhook string, id session.ID) bool {
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

// write runs in the goroutine. It ends when nothing is left to write, or with the process.
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
		if err != nil && !n.pauseAfter(err) {
			return
		}
		for i := range moved {
			if !moved[i] { // a replay or retention has moved the cursor meanwhile, or it was deleted
				n.of.reloadLane(list[i].Webhook, list[i].Session)
			}
		}
	}
}

// written wakes the lanes that wait. Progress that the database did not take goes in front of newer progress.
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

// pauseAfter waits before the next attempt. It returns false if the process ends; after the next start, the receivers
// get the events again whose delivery was not stored.
func (n *notes) pauseAfter(err error) bool {
	if n.of.life.Err() == nil {
		n.of.opts.Log.Warn("webhooks: cannot store deliveries; retrying", "err", err)
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

// reloadLane makes a lane read its cursor again.
func (w *Webhooks) reloadLane(webhook string, id session.ID) {
	w.post(func(l *loop) {
		if r := l.receivers[webhook]; r != nil {
			l.restartLane(r, id)
		}
	})
}

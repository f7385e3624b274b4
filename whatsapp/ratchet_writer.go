package whatsapp

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// writer commits the changes of all runs that wait at the same moment as one work, and so with a few statements for many
// rows: what a send costs the database is statements, and with a server each of them is a journey. Its goroutine exists
// while something waits.
type writer struct {
	commit func(ctx context.Context, work func(ctx context.Context) error) error
	rows   *rows

	mu      sync.Mutex
	waiting []*written
	running bool
	closed  bool
	idle    sync.WaitGroup
}

// errDialerClosed is what those get who outlive the dialer: whatsmeow's goroutines are not waited for.
var errDialerClosed = errors.New("the dialer is closed")

// written are one caller's changes.
type written struct {
	r       *ratchet
	changes *changes
	claimed atomic.Bool // by the writer, or by a caller who gave up
	done    chan error
}

// put returns once the changes are on the disk. ctx takes them back while they only wait.
func (w *writer) put(ctx context.Context, r *ratchet, c *changes) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entry := &written{r: r, changes: c, done: make(chan error, 1)}
	if !w.add(entry) {
		return errDialerClosed
	}
	select {
	case err := <-entry.done:
		return err
	case <-ctx.Done():
		if entry.claimed.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-entry.done
	}
}

func (w *writer) add(entry *written) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.waiting = append(w.waiting, entry)
	if !w.running {
		w.running = true
		w.idle.Go(w.run)
	}
	return true
}

func (w *writer) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = len(w.waiting) > 0
	return w.running
}

func (w *writer) take() []*written {
	w.mu.Lock()
	waiting := w.waiting
	w.waiting = nil
	w.mu.Unlock()
	batch := waiting[:0]
	for _, entry := range waiting {
		if entry.claimed.CompareAndSwap(false, true) {
			batch = append(batch, entry)
		}
	}
	return batch
}

func (w *writer) run() {
	for w.busy() {
		w.round()
	}
}

// round commits what waits when the transaction runs, not when it is asked for.
func (w *writer) round() {
	var batch []*written
	begun := false
	err := w.commit(context.Background(), func(ctx context.Context) error {
		if !begun {
			begun, batch = true, w.take()
		}
		return w.rows.write(ctx, batch)
	})
	if !begun { // the database does not even begin: that is the answer for all who wait for it
		batch = w.take()
	}
	if err == nil || !begun || len(batch) == 1 {
		for _, entry := range batch {
			entry.done <- err
		}
		return
	}
	// One of them fails for all, such as one whose device has just been deleted.
	for _, entry := range batch {
		entry.done <- w.commit(context.Background(), func(ctx context.Context) error {
			return w.rows.write(ctx, []*written{entry})
		})
	}
}

// close refuses what comes and returns when nothing waits any more.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.idle.Wait()
}

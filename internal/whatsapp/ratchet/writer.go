package ratchet

import (
	"context"
	"errors"

	"wasup/internal/groupcommit"
)

// writtenAtOnce bounds the callers whose changes are one work.
const writtenAtOnce = 1024

// writer commits the changes of all runs that wait at the same moment as one work, and so with a few statements for many
// rows: what a send costs the database is statements, and with a server each of them is a journey.
type writer struct {
	commit func(ctx context.Context, work func(ctx context.Context) error) error
	rows   *rows
	queue  *groupcommit.Queue[written]
}

func newWriter(commit func(ctx context.Context, work func(ctx context.Context) error) error, rows *rows) *writer {
	w := &writer{commit: commit, rows: rows}
	w.queue = groupcommit.New(w.round)
	return w
}

// errDialerClosed is what those get who outlive the dialer: whatsmeow's goroutines are not waited for.
var errDialerClosed = errors.New("the dialer is closed")

// written are one caller's changes.
type written struct {
	r       *Ratchet
	changes *changes
}

// put returns once the changes are on the disk. ctx takes them back while they only wait.
func (w *writer) put(ctx context.Context, r *Ratchet, c *changes) error {
	err := w.queue.Do(ctx, written{r, c})
	if errors.Is(err, groupcommit.ErrClosed) {
		return errDialerClosed
	}
	return err
}

// round commits what waits when the transaction runs, not when it is asked for.
func (w *writer) round(queue *groupcommit.Queue[written]) {
	var entries []*groupcommit.Entry[written]
	begun := false
	err := w.commit(context.Background(), func(ctx context.Context) error {
		if !begun {
			begun, entries = true, queue.Take(writtenAtOnce)
		}
		return w.rows.write(ctx, entries)
	})
	if !begun { // the database does not even begin: that is the answer for all who wait for it
		entries = queue.Take(writtenAtOnce)
	}
	if err == nil || !begun || len(entries) == 1 {
		groupcommit.AnswerAll(entries, err)
		return
	}
	// One of them fails for all, such as one whose device has just been deleted.
	for _, e := range entries {
		e.Answer(w.commit(context.Background(), func(ctx context.Context) error {
			return w.rows.write(ctx, []*groupcommit.Entry[written]{e})
		}))
	}
}

// close refuses what comes and returns when nothing waits any more.
func (w *writer) close() { w.queue.Close() }

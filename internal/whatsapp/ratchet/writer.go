package ratchet

import (
	"context"
	"errors"

	"wasup/internal/groupcommit"
)

// maxRound bounds the callers whose changes are committed together.
const maxRound = 1024

// writer commits the changes of all runs that wait at the same moment as one work. That needs few statements for many
// rows. Statements are the main cost of a send, and with a database server each of them is a round trip.
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

// errDialerClosed is the error for callers that outlive the dialer, such as whatsmeow's goroutines, for which nobody
// waits.
var errDialerClosed = errors.New("the dialer is closed")

// written is the changes of one caller.
type written struct {
	r       *Ratchet
	changes *changes
}

// put returns once the changes are on the disk. If ctx ends before a round takes them, they are not written.
func (w *writer) put(ctx context.Context, r *Ratchet, c *changes) error {
	err := w.queue.Do(ctx, written{r, c})
	if errors.Is(err, groupcommit.ErrClosed) {
		return errDialerClosed
	}
	return err
}

// round commits the changes that wait when the transaction begins, not only those that wait when it is requested.
func (w *writer) round(queue *groupcommit.Queue[written]) {
	var entries []*groupcommit.Entry[written]
	begun := false
	err := w.commit(context.Background(), func(ctx context.Context) error {
		if !begun {
			begun, entries = true, queue.Take(maxRound)
		}
		return w.rows.write(ctx, entries)
	})
	if !begun { // the transaction did not begin, so all waiting callers get its error
		entries = queue.Take(maxRound)
	}
	if err == nil || !begun || len(entries) == 1 {
		groupcommit.AnswerAll(entries, err)
		return
	}
	// One entry makes all fail, for example because its device has just been deleted. Commit each on its own.
	for _, e := range entries {
		e.Answer(w.commit(context.Background(), func(ctx context.Context) error {
			return w.rows.write(ctx, []*groupcommit.Entry[written]{e})
		}))
	}
}

// close refuses new changes and returns when none wait any more.
func (w *writer) close() { w.queue.Close() }

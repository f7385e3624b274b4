package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/groupcommit"
	"wasup/internal/session"
)

const (
	// maxBatch bounds the works of one transaction, so that the first of them does not wait long for the last.
	maxBatch = 256
	// maxRounds bounds how often a batch is run again without the work that failed, before each of them runs alone.
	maxRounds = 4
)

const opCommit = "commit"

// Commit runs work in a transaction and returns once that is on the disk. The transaction travels in the context that work
// gets: statements with that context take part in it, whatsmeow's and those of the store's other methods included.
//
// Works that wait at the same moment, of all sessions, share one transaction and so one flush of the disk: they run one
// after the other, in the order in which they came. Where one of them fails, the transaction is rolled back and run again
// without it; it then runs alone. So a work may run more than once, but what it wrote stays once or not at all. It must
// not keep what it learned in a run that failed, must do nothing but database work, and must not call Commit with another
// context than its own; with its own, Commit runs the work as part of the transaction.
//
// ctx withdraws a work that has not begun. One that has begun is finished: its outcome is returned, not guessed.
//
// Errors are *session.Error: what work returned, as the store maps it; CodeInternal for a work that panicked. With
// PostgreSQL an error can also mean that the connection broke during the commit itself: then nobody knows whether it was
// carried out.
func (s *Store) Commit(ctx context.Context, work func(ctx context.Context) error) error {
	if _, within := s.write.Execable(ctx).(dbutil.Transaction); within {
		return failure(opCommit, "", work(ctx))
	}
	return failure(opCommit, "", s.commits.do(ctx, work))
}

// CommitStats are the figures of Commit since the store was opened.
type CommitStats struct {
	Works        int64 // that were answered without an error
	Transactions int64 // that were committed with at least one work
}

// Commits gives the figures of Commit. Works per transaction is what the grouping saves.
func (s *Store) Commits() CommitStats {
	return CommitStats{Works: s.commits.works.Load(), Transactions: s.commits.transactions.Load()}
}

// committer is the one writer behind Commit.
type committer struct {
	store *Store
	life  context.Context // of the transactions
	end   context.CancelFunc
	queue *groupcommit.Queue[task]

	works, transactions atomic.Int64
}

func newCommitter(s *Store) *committer {
	life, end := context.WithCancel(context.Background())
	c := &committer{store: s, life: life, end: end}
	c.queue = groupcommit.New(c.round)
	return c
}

// task is one caller's work.
type task struct {
	ctx  context.Context
	work func(ctx context.Context) error
}

type commit = groupcommit.Entry[task]

// errCommitClosed is the answer after Close.
var errCommitClosed = errors.New("the store is closed")

func (c *committer) do(ctx context.Context, work func(ctx context.Context) error) error {
	err := c.queue.Do(ctx, task{ctx, work})
	if errors.Is(err, groupcommit.ErrClosed) {
		return errCommitClosed
	}
	return err
}

// round runs one batch. The works are taken once the transaction has begun: until then they can be withdrawn, and others
// can join them.
func (c *committer) round(queue *groupcommit.Queue[task]) {
	var works []*commit
	begun := false
	failed, err := c.transact(func() []*commit {
		begun, works = true, queue.Take(maxBatch)
		return works
	})
	if !begun {
		groupcommit.AnswerAll(queue.Take(maxBatch), err)
		return
	}
	var alone []*commit
	for range maxRounds {
		if failed == nil || len(works) == 1 {
			break
		}
		alone = append(alone, failed)
		works = without(works, failed)
		failed, err = c.transact(func() []*commit { return works })
	}
	switch {
	case err == nil, len(works) == 1, failed == nil && !c.takenBack(err):
		groupcommit.AnswerAll(works, err)
	default:
		alone = append(alone, works...)
	}
	for _, entry := range alone {
		one := []*commit{entry}
		_, err := c.transact(func() []*commit { return one })
		entry.Answer(err)
	}
}

// takenBack reports that a transaction whose works succeeded did not happen, so that they can be run again. PostgreSQL's
// answer to the commit is lost with the connection; SQLite's cannot be.
func (c *committer) takenBack(err error) bool {
	return errors.Is(err, dbutil.ErrTxnCommit) && (!c.store.postgres() || sqlState(err) != "")
}

func without(works []*commit, one *commit) []*commit {
	rest := make([]*commit, 0, len(works)-1)
	for _, entry := range works {
		if entry != one {
			rest = append(rest, entry)
		}
	}
	return rest
}

// transact runs works in one transaction. It names the work that failed, if it was one.
func (c *committer) transact(works func() []*commit) (failed *commit, err error) {
	var count int64
	err = c.store.write.DoTxn(c.life, nil, func(ctx context.Context) error {
		for _, entry := range works() {
			if err := c.perform(ctx, entry); err != nil {
				failed = entry
				return err
			}
			count++
		}
		return nil
	})
	if err == nil && count > 0 {
		c.works.Add(count)
		c.transactions.Add(1)
		c.store.appended.committed()
	}
	return failed, err
}

func (c *committer) perform(ctx context.Context, entry *commit) (err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		// One caller's bug is not the others' failure.
		cause := recover()
		c.store.options.Logger.Error("a work of the store panicked", "err", fmt.Sprint(cause), "stack", string(debug.Stack()))
		err = &session.Error{Code: session.CodeInternal, Op: opCommit, Err: fmt.Errorf("work panicked: %v", cause)}
	}()
	err = entry.What.work(&joined{transaction: ctx, values: entry.What.ctx})
	finished = true
	return err
}

// joined is the transaction's context with the caller's values. It never ends: one caller's end would take the others'
// works back, and SQLite's driver starts a goroutine for each statement that can be interrupted. The store's own bounds
// hold for every statement.
type joined struct {
	transaction, values context.Context
}

// Deadline implements context.Context.
func (*joined) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (*joined) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (*joined) Err() error { return nil }

// Value implements context.Context.
func (j *joined) Value(key any) any {
	if v := j.transaction.Value(key); v != nil {
		return v
	}
	return j.values.Value(key)
}

// close refuses new works and waits for those that were accepted, no longer than bound; the rest is answered with an error.
func (c *committer) close(bound time.Duration) {
	timer := time.AfterFunc(bound, c.end)
	c.queue.Close()
	timer.Stop()
	c.end()
}

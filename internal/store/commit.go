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
	// maxBatch is the number of works in one transaction at most, so that the first does not wait long for the last.
	maxBatch = 256
	// maxRounds is how often a batch is run again without the work that failed. After that each work runs alone.
	maxRounds = 4
)

const opCommit = "commit"

// Commit runs the function work in a transaction and returns when the transaction is on disk. The transaction is in the
// context that work gets: every statement with this context belongs to it, also whatsmeow's statements and those of the
// store's other methods.
//
// Works that wait at the same time, of all sessions, share one transaction and so one flush of the disk. They run one
// after the other, in the order of their calls. If one fails, the transaction is rolled back and run again without it;
// the failed work then runs alone. So a work may run more than once, but its writes are committed once or not at all. A
// work must not keep results of a failed run and must do nothing but database statements. It must not call Commit with
// a context other than its own; with its own context, Commit runs the inner work as part of the same transaction.
//
// The end of ctx withdraws a work that has not begun. A work that has begun is finished, and Commit returns its
// outcome.
//
// Errors are *session.Error: the error of work, as the store maps it, or CodeInternal for a work that panicked. With
// PostgreSQL an error can also mean that the connection broke during the commit. Then it is unknown whether the
// transaction was committed.
func (s *Store) Commit(ctx context.Context, work func(ctx context.Context) error) error {
	if _, within := s.write.Execable(ctx).(dbutil.Transaction); within {
		return failure(opCommit, "", work(ctx))
	}
	return failure(opCommit, "", s.commits.do(ctx, work))
}

// CommitStats are the figures of Commit since the store was opened.
type CommitStats struct {
	Works        int64 // works that were committed
	Transactions int64 // committed transactions with at least one work
}

// Commits returns the figures of Commit. Works divided by Transactions shows how much the grouping saves.
func (s *Store) Commits() CommitStats {
	return CommitStats{Works: s.commits.works.Load(), Transactions: s.commits.transactions.Load()}
}

// committer runs the works of Commit.
type committer struct {
	store  *Store
	base   context.Context // parent of the transactions' contexts
	cancel context.CancelFunc
	queue  *groupcommit.Queue[task]

	works, transactions atomic.Int64
}

func newCommitter(s *Store) *committer {
	base, cancel := context.WithCancel(context.Background())
	c := &committer{store: s, base: base, cancel: cancel}
	c.queue = groupcommit.New(c.round)
	return c
}

// task is the work of one caller of Commit.
type task struct {
	ctx  context.Context
	work func(ctx context.Context) error
}

type commit = groupcommit.Entry[task]

// errCommitClosed is the error of Commit after Close.
var errCommitClosed = errors.New("the store is closed")

func (c *committer) do(ctx context.Context, work func(ctx context.Context) error) error {
	err := c.queue.Do(ctx, task{ctx, work})
	if errors.Is(err, groupcommit.ErrClosed) {
		return errCommitClosed
	}
	return err
}

// round runs one batch. It takes the works from the queue after the transaction has begun: until then works can be
// withdrawn, and more can join.
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
	case err == nil, len(works) == 1, failed == nil && !c.rolledBack(err):
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

// rolledBack reports whether a transaction failed at its commit and certainly was not committed, so that its works can
// run again. With PostgreSQL this needs an error from the server: if the connection broke, the outcome is unknown.
func (c *committer) rolledBack(err error) bool {
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

// transact runs works in one transaction. failed is the work that returned an error, or nil if begin or commit failed.
func (c *committer) transact(works func() []*commit) (failed *commit, err error) {
	var count int64
	err = c.store.write.DoTxn(c.base, nil, func(ctx context.Context) error {
		for _, entry := range works() {
			if err := c.perform(ctx, entry); err != nil {
				failed = entry
				return err
			}
			count++
		}
		return nil
	})
	c.store.condition.note(err)
	if err == nil && count > 0 {
		c.store.condition.wrote.Store(true)
		c.works.Add(count)
		c.transactions.Add(1)
		c.store.appended.wakeReader()
	}
	return failed, err
}

func (c *committer) perform(ctx context.Context, entry *commit) (err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		// A panic of one caller's work must not fail the works of the others.
		cause := recover()
		c.store.options.Logger.Error("database work panicked", "err", fmt.Sprint(cause), "stack", string(debug.Stack()))
		err = &session.Error{Code: session.CodeInternal, Op: opCommit, Err: fmt.Errorf("work panicked: %v", cause)}
	}()
	err = entry.What.work(&joinedContext{transaction: ctx, values: entry.What.ctx})
	finished = true
	return err
}

// joinedContext is the transaction's context with the caller's values added. It never ends: the end of one caller's
// context would roll back the works of the others, and SQLite's driver starts a goroutine for each statement that can
// be interrupted. The store's own time limits hold for every statement.
type joinedContext struct {
	transaction, values context.Context
}

// Deadline implements context.Context.
func (*joinedContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (*joinedContext) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (*joinedContext) Err() error { return nil }

// Value implements context.Context.
func (j *joinedContext) Value(key any) any {
	if v := j.transaction.Value(key); v != nil {
		return v
	}
	return j.values.Value(key)
}

// close refuses new works and waits for the accepted ones. After bound it cancels them, so that they fail with an
// error.
func (c *committer) close(bound time.Duration) {
	timer := time.AfterFunc(bound, c.cancel)
	c.queue.Close()
	timer.Stop()
	c.cancel()
}

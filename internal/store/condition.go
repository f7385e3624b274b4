package store

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"wasup/internal/pause"
	"wasup/internal/session"
)

const (
	// trialPause is the pause between two trial writes to a database that fails.
	trialPause = time.Second
	// quietPause is how long nobody may have written before a trial write finds out whether the database would take a write.
	quietPause = 30 * time.Second
	// muchEvery is how many of these trial writes there are for one that writes much: in ten minutes one.
	muchEvery = 20
	// trialTimeout is how long one trial write may take, including the wait for a connection.
	trialTimeout = 30 * time.Second
	// trialBytes is the size of a trial write. It is more than the free space that a full disk may have at the end of a
	// file, and as much as a message with a thumbnail needs.
	trialBytes = 64 << 10
)

// lowSpace is the free space of a disk below which every trial write writes much.
const lowSpace = 16 * trialBytes

// trials are the ways to find out whether the database takes writes. They leave nothing behind.
type trials struct {
	little func(ctx context.Context) error // for a database that worked so far: notices what hangs, is away, locked or read-only
	much   func(ctx context.Context) error // as much as a message has: notices a full disk as well
}

// condition knows whether the database takes writes. The first write that fails for a reason of the database's own, such as
// a full disk, marks it as failing. From then on one trial write after the other finds out whether it works again. So
// callers need not try, and the recovery is noticed without any. While nobody writes, a trial write now and then notices a
// failure as well.
type condition struct {
	log    *slog.Logger
	name   string // the database's, for the log
	trials trials
	why    func(err error) error // a clearer error, where there is one

	failing atomic.Pointer[session.Error] // nil: writes succeed
	wrote   atomic.Bool                   // a transaction was committed since watch looked

	mu        sync.Mutex
	recovered func()
	life      context.Context
	end       context.CancelFunc
	work      sync.WaitGroup
	closed    bool
}

func newCondition(log *slog.Logger) *condition {
	c := &condition{log: log, why: func(err error) error { return err }}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

// use begins the watch over a database that is ready.
func (c *condition) use(name string, trials trials, pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.name, c.trials = name, trials
	c.work.Go(func() { c.watch(pause) })
}

// watch makes a trial write whenever nobody has written for a pause. Most are small: an idle database should not be written to
// all day.
func (c *condition) watch(quiet time.Duration) {
	made := 0
	for pause.Sleep(c.life.Done(), quiet) {
		if c.wrote.Swap(false) || c.failing.Load() != nil {
			continue
		}
		made++
		trial := c.trials.little
		if made%muchEvery == 0 {
			trial = c.trials.much
		}
		c.note(c.try(trial))
	}
}

// errNoAnswer is the outcome of a trial write that took too long.
var errNoAnswer = errors.New("a trial write took too long")

// try makes a trial write. It waits no longer than the time limit: a statement on a disk that hangs does not return, and the
// end of its context would say nothing, because it may be a caller's.
func (c *condition) try(trial func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(c.life, trialTimeout)
	outcome := make(chan error, 1)
	c.work.Go(func() {
		defer cancel()
		outcome <- trial(ctx)
	})
	<-ctx.Done()
	switch {
	case c.life.Err() != nil:
		return c.life.Err()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errNoAnswer
	}
	err := <-outcome
	if errors.Is(err, context.DeadlineExceeded) { // a limit below this one, such as that of a connection
		err = fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return err
}

// note takes the outcome of a write. It does not block.
func (c *condition) note(err error) {
	if !isTrouble(err) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.trials.much == nil {
		return
	}
	began := c.failing.Swap(c.describe(err)) == nil
	if began {
		c.work.Go(c.tryUntilItWorks)
	}
}

func (c *condition) describe(err error) *session.Error {
	var e *session.Error
	errors.As(failure("write to the database", "", c.why(err)), &e)
	return e
}

// tryUntilItWorks ends when a trial write has succeeded. A single failure that the first trial does not confirm, such as
// one connection that broke, is not logged.
func (c *condition) tryUntilItWorks() {
	began := time.Now()
	for logged := false; ; logged = true {
		err := c.try(c.trials.much)
		switch {
		case c.life.Err() != nil:
			return
		case !isTrouble(err):
			c.recover(logged, time.Since(began))()
			return
		}
		failing := c.describe(err)
		c.failing.Store(failing)
		if !logged {
			c.log.Error("the database takes no writes: sessions that need it wait, and messages are refused", "database", c.name, "code", failing.Code, "err", failing.Err)
		}
		if !pause.Sleep(c.life.Done(), trialPause) {
			return
		}
	}
}

// recover marks the database as working and returns the call of those who wait for it.
func (c *condition) recover(logged bool, after time.Duration) (tell func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing.Store(nil)
	if logged {
		c.log.Warn("the database takes writes again", "database", c.name, "after", after.Round(time.Millisecond))
	}
	if c.recovered == nil {
		return func() {}
	}
	return c.recovered
}

// close ends the trial writes and waits for the last one.
func (c *condition) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.work.Wait()
}

// Failing returns nil while the database takes writes, and otherwise the reason: an error with CodeStoreFull,
// CodeStoreLocked or CodeStoreUnavailable. It does not block and asks nobody: the last writes decide.
func (s *Store) Failing() error {
	if e := s.condition.failing.Load(); e != nil {
		return e
	}
	return nil
}

// OnRecovery sets the function that is called each time when the database takes writes again. It may block.
func (s *Store) OnRecovery(recovered func()) {
	s.condition.mu.Lock()
	defer s.condition.mu.Unlock()
	s.condition.recovered = recovered
}

// trialTable is the table of trial writes. It is empty but for the moment of one, or after a process was killed in it.
const trialTable = "wasup_trial"

func (s *Store) trials() trials { return trials{little: s.touch, much: s.tryWrite} }

// touch writes an empty row and deletes it, in one transaction: that is a commit with one page. On a disk that is nearly full
// it writes much, to notice that it is full.
func (s *Store) touch(ctx context.Context) error {
	if free, known := s.FreeBytes(); known && free < lowSpace {
		return s.tryWrite(ctx)
	}
	return s.write.DoTxn(ctx, nil, func(ctx context.Context) error {
		if _, err := s.write.Exec(ctx, "INSERT INTO "+trialTable+" (text) VALUES ('')"); err != nil {
			return err
		}
		_, err := s.write.Exec(ctx, "DELETE FROM "+trialTable)
		return err
	})
}

// tryWrite writes a row of trialBytes and deletes it. Two transactions: a row that is written and deleted in one would need no
// space. PostgreSQL's autovacuum cuts the empty table off, so that the next row needs new space.
func (s *Store) tryWrite(ctx context.Context) error {
	text := strings.Builder{}
	for text.Len() < trialBytes { // random, because PostgreSQL compresses
		text.WriteString(rand.Text())
	}
	if _, err := s.write.Exec(ctx, "INSERT INTO "+trialTable+" (text) VALUES ($1)", text.String()); err != nil {
		return err
	}
	_, err := s.write.Exec(ctx, "DELETE FROM "+trialTable)
	return err
}

// isTrouble reports whether an error says that the database cannot be written to at the moment, whatever the statement. The
// end of a caller's context does not say so, nor does a refused row.
func isTrouble(err error) bool {
	var network net.Error
	var unconnected *noConnectionError
	switch {
	case errors.Is(err, errNoAnswer):
		return true
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.Is(err, errNotLocked), errors.Is(err, driver.ErrBadConn), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
		return true
	case sqlState(err) != "":
		return isPostgresTrouble(sqlState(err))
	case errors.As(err, &unconnected), errors.As(err, &network):
		return true
	}
	switch primaryCode(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM:
		return true
	default:
		return false
	}
}

package actors

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/internal/session"
)

// saveRetry is the pause after a write that failed.
const saveRetry = 2 * time.Second

// saver writes a session's record: one write at a time, and always the newest record. It belongs to the Core and not to
// an incarnation of the actor. If two incarnations wrote, the older record could be written last, and a crash would lose
// the records that the incarnation had not written yet.
type saver struct {
	mu      sync.Mutex
	pending *session.Record // the newest record, if it is not written yet
	self    *actor.PID      // the actor in which a panic of a write is raised
	writing bool
	retry   *time.Timer // not nil: a write failed, and the timer starts the next attempt
	last    bool        // Finish was called: no more retries
}

// markDirty writes the record, unless the session is in a state that it only passes through.
func (s *Session) markDirty() {
	switch s.core.machine.State() {
	case session.Initializing, session.Reconnecting, session.QRRequired:
		return
	default:
		s.core.record = recordOf(s.core)
		s.core.save(s.core.record, s.self)
	}
}

func (c *Core) save(record session.Record, self *actor.PID) {
	c.saver.mu.Lock()
	defer c.saver.mu.Unlock()
	c.saver.pending, c.saver.self = &record, self
	if c.saver.retry == nil {
		c.startWriting()
	}
}

// startWriting starts the goroutine that writes, if there is something to write. The caller holds the saver's lock.
func (c *Core) startWriting() {
	if c.saver.writing || c.saver.pending == nil {
		return
	}
	c.saver.writing = true
	c.task(c.write)
}

// write writes until nothing is pending or a write fails. A failed write does not fail the session, because only
// observed state is lost; it is tried again later.
func (c *Core) write() {
	for {
		c.saver.mu.Lock()
		record, self := c.saver.pending, c.saver.self
		c.saver.pending = nil
		if record == nil {
			c.saver.writing = false
			c.saver.mu.Unlock()
			return
		}
		c.saver.mu.Unlock()
		err := c.writeOnce(*record, self)
		switch {
		case session.CodeOf(err) == session.CodeNotFound: // the session was deleted meanwhile
		case err != nil:
			c.log().Warn("the session's state could not be stored", "op", "save", "code", session.CodeOf(err), "err", err)
			c.tryAgain(record)
			return
		default:
		}
	}
}

func (c *Core) writeOnce(record session.Record, self *actor.PID) error {
	defer func() {
		// A panic in the store is raised again in the actor. The record is dropped, because it would cause the same
		// panic.
		if r := recover(); r != nil {
			c.env.System.Root.Send(self, crashed{nil, &session.Crash{Where: "effect Save", Reason: fmt.Sprint(r), Stack: string(debug.Stack())}})
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), c.env.SaveTimeout)
	defer cancel()
	return c.env.Records.SaveObserved(ctx, record)
}

func (c *Core) tryAgain(record *session.Record) {
	c.saver.mu.Lock()
	defer c.saver.mu.Unlock()
	c.saver.writing = false
	if c.saver.pending == nil {
		c.saver.pending = record
	}
	if c.saver.last {
		return
	}
	c.saver.retry = time.AfterFunc(saveRetry, c.retryWriting)
}

// retryWriting starts the next attempt. It puts the attempt off while the database is known to fail: a thousand sessions
// that try would only be in the way of the one write that finds out whether it works again.
func (c *Core) retryWriting() {
	c.saver.mu.Lock()
	defer c.saver.mu.Unlock()
	c.saver.retry = nil
	switch {
	case c.saver.last:
	case c.env.storeFails():
		c.saver.retry = time.AfterFunc(saveRetry, c.retryWriting)
	default:
		c.startWriting()
	}
}

// Finish starts a last attempt to write a pending record, and ends the retries. The supervisor calls it when the actor
// has stopped for good.
func (c *Core) Finish() {
	c.saver.mu.Lock()
	defer c.saver.mu.Unlock()
	c.saver.last = true
	if c.saver.retry != nil {
		c.saver.retry.Stop()
		c.saver.retry = nil
	}
	c.startWriting()
}

func recordOf(c *Core) session.Record {
	status := c.Status()
	r := c.record
	r.State, r.Cause, r.Until = status.State, status.Cause, status.Until
	r.LastError, r.LastCause, r.Account = status.LastError, status.LastCause, status.Account
	r.ConnectedAt, r.DisconnectAt, r.UpdatedAt = status.ConnectedAt, status.DisconnectAt, time.Now()
	return r
}

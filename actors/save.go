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

// saver writes a session's record, one write at a time and always the newest one. It belongs to the Core rather than
// to an incarnation of the actor: two of them writing would let the older record land last, and one that crashed
// would take what it had not yet written with it.
type saver struct {
	mu      sync.Mutex
	pending *session.Record // the newest one that is not written
	self    *actor.PID      // the actor that hears of a panic
	writing bool
	retry   *time.Timer // set: a write failed and is tried again then
	last    bool        // the process stops: no more retries
}

// markDirty writes the record where the session has come to stay. What it merely passes through is not worth a write.
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

// startWriting needs the saver's lock.
func (c *Core) startWriting() {
	if c.saver.writing || c.saver.pending == nil {
		return
	}
	c.saver.writing = true
	c.task(c.write)
}

// write writes until nothing is pending or a write failed. What was seen is not worth failing a session for, so a
// database that does not answer is tried again later.
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
		if err := c.writeOnce(*record, self); err != nil {
			c.log().Warn("the session's state could not be stored", "op", "save", "code", session.CodeOf(err), "err", err)
			c.tryAgain(record)
			return
		}
	}
}

func (c *Core) writeOnce(record session.Record, self *actor.PID) error {
	defer func() {
		// A bug in the store is raised in the actor; the record is not tried again, it would raise the same.
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
	c.saver.retry = time.AfterFunc(saveRetry, func() {
		c.saver.mu.Lock()
		defer c.saver.mu.Unlock()
		c.saver.retry = nil
		if !c.saver.last {
			c.startWriting()
		}
	})
}

// Finish tries once more to write what is not written, and never again. The supervisor calls it when the actor has
// stopped for good.
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

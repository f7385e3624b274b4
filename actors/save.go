package actors

import (
	"context"
	"time"

	"wasup/session"
)

// markDirty writes the record where the session has come to stay. What it merely passes through is not worth a write.
func (s *Session) markDirty() {
	switch s.core.machine.State() {
	case session.Initializing, session.Reconnecting, session.QRRequired:
		return
	default:
		s.dirty = true
		s.save()
	}
}

// save writes the newest record, one write at a time; states that come meanwhile are written together.
func (s *Session) save() {
	if s.saving || !s.dirty {
		return
	}
	s.saving, s.dirty = true, false
	s.core.record = recordOf(s.core)
	record, env, self, parent := s.core.record, s.core.env, s.self, s.ctx
	s.effect("Save", func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), env.SaveTimeout)
		defer cancel()
		err := env.Records.SaveObserved(ctx, record)
		env.System.Root.Send(self, saved{s, err})
	})
}

// saveDone tries again later where the database did not answer: what was seen is not worth failing a session for.
func (s *Session) saveDone(m saved) {
	if m.from != s {
		return
	}
	err := m.err
	s.saving = false
	if err == nil {
		s.save()
		return
	}
	s.log.Warn("the session's state could not be stored; trying again", "op", "save", "code", session.CodeOf(err), "err", err)
	s.dirty = true
	self, root := s.self, s.core.env.System.Root
	time.AfterFunc(saveRetry, func() { root.Send(self, saveDue{s}) })
}

func recordOf(c *Core) session.Record {
	status := c.Status()
	r := c.record
	r.State, r.Cause, r.Until = status.State, status.Cause, status.Until
	r.LastError, r.LastCause, r.Account = status.LastError, status.LastCause, status.Account
	r.ConnectedAt, r.DisconnectAt, r.UpdatedAt = status.ConnectedAt, status.DisconnectAt, time.Now()
	return r
}

package actors

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"wasup/session"
)

// closeBound is how long the next run waits for the one before it to end. Two runs of one device at a time would
// replace each other at WhatsApp's side and share one ratchet.
const closeBound = 10 * time.Second

// unlinkBound is how long WhatsApp may take to confirm that a device is gone, before the credentials go anyway.
const unlinkBound = 10 * time.Second

func (s *Session) run1(effect session.Effect) {
	switch effect.Kind {
	case session.OpenSocket:
		s.openRun(effect.Incarnation)
	case session.CloseSocket:
		s.closeRun()
	case session.Unlink:
		s.unlink()
	}
}

// effect runs off the mailbox in a goroutine that this incarnation owns. A panic in it is raised in the actor.
func (s *Session) effect(name string, do func()) {
	self, root := s.self, s.core.env.System.Root
	s.core.env.Tasks.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				root.Send(self, crashed{s, &session.Crash{Where: "effect " + name, Reason: fmt.Sprint(r), Stack: string(debug.Stack())}})
			}
		}()
		do()
	})
}

func (s *Session) openRun(incarnation session.Incarnation) {
	ctx, cancel := context.WithCancel(s.ctx)
	s.run = cancel
	env, self, closing := s.core.env, s.self, s.core.closing
	post := func(in session.Input) {
		env.InFlight.Add(1)
		in.Incarnation = incarnation
		env.System.Root.Send(self, posted{in})
	}
	done := s.core.begin()
	s.effect("OpenSocket", func() {
		adopted := false
		defer func() {
			if !adopted {
				done()
			}
		}()
		if !wait(ctx, closing) {
			return
		}
		client, err := env.Dialer.Open(ctx, session.Run{Session: s.core.id, Incarnation: incarnation, Post: post})
		if err != nil {
			if ctx.Err() == nil {
				s.log.Debug("the client run could not be opened", "incarnation", incarnation, "op", "open", "err", err)
				post(session.InputFor(err, incarnation))
			}
			return
		}
		adopted = true
		s.closeWith(ctx, client, done)
		env.System.Root.Send(self, opened{incarnation, client})
	})
}

// closeWith closes the client when its run's context ends, whoever ended it, and then says so. It costs no goroutine
// while the run lasts.
func (s *Session) closeWith(ctx context.Context, client session.Client, done func()) {
	s.core.env.Tasks.Add(1)
	context.AfterFunc(ctx, func() {
		defer s.core.env.Tasks.Done()
		defer done()
		defer func() {
			if r := recover(); r != nil {
				s.log.Error("panic while a client was closed", "op", "close", "err", fmt.Sprint(r), "stack", string(debug.Stack()))
			}
		}()
		client.Close()
	})
}

// wait is for the run before this one to end. It reports whether this one is still wanted.
func wait(ctx context.Context, closing <-chan struct{}) bool {
	if closing != nil {
		bound := time.NewTimer(closeBound)
		defer bound.Stop()
		select {
		case <-closing:
		case <-bound.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// adopt takes the handle of an opened run, unless the machine has gone on meanwhile.
func (s *Session) adopt(m opened) {
	if run, live := s.core.machine.Incarnation(); live && run == m.incarnation && s.run != nil {
		s.client = m.client
		s.pump()
	}
}

// begin counts a client run, or what ends one, and makes the next one wait for it. The result says that it has ended.
func (c *Core) begin() func() {
	ended := make(chan struct{})
	c.closing = ended
	c.open.Add(1)
	return func() {
		c.open.Add(-1)
		close(ended)
	}
}

// closeRun ends the open run. Its owner closes the client in the background.
func (s *Session) closeRun() {
	if s.run != nil {
		s.run()
	}
	s.run, s.client = nil, nil
}

// unlink tells WhatsApp, as far as the link allows, and then forgets the credentials whatever WhatsApp said: a person
// asked for it.
func (s *Session) unlink() {
	client, end, closing := s.client, s.run, s.core.closing
	s.run, s.client = nil, nil
	env, id := s.core.env, s.core.id
	done := s.core.begin()
	s.effect("Unlink", func() {
		defer done()
		ctx, cancel := context.WithTimeout(context.Background(), unlinkBound)
		defer cancel()
		if client != nil {
			if err := client.Unlink(ctx); err != nil {
				s.log.Warn("WhatsApp did not confirm the logout: the phone may list the device until it is removed there", "op", "unlink", "err", err)
			}
		}
		if end != nil {
			end()
		}
		wait(ctx, closing)
		if err := env.Dialer.Forget(ctx, id); err != nil {
			s.log.Error("the credentials could not be deleted", "op", "forget", "err", err)
		}
	})
}

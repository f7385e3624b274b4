package actors

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"wasup/internal/session"
)

const (
	// unlinkBound is how long WhatsApp may take to confirm that a device is gone, before the credentials go anyway.
	unlinkBound = 8 * time.Second
	// closeBound is how long the client may then take to close.
	closeBound = 8 * time.Second
	// forgetBound is how long the store may take to delete the credentials, and forgetRetry the pause within it.
	forgetBound = 8 * time.Second
	forgetRetry = time.Second
	// handoverBound is how long the next run waits for the one before it, and for an unlinking, to end. Two runs of
	// one device at a time would replace each other at WhatsApp's side and share one ratchet. It is longer than
	// everything above together.
	handoverBound = 30 * time.Second
	// inboxBound is how many inputs a client run may have posted that the actor has not taken. A run posts a few in
	// its life; one beyond this is broken and ended, because an unbounded mailbox would take the whole process.
	inboxBound = 1024
)

var (
	errEnded   = &session.Error{Code: session.CodeDisconnected, Op: "use client", Message: "the client run ended before WhatsApp answered"}
	errFlooded = &session.Error{Code: session.CodeDisconnected, Op: "use client", Message: "the client run posted more than its session could take"}
)

func (s *Session) carryOut(effect session.Effect) {
	switch effect.Kind {
	case session.OpenSocket:
		s.openRun(effect.Incarnation)
	case session.CloseSocket:
		s.closeRun(errEnded)
	case session.Unlink:
		s.unlink()
	}
}

// effect runs off the mailbox in a goroutine that this incarnation owns. A panic in it is raised in the actor.
func (s *Session) effect(name string, do func()) {
	s.core.task(func() {
		defer s.raise("effect " + name)
		do()
	})
}

// raise is deferred by goroutines that this incarnation owns.
func (s *Session) raise(where string) {
	if r := recover(); r != nil {
		crash := &session.Crash{Where: where, Reason: fmt.Sprint(r), Stack: string(debug.Stack())}
		s.core.env.System.Root.Send(s.self, crashed{s, crash})
	}
}

func (s *Session) openRun(incarnation session.Incarnation) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s.run, s.endRun = ctx, cancel
	env, self, before := s.core.env, s.self, s.core.closing
	post := s.poster(incarnation, cancel)
	linked := s.core.Status().HasDevice
	ended := s.core.begin()
	s.effect("OpenSocket", func() {
		adopted := false
		defer func() {
			if !adopted {
				close(ended)
			}
		}()
		// Also a run that is no longer wanted waits: the one after it takes its end for the end of all before it.
		wait(before, handoverBound)
		if ctx.Err() != nil {
			return
		}
		client, err := env.Dialer.Open(ctx, session.Run{Session: s.core.id, Incarnation: incarnation, Linked: linked, Post: post})
		if err != nil {
			if ctx.Err() == nil {
				s.log.Debug("the client run could not be opened", "incarnation", incarnation, "op", "open", "err", err)
				post(session.InputFor(err, incarnation))
			}
			return
		}
		adopted = true
		s.closeWith(ctx, client, ended)
		env.System.Root.Send(self, opened{incarnation, client})
	})
}

// poster is how a client run reaches the mailbox. It never blocks.
func (s *Session) poster(incarnation session.Incarnation, end context.CancelCauseFunc) func(session.Input) {
	env, self, inbox := s.core.env, s.self, s.core.inbox.Load()
	var flooded atomic.Bool
	return func(in session.Input) {
		in.Incarnation = incarnation
		if inbox.Add(1) > inboxBound {
			if !flooded.CompareAndSwap(false, true) {
				inbox.Add(-1)
				return
			}
			end(errFlooded)
			in = session.Input{Kind: session.SocketLost, Incarnation: incarnation, Detail: errFlooded.Message}
		}
		env.System.Root.Send(self, posted{in, inbox})
	}
}

// closeWith closes the client when its run's context ends, whoever ended it, and then says so. It costs no goroutine
// while the run lasts.
func (s *Session) closeWith(ctx context.Context, client session.Client, ended chan<- struct{}) {
	s.core.tasks.Add(1)
	s.core.env.Tasks.Add(1)
	context.AfterFunc(ctx, func() {
		defer s.core.env.Tasks.Done()
		defer s.core.tasks.Add(-1)
		defer close(ended)
		defer s.raise("effect CloseSocket")
		client.Close()
	})
}

// wait is for the run before this one to end.
func wait(before <-chan struct{}, bound time.Duration) {
	if before == nil {
		return
	}
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-before:
	case <-timer.C:
	}
}

// adopt takes the handle of an opened run, unless the machine has gone on meanwhile.
func (s *Session) adopt(m opened) {
	if run, live := s.core.machine.Incarnation(); live && run == m.incarnation && s.run != nil {
		s.client = m.client
		s.useNow()
	}
}

// begin makes the next client run wait for this one, or for what ends it, until the channel is closed.
func (c *Core) begin() chan struct{} {
	c.closing = make(chan struct{})
	return c.closing
}

// closeRun ends the open run. The client is closed in the background; what uses it hears why.
func (s *Session) closeRun(why *session.Error) {
	if s.endRun != nil {
		s.endRun(why)
	}
	s.forgetRun(why)
}

func (s *Session) forgetRun(why *session.Error) {
	s.run, s.endRun, s.client = nil, nil, nil
	s.missed(why)
}

// unlink tells WhatsApp, as far as the link allows, and then forgets the credentials whatever WhatsApp said: a person
// asked for it. The run is no longer the session's, so that neither a crash nor a stop of the process cuts it short.
func (s *Session) unlink() {
	client, end, before := s.client, s.endRun, s.core.closing
	s.forgetRun(errEnded)
	ended := s.core.begin()
	s.effect("Unlink", func() {
		defer close(ended)
		// Deferred, so that a panic in the client does not keep the credentials.
		defer func() {
			if end != nil {
				end(errEnded)
			}
			wait(before, closeBound)
			s.forget()
		}()
		if client == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), unlinkBound)
		defer cancel()
		if err := client.Unlink(ctx); err != nil {
			s.log.Warn("WhatsApp did not confirm the logout: the phone may list the device until it is removed there", "op", "unlink", "err", err)
		}
	})
}

// forget deletes the credentials. A database that is busy is tried again: nothing else would, and the next start would
// log the device in that a person has logged out.
func (s *Session) forget() {
	ctx, cancel := context.WithTimeout(context.Background(), forgetBound)
	defer cancel()
	pause := time.NewTicker(forgetRetry)
	defer pause.Stop()
	for {
		err := s.core.env.Dialer.Forget(ctx, s.core.id)
		if err == nil {
			return
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			s.log.Error("the credentials could not be deleted", "op", "forget", "code", session.CodeOf(err), "err", err)
			return
		}
	}
}

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
	// unlinkBound is how long WhatsApp may take to confirm that a device is unlinked. After it the credentials are
	// deleted anyway.
	unlinkBound = 8 * time.Second
	// closeBound is how long the client may then take to close.
	closeBound = 8 * time.Second
	// forgetBound is how long the attempts to delete the credentials may take together. forgetRetry is the pause between
	// two attempts.
	forgetBound = 8 * time.Second
	forgetRetry = time.Second
	// handoverBound is how long a run waits for the run before it, or for an unlinking, to end. Two runs of one device
	// at the same time would replace each other at WhatsApp and share one ratchet. The bound is longer than the sum of
	// those above.
	handoverBound = 30 * time.Second
	// inboxBound is how many inputs of client runs may wait in the mailbox. A run posts only a few in its life. A run
	// that exceeds the bound is broken and is ended, because an unbounded mailbox could use up the memory of the
	// process.
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
		s.unlink(effect)
	}
}

// effect runs do off the mailbox, in a goroutine that this incarnation owns. A panic in do is raised again in the actor.
func (s *Session) effect(name string, do func()) {
	s.core.task(func() {
		defer s.reportPanic("effect " + name)
		do()
	})
}

// reportPanic sends a panic to the actor, which raises it again. Goroutines of this incarnation defer it.
func (s *Session) reportPanic(where string) {
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
	linked, attended := s.core.Status().HasDevice, s.core.machine.Attended(time.Now())
	ended := s.core.beginRun()
	s.effect("OpenSocket", func() {
		adopted := false
		defer func() {
			if !adopted {
				close(ended)
			}
		}()
		// A run that is no longer wanted also waits: the next run takes its end as the end of all runs before it.
		wait(before, handoverBound)
		if ctx.Err() != nil {
			return
		}
		client, err := env.Dialer.Open(ctx, session.Run{Session: s.core.id, Incarnation: incarnation, Linked: linked, Attended: attended, Post: post})
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

// poster returns the function with which a client run posts its inputs to the mailbox. The function never blocks.
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

// closeWith closes the client when ctx, the context of its run, ends. It then closes the channel ended. It needs no
// goroutine while the run lasts.
func (s *Session) closeWith(ctx context.Context, client session.Client, ended chan<- struct{}) {
	s.core.tasks.Add(1)
	s.core.env.Tasks.Add(1)
	context.AfterFunc(ctx, func() {
		defer s.core.env.Tasks.Done()
		defer s.core.tasks.Add(-1)
		defer close(ended)
		defer s.reportPanic("effect CloseSocket")
		client.Close()
	})
}

// wait waits until before is closed, at most for bound. A nil before means that there is nothing to wait for.
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

// adopt stores the client of a run that has opened, unless the machine has left that run.
func (s *Session) adopt(m opened) {
	if run, live := s.core.machine.Incarnation(); live && run == m.incarnation && s.run != nil {
		s.client = m.client
		s.startEarlyUses()
	}
}

// beginRun returns a channel that the next client run waits for. The caller closes it when its run, or its unlinking,
// has ended.
func (c *Core) beginRun() chan struct{} {
	c.closing = make(chan struct{})
	return c.closing
}

// closeRun ends the open run. The client is closed in the background, and every use of it fails with why.
func (s *Session) closeRun(why *session.Error) {
	if s.endRun != nil {
		s.endRun(why)
	}
	s.forgetRun(why)
}

// forgetRun detaches the session from its run without ending the run.
func (s *Session) forgetRun(why *session.Error) {
	s.run, s.endRun, s.client = nil, nil, nil
	s.failEarlyUses(why)
}

// unlink tells WhatsApp that the device is gone, if a client is open, and then deletes the credentials. If WhatsApp did
// not confirm, or no client is open, the credentials are detached instead, and a later login unlinks the device, unless
// another process uses the credentials. The run is taken from the session first, so neither a crash of the actor nor a
// stop of the process interrupts the unlinking.
func (s *Session) unlink(effect session.Effect) {
	client, end, before := s.client, s.endRun, s.core.closing
	s.forgetRun(errEnded)
	ended := s.core.beginRun()
	switch {
	case !effect.Linked:
		s.core.setUnlink("")
	case effect.Elsewhere:
		s.core.setUnlink(session.UnlinkByPhone)
	default:
		s.core.setUnlink(session.UnlinkPending)
	}
	s.effect("Unlink", func() {
		defer close(ended)
		forget := s.core.env.Dialer.Detach
		if effect.Elsewhere {
			forget = s.core.env.Dialer.Forget
		}
		// Deferred, so that the credentials are deleted even if the client panics.
		defer func() {
			if end != nil {
				end(errEnded)
			}
			wait(before, closeBound)
			s.deleteCredentials(forget)
		}()
		if client == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), unlinkBound)
		defer cancel()
		if err := client.Unlink(ctx); err != nil {
			s.log.Warn("WhatsApp did not confirm the logout: the device is unlinked later", "op", "unlink", "err", err)
			return
		}
		forget = s.core.env.Dialer.Forget
		s.core.setUnlink("")
	})
}

// deleteCredentials deletes or detaches the credentials, and tries again while the database fails. Nothing else would try
// again, and the next start would log in a device that a person has logged out.
func (s *Session) deleteCredentials(forget func(context.Context, session.ID) error) {
	ctx, cancel := context.WithTimeout(context.Background(), forgetBound)
	defer cancel()
	pause := time.NewTicker(forgetRetry)
	defer pause.Stop()
	for {
		err := forget(ctx, s.core.id)
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

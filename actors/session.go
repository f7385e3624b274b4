package actors

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/internal/session"
)

// Session is one incarnation of the actor of one session. A restart makes a new incarnation with the same Core.
type Session struct {
	core *Core

	self   *actor.PID
	log    *slog.Logger
	run    context.Context         // the context of the client run; nil: there is no run
	endRun context.CancelCauseFunc // ends the run; the cause becomes the error of its uses
	client session.Client          // the client of the run; nil until the run is open
	early  []earlyUse              // uses that wait until the run is open
	uses   int                     // uses of the client that are in flight
	timer  *time.Timer
}

// Props returns the properties with which the supervisor spawns a session's actor. The producer has no side effects,
// because it also runs for a spawn that fails because the name is taken.
func Props(core *Core) *actor.Props {
	// The inputs left in the mailbox of a stopped actor are lost and never subtracted, so each actor gets a new counter.
	core.inbox.Store(new(atomic.Int64))
	return actor.PropsFromProducer(func() actor.Actor { return &Session{core: core, log: core.log()} })
}

// Receive handles one message. It never blocks. A panic in it affects only this session: the asker gets an answer, and
// the supervisor restarts the session.
func (s *Session) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Restarting, *actor.Stopping, *actor.Stopped:
		// A panic in these would bring the stopping actor back to life, or leave it half stopped.
		defer s.logPanic()
	default:
		defer s.reraise(ctx)
	}
	s.handle(ctx)
}

// reraise stores the reason and the stack of a panic, answers the asker, and panics again so that the supervisor sees
// it.
func (s *Session) reraise(ctx actor.Context) {
	r := recover()
	if r == nil {
		return
	}
	crash, ok := r.(*session.Crash)
	if !ok {
		crash = &session.Crash{Where: fmt.Sprintf("actor on %T", ctx.Message()), Reason: fmt.Sprint(r), Stack: string(debug.Stack())}
	}
	s.core.crash = crash
	if asker := ctx.Sender(); asker != nil {
		restarted := &session.Error{Code: session.CodeRestarted, Op: "ask session", Session: s.core.id}
		switch ctx.Message().(type) {
		case RequestQR:
			s.addWaiter(asker) // the next incarnation answers it
		case UseClient:
			s.reply(asker, Used{Err: restarted})
		default:
			s.reply(asker, Told{Before: s.core.machine.State(), Status: s.core.Status(), Err: restarted})
		}
	}
	panic(crash) //nolint:forbidigo // the supervisor restarts the session for it
}

// logPanic recovers from a panic and logs it. It is deferred where a panic would bring a stopping actor back to life or
// leave it half stopped.
func (s *Session) logPanic() {
	if r := recover(); r != nil {
		s.log.Error("panic while the session's actor stopped", "op", "release", "err", fmt.Sprint(r), "stack", string(debug.Stack()))
	}
}

// handle dispatches a message.
func (s *Session) handle(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.start(ctx)
	case *actor.Restarting:
		s.endIncarnation(&session.Error{Code: session.CodeRestarted, Session: s.core.id})
	case *actor.Stopping:
		s.stop()
	case Tell:
		s.onTell(ctx, m)
	case RequestQR:
		s.await(ctx.Sender(), m)
	case Forget:
		delete(s.core.waiters, m.Asker.Id)
		s.withdrawUse(m.Asker.Id)
	case Dismiss:
		s.dismissWaiters(session.OutcomeShuttingDown)
	case UseClient:
		s.useClient(ctx.Sender(), m)
	case Configure:
		s.core.record.Settings, s.core.record.UpdatedAt = m.Settings, m.At
		s.core.publish()
		s.core.Show()
		s.reply(ctx.Sender(), Told{Before: s.core.machine.State(), Status: s.core.Status()})
	default:
		s.handleOwn(m)
	}
}

// handleOwn handles the messages of the actor's own goroutines and timers.
func (s *Session) handleOwn(message any) {
	switch m := message.(type) {
	case posted:
		m.inbox.Add(-1)
		s.onRunInput(m.in)
	case fired:
		if m.timer == s.core.machine.Timer() {
			s.step(session.Input{Kind: m.timer.Kind, StoreFails: s.core.env.storeFails()})
		}
	case opened:
		s.adopt(m)
	case useDone:
		s.useEnded(m)
	case crashed:
		if m.from != nil && m.from != s {
			s.log.Warn("panic in an effect of an incarnation that has ended", "op", m.crash.Where, "err", m.crash.Reason, "stack", m.crash.Stack)
			return
		}
		panic(m.crash) //nolint:forbidigo // the supervisor restarts the session for it
	}
}

// onRunInput handles an input of a client run. A panic in a goroutine of the live run is raised again here, so that the
// supervisor sees it. A panic of a run that has ended is only logged.
func (s *Session) onRunInput(in session.Input) {
	run, live := s.core.machine.Incarnation()
	if in.Kind != session.Crashed {
		s.step(in)
		return
	}
	if !live || in.Incarnation != run {
		s.log.Warn("panic in a client run that has ended", "incarnation", in.Incarnation, "err", in.Detail)
		return
	}
	panic(&session.Crash{Where: "client run", Reason: in.Detail, Stack: in.Stack}) //nolint:forbidigo // the supervisor restarts the session for it
}

func (s *Session) start(ctx actor.Context) {
	s.self = ctx.Self()
	if crash := s.core.crash; crash != nil {
		s.core.crash = nil
		s.step(session.Input{Kind: session.Crashed, Detail: crash.Reason})
	}
	s.settleWaiters(time.Now())
	s.armTimer()
	s.core.publish()
}

// stop ends the actor, because the process drains, or the session was deleted or goes into quarantine. Each part runs
// even if another one panics.
func (s *Session) stop() {
	why, outcome := session.CodeShuttingDown, session.OutcomeShuttingDown
	crash := s.core.quarantineCrash.Load()
	switch {
	case crash != nil:
		why, outcome = session.CodeQuarantined, session.OutcomeFailed
	case s.core.desired == session.DesiredDelete:
		why, outcome = session.CodeNotFound, session.OutcomeStopped
	}
	parts := []func(){
		func() { s.endIncarnation(&session.Error{Code: why, Session: s.core.id}) },
		func() {
			if crash != nil {
				s.core.Quarantine(time.Now(), crash)
			}
		},
		func() { s.dismissWaiters(outcome) },
		func() {
			if crash != nil {
				s.markDirty()
			}
		},
	}
	for _, part := range parts {
		func() {
			defer s.logPanic()
			part()
		}()
	}
}

// endIncarnation stops the timer and ends the client run of this incarnation. The client is closed in the background,
// and the next run waits until it is closed.
func (s *Session) endIncarnation(why *session.Error) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.closeRun(why)
}

// onTell handles a Tell and answers it.
func (s *Session) onTell(ctx actor.Context, m Tell) {
	before := s.core.machine.State()
	if s.inOrder(m.Order) {
		s.applyInput(m.Input)
	}
	if asker := ctx.Sender(); asker != nil {
		s.reply(asker, Told{Before: before, Status: s.core.Status(), Ended: s.core.closing})
	}
}

// inOrder reports whether a Tell with this Order may be handled: no higher Order was accepted before it.
func (s *Session) inOrder(order uint64) bool {
	if order == 0 {
		return true
	}
	if order < s.core.order {
		return false
	}
	s.core.order = order
	return true
}

// applyInput steps the machine with an input from people or from the supervisor. People's inputs also change the desired
// state.
func (s *Session) applyInput(in session.Input) {
	switch in.Kind {
	case session.Started, session.Restarted, session.QRAsked:
		s.core.desired = session.DesiredRun
	case session.Stopped, session.LogoutDue:
		s.core.desired = session.DesiredStop
	case session.Restored:
		if s.core.desired != session.DesiredRun { // a person was faster than the boot
			return
		}
	default:
	}
	s.step(in)
}

// step handles one input: it steps the machine, publishes the snapshot, runs the effects, tells the observers, answers
// waiting callers and arms the timer. The effects run before everything that could panic: a logout that was accepted
// must delete the credentials.
func (s *Session) step(in session.Input) {
	now := time.Now()
	before := s.core.machine
	next, effects := before.Step(now, in)
	s.core.machine = next
	s.core.publish()
	for _, effect := range effects {
		s.carryOut(effect)
	}
	s.core.Show()
	if next.State() != before.State() || next.Cause() != before.Cause() {
		s.markDirty()
		s.logChange(before, next, in)
		s.core.env.Observer.SessionChanged(s.core.id, next.State(), next.Cause())
	}
	s.settleWaiters(now)
	s.armTimer()
}

// armTimer replaces the timer by the one that the machine waits for. When it fires, it sends a message to the mailbox.
func (s *Session) armTimer() {
	if s.timer != nil {
		s.timer.Stop()
	}
	timer := s.core.machine.Timer()
	if timer.Kind == "" {
		return
	}
	self, root := s.self, s.core.env.System.Root
	s.timer = time.AfterFunc(max(0, time.Until(timer.At)), func() { root.Send(self, fired{timer}) })
}

func (s *Session) logChange(before, next session.Machine, in session.Input) {
	level := slog.LevelInfo
	switch next.State() {
	case session.Errored, session.DisconnectedBanned, session.AuthFailure, session.DisconnectedLogout:
		level = slog.LevelWarn
	default:
	}
	if next.Cause() == session.CauseClientOutdated {
		level = slog.LevelDebug // it concerns the whole process: the supervisor's circuit breaker logs it once
	}
	incarnation, _ := next.Incarnation()
	s.log.Log(context.Background(), level, "session changed", "from", before.State(), "state", next.State(), "cause", next.Cause(),
		"input", in.Kind, "incarnation", incarnation, "detail", in.Detail)
}

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

// Session is one incarnation of the actor of one WhatsApp client. A restart makes a new one around the same Core.
type Session struct {
	core *Core

	self   *actor.PID
	log    *slog.Logger
	run    context.Context         // of the open client run; nil: none is
	endRun context.CancelCauseFunc // ends it, and says why to whatever uses it
	client session.Client          // of the live run, once it is open
	early  []early                 // uses of the client of the run that is opening
	uses   int                     // of a client, in flight
	timer  *time.Timer
}

// Props is how the supervisor spawns a session. The producer has no side effects: it also runs for a spawn that loses
// its name to another.
func Props(core *Core) *actor.Props {
	// What was in the mailbox of an actor that has stopped is lost uncounted, so each one counts anew.
	core.inbox.Store(new(atomic.Int64))
	return actor.PropsFromProducer(func() actor.Actor { return &Session{core: core, log: core.log()} })
}

// Receive takes one message. It never blocks, and a panic in it is this session's alone: whoever asked is answered and
// the supervisor restarts the session.
func (s *Session) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Restarting, *actor.Stopping, *actor.Stopped:
		// A panic in these would resurrect the actor or leave a ghost behind.
		defer s.swallow()
	default:
		defer s.reraise(ctx)
	}
	s.take(ctx)
}

// reraise keeps the reason and the stack of a panic, answers whoever asked, and hands the panic to the supervisor.
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
			s.keep(asker) // the next incarnation answers it
		case UseClient:
			s.reply(asker, Used{Err: restarted})
		default:
			s.reply(asker, Told{Before: s.core.machine.State(), Status: s.core.Status(), Err: restarted})
		}
	}
	panic(crash) //nolint:forbidigo // the supervisor restarts the session for it
}

// swallow is deferred where a panic would bring a stopping actor back to life or leave a ghost behind.
func (s *Session) swallow() {
	if r := recover(); r != nil {
		s.log.Error("panic while a session was released", "op", "release", "err", fmt.Sprint(r), "stack", string(debug.Stack()))
	}
}

func (s *Session) take(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.start(ctx)
	case *actor.Restarting:
		s.release(&session.Error{Code: session.CodeRestarted, Session: s.core.id})
	case *actor.Stopping:
		s.stop()
	case Tell:
		s.told(ctx, m)
	case RequestQR:
		s.await(ctx.Sender(), m.Order)
	case Forget:
		delete(s.core.waiters, m.Asker.Id)
		s.withdrawUse(m.Asker.Id)
	case Dismiss:
		s.dismiss(session.OutcomeShuttingDown)
	case UseClient:
		s.useClient(ctx.Sender(), m)
	case Configure:
		s.core.record.Settings, s.core.record.UpdatedAt = m.Settings, m.At
		s.core.publish()
		s.core.Show()
		s.reply(ctx.Sender(), Told{Before: s.core.machine.State(), Status: s.core.Status()})
	default:
		s.takeOwn(m)
	}
}

// takeOwn takes what the actor's own goroutines and timers sent.
func (s *Session) takeOwn(message any) {
	switch m := message.(type) {
	case posted:
		m.inbox.Add(-1)
		s.hear(m.in)
	case fired:
		if m.timer == s.core.machine.Timer() {
			s.step(session.Input{Kind: m.timer.Kind})
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

// hear takes an input of a client run. A bug in the run's own goroutines is raised here, where the supervisor sees it;
// one of a run that has ended no longer concerns the session.
func (s *Session) hear(in session.Input) {
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
	s.arm()
	s.core.publish()
}

// stop ends the session: for good when the process drains, or into quarantine. Each part is done whatever becomes of
// the others.
func (s *Session) stop() {
	why, outcome := session.CodeShuttingDown, session.OutcomeShuttingDown
	crash := s.core.condemned.Load()
	switch {
	case crash != nil:
		why, outcome = session.CodeQuarantined, session.OutcomeFailed
	case s.core.desired == session.DesiredDelete:
		why, outcome = session.CodeNotFound, session.OutcomeStopped
	}
	parts := []func(){
		func() { s.release(&session.Error{Code: why, Session: s.core.id}) },
		func() {
			if crash != nil {
				s.core.Quarantine(time.Now(), crash)
			}
		},
		func() { s.dismiss(outcome) },
		func() {
			if crash != nil {
				s.markDirty()
			}
		},
	}
	for _, part := range parts {
		func() {
			defer s.swallow()
			part()
		}()
	}
}

// release ends what this incarnation started. The client is closed in the background: the next run waits for it.
func (s *Session) release(why *session.Error) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.closeRun(why)
}

// told takes an input from people or the supervisor, and answers it.
func (s *Session) told(ctx actor.Context, m Tell) {
	before := s.core.machine.State()
	if s.inOrder(m.Order) {
		s.tell(m.Input)
	}
	if asker := ctx.Sender(); asker != nil {
		s.reply(asker, Told{Before: before, Status: s.core.Status(), Ended: s.core.closing})
	}
}

// inOrder reports whether no later wish was taken before this one.
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

// tell takes an input from people or the supervisor; people's inputs change what is desired.
func (s *Session) tell(in session.Input) {
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

// step is the heart: step the machine, publish, run the effects, tell who watches, answer who can be answered, arm the
// timer. Effects come before everything that could fail: a logout that was taken deletes the credentials.
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
	s.arm()
}

// arm lets the machine's one timer fire into the mailbox.
func (s *Session) arm() {
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
		level = slog.LevelDebug // it concerns the whole process, which is told once
	}
	incarnation, _ := next.Incarnation()
	s.log.Log(context.Background(), level, "session changed", "from", before.State(), "state", next.State(), "cause", next.Cause(),
		"input", in.Kind, "incarnation", incarnation, "detail", in.Detail)
}

package actors

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/session"
)

// Session is one incarnation of the actor of one WhatsApp client. A restart makes a new one around the same Core.
type Session struct {
	core *Core
	log  *slog.Logger

	self   *actor.PID
	ctx    context.Context // ends with this incarnation: everything it started hears of it
	cancel context.CancelFunc

	run    context.CancelFunc // ends the open client run
	client session.Client     // of the live run, once it is open
	timer  *time.Timer
	lane   lane
	saving bool
	dirty  bool
}

// Props is how the supervisor spawns a session. The producer has no side effects: it also runs for a spawn that loses
// its name to another.
func Props(core *Core) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		return &Session{core: core, log: core.env.Log.With("session", core.id)}
	})
}

// Receive takes one message. It never blocks, and a panic in it is this session's alone: whoever asked is answered and
// the supervisor restarts the session.
func (s *Session) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Restarting, *actor.Stopping, *actor.Stopped:
		// A panic in these would resurrect the actor or leave a ghost behind.
		defer func() {
			if r := recover(); r != nil {
				s.log.Error("panic while a session was released", "op", "release", "err", fmt.Sprint(r), "stack", string(debug.Stack()))
			}
		}()
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
		if _, asked := ctx.Message().(RequestQR); asked {
			s.core.waiters[asker.Id] = &waiter{asker: asker} // the next incarnation answers it
		} else {
			ctx.Respond(refusal(ctx.Message(), s.core, &session.Error{Code: session.CodeRestarted, Session: s.core.id}))
		}
	}
	panic(crash)
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
		before := s.core.machine.State()
		s.tell(m.Input)
		if ctx.Sender() != nil {
			ctx.Respond(Told{Before: before, Status: s.core.Status()})
		}
	case RequestQR:
		s.await(ctx.Sender())
	case ForgetWaiter:
		delete(s.core.waiters, m.Asker.Id)
	case Dismiss:
		s.dismiss(session.OutcomeShuttingDown)
	case SendText:
		s.enqueue(ctx.Sender(), m)
	case posted:
		s.core.env.InFlight.Add(-1)
		s.take1(m.in)
	case fired:
		if m.timer == s.core.machine.Timer() {
			s.step(session.Input{Kind: m.timer.Kind})
		}
	case opened:
		s.adopt(m)
	case sendDone:
		s.laneDone(m)
	case saved:
		s.saveDone(m)
	case saveDue:
		if m.from == s {
			s.save()
		}
	case crashed:
		if m.from != s {
			s.log.Warn("panic in an effect of an incarnation that has ended", "op", m.crash.Where, "err", m.crash.Reason)
			return
		}
		panic(m.crash)
	}
}

// take1 takes an input of a client run. A bug in the run's own goroutines is raised here, where the supervisor sees it;
// one of a run that has ended no longer concerns the session.
func (s *Session) take1(in session.Input) {
	run, live := s.core.machine.Incarnation()
	if in.Kind != session.Crashed {
		s.step(in)
		return
	}
	if !live || in.Incarnation != run {
		s.log.Warn("panic in a client run that has ended", "incarnation", in.Incarnation, "err", in.Detail)
		return
	}
	panic(&session.Crash{Where: "client run", Reason: in.Detail, Stack: in.Stack})
}

func (s *Session) start(ctx actor.Context) {
	s.self = ctx.Self()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if crash := s.core.crash; crash != nil {
		s.core.crash = nil
		s.step(session.Input{Kind: session.Crashed, Detail: crash.Reason})
	}
	s.settleWaiters(time.Now())
	s.arm()
	s.core.publish()
}

// stop ends the session: for good when the process drains, or into quarantine.
func (s *Session) stop() {
	if crash := s.core.condemned.Load(); crash != nil {
		s.core.Quarantine(time.Now(), crash)
		s.release(&session.Error{Code: session.CodeQuarantined, Session: s.core.id})
		s.settleWaiters(time.Now())
		s.markDirty()
		return
	}
	s.release(&session.Error{Code: session.CodeShuttingDown, Session: s.core.id})
	s.dismiss(session.OutcomeShuttingDown)
}

// release ends what this incarnation started. The client is closed in the background: the next run waits for it.
func (s *Session) release(why *session.Error) {
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.cancel != nil {
		s.cancel()
	}
	s.closeRun()
	s.failLane(why)
}

// tell takes an input from people or the supervisor; people's inputs change what is desired.
func (s *Session) tell(in session.Input) {
	switch in.Kind {
	case session.Started, session.Restarted, session.QRAsked:
		s.core.desired = session.DesiredRun
	case session.Stopped, session.LogoutDue:
		s.core.desired = session.DesiredStop
	default:
	}
	s.step(in)
}

// step is the heart: step the machine, publish, run the effects, answer who can be answered, arm the timer.
func (s *Session) step(in session.Input) {
	now := time.Now()
	before := s.core.machine
	next, effects := before.Step(now, in)
	s.core.machine = next
	changed := next.State() != before.State() || next.Cause() != before.Cause()
	s.core.publish()
	if changed {
		s.core.env.Observer.SessionChanged(s.core.id, next.State(), next.Cause())
		s.logChange(before, next, in)
		s.markDirty()
	}
	for _, effect := range effects {
		s.run1(effect)
	}
	if next.State() != session.Ready {
		s.failLane(&session.Error{Code: session.CodeDisconnected, Session: s.core.id, Message: "the session left READY: " + string(next.State())})
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
	incarnation, _ := next.Incarnation()
	s.log.Log(s.ctx, level, "session changed", "from", before.State(), "state", next.State(), "cause", next.Cause(),
		"input", in.Kind, "incarnation", incarnation, "detail", in.Detail)
}

// refusal is the typed answer to a message that cannot be taken.
func refusal(message any, core *Core, err *session.Error) any {
	switch message.(type) {
	case SendText:
		return Sent{Err: err}
	default:
		return Told{Before: core.machine.State(), Status: core.Status()}
	}
}

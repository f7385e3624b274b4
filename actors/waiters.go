package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/internal/session"
)

// waiter is a caller that waits for a code. A waiter is a standing ask: if the session comes to rest while it waits,
// the session is started once more on its behalf.
type waiter struct {
	asker *actor.PID
	again bool // it has started the session once already since it came
}

// await answers at once if it can, else keeps the waiter and starts what is needed. Asking counts as a person's act:
// in a state where the session rests, it starts.
func (s *Session) await(asker *actor.PID, order uint64) {
	if s.core.env.Draining.Load() {
		s.answer(asker, session.OutcomeShuttingDown)
		return
	}
	if s.inOrder(order) {
		s.tell(session.Input{Kind: session.QRAsked})
	}
	if answer, ok := s.core.machine.QRVerdict(time.Now()); ok {
		s.reply(asker, answer)
		return
	}
	s.keep(asker)
	s.settleWaiters(time.Now())
}

// keep lets an asker wait, if it may.
func (s *Session) keep(asker *actor.PID) {
	if asker == nil || s.core.waiters[asker.Id] != nil {
		return
	}
	switch {
	case len(s.core.waiters) >= s.core.env.MaxWaiters:
		s.answer(asker, session.OutcomeTooMany)
	default:
		if s.core.waiters == nil {
			s.core.waiters = make(map[string]*waiter)
		}
		s.core.waiters[asker.Id] = &waiter{asker: asker}
	}
}

// settleWaiters answers everybody once the session has come to an answer.
func (s *Session) settleWaiters(now time.Time) {
	if len(s.core.waiters) == 0 {
		return
	}
	if answer, ok := s.core.machine.QRVerdict(now); ok {
		for _, w := range s.core.waiters {
			s.reply(w.asker, answer)
		}
		s.core.waiters = nil
		return
	}
	switch s.core.machine.State() {
	case session.DisconnectedLogout, session.NotInitialized:
		s.askAgain()
	default:
	}
}

// askAgain starts a session that came to rest under waiting callers, once for each of them: an unlinked device is
// exactly what they want to link again. If a person wants it at rest they are told so instead.
func (s *Session) askAgain() {
	if s.core.desired != session.DesiredRun {
		s.dismiss(session.OutcomeStopped)
		return
	}
	willing := false
	for _, w := range s.core.waiters {
		if !w.again {
			w.again, willing = true, true
		}
	}
	if willing {
		s.step(session.Input{Kind: session.QRAsked})
	}
}

// dismiss answers everybody with an outcome that is not the machine's.
func (s *Session) dismiss(outcome session.QROutcome) {
	for _, w := range s.core.waiters {
		s.answer(w.asker, outcome)
	}
	s.core.waiters = nil
}

func (s *Session) answer(asker *actor.PID, outcome session.QROutcome) {
	s.reply(asker, session.QRAnswer{Outcome: outcome, State: s.core.machine.State(), Cause: s.core.machine.Cause()})
}

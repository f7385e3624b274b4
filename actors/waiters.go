package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/internal/session"
)

// waiter is a caller that waits for a code. If the session stops by itself meanwhile, it is started again, once for each
// waiter.
type waiter struct {
	asker *actor.PID
	again bool // the session was started again for this waiter already
}

// await answers a request for a code, or keeps the caller as a waiter until there is an outcome. The request counts as
// an action of a person: it starts a session that does not run.
func (s *Session) await(asker *actor.PID, m RequestQR) {
	if s.core.env.Draining.Load() {
		s.answer(asker, session.OutcomeShuttingDown)
		return
	}
	if s.inOrder(m.Order) {
		s.applyInput(session.Input{Kind: session.QRAsked})
		if m.Fresh {
			s.step(session.Input{Kind: session.FreshAsked})
		}
	}
	if answer, ok := s.core.machine.QRVerdict(time.Now()); ok {
		s.reply(asker, answer)
		return
	}
	s.addWaiter(asker)
	s.settleWaiters(time.Now())
}

// addWaiter keeps an asker as a waiter. If MaxWaiters are waiting already, it answers with OutcomeTooMany.
func (s *Session) addWaiter(asker *actor.PID) {
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

// settleWaiters answers all waiters if the machine has an outcome for them.
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
		s.restartForWaiters()
	default:
	}
}

// restartForWaiters starts a session that stopped while callers wait, once for each of them: if its device was unlinked,
// they want to link it again. If a person has stopped the session, it answers the waiters with OutcomeStopped instead.
func (s *Session) restartForWaiters() {
	if s.core.desired != session.DesiredRun {
		s.dismissWaiters(session.OutcomeStopped)
		return
	}
	restart := false
	for _, w := range s.core.waiters {
		if !w.again {
			w.again, restart = true, true
		}
	}
	if restart {
		s.step(session.Input{Kind: session.QRAsked})
	}
}

// dismissWaiters answers all waiters with an outcome that does not come from the machine.
func (s *Session) dismissWaiters(outcome session.QROutcome) {
	for _, w := range s.core.waiters {
		s.answer(w.asker, outcome)
	}
	s.core.waiters = nil
}

func (s *Session) answer(asker *actor.PID, outcome session.QROutcome) {
	s.reply(asker, session.QRAnswer{Outcome: outcome, State: s.core.machine.State(), Cause: s.core.machine.Cause()})
}

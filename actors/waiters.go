package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/session"
)

// waiter is a caller that waits for a code. A waiter is a standing ask: if the session comes to rest while it waits,
// the session is started once more on its behalf.
type waiter struct {
	asker *actor.PID
	again bool // it has started the session once already since it came
}

// await answers at once if it can, else keeps the waiter and starts what is needed. Asking counts as a person's act:
// in a state where the session rests, it starts.
func (s *Session) await(asker *actor.PID) {
	s.tell(session.Input{Kind: session.QRAsked})
	if asker == nil {
		return
	}
	if answer, ok := s.core.machine.QRVerdict(time.Now()); ok {
		s.answer(asker, answer)
		return
	}
	if len(s.core.waiters) >= s.core.env.MaxWaiters {
		s.answer(asker, session.QRAnswer{Outcome: session.OutcomeTooMany, State: s.core.machine.State(), Cause: s.core.machine.Cause()})
		return
	}
	s.core.waiters[asker.Id] = &waiter{asker: asker}
}

// settleWaiters answers everybody once the session has come to an answer.
func (s *Session) settleWaiters(now time.Time) {
	if len(s.core.waiters) == 0 {
		return
	}
	if answer, ok := s.core.machine.QRVerdict(now); ok {
		for id, w := range s.core.waiters {
			s.answer(w.asker, answer)
			delete(s.core.waiters, id)
		}
		return
	}
	s.askAgain()
}

// askAgain starts a session that came to rest under waiting callers, once for each of them: an unlinked device is
// exactly what they want to link again.
func (s *Session) askAgain() {
	switch s.core.machine.State() {
	case session.DisconnectedLogout, session.NotInitialized:
	default:
		return
	}
	willing := false
	for _, w := range s.core.waiters {
		if !w.again {
			w.again, willing = true, true
		}
	}
	if willing {
		s.tell(session.Input{Kind: session.QRAsked})
	}
}

// dismiss answers everybody with an outcome that is not the machine's.
func (s *Session) dismiss(outcome session.QROutcome) {
	for id, w := range s.core.waiters {
		s.answer(w.asker, session.QRAnswer{Outcome: outcome, State: s.core.machine.State(), Cause: s.core.machine.Cause()})
		delete(s.core.waiters, id)
	}
}

func (s *Session) answer(asker *actor.PID, answer session.QRAnswer) {
	s.core.env.System.Root.Send(asker, answer)
}

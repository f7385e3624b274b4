package actors

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/internal/session"
)

const (
	// UseBound is the time limit of a use whose own Bound is 0.
	UseBound = 30 * time.Second
	// maxUses is how many uses of one client may be in flight, because they share one connection.
	maxUses = 32
)

// earlyUse is a use that came while the client's run was still opening.
type earlyUse struct {
	asker *actor.PID
	use   UseClient
}

// useClient carries out a verb with the live client. The session must be in the state that the verb needs.
func (s *Session) useClient(asker *actor.PID, m UseClient) {
	client, run := s.client, s.run
	if run != nil && client == nil && s.core.machine.State() == m.In && len(s.early) < maxUses {
		// A run posts its first code, or that it is connected, before Open returns. So a caller that waited for that
		// input may arrive before the client does.
		s.early = append(s.early, earlyUse{asker, m})
		return
	}
	if err := s.unusable(m); err != nil {
		s.finishUse(asker, m.Verb, 0, Used{Err: err})
		return
	}
	bound := m.Bound
	if bound <= 0 {
		bound = UseBound
	}
	s.uses++
	incarnation, _ := s.core.machine.Incarnation()
	s.effect(m.Verb, func() {
		began := time.Now()
		// The asker gets an answer even if Do panics. The panic is then raised again in the actor.
		result := Used{Err: &session.Error{Code: session.CodeRestarted, Op: m.Verb, Session: s.core.id}}
		defer func() {
			s.finishUse(asker, m.Verb, time.Since(began), result)
			s.core.env.System.Root.Send(s.self, useDone{s, incarnation, result.Err})
		}()
		ctx, cancel := context.WithTimeout(run, bound)
		defer cancel()
		value, err := m.Do(ctx, client)
		result = Used{Value: value, Err: s.useError(run, m.Verb, err)}
	})
}

// finishUse answers the asker and reports to the observer how the verb ended.
func (s *Session) finishUse(asker *actor.PID, verb string, took time.Duration, result Used) {
	s.reply(asker, result)
	s.core.env.Observer.VerbDone(verb, session.CodeOf(result.Err), took)
	if result.Err != nil {
		s.log.Debug("a verb failed", "op", verb, "took", took, "err", result.Err)
	}
}

// useEnded frees the place of a use. If WhatsApp did not acknowledge in time, the connection counts as lost and the
// machine ends the run.
func (s *Session) useEnded(m useDone) {
	if m.from != s {
		return
	}
	s.uses--
	if session.CodeOf(m.err) == session.CodeAckOverdue {
		s.step(session.Input{Kind: session.AckOverdue, Incarnation: m.incarnation, Detail: "a message was not acknowledged in time"})
	}
}

// useError returns the error of a use. If the use failed because its client run ended, the error has the code of the
// reason for which the run ended.
func (s *Session) useError(run context.Context, op string, err error) error {
	var why *session.Error
	switch session.CodeOf(err) {
	case session.CodeTimeout, session.CodeDisconnected, session.CodeInternal, session.CodeAckOverdue:
		if errors.As(context.Cause(run), &why) {
			return &session.Error{Code: why.Code, Op: op, Session: s.core.id, Message: why.Message, Err: err}
		}
	default:
	}
	return err
}

// NotReady is the error of a verb that needs a READY session. The compatibility contract pins its message.
func NotReady(id session.ID, state session.State) *session.Error {
	return &session.Error{
		Code: session.CodeNotReady, Op: "send", Session: id,
		Message: "WhatsApp session not ready. Current state: " + string(state),
	}
}

// unusable returns the reason why the client cannot be used now, nil if it can.
func (s *Session) unusable(m UseClient) *session.Error {
	state := s.core.machine.State()
	switch {
	case s.client != nil && s.run != nil && state == m.In && s.uses < maxUses:
		return nil
	case state == m.In && s.client != nil, state == m.In && s.run != nil:
		return &session.Error{
			Code: session.CodeQueueFull, Op: m.Verb, Session: s.core.id,
			Message: "as many requests as allowed are in flight for this session",
		}
	case m.In == session.Ready:
		err := NotReady(s.core.id, state)
		err.Op = m.Verb
		return err
	default:
		return &session.Error{
			Code: session.CodeWrongState, Op: m.Verb, Session: s.core.id,
			Message: "the session is " + string(state) + ": this is only possible while it waits to be linked (QR_REQUIRED)",
		}
	}
}

// startEarlyUses starts the uses that waited until the client's run was open.
func (s *Session) startEarlyUses() {
	waited := s.early
	s.early = nil
	for _, e := range waited {
		s.useClient(e.asker, e.use)
	}
}

// failEarlyUses answers the uses that waited for a client run which did not open.
func (s *Session) failEarlyUses(why *session.Error) {
	for _, e := range s.early {
		err := &session.Error{Code: why.Code, Op: e.use.Verb, Session: s.core.id, Message: why.Message}
		if e.use.In == session.Ready && why.Code == session.CodeDisconnected {
			err = NotReady(s.core.id, s.core.machine.State()) // the use never began, so nothing was sent
			err.Op = e.use.Verb
		}
		s.finishUse(e.asker, e.use.Verb, 0, Used{Err: err})
	}
	s.early = nil
}

// withdrawUse removes a use that has not begun and whose asker has gone.
func (s *Session) withdrawUse(asker string) {
	s.early = slices.DeleteFunc(s.early, func(e earlyUse) bool { return e.asker.Id == asker })
}

func (s *Session) reply(asker *actor.PID, answer any) {
	if asker != nil {
		s.core.env.System.Root.Send(asker, answer)
	}
}

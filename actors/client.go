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
	// UseBound is how long a use of a client may take unless it says otherwise.
	UseBound = 30 * time.Second
	// maxUses bounds the uses of one client at a time: they share its connection.
	maxUses = 32
)

// early is a use of a client whose run is still opening.
type early struct {
	asker *actor.PID
	use   UseClient
}

// useClient carries a verb out against the live client, in the one state in which it makes sense.
func (s *Session) useClient(asker *actor.PID, m UseClient) {
	client, run := s.client, s.run
	if run != nil && client == nil && s.core.machine.State() == m.In && len(s.early) < maxUses {
		// A run posts its first code, or that it is connected, before Open returns, so that whoever waited for it may be
		// here first.
		s.early = append(s.early, early{asker, m})
		return
	}
	if err := s.unusable(m); err != nil {
		s.used(asker, m.Verb, 0, Used{Err: err})
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
		// Whatever happens to this goroutine, the asker hears of it; a panic is raised in the actor after that.
		result := Used{Err: &session.Error{Code: session.CodeRestarted, Op: m.Verb, Session: s.core.id}}
		defer func() {
			s.used(asker, m.Verb, time.Since(began), result)
			s.core.env.System.Root.Send(s.self, useDone{s, incarnation, result.Err})
		}()
		ctx, cancel := context.WithTimeout(run, bound)
		defer cancel()
		value, err := m.Do(ctx, client)
		result = Used{Value: value, Err: s.useError(run, m.Verb, err)}
	})
}

// used answers the asker, and tells how the verb ended.
func (s *Session) used(asker *actor.PID, verb string, took time.Duration, result Used) {
	s.reply(asker, result)
	s.core.env.Observer.VerbDone(verb, session.CodeOf(result.Err), took)
	if result.Err != nil {
		s.log.Debug("a verb failed", "op", verb, "took", took, "err", result.Err)
	}
}

// useEnded gives the place of a use back. A server that does not acknowledge is as good as gone: the run is ended.
func (s *Session) useEnded(m useDone) {
	if m.from != s {
		return
	}
	s.uses--
	if session.CodeOf(m.err) == session.CodeAckOverdue {
		s.step(session.Input{Kind: session.AckOverdue, Incarnation: m.incarnation, Detail: "a message was not acknowledged in time"})
	}
}

// useError tells a use that ended with its client's run from one that WhatsApp answered.
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

// NotReady refuses what only a READY session does. The sentence is the compatibility contract's.
func NotReady(id session.ID, state session.State) *session.Error {
	return &session.Error{
		Code: session.CodeNotReady, Op: "send", Session: id,
		Message: "WhatsApp session not ready. Current state: " + string(state),
	}
}

// unusable says why there is no client to use.
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

// useNow takes the uses that waited for the client to be there.
func (s *Session) useNow() {
	waited := s.early
	s.early = nil
	for _, e := range waited {
		s.useClient(e.asker, e.use)
	}
}

// missed answers the uses that waited for a client which is not coming any more.
func (s *Session) missed(why *session.Error) {
	for _, e := range s.early {
		err := &session.Error{Code: why.Code, Op: e.use.Verb, Session: s.core.id, Message: why.Message}
		if e.use.In == session.Ready && why.Code == session.CodeDisconnected {
			err = NotReady(s.core.id, s.core.machine.State()) // it never began, so nothing has left
			err.Op = e.use.Verb
		}
		s.used(e.asker, e.use.Verb, 0, Used{Err: err})
	}
	s.early = nil
}

// withdrawUse forgets a use whose asker has gone.
func (s *Session) withdrawUse(asker string) {
	s.early = slices.DeleteFunc(s.early, func(e early) bool { return e.asker.Id == asker })
}

func (s *Session) reply(asker *actor.PID, answer any) {
	if asker != nil {
		s.core.env.System.Root.Send(asker, answer)
	}
}

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
	// maxUses bounds the uses of one client at a time: the connection is shared with the lane.
	maxUses = 32
)

// early is a use of a client whose run is still opening.
type early struct {
	asker *actor.PID
	use   UseClient
}

// useClient runs something against the live client, in the one state in which it makes sense.
func (s *Session) useClient(asker *actor.PID, m UseClient) {
	client, run := s.client, s.run
	if run != nil && client == nil && s.core.machine.State() == m.In && len(s.early) < maxUses {
		// A run posts its first code, or that it is connected, before Open returns, so that whoever waited for it may be
		// here first.
		s.early = append(s.early, early{asker, m})
		return
	}
	if err := s.unusable(m); err != nil {
		s.reply(asker, Used{Err: err})
		return
	}
	bound := m.Bound
	if bound <= 0 {
		bound = UseBound
	}
	s.uses++
	answered := false
	s.effect(m.Name, func() {
		defer func() {
			if !answered { // a panic: the asker hears of it, the actor raises it
				s.reply(asker, Used{Err: &session.Error{Code: session.CodeRestarted, Op: m.Name, Session: s.core.id}})
			}
			s.core.env.System.Root.Send(s.self, useDone{s})
		}()
		ctx, cancel := context.WithTimeout(run, bound)
		defer cancel()
		value, err := m.Do(ctx, client)
		answered = true
		s.reply(asker, Used{Value: value, Err: s.useError(run, m.Name, err)})
	})
}

// useError tells a use that ended with its client's run from one that WhatsApp did not answer.
func (s *Session) useError(run context.Context, op string, err error) error {
	var why *session.Error
	switch code := session.CodeOf(err); {
	case code != session.CodeTimeout && code != session.CodeDisconnected && code != session.CodeInternal:
		return err
	case err != nil && errors.As(context.Cause(run), &why):
		return &session.Error{Code: why.Code, Op: op, Session: s.core.id, Err: err}
	default:
		return err
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
			Code: session.CodeQueueFull, Op: m.Name, Session: s.core.id,
			Message: "as many requests as allowed are in flight for this session",
		}
	case m.In == session.Ready:
		err := NotReady(s.core.id, state)
		err.Op = m.Name
		return err
	default:
		return &session.Error{
			Code: session.CodeWrongState, Op: m.Name, Session: s.core.id,
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
func (s *Session) missed() {
	for _, e := range s.early {
		s.reply(e.asker, Used{Err: &session.Error{Code: session.CodeDisconnected, Op: e.use.Name, Session: s.core.id}})
	}
	s.early = nil
}

// withdrawUse forgets a use whose asker has gone.
func (s *Session) withdrawUse(asker string) {
	s.early = slices.DeleteFunc(s.early, func(e early) bool { return e.asker.Id == asker })
}

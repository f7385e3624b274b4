package actors

import (
	"context"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/session"
)

// useBound is how long one step of linking a device may take at WhatsApp's side.
const useBound = 30 * time.Second

// early is a use of a client whose run is still opening.
type early struct {
	asker *actor.PID
	use   UseClient
}

// useClient runs something against the live client, which only a session that waits for a person allows: nothing else
// may speak to a client beside the lane.
func (s *Session) useClient(asker *actor.PID, m UseClient) {
	client, run := s.client, s.run
	if run != nil && client == nil && s.core.machine.State() == session.QRRequired {
		// A run posts its first code before Open returns, so that whoever waited for the code may be here first.
		s.early = append(s.early, early{asker, m})
		return
	}
	if client == nil || run == nil || s.core.machine.State() != session.QRRequired {
		s.reply(asker, Used{Err: &session.Error{
			Code: session.CodeWrongState, Op: m.Name, Session: s.core.id,
			Message: "the session is " + string(s.core.machine.State()) + ": this is only possible while it waits to be linked (QR_REQUIRED)",
		}})
		return
	}
	answered := false
	s.effect(m.Name, func() {
		defer func() {
			if !answered { // a panic: the asker hears of it, the actor raises it
				s.reply(asker, Used{Err: &session.Error{Code: session.CodeRestarted, Op: m.Name, Session: s.core.id}})
			}
		}()
		ctx, cancel := context.WithTimeout(run, useBound)
		defer cancel()
		value, err := m.Do(ctx, client)
		answered = true
		s.reply(asker, Used{Value: value, Err: err})
	})
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

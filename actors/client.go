package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/session"
)

// useBound is how long one step of linking a device may take at WhatsApp's side.
const useBound = 30 * time.Second

// useClient runs something against the live client, which only a session that waits for a person allows: nothing else
// may speak to a client beside the lane.
func (s *Session) useClient(asker *actor.PID, m UseClient) {
	client, run := s.client, s.run
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

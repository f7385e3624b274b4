package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/session"
)

// lane is the session's line of outgoing messages: first in, first out, one unacknowledged at a time.
type lane struct {
	queue []pending
	busy  bool // a message is in flight
}

type pending struct {
	asker *actor.PID
	text  session.Text
}

// NotReady refuses a send in a state that cannot send. The sentence is the compatibility contract's.
func NotReady(id session.ID, state session.State) *session.Error {
	return &session.Error{
		Code: session.CodeNotReady, Op: "send", Session: id,
		Message: "WhatsApp session not ready. Current state: " + string(state),
	}
}

func (s *Session) enqueue(asker *actor.PID, m SendText) {
	refuse := func(err *session.Error) {
		s.core.env.Observer.SendFailed(err.Code)
		s.reply(asker, Sent{Err: err})
	}
	switch {
	case s.core.machine.State() != session.Ready:
		refuse(NotReady(s.core.id, s.core.machine.State()))
	case len(s.lane.queue) >= s.core.env.MaxSends:
		refuse(&session.Error{Code: session.CodeQueueFull, Op: "send", Session: s.core.id})
	default:
		s.lane.queue = append(s.lane.queue, pending{asker, m.Text})
		s.pump()
	}
}

// pump hands the next message to the client, if there is one and nothing is in flight.
func (s *Session) pump() {
	if s.lane.busy || s.client == nil || len(s.lane.queue) == 0 || s.core.machine.State() != session.Ready {
		return
	}
	next := s.lane.queue[0]
	s.lane.queue[0] = pending{}
	s.lane.queue = s.lane.queue[1:]
	s.lane.busy = true
	incarnation, _ := s.core.machine.Incarnation()
	env, self, client, parent := s.core.env, s.self, s.client, s.ctx
	answered := false
	s.effect("SendText", func() {
		defer func() {
			if !answered { // a panic: the asker hears of it, the actor raises it
				s.reply(next.asker, Sent{Err: &session.Error{Code: session.CodeRestarted, Op: "send", Session: s.core.id}})
			}
		}()
		ctx, cancel := context.WithTimeout(parent, env.SendTimeout)
		defer cancel()
		began := time.Now()
		ack, err := client.SendText(ctx, next.text)
		if err != nil {
			err = s.sendError(parent, err)
			env.Observer.SendFailed(session.CodeOf(err))
		} else {
			env.Observer.SendAcked(time.Since(began))
		}
		answered = true
		s.reply(next.asker, Sent{Ack: ack, Err: err})
		env.System.Root.Send(self, sendDone{s, incarnation, err})
	})
}

// sendError tells a send that ended with its session from one that WhatsApp did not answer.
func (s *Session) sendError(parent context.Context, err error) error {
	if parent.Err() != nil {
		return &session.Error{Code: session.CodeRestarted, Op: "send", Session: s.core.id, Err: err}
	}
	var e *session.Error
	if errors.As(err, &e) {
		return err
	}
	return &session.Error{Code: session.CodeSendFailed, Op: "send", Session: s.core.id, Err: err}
}

func (s *Session) laneDone(m sendDone) {
	if m.from != s {
		return
	}
	s.lane.busy = false
	if session.CodeOf(m.err) == session.CodeAckOverdue {
		s.step(session.Input{Kind: session.AckOverdue, Incarnation: m.incarnation, Detail: "a message was not acknowledged in time"})
	}
	s.pump()
}

// failLane answers everything that waits in the lane. What is in flight ends with its client.
func (s *Session) failLane(err *session.Error) {
	for _, p := range s.lane.queue {
		s.core.env.Observer.SendFailed(err.Code)
		s.reply(p.asker, Sent{Err: err})
	}
	s.lane.queue = nil
}

func (s *Session) reply(asker *actor.PID, answer any) {
	if asker != nil {
		s.core.env.System.Root.Send(asker, answer)
	}
}

package actors

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/internal/session"
)

// lane is the session's line of outgoing messages: first in, first out, one unacknowledged at a time.
type lane struct {
	queue  []pending
	flying session.Incarnation // the client run on which a message is in flight; 0: none is
}

type pending struct {
	asker   *actor.PID
	message session.Outgoing
}

// length counts the message in flight too.
func (l *lane) length() int {
	if l.flying != 0 {
		return len(l.queue) + 1
	}
	return len(l.queue)
}

// withdraw takes out what nobody waits for any more, unless it is on its way: the caller was told that it was not
// sent in time and may send it again.
func (l *lane) withdraw(asker string) {
	l.queue = slices.DeleteFunc(l.queue, func(p pending) bool { return p.asker != nil && p.asker.Id == asker })
}

// NotReady refuses a send in a state that cannot send. The sentence is the compatibility contract's.
func NotReady(id session.ID, state session.State) *session.Error {
	return &session.Error{
		Code: session.CodeNotReady, Op: "send", Session: id,
		Message: "WhatsApp session not ready. Current state: " + string(state),
	}
}

func (s *Session) enqueue(asker *actor.PID, m SendOutgoing) {
	refuse := func(err *session.Error) {
		s.reply(asker, Sent{Err: err})
		s.core.env.Observer.SendFailed(err.Code)
	}
	switch {
	case s.core.machine.State() != session.Ready:
		refuse(NotReady(s.core.id, s.core.machine.State()))
	case s.lane.length() >= s.core.env.MaxSends:
		refuse(&session.Error{Code: session.CodeQueueFull, Op: "send", Session: s.core.id})
	default:
		s.lane.queue = append(s.lane.queue, pending{asker, m.Message})
		s.pump()
	}
}

// pump hands the next message to the client, if there is one and nothing is in flight.
func (s *Session) pump() {
	if s.lane.flying != 0 || s.client == nil || len(s.lane.queue) == 0 || s.core.machine.State() != session.Ready {
		return
	}
	next := s.lane.queue[0]
	s.lane.queue[0] = pending{}
	s.lane.queue = s.lane.queue[1:]
	incarnation, _ := s.core.machine.Incarnation()
	s.lane.flying = incarnation
	client, run := s.client, s.run
	s.effect("Send", func() {
		// Whatever happens to this goroutine, the asker hears of it; a panic is raised in the actor after that.
		result := Sent{Err: &session.Error{Code: session.CodeRestarted, Op: "send", Session: s.core.id}}
		defer func() { s.reply(next.asker, result) }()
		s.deliver(run, client, next.message, &result)
		s.core.env.System.Root.Send(s.self, sendDone{s, incarnation, result.Err})
	})
}

// deliver waits for WhatsApp's acknowledgement, at most as long as the client's run lasts.
func (s *Session) deliver(run context.Context, client session.Client, message session.Outgoing, result *Sent) {
	env := s.core.env
	ctx, cancel := context.WithTimeout(run, env.SendTimeout+message.UploadTime())
	defer cancel()
	began := time.Now()
	ack, err := client.Send(ctx, message)
	if err != nil {
		*result = Sent{Err: s.sendError(ctx, run, err)}
		env.Observer.SendFailed(session.CodeOf(result.Err))
		return
	}
	*result = Sent{Ack: ack}
	env.Observer.SendAcked(time.Since(began))
}

// sendError tells a send that ended with its session from one that WhatsApp did not answer, and both from one that
// it refused.
func (s *Session) sendError(ctx, run context.Context, err error) error {
	var known *session.Error
	answered := errors.As(err, &known) && known.Code != session.CodeDisconnected && known.Code != session.CodeAckOverdue
	var why *session.Error
	switch {
	case answered:
		return err
	case errors.As(context.Cause(run), &why):
		return &session.Error{Code: why.Code, Op: "send", Session: s.core.id, Message: why.Message, Err: err}
	case known != nil:
		return err
	case ctx.Err() != nil:
		return &session.Error{Code: session.CodeAckOverdue, Op: "send", Session: s.core.id, Err: err}
	default:
		return &session.Error{Code: session.CodeSendFailed, Op: "send", Session: s.core.id, Err: err}
	}
}

func (s *Session) laneDone(m sendDone) {
	if m.from != s || m.incarnation != s.lane.flying {
		return
	}
	s.lane.flying = 0
	if session.CodeOf(m.err) == session.CodeAckOverdue {
		s.step(session.Input{Kind: session.AckOverdue, Incarnation: m.incarnation, Detail: "a message was not acknowledged in time"})
	}
	s.pump()
}

// failLane answers everything that waits in the lane. What is in flight ends with its client.
func (s *Session) failLane(err *session.Error) {
	queue := s.lane.queue
	s.lane.queue = nil
	for _, p := range queue {
		s.reply(p.asker, Sent{Err: err})
	}
	for range queue {
		s.core.env.Observer.SendFailed(err.Code)
	}
}

func (s *Session) reply(asker *actor.PID, answer any) {
	if asker != nil {
		s.core.env.System.Root.Send(asker, answer)
	}
}

package supervisor

import (
	"context"
	"errors"

	"wasup/actors"
	"wasup/internal/message"
	"wasup/internal/session"
)

var _ session.Door = (*Supervisor)(nil)

// Use implements session.Door. It is the only way from outside to a session's client. A verb for a READY session starts
// nothing and fails if the session stops meanwhile, unlike a request for a code. A verb that Awaits waits briefly for a
// session that is connecting again. A verb that is Whole continues when ctx ends.
func (s *Supervisor) Use(ctx context.Context, id session.ID, use session.Use) (any, error) {
	if s.env.Draining.Load() {
		return nil, shuttingDown(id)
	}
	e, known := s.entry(id)
	if !known {
		return nil, notFound(id)
	}
	if !use.Whole {
		do := use.Do
		use.Do = func(run context.Context, client session.Client) (any, error) {
			run, cancel := context.WithCancel(run)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			return do(run, client)
		}
	}
	if use.In != session.Ready {
		used, err := ask[actors.Used](ctx, s, e, actors.UseClient{Use: use})
		return used.Value, firstError(err, used.Err)
	}
	if use.Awaits {
		s.AwaitReady(ctx, id)
	}
	h, err := s.readyHandle(id)
	if err != nil {
		s.cfg.Observer.VerbDone(use.Verb, session.CodeNotReady, 0)
		return nil, err
	}
	used, err := actors.Ask[actors.Used](ctx, s.env.System, h.pid, actors.UseClient{Use: use}, h.gone, s.withdraw(h))
	if err != nil {
		return nil, s.noAnswer(ctx, use.Verb, id, err)
	}
	return used.Value, used.Err
}

// Send gives a message to a READY session and waits for WhatsApp's acknowledgement. If ctx ends first, the message may
// still arrive.
func (s *Supervisor) Send(ctx context.Context, id session.ID, msg message.Outgoing) (message.Ack, error) {
	if _, known := s.entry(id); !known && !s.env.Draining.Load() {
		s.cfg.Observer.VerbDone(message.VerbSend, session.CodeNotReady, 0)
		return message.Ack{}, actors.NotReady(id, session.NotInitialized)
	}
	verb := message.Send
	verb.Bound = s.cfg.SendTimeout + msg.UploadTime()
	return verb.Ask(ctx, s, id, msg)
}

// readyHandle returns the actor of a READY session, or a NotReady error. It spawns no actor.
func (s *Supervisor) readyHandle(id session.ID) (*handle, error) {
	status, _ := s.Status(id)
	if e, ok := s.entry(id); ok && status.State == session.Ready {
		if h := e.handle.Load(); h != nil {
			return h, nil
		}
	}
	return nil, actors.NotReady(id, status.State)
}

// noAnswer returns the error of a question that a session's actor did not answer.
func (s *Supervisor) noAnswer(ctx context.Context, op string, id session.ID, err error) error {
	switch {
	case errors.Is(err, actors.ErrGone) && s.env.Draining.Load():
		return shuttingDown(id)
	case errors.Is(err, actors.ErrGone):
		return &session.Error{Code: session.CodeQuarantined, Op: op, Session: id, Err: err}
	default:
		return unanswered(ctx, op, id, err)
	}
}

package supervisor

import (
	"context"
	"errors"

	"wasup/actors"
	"wasup/internal/message"
	"wasup/internal/session"
)

var _ session.Door = (*Supervisor)(nil)

// Use implements session.Door: it is the one way from outside to the client of a session. A verb for a READY session
// starts nothing: unlike a request for a code it does not bring back a session that stops meanwhile. What a verb that is
// Whole has begun goes on when ctx ends.
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
	h, err := s.readyHandle(id)
	if err != nil {
		s.cfg.Observer.VerbDone(use.Verb, session.CodeNotReady, 0)
		return nil, err
	}
	used, err := actors.Ask[actors.Used](ctx, s.env.System, h.pid, actors.UseClient{Use: use}, h.gone, s.forget(h))
	if err != nil {
		return nil, s.unheard(ctx, use.Verb, id, err)
	}
	return used.Value, used.Err
}

// Send gives a message to a READY session and waits for WhatsApp's acknowledgement. When ctx ends first, the message may
// arrive.
func (s *Supervisor) Send(ctx context.Context, id session.ID, msg message.Outgoing) (message.Ack, error) {
	if _, known := s.entry(id); !known && !s.env.Draining.Load() {
		s.cfg.Observer.VerbDone(message.VerbSend, session.CodeNotReady, 0)
		return message.Ack{}, actors.NotReady(id, session.NotInitialized)
	}
	verb := message.Send
	verb.Bound = s.cfg.SendTimeout + msg.UploadTime()
	return verb.Ask(ctx, s, id, msg)
}

// readyHandle is the actor of a READY session. It starts none.
func (s *Supervisor) readyHandle(id session.ID) (*handle, error) {
	status, _ := s.Status(id)
	if e, ok := s.entry(id); ok && status.State == session.Ready {
		if h := e.handle.Load(); h != nil {
			return h, nil
		}
	}
	return nil, actors.NotReady(id, status.State)
}

// unheard says why a question to a session's actor got no answer.
func (s *Supervisor) unheard(ctx context.Context, op string, id session.ID, err error) error {
	switch {
	case errors.Is(err, actors.ErrGone) && s.env.Draining.Load():
		return shuttingDown(id)
	case errors.Is(err, actors.ErrGone):
		return &session.Error{Code: session.CodeQuarantined, Op: op, Session: id, Err: err}
	default:
		return unanswered(ctx, op, id, err)
	}
}

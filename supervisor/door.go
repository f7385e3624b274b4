package supervisor

import (
	"context"
	"errors"

	"wasup/actors"
	"wasup/internal/message"
	"wasup/internal/session"
)

var _ session.Door = (*Door)(nil)

// Door reaches the clients of sessions, with requests and with messages.
type Door struct{ of *Supervisor }

// Use implements session.Door. It is the only way from outside to a session's client. A verb for a READY session starts
// nothing and fails if the session stops meanwhile, unlike a request for a code. A verb that Awaits waits briefly for a
// session that is connecting again. A verb that is Whole continues when ctx ends.
func (d *Door) Use(ctx context.Context, id session.ID, use session.Use) (any, error) {
	if d.of.env.Draining.Load() {
		return nil, shuttingDown(id)
	}
	e, known := d.of.entry(id)
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
		used, err := ask[actors.Used](ctx, d.of, e, actors.UseClient{Use: use})
		return used.Value, firstError(err, used.Err)
	}
	if use.Awaits {
		d.AwaitReady(ctx, id)
	}
	h, err := d.readyHandle(id)
	if err != nil {
		d.of.cfg.Observer.VerbDone(use.Verb, session.CodeNotReady, 0)
		return nil, err
	}
	used, err := actors.Ask[actors.Used](ctx, d.of.env.System, h.pid, actors.UseClient{Use: use}, h.gone, d.of.withdraw(h))
	if err != nil {
		return nil, d.noAnswer(ctx, use.Verb, id, err)
	}
	return used.Value, used.Err
}

// Send gives a message to a READY session and waits for WhatsApp's acknowledgement. If ctx ends first, the message may
// still arrive.
func (d *Door) Send(ctx context.Context, id session.ID, msg message.Outgoing) (message.Ack, error) {
	if _, known := d.of.entry(id); !known && !d.of.env.Draining.Load() {
		d.of.cfg.Observer.VerbDone(message.VerbSend, session.CodeNotReady, 0)
		return message.Ack{}, actors.NotReady(id, session.NotInitialized)
	}
	verb := message.Send
	verb.Bound = d.of.cfg.SendTimeout + msg.UploadTime()
	return verb.Ask(ctx, d, id, msg)
}

// readyHandle returns the actor of a READY session, or a NotReady error. It spawns no actor.
func (d *Door) readyHandle(id session.ID) (*handle, error) {
	status, _ := d.of.Status(id)
	if e, ok := d.of.entry(id); ok && status.State == session.Ready {
		if h := e.handle.Load(); h != nil {
			return h, nil
		}
	}
	return nil, actors.NotReady(id, status.State)
}

// noAnswer returns the error of a question that a session's actor did not answer.
func (d *Door) noAnswer(ctx context.Context, op string, id session.ID, err error) error {
	switch {
	case errors.Is(err, actors.ErrGone) && d.of.env.Draining.Load():
		return shuttingDown(id)
	case errors.Is(err, actors.ErrGone):
		return &session.Error{Code: session.CodeQuarantined, Op: op, Session: id, Err: err}
	default:
		return unanswered(ctx, op, id, err)
	}
}

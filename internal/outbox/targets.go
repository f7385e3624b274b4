package outbox

import (
	"cmp"
	"context"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// targets knows which messages a new one may be about.
type targets struct{ ledger Ledger }

// check refuses what phones would ignore, or show under a wrong name: a change of an own message that comes too
// late or in another chat than the message's, and any reference to a message of an account that was linked before. It knows
// only messages that the ledger has.
func (t targets) check(ctx context.Context, request *message.Request) error {
	if err := t.checkChange(ctx, request); err != nil {
		return err
	}
	quote := request.Content.Quote
	if quote == nil || !quote.FromMe {
		return nil
	}
	own, err := t.ledger.Message(ctx, request.Session, quote.ID)
	if session.CodeOf(err) == session.CodeUnknownMessage {
		return nil
	}
	return cmp.Or(err, t.checkOwner(ctx, &own, "quote.id"))
}

// checkAgain checks a message that is to leave after all: what it is about may have changed since it was accepted.
func (t targets) checkAgain(ctx context.Context, m *message.Message) error {
	return t.check(ctx, &message.Request{Session: m.Session, To: m.To, Content: m.Content})
}

// checkOwner refuses a message of an account that was linked before.
func (t targets) checkOwner(ctx context.Context, own *message.Message, field string) error {
	foreign, err := t.isOfAnotherAccount(ctx, own)
	if err != nil || !foreign {
		return err
	}
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: "send message", Session: own.Session, Field: field,
		Message: field + ": expected a message of the account that is linked now; this one is of the account before",
	}
}

func (t targets) checkChange(ctx context.Context, request *message.Request) error {
	target := request.Content.Target
	if target == nil || request.Content.Kind == message.KindReaction && !target.FromMe {
		return nil
	}
	own, err := t.ledger.Message(ctx, request.Session, target.ID)
	switch {
	case session.CodeOf(err) == session.CodeUnknownMessage:
		return nil
	case err != nil:
		return err
	case own.To.IsGroup() != request.To.IsGroup() || own.To.IsGroup() && own.To != request.To:
		return &session.Error{
			Code: session.CodeInvalidRequest, Op: "send message", Session: request.Session, Field: "target.id",
			Message: "target.id: expected a message of this chat",
		}
	}
	if err := t.checkOwner(ctx, &own, "target.id"); err != nil {
		return err
	}
	if request.Content.Kind == message.KindEdit {
		return own.CheckEdit(time.Now())
	}
	return own.CheckSent()
}

// isOfAnotherAccount reports whether a message was accepted, and not sent later, for an account that is no longer linked.
// What is queued leaves from the one that is.
func (t targets) isOfAnotherAccount(ctx context.Context, m *message.Message) (bool, error) {
	if m.State == message.Queued {
		return false, nil
	}
	since, err := t.ledger.OwnedSince(ctx, m.Session)
	return later(m.CreatedAt, m.AckedAt).Before(since), err
}

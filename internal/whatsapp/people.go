package whatsapp

import (
	"context"
	"errors"
	"net/http"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/numbers"
)

// people returns the addresses as WhatsApp writes them, for a message that names them.
func (m *messaging) people(ctx context.Context, list []message.Address) ([]message.Address, error) {
	written, err := m.book.Written(ctx, list)
	if err != nil {
		return nil, m.lookUpError(ctx, err)
	}
	return written, nil
}

// recipient is the address of a message's recipient.
type recipient struct {
	number string // in digits; "": the caller gave another address
	chat   types.JID
	asked  bool  // WhatsApp has said so just now
	unsure error // WhatsApp was asked and did not answer
}

// recipientOf returns the address of a message's recipient. WhatsApp is asked about a number that is not known. If it does
// not answer that, whatsmeow tries the number as it is written.
func (m *messaging) recipientOf(ctx context.Context, to message.Recipient) (recipient, error) {
	jid, err := m.parseChat(opSend, to)
	if err != nil || jid.Server != types.DefaultUserServer {
		return recipient{chat: jid}, err
	}
	address, known, err := m.book.Known(ctx, jid.User)
	switch {
	case err != nil:
		return recipient{}, m.lookUpError(ctx, err)
	case known:
		return recipient{number: jid.User, chat: numbers.Chat(address, jid.User)}, nil
	}
	return m.askRecipient(ctx, jid.User)
}

// chatWith returns the address of the chat with a recipient.
func (m *messaging) chatWith(ctx context.Context, to message.Recipient) (types.JID, error) {
	found, err := m.recipientOf(ctx, to)
	return found.chat, err
}

// askRecipient asks WhatsApp for the address of a number.
func (m *messaging) askRecipient(ctx context.Context, number string) (recipient, error) {
	found, err := m.book.Refresh(ctx, number)
	to := recipient{number: number, chat: numbers.Chat(found[number], number), asked: true}
	var refused *whatsmeow.IQError
	switch {
	case errors.As(err, &refused):
		to.unsure = err
		return to, nil
	case err != nil:
		return recipient{}, m.lookUpError(ctx, err)
	default:
		return to, nil
	}
}

// lookUpError returns the error of a send whose recipient could not be looked up.
func (m *messaging) lookUpError(ctx context.Context, err error) error {
	var broken *numbers.StoreError
	if errors.As(err, &broken) && ctx.Err() == nil {
		return codes.StoreError(opSend, m.run.Session, broken.Err)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return codes.RequestError(opSend, m.run.Session, err)
}

// isNoAccount reports whether a message failed because its recipient has no account.
func isNoAccount(err error) bool { return session.CodeOf(err) == session.CodeNotOnWhatsApp }

// isUnreachable reports whether a message to a person failed because nobody is at the address, so far as is known:
// WhatsApp has named no device of it, or has refused the message as one to nobody.
func isUnreachable(err error) bool {
	failure := message.FailureOf(err)
	return failure.Code == session.CodeNotOnWhatsApp || failure.Code == session.CodeSendFailed && failure.Status == http.StatusNotFound
}

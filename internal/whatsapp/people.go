package whatsapp

import (
	"context"
	"errors"
	"strings"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/numbers"
)

// ask asks WhatsApp about numbers, for numbers.Book.
func (m *messaging) ask(ctx context.Context, users []string) (map[string]message.Address, error) {
	answers, err := m.askContacts(ctx, users)
	found := make(map[string]message.Address, len(answers))
	for user, answer := range answers {
		if answer.IsIn {
			found[user] = contactOf(user, answer).Address
		}
	}
	return found, err
}

// askContacts asks WhatsApp about numbers in digits.
func (m *messaging) askContacts(ctx context.Context, users []string) (map[string]types.IsOnWhatsAppResponse, error) {
	questions := make([]string, len(users))
	for i, digits := range users {
		questions[i] = "+" + digits
	}
	ctx, done := requestContext(ctx)
	defer done()
	answers, err := m.wa.IsOnWhatsApp(ctx, questions)
	found := make(map[string]types.IsOnWhatsAppResponse, len(answers))
	for _, answer := range answers {
		found[strings.TrimPrefix(answer.Query, "+")] = answer
	}
	return found, err
}

// people returns the addresses as WhatsApp writes them. Those of whom nothing is known stay as they are, and so do all if
// WhatsApp does not answer: a message does not fail because somebody whom it mentions cannot be looked up. An error is a
// failure of the database.
func (m *messaging) people(ctx context.Context, list []message.Address) ([]message.Address, error) {
	var users []string
	for _, who := range list {
		if user, _, _ := strings.Cut(who.PN, "@"); user != "" && who.LID == "" {
			users = append(users, user)
		}
	}
	if len(users) == 0 {
		return list, nil
	}
	found, err := m.book.Find(ctx, users...)
	var broken *numbers.StoreError
	if errors.As(err, &broken) {
		return nil, storeError(opSend, m.run.Session, broken.Err)
	}
	written := make([]message.Address, len(list))
	for i, who := range list {
		user, _, _ := strings.Cut(who.PN, "@")
		switch address, is := found[user]; {
		case !is || who.LID != "":
		case address.PN != "":
			who.PN = address.PN
		default:
			who = address
		}
		written[i] = who
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
		return recipient{number: jid.User, chat: chatOf(address, jid.User)}, nil
	}
	return m.askRecipient(ctx, jid.User)
}

// askRecipient asks WhatsApp for the address of a number.
func (m *messaging) askRecipient(ctx context.Context, number string) (recipient, error) {
	found, err := m.book.Refresh(ctx, number)
	to := recipient{number: number, chat: chatOf(found[number], number), asked: true}
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
		return storeError(opSend, m.run.Session, broken.Err)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return sendError(m.run.Session, err)
}

// chatOf returns the chat with a person: WhatsApp moves chats from phone numbers to LIDs. Without an address it is that of
// the number.
func chatOf(address message.Address, number string) types.JID {
	if jid, err := types.ParseJID(address.String()); err == nil && jid.User != "" {
		return jid.ToNonAD()
	}
	return types.NewJID(number, types.DefaultUserServer)
}

// isNoAccount reports whether a message failed because its recipient has no account.
func isNoAccount(err error) bool { return session.CodeOf(err) == session.CodeNotOnWhatsApp }

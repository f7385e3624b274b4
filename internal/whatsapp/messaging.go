package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/masking"
)

// maxChecked bounds the phone numbers of one request to WhatsApp.
const maxChecked = 100

// maxMarked bounds the messages of one receipt.
const maxMarked = 256

// messaging is everything that a linked device does except sending messages.
type messaging struct {
	run  *run
	wa   *whatsmeow.Client
	lids store.LIDStore

	members members
}

// markRead is Client.MarkRead.
func (m *messaging) markRead(ctx context.Context, mark message.ReadMark) error {
	const op = "mark read"
	chat, err := m.chat(ctx, op, mark.Chat)
	if err != nil {
		return err
	}
	if len(mark.IDs) == 0 || len(mark.IDs) > maxMarked {
		return m.invalidIn(op, "ids", fmt.Sprintf("expected 1 to %d message ids", maxMarked))
	}
	for i, id := range mark.IDs {
		if id == "" {
			return m.invalidIn(op, fmt.Sprintf("ids[%d]", i), "expected a message id")
		}
	}
	var sender types.JID
	if chat.Server == types.GroupServer || chat == types.StatusBroadcastJID {
		if sender, err = types.ParseJID(mark.Sender.String()); err != nil || sender.User == "" || mark.Sender.LID == "" && mark.Sender.PN == "" {
			return m.invalidIn(op, "sender", "expected who wrote the messages: in a group, and among statuses, it could be anybody")
		}
	}
	if chat.Server == types.GroupServer {
		if sender, err = m.members.address(ctx, chat, mark.Sender); err != nil {
			return m.failed(ctx, op, err)
		}
	}
	at := mark.At
	if at.IsZero() {
		at = time.Now()
	}
	kind := types.ReceiptTypeRead
	if mark.Played {
		kind = types.ReceiptTypePlayed
	}
	return m.failed(ctx, op, m.wa.MarkRead(ctx, mark.IDs, at, chat, sender, kind))
}

// setChatState is Client.SetChatState.
func (m *messaging) setChatState(ctx context.Context, to message.Recipient, state message.ChatState) error {
	const op = "set chat state"
	if err := to.CheckChat("chat"); err != nil {
		return m.unsupported(op, err)
	}
	chat, err := m.chat(ctx, op, to)
	if err != nil {
		return err
	}
	shown, media := types.ChatPresenceComposing, types.ChatPresenceMediaText
	switch state {
	case message.ChatTyping:
	case message.ChatRecording:
		media = types.ChatPresenceMediaAudio
	case message.ChatPaused:
		shown = types.ChatPresencePaused
	default:
		return m.invalidIn(op, "state", "expected typing, recording or paused")
	}
	return m.failed(ctx, op, m.wa.SendChatPresence(ctx, chat, shown, media))
}

// checkContacts is Client.CheckContacts.
func (m *messaging) checkContacts(ctx context.Context, phones []string) ([]message.Contact, error) {
	const op = "check contacts"
	if len(phones) == 0 || len(phones) > maxChecked {
		return nil, m.invalidIn(op, "phones", fmt.Sprintf("expected 1 to %d phone numbers", maxChecked))
	}
	asked := make([]string, len(phones))
	for i, phone := range phones {
		person, err := message.ParsePerson(phone)
		if err != nil || person.Address().PN == "" {
			return nil, m.invalidIn(op, fmt.Sprintf("phones[%d]", i), "expected a phone number with country code (7 to 15 digits)")
		}
		asked[i], _, _ = strings.Cut(string(person), "@")
	}
	questions := make([]string, len(asked))
	for i, digits := range asked {
		questions[i] = "+" + digits
	}
	ctx, done := requestContext(ctx)
	defer done()
	answers, err := m.wa.IsOnWhatsApp(ctx, questions)
	if err != nil {
		return nil, m.failed(ctx, op, err)
	}
	found := make(map[string]types.IsOnWhatsAppResponse, len(answers))
	for _, answer := range answers {
		found[strings.TrimPrefix(answer.Query, "+")] = answer
	}
	contacts := make([]message.Contact, len(phones))
	for i, digits := range asked {
		contacts[i] = contactOf(phones[i], found[digits])
	}
	return contacts, nil
}

func contactOf(query string, answer types.IsOnWhatsAppResponse) message.Contact {
	contact := message.Contact{Query: query, OnWhatsApp: answer.IsIn}
	if !answer.IsIn {
		return contact
	}
	for _, jid := range []types.JID{answer.JID, answer.PhoneNumber} {
		switch jid.Server {
		case types.HiddenUserServer:
			contact.Address.LID = jid.ToNonAD().String()
		case types.DefaultUserServer:
			contact.Address.PN = jid.ToNonAD().String()
		}
	}
	if answer.VerifiedName != nil {
		contact.Business = message.FirstCharacters(answer.VerifiedName.Details.GetVerifiedName(), message.MaxName)
	}
	return contact
}

// chat returns the current address of a chat: WhatsApp moves chats from phone numbers to LIDs.
func (m *messaging) chat(ctx context.Context, op string, to message.Recipient) (types.JID, error) {
	jid, err := types.ParseJID(string(to))
	if err != nil || jid.User == "" {
		return types.JID{}, m.invalidIn(op, "chat", "expected digits@s.whatsapp.net or digits@lid of a person, or …@g.us of a group")
	}
	switch jid.Server {
	case types.GroupServer, types.HiddenUserServer, types.NewsletterServer:
		return jid, nil
	case types.BroadcastServer:
		if jid == types.StatusBroadcastJID {
			return jid, nil
		}
		return types.JID{}, m.unsupported(op, to.CheckChat("chat"))
	case types.DefaultUserServer:
		lid, err := m.lids.GetLIDForPN(ctx, jid)
		switch {
		case err != nil && ctx.Err() != nil && op == opSend:
			return types.JID{}, sendError(m.run.Session, ctx.Err())
		case err != nil && ctx.Err() != nil:
			return types.JID{}, m.failed(ctx, op, ctx.Err())
		case err != nil:
			return types.JID{}, storeError(op, m.run.Session, err)
		}
		if lid.IsEmpty() {
			return jid, nil
		}
		return lid, nil
	default:
		return types.JID{}, m.invalidIn(op, "chat", "expected digits@s.whatsapp.net or digits@lid of a person, or …@g.us of a group")
	}
}

func (m *messaging) invalidIn(op, field, expected string) error {
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: op, Session: m.run.Session, Field: field, Message: field + ": " + expected,
	}
}

// failed returns the error of a failed request other than a send. nil stays nil.
func (m *messaging) failed(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	failure := classifySend(err)
	failure.Op, failure.Session, failure.Err = op, m.run.Session, masking.Error{Err: err}
	select {
	case <-m.run.closing:
		failure.Code, failure.Message = session.CodeDisconnected, ""
		return failure
	default:
	}
	var iq *whatsmeow.IQError
	switch {
	case failure.Code == session.CodeAckOverdue, ctx.Err() != nil:
		failure.Code, failure.Message = session.CodeTimeout, "WhatsApp did not answer in time"
	case errors.As(err, &iq) && iq.Code == statusTooMany:
		failure.Code, failure.Message = session.CodeRateLimited, "WhatsApp limits the rate of these requests; try again later"
	case errors.As(err, &iq) && iq.Code >= http.StatusInternalServerError:
		failure.Code, failure.Message = session.CodeUnavailable, fmt.Sprintf("WhatsApp could not answer (error %d)", iq.Code)
	case failure.Code == session.CodeSendFailed && failure.Status != 0:
		failure.Message = fmt.Sprintf("WhatsApp refused (error %d)", failure.Status)
	case failure.Code == session.CodeSendFailed:
		failure.Message = "WhatsApp's answer could not be read"
	}
	return failure
}

package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/numbers"
)

// maxChecked bounds the phone numbers of one request to WhatsApp.
const maxChecked = 100

// maxMarked bounds the messages of one receipt.
const maxMarked = 256

// statusTooMany is WhatsApp's error number for too many requests.
const statusTooMany = http.StatusTooManyRequests

// messaging is everything that a linked device does except sending messages.
type messaging struct {
	run *run
	wa  *whatsmeow.Client

	members members
	book    numbers.Book
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
		author, err := m.people(ctx, []message.Address{mark.Sender})
		if err != nil {
			return m.failed(ctx, op, err)
		}
		if sender, err = types.ParseJID(author[0].String()); err != nil {
			return m.failed(ctx, op, err)
		}
		if chat.Server == types.GroupServer {
			sender, err = m.members.address(ctx, chat, author[0])
		}
		if err != nil {
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
	asking, done := requestContext(ctx)
	found, err := numbers.Ask(asking, m.wa, asked)
	done()
	if err != nil {
		return nil, m.failed(ctx, op, err)
	}
	if err = m.book.Learn(ctx, asked, numbers.Addresses(found)); err != nil {
		return nil, m.chatError(ctx, op, err)
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
	contact.Address = numbers.AddressOf(answer)
	if answer.VerifiedName != nil {
		contact.Business = message.FirstCharacters(answer.VerifiedName.Details.GetVerifiedName(), message.MaxName)
	}
	return contact
}

// chat returns the current address of a chat. WhatsApp is asked about a number that is not known.
func (m *messaging) chat(ctx context.Context, op string, to message.Recipient) (types.JID, error) {
	jid, err := m.parseChat(op, to)
	if err != nil || jid.Server != types.DefaultUserServer {
		return jid, err
	}
	found, err := m.book.Find(ctx, jid.User)
	if err != nil {
		return types.JID{}, m.chatError(ctx, op, err)
	}
	return numbers.Chat(found[jid.User], jid.User), nil
}

func (m *messaging) parseChat(op string, to message.Recipient) (types.JID, error) {
	jid, err := types.ParseJID(string(to))
	if err == nil && jid.User != "" {
		switch jid.Server {
		case types.GroupServer, types.HiddenUserServer, types.DefaultUserServer, types.NewsletterServer:
			return jid, nil
		case types.BroadcastServer:
			if jid == types.StatusBroadcastJID {
				return jid, nil
			}
			return types.JID{}, m.unsupported(op, to.CheckChat("chat"))
		}
	}
	return types.JID{}, m.invalidIn(op, "chat", "expected digits@s.whatsapp.net or digits@lid of a person, or …@g.us of a group")
}

// chatError returns the error of a request about a chat that could not be looked up.
func (m *messaging) chatError(ctx context.Context, op string, err error) error {
	var broken *numbers.StoreError
	if errors.As(err, &broken) && ctx.Err() == nil {
		return codes.StoreError(op, m.run.Session, broken.Err)
	}
	return m.failed(ctx, op, err)
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
	failure := codes.RequestError(op, m.run.Session, err)
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

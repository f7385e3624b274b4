package httpapi

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// chatOf is the chat in the path.
func chatOf(k *call) (session.Recipient, error) {
	text, err := url.PathUnescape(k.Params("chat"))
	if err != nil {
		return "", badField("chat", "expected a phone number with country code, or an address")
	}
	to, err := session.ParseRecipient(text)
	if err != nil {
		return "", badField("chat", "expected a phone number with country code, or the address of a person or a group")
	}
	return to, nil
}

// v1MarkRead is POST /v1/sessions/{id}/chats/{chat}/read.
func v1MarkRead(s *Server, k *call) error {
	chat, err := chatOf(k)
	if err != nil {
		return err
	}
	var in v1ReadMark
	if err := k.decode(&in); err != nil {
		return err
	}
	mark := session.ReadMark{Chat: chat, IDs: in.IDs, Played: in.Played, At: s.cfg.Now()}
	if mark.Sender, err = in.Sender.parse("sender"); err != nil {
		return err
	}
	if chat.IsGroup() && mark.Sender.IsZero() {
		return badField("sender", "expected who wrote the messages: in a group it could be anybody")
	}
	for i, id := range in.IDs {
		if id == "" || len(id) > 128 {
			return badField(fmt.Sprintf("ids[%d]", i), "expected a WhatsApp message id")
		}
	}
	return s.tell(k, func(ctx context.Context) error { return s.deps.Chats.MarkRead(ctx, k.id, mark) })
}

// v1SetPresence is POST /v1/sessions/{id}/chats/{chat}/presence.
func v1SetPresence(s *Server, k *call) error {
	chat, err := chatOf(k)
	if err != nil {
		return err
	}
	var in v1Presence
	if err := k.decode(&in); err != nil {
		return err
	}
	return s.tell(k, func(ctx context.Context) error {
		return s.deps.Chats.SetChatState(ctx, k.id, chat, session.ChatState(in.State))
	})
}

// tell does what has no answer but that it was done.
func (s *Server) tell(k *call, do func(ctx context.Context) error) error {
	if _, err := s.known(k); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.LinkTimeout)
	defer cancel()
	if err := do(ctx); err != nil {
		return err
	}
	k.Status(fiber.StatusNoContent)
	return nil
}

// v1CheckContacts is POST /v1/sessions/{id}/contacts/check.
func v1CheckContacts(s *Server, k *call) error {
	var in v1ContactsAsk
	if err := k.decode(&in); err != nil {
		return err
	}
	phones := make([]string, 0, len(in.Phones))
	for i, text := range in.Phones {
		to, err := session.ParsePerson(text)
		digits, isPhone := strings.CutSuffix(string(to), "@s.whatsapp.net")
		if err != nil || !isPhone {
			return badField(fmt.Sprintf("phones[%d]", i), "expected a phone number with country code (5 to 20 digits)")
		}
		phones = append(phones, digits)
	}
	if _, err := s.known(k); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.LinkTimeout)
	defer cancel()
	found, err := s.deps.Chats.CheckContacts(ctx, k.id, phones)
	if err != nil {
		return err
	}
	if len(found) != len(phones) {
		return &session.Error{Code: session.CodeInternal, Op: "check contacts", Session: k.id, Message: "as many answers as questions were expected"}
	}
	answer := v1ContactList{Items: make([]v1Contact, 0, len(found))}
	for i := range found {
		one := v1Contact{Phone: in.Phones[i], OnWhatsApp: found[i].OnWhatsApp, Business: found[i].Business}
		if !found[i].Address.IsZero() {
			address := v1Address(found[i].Address)
			one.Address = &address
		}
		answer.Items = append(answer.Items, one)
	}
	return s.ok(k.Ctx, answer)
}

package chats

import (
	"context"
	"fmt"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Contacts finds out which numbers have WhatsApp. It is safe for concurrent use. Errors carry a session.Code.
type Contacts interface {
	// CheckContacts returns one contact for each phone, in the same order. A phone is digits with country code.
	CheckContacts(ctx context.Context, id session.ID, phones []string) ([]message.Contact, error)
}

// Resource serves the operations of this package.
type Resource struct {
	host     *rest.Host
	door     session.Door
	contacts Contacts
}

// New makes the resource.
func New(host *rest.Host, door session.Door, contacts Contacts) *Resource {
	return &Resource{host, door, contacts}
}

// chatOf returns the chat in the path.
func chatOf(k *rest.Call) (message.Recipient, error) {
	text, err := url.PathUnescape(k.Params("chat"))
	if err != nil {
		return "", rest.BadField("chat", "expected a phone number with country code, or an address")
	}
	return message.ParseChat("chat", text)
}

// markRead is POST /v1/sessions/{id}/chats/{chat}/read.
func (r *Resource) markRead(k *rest.Call) error {
	chat, err := chatOf(k)
	if err != nil {
		return err
	}
	var in v1ReadMark
	if err := k.Decode(&in); err != nil {
		return err
	}
	mark := message.ReadMark{Chat: chat, IDs: in.IDs, Played: in.Played, At: r.host.Now()}
	if mark.Sender, err = in.Sender.Parse("sender"); err != nil {
		return err
	}
	switch {
	case chat.IsList():
		return chat.CheckChat("chat")
	case chat.IsGroup() && mark.Sender.IsZero():
		return rest.BadField("sender", "expected who wrote the messages: in a group it could be anybody")
	case chat.IsStatus() && mark.Sender.IsZero():
		return rest.BadField("sender", "expected the author of the statuses")
	}
	for i, id := range in.IDs {
		if id == "" || len(id) > 128 {
			return rest.BadField(fmt.Sprintf("ids[%d]", i), "expected a WhatsApp message id")
		}
	}
	return carryOut(r, k, message.MarkRead, mark)
}

// setPresence is POST /v1/sessions/{id}/chats/{chat}/presence.
func (r *Resource) setPresence(k *rest.Call) error {
	chat, err := chatOf(k)
	if err != nil {
		return err
	}
	if err := chat.CheckChat("chat"); err != nil {
		return err
	}
	var in v1Presence
	if err := k.Decode(&in); err != nil {
		return err
	}
	return carryOut(r, k, message.SetChatState, message.Typing{Chat: chat, State: message.ChatState(in.State)})
}

// carryOut carries out a verb that returns no value, and answers 204.
func carryOut[Q any](r *Resource, k *rest.Call, verb session.Verb[message.Client, Q, session.None], question Q) error {
	if _, err := k.Known(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.LinkTimeout)
	defer cancel()
	if _, err := verb.Ask(ctx, r.door, k.ID, question); err != nil {
		return err
	}
	k.Status(fiber.StatusNoContent)
	return nil
}

// checkContacts is POST /v1/sessions/{id}/contacts/check. What is no phone number is answered in its place, so that one
// mistake in a list does not refuse the others.
func (r *Resource) checkContacts(k *rest.Call) error {
	var in v1ContactsAsk
	if err := k.Decode(&in); err != nil {
		return err
	}
	if len(in.Phones) == 0 { // the schema lets null through
		return rest.BadField("phones", "expected array")
	}
	answer := v1ContactList{Items: make([]v1Contact, len(in.Phones))}
	phones, places := make([]string, 0, len(in.Phones)), make([]int, 0, len(in.Phones))
	for i := range in.Phones {
		answer.Items[i].Phone = in.Phones[i].shown()
		digits, err := in.Phones[i].digits(i)
		if err != nil {
			answer.Items[i].Error = err.Error()
			continue
		}
		phones, places = append(phones, digits), append(places, i)
	}
	if _, err := k.Known(); err != nil {
		return err
	}
	if len(phones) == 0 {
		return k.OK(answer)
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.LinkTimeout)
	defer cancel()
	found, err := r.contacts.CheckContacts(ctx, k.ID, phones)
	if err != nil {
		return err
	}
	if len(found) != len(phones) {
		return &session.Error{Code: session.CodeInternal, Op: "check contacts", Session: k.ID, Message: "as many answers as questions were expected"}
	}
	for i := range found {
		one := &answer.Items[places[i]]
		one.OnWhatsApp, one.Business = found[i].OnWhatsApp, found[i].Business
		if !found[i].Address.IsZero() {
			one.Address = &found[i].Address
		}
	}
	return k.OK(answer)
}

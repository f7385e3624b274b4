package chats

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

// Operations are the rows of the resource.
func (r *Resource) Operations(func(any) *huma.Schema) []rest.Operation {
	chat := []rest.Parameter{{Name: "chat", Doc: "A phone number with country code, or the address of a person or a group. Statuses (status@broadcast) and channels can be marked as read.", Schema: rest.ShortText(128)}}
	refuses := []int{404, 409, 415, 422, 429, 502, 504}
	return []rest.Operation{
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/chats/:chat/read", Name: "markRead", Tag: rest.TagMessages, Summary: "Mark messages as read", Places: chat,
			Detail: "The sender sees it, and so do the account's other devices. Of a status the author sees who has looked at it. Of a channel only the account's other devices are told.",
			Body:   v1ReadMark{}, Status: fiber.StatusNoContent, Success: "WhatsApp was told.", Refuses: refuses, Serve: r.markRead,
		},
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/chats/:chat/presence", Name: "setPresence", Tag: rest.TagMessages, Summary: "Show typing or recording",
			Places: chat, Body: v1Presence{}, Status: fiber.StatusNoContent, Success: "WhatsApp was told.", Refuses: refuses, Serve: r.setPresence,
		},
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/contacts/check", Name: "checkContacts", Tag: rest.TagMessages, Summary: "Check which phone numbers have WhatsApp",
			Detail: "What is no phone number has `error` in its item, and refuses no other. wasup remembers answers for a while (contacts.ttl), and limits how often it asks WhatsApp (contacts.per_minute).",
			Body:   v1ContactsAsk{}, Input: rest.Input{Each: "phones"}, Status: fiber.StatusOK, Answer: v1ContactList{}, Success: "One answer for each number, in the order of the request.",
			Refuses: refuses, Serve: r.checkContacts,
		},
	}
}

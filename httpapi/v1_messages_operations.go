package httpapi

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

func (a *api) messageOperations() []operation {
	all := append([]operation{a.sendOperation()}, a.sentOperations()...)
	return append(all, a.chatOperations()...)
}

// sendRefuses is every status that a message may fail with, at once or while it is waited for.
func sendRefuses() []int { return []int{404, 409, 410, 415, 422, 429, 502, 504} }

func (a *api) sendOperation() operation {
	wait := &huma.Schema{Type: huma.TypeString, Enum: []any{waitNone, string(session.MessageServerAck), string(session.MessageDelivered)}, Default: waitNone}
	return operation{
		method: fiber.MethodPost, path: "/v1/sessions/:id/messages", name: "sendMessage", tag: tagMessages, summary: "send a message",
		detail: "It is stored before it is accepted, and leaves once the session is READY, after the ones before it, through restarts and " +
			"crashes; a recipient gets it once. A file comes by URL, in base64, as an upload, or as the part `file` of a form beside `to` and `text`. " +
			"What fails while it is waited for is a problem with the message in it.",
		query: []parameter{
			{"wait", "Answer once it has come so far.", wait},
			{"timeout", "How long to wait for it, such as 10s: 30s unless said otherwise, 60s at most. What has not come so far by then is answered with 202.", shortText(20)},
		},
		headers: []parameter{
			{headerKey, "1 to 255 visible characters: the same key never sends twice. A repetition is answered with what became of the first, and with " +
				headerReplayed + ": true; another message under the same key is refused.", shortText(255)},
			{headerPrefer, "`wait=10` is ?wait=server_ack&timeout=10s, `respond-async` is ?wait=none (RFC 7240).", shortText(200)},
		},
		body: v1MessageNew{}, examples: messageExamples(), stream: true, forms: messageForm(),
		status: fiber.StatusOK, answer: v1Message{}, success: "It has come as far as was waited for.",
		accepted: "It is accepted, and `state` says how far it is; `Location` is its address.",
		refuses:  sendRefuses(), serve: v1SendMessage,
	}
}

// messageForm is a message as a form.
func messageForm() *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"file":       {Type: huma.TypeString, Format: "binary", Description: "The file, with its name."},
			"message":    text("The rest of the message in JSON, where the fields below do not suffice."),
			"to":         text("As in JSON."),
			"kind":       text("As in JSON."),
			"text":       text("As in JSON."),
			"send_at":    text("As in JSON."),
			"expires_in": {Type: huma.TypeInteger, Description: "As in JSON."},
		},
	}
}

func (a *api) sentOperations() []operation {
	return []operation{
		{
			method: fiber.MethodGet, path: "/v1/sessions/:id/messages", name: "listMessages", tag: tagMessages, summary: "list messages that were accepted",
			detail: "Newest first, as long as they are kept.",
			query:  append(paging(), parameter{"state", "Only messages in these states, separated by commas: " + join(stateNames()...) + ".", shortText(200)}),
			status: fiber.StatusOK, answer: v1MessageList{}, success: "A page of messages.", refuses: []int{404}, serve: v1ListMessages,
		},
		{
			method: fiber.MethodGet, path: "/v1/sessions/:id/messages/:mid", name: "getMessage", tag: tagMessages, summary: "how far a message has come",
			detail: "With what each device of each recipient said.",
			status: fiber.StatusOK, answer: v1Message{}, success: "The message.", refuses: []int{404}, serve: ofMessage(v1GetMessage),
		},
		{
			method: fiber.MethodPost, path: "/v1/sessions/:id/messages/:mid/cancel", name: "cancelMessage", tag: tagMessages, summary: "take a message back that has not left",
			detail: "409 once an attempt has begun: WhatsApp may have it then, and a message of kind revoke is what is left. Idempotent.",
			status: fiber.StatusOK, answer: v1Message{}, success: "It is cancelled and will not leave.", refuses: []int{404, 409}, serve: ofMessage(v1CancelMessage),
		},
		{
			method: fiber.MethodPost, path: "/v1/sessions/:id/messages/:mid/requeue", name: "requeueMessage", tag: tagMessages, summary: "try a message that failed once more",
			detail: "Under the same id. 409 where it has not failed, where WhatsApp had it, or where its content is no longer kept.",
			status: fiber.StatusOK, answer: v1Message{}, success: "It is queued again.", refuses: []int{404, 409, 429}, serve: ofMessage(v1RequeueMessage),
		},
		{
			method: fiber.MethodPost, path: "/v1/media", name: "uploadMedia", tag: tagMessages, summary: "upload a file for messages to come",
			detail: "The body is the file, or a form with the part `file`. It may be as large as media.max_size of the configuration.",
			query:  []parameter{{"name", "File name, of documents.", shortText(255)}},
			binary: true, forms: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"file": {Type: huma.TypeString, Format: "binary"}}, Required: []string{"file"}},
			stream: true, status: fiber.StatusCreated, answer: v1Upload{}, success: "It is kept for a while; `id` goes into media.upload of messages.",
			refuses: []int{415}, serve: v1UploadFile,
		},
	}
}

func (a *api) chatOperations() []operation {
	refuses := []int{404, 409, 415, 422, 429, 502, 504}
	return []operation{
		{
			method: fiber.MethodPost, path: "/v1/sessions/:id/chats/:chat/read", name: "markRead", tag: tagMessages, summary: "mark messages of a chat as read",
			detail: "The sender sees it, and so do the account's other devices.",
			body:   v1ReadMark{}, status: fiber.StatusNoContent, success: "WhatsApp was told.", refuses: refuses, serve: v1MarkRead,
		},
		{
			method: fiber.MethodPost, path: "/v1/sessions/:id/chats/:chat/presence", name: "setPresence", tag: tagMessages, summary: "show that the account is typing or recording",
			body: v1Presence{}, status: fiber.StatusNoContent, success: "WhatsApp was told.", refuses: refuses, serve: v1SetPresence,
		},
		{
			method: fiber.MethodPost, path: "/v1/sessions/:id/contacts/check", name: "checkContacts", tag: tagMessages, summary: "which phone numbers have WhatsApp",
			detail: "Answers are kept for a while, and WhatsApp is asked at a bounded rate.",
			body:   v1ContactsAsk{}, status: fiber.StatusOK, answer: v1ContactList{}, success: "One answer for each number, in the order of the question.",
			refuses: refuses, serve: v1CheckContacts,
		},
	}
}

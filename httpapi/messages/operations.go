package messages

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/message"
)

// Operations are the rows of the resource.
func (r *Resource) Operations(func(any) *huma.Schema) []rest.Operation {
	return slices.Concat([]rest.Operation{r.sendOperation()}, r.sentOperations(), r.heldOperations())
}

// sendRefuses lists the statuses with which a message may fail, at once or while the request waits for it.
func sendRefuses() []int { return []int{404, 409, 410, 415, 422, 429, 502, 504} }

func (r *Resource) sendOperation() rest.Operation {
	wait := &huma.Schema{Type: huma.TypeString, Enum: []any{waitNone, string(message.ServerAck), string(message.Delivered)}, Default: waitNone}
	return rest.Operation{
		Method: fiber.MethodPost, Path: "/v1/sessions/:id/messages", Name: "sendMessage", Tag: rest.TagMessages, Summary: "Send a message",
		Detail: "The message is stored before it is accepted. It leaves when the session is READY, after the messages accepted before it, through restarts and " +
			"crashes. A recipient gets it once. A file comes by URL, in base64, as an upload, or as the part `file` of a form beside `to` and `text`. " +
			"If the message fails during the wait, the answer is a problem that has the message in it.",
		Query: []rest.Parameter{
			{Name: "wait", Doc: "Answer when the message has reached this state.", Schema: wait},
			{Name: "timeout", Doc: "How long to wait for that, such as 10s. Default 30s, at most 60s. If the message has not reached the state by then, the answer is 202.", Schema: rest.ShortText(20)},
		},
		Headers: []rest.Parameter{
			{Name: rest.HeaderKey, Doc: "1 to 255 visible characters. The same key never sends twice. A repeated request gets the first message in its present state, and " +
				headerReplayed + ": true. Another message under the same key is refused.", Schema: rest.ShortText(255)},
			{Name: headerPrefer, Doc: "`wait=10` means ?wait=server_ack&timeout=10s, `respond-async` means ?wait=none (RFC 7240).", Schema: rest.ShortText(200)},
		},
		Body: v1MessageNew{}, Input: rest.Input{Examples: messageExamples(), Stream: true, Forms: messageForm()},
		Status: fiber.StatusOK, Answer: wire.Message{}, Success: "The message has reached the state that `wait` asks for.",
		Also:    rest.Also{Accepted: "The message is accepted, and `state` says how far it is. `Location` is its address."},
		Refuses: sendRefuses(), Serve: r.send,
	}
}

// messageForm is the schema of a message as a form.
func messageForm() *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"file":       {Type: huma.TypeString, Format: "binary", Description: "The file, with its name."},
			"message":    text("The rest of the message in JSON, for fields that the form does not have."),
			"to":         text("As in JSON."),
			"kind":       text("As in JSON."),
			"text":       text("As in JSON."),
			"send_at":    text("As in JSON."),
			"expires_in": {Type: huma.TypeInteger, Description: "As in JSON."},
		},
	}
}

// uploadForm is the schema of a form with only a file.
func uploadForm() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Required: []string{"file"},
		Properties: map[string]*huma.Schema{"file": {Type: huma.TypeString, Format: "binary"}},
	}
}

// heldOperations are the operations on all messages that were accepted for another account than the one that is linked.
func (r *Resource) heldOperations() []rest.Operation {
	return []rest.Operation{
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/held/requeue", Name: "requeueHeldMessages", Tag: rest.TagMessages, Summary: "Requeue all held messages",
			Detail: "Messages are held when the session is linked to another account than they were accepted for. They then leave from the account that is linked now, in the order of " +
				"their acceptance and under their ids. What changes or quotes a message of the account before fails with `invalid_request`, and is not counted. Idempotent: `messages` is 0 " +
				"if none is held. After an error, the same request continues.",
			Status: fiber.StatusOK, Answer: v1HeldMoved{}, Success: "No message is held any more.", Refuses: []int{404, 429}, Serve: r.ofHeld(r.requeueHeld),
		},
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/held/cancel", Name: "cancelHeldMessages", Tag: rest.TagMessages, Summary: "Cancel all held messages",
			Detail: "They do not leave. Idempotent: `messages` is 0 if none is held. After an error, the same request continues.",
			Status: fiber.StatusOK, Answer: v1HeldMoved{}, Success: "No message is held any more.", Refuses: []int{404}, Serve: r.ofHeld(r.cancelHeld),
		},
	}
}

func (r *Resource) sentOperations() []rest.Operation {
	of := []rest.Parameter{{Name: "mid", Doc: "The WhatsApp message id.", Schema: rest.ShortText(128)}}
	return []rest.Operation{
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id/messages", Name: "listMessages", Tag: rest.TagMessages, Summary: "List messages",
			Detail: "Newest first. send.retention and send.retention_count limit how long messages are kept.",
			Query:  append(rest.Paging(), rest.Parameter{Name: "state", Doc: "Only messages in these states, separated by commas: " + rest.Join(stateNames()...) + ".", Schema: rest.ShortText(200)}),
			Status: fiber.StatusOK, Answer: v1MessageList{}, Success: "A page of messages.", Refuses: []int{404}, Serve: r.list,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id/messages/:mid", Name: "getMessage", Tag: rest.TagMessages, Summary: "Get a message",
			Detail: "With the receipts of each device of each recipient.",
			Places: of, Status: fiber.StatusOK, Answer: wire.Message{}, Success: "The message.", Refuses: []int{404}, Serve: r.ofMessage(r.message),
		},
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/messages/:mid/cancel", Name: "cancelMessage", Tag: rest.TagMessages, Summary: "Cancel a message",
			Detail: "409 after an attempt has begun: WhatsApp may then have the message, and you can only send a message of kind revoke. Idempotent.",
			Places: of, Status: fiber.StatusOK, Answer: wire.Message{}, Success: "The message is cancelled and will not leave.", Refuses: []int{404, 409}, Serve: r.ofMessage(r.cancel),
		},
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/messages/:mid/requeue", Name: "requeueMessage", Tag: rest.TagMessages, Summary: "Requeue a failed or held message",
			Detail: "Keeps its id. A held message keeps its time limit, and leaves from the account that is linked now. 409 if WhatsApp had the message, if it is cancelled, or if its content is no longer kept; " +
				"400 if it changes or quotes a message of the account before. A message that is queued already stays so.",
			Places: of, Status: fiber.StatusOK, Answer: wire.Message{}, Success: "The message is queued again.", Refuses: []int{404, 409, 429}, Serve: r.ofMessage(r.requeue),
		},
		{
			Method: fiber.MethodPost, Path: "/v1/media", Name: "uploadMedia", Tag: rest.TagMessages, Summary: "Upload a file",
			Detail: "The body is the file, or a form with the part `file`. It may be as large as media.max_size of the configuration.",
			Query:  []rest.Parameter{{Name: "name", Doc: "File name of a document.", Schema: rest.ShortText(255)}},
			Input:  rest.Input{Binary: true, Forms: uploadForm(), Stream: true}, Status: fiber.StatusCreated, Answer: v1Upload{}, Success: "The file is kept for a while (media.keep). Use `id` as media.upload of messages.",
			Refuses: []int{415}, Serve: r.upload,
		},
	}
}

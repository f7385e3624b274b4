package webhooks

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

const (
	hookPath = "/v1/webhooks/:webhook"

	aboutWebhooks = "wasup posts events as JSON and signs them as Standard Webhooks says; docs/webhooks.md shows how to verify them. " +
		"Delivery is at least once, and in order for each session. An event is tried again with growing pauses, until the receiver " +
		"answers 2xx or the event's time is over (webhooks.retry_for). The answer has the secret, which is not shown again."
)

// Operations are the rows of the resource.
func (r *Resource) Operations(func(any) *huma.Schema) []rest.Operation {
	all := append(r.registryOperations(), r.deliveryOperations()...)
	for i := range all {
		all[i].Tag = rest.TagWebhooks
		if strings.HasPrefix(all[i].Path, hookPath) {
			all[i].Places = []rest.Parameter{{Name: "webhook", Doc: "The webhook's id.", Schema: rest.ShortText(128)}}
		}
	}
	return all
}

func (r *Resource) registryOperations() []rest.Operation {
	return []rest.Operation{
		{
			Method: fiber.MethodPost, Path: "/v1/webhooks", Name: "createWebhook", Summary: "Create a webhook", Detail: aboutWebhooks,
			Body: v1WebhookNew{}, Status: fiber.StatusCreated, Answer: v1Webhook{}, Success: "Created; `Location` is its address.",
			Refuses: []int{404, 409, 413, 415}, Serve: r.create,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/webhooks", Name: "listWebhooks", Summary: "List webhooks", Detail: "Sorted by id.",
			Query: rest.Paging(), Status: fiber.StatusOK, Answer: v1WebhookList{}, Success: "A page of webhooks.", Serve: r.list,
		},
		{
			Method: fiber.MethodPost, Path: "/v1/sessions/:id/webhooks", Name: "createSessionWebhook", Summary: "Create a webhook for a session",
			Detail: aboutWebhooks + " The webhook is deleted with its session.",
			Body:   v1SessionWebhookNew{}, Status: fiber.StatusCreated, Answer: v1Webhook{}, Success: "Created; `Location` is its address.",
			Refuses: []int{404, 409, 413, 415}, Serve: r.createForSession,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id/webhooks", Name: "listSessionWebhooks", Summary: "List a session's webhooks",
			Detail: "The session's own webhooks, and those for every session, which have no session_id.",
			Query:  rest.Paging(), Status: fiber.StatusOK, Answer: v1WebhookList{}, Success: "A page of webhooks.", Refuses: []int{404}, Serve: r.listForSession,
		},
		{
			Method: fiber.MethodGet, Path: hookPath, Name: "getWebhook", Summary: "Get a webhook",
			Status: fiber.StatusOK, Answer: v1Webhook{}, Success: "The webhook.", Refuses: []int{404}, Serve: r.get,
		},
		{
			Method: fiber.MethodPatch, Path: hookPath, Name: "updateWebhook", Summary: "Update a webhook",
			Detail: "Takes a JSON merge patch (RFC 7396): fields that are left out stay. Waiting events are tried again at once.",
			Body:   v1WebhookPatch{}, Status: fiber.StatusOK, Answer: v1Webhook{}, Success: "The webhook as it is now.",
			Refuses: []int{404, 413, 415}, Serve: r.patch,
		},
		{
			Method: fiber.MethodDelete, Path: hookPath, Name: "deleteWebhook", Summary: "Delete a webhook",
			Detail: "Deletes its undelivered events and its dead letters too. Idempotent: 204 also if there is no such webhook.",
			Status: fiber.StatusNoContent, Success: "It is gone.", Serve: r.remove,
		},
		{
			Method: fiber.MethodPost, Path: hookPath + "/rotate-secret", Name: "rotateWebhookSecret", Summary: "Rotate a webhook's secret",
			Detail: "For a day, requests are signed with the old secret too, so that you can switch receivers over.",
			Body:   v1WebhookRotation{}, Input: rest.Input{Optional: true}, Status: fiber.StatusOK, Answer: v1Webhook{}, Success: "The webhook with its new secret, which is not shown again.",
			Refuses: []int{404, 413, 415}, Serve: r.rotateSecret,
		},
	}
}

func (r *Resource) deliveryOperations() []rest.Operation {
	of := &huma.Schema{Type: huma.TypeString, Pattern: `^[a-z0-9][a-z0-9_-]{0,63}$`}
	return []rest.Operation{
		{
			Method: fiber.MethodPost, Path: hookPath + "/test", Name: "testWebhook", Summary: "Test a webhook",
			Detail: "Sends a webhook.test event and returns the receiver's answer, also if the webhook is paused. If the receiver accepts it, waiting events are sent at once.",
			Status: fiber.StatusOK, Answer: v1WebhookDelivery{}, Success: "The attempt, whether it succeeded or failed.", Refuses: []int{404, 429, 504}, Serve: r.test,
		},
		{
			Method: fiber.MethodGet, Path: hookPath + "/deliveries", Name: "listWebhookDeliveries", Summary: "List deliveries",
			Detail: "The last attempts, newest first. About 200 of each webhook are kept.",
			Query:  rest.Paging(), Status: fiber.StatusOK, Answer: v1WebhookDeliveries{}, Success: "A page of attempts.", Refuses: []int{404}, Serve: r.listDeliveries,
		},
		{
			Method: fiber.MethodGet, Path: hookPath + "/dead-letters", Name: "listDeadLetters", Summary: "List dead letters",
			Detail: "Events that could not be delivered within webhooks.retry_for, in the order of the log.",
			Query:  append(rest.Paging(), rest.Parameter{Name: "session_id", Doc: "Only those of this session.", Schema: of}),
			Status: fiber.StatusOK, Answer: v1DeadLetters{}, Success: "A page of dead letters.", Refuses: []int{404}, Serve: r.listDead,
		},
		{
			Method: fiber.MethodPost, Path: hookPath + "/dead-letters/replay", Name: "replayDeadLetters", Summary: "Replay dead letters",
			Detail: "All dead letters, or those that the body chooses. One that fails again stays.",
			Body:   v1DeadChoice{}, Input: rest.Input{Optional: true}, Status: fiber.StatusOK, Answer: v1Count{}, Success: "How many will be tried.",
			Refuses: []int{404, 413, 415}, Serve: r.requeueDead,
		},
		{
			Method: fiber.MethodPost, Path: hookPath + "/dead-letters/discard", Name: "discardDeadLetters", Summary: "Discard dead letters",
			Detail: "All dead letters, or those that the body chooses.",
			Body:   v1DeadChoice{}, Input: rest.Input{Optional: true}, Status: fiber.StatusOK, Answer: v1Count{}, Success: "How many are deleted.",
			Refuses: []int{404, 413, 415}, Serve: r.discardDead,
		},
		{
			Method: fiber.MethodPost, Path: hookPath + "/replay", Name: "replayWebhook", Summary: "Replay events",
			Detail: "Sends stored events again: from a number on, from a time on, or all of the log; of one session or of all. The events keep their ids and their order. Undelivered events follow.",
			Body:   v1Replay{}, Input: rest.Input{Optional: true}, Status: fiber.StatusOK, Answer: v1Replayed{}, Success: "The sessions whose events are sent again.",
			Refuses: []int{404, 413, 415}, Serve: r.replay,
		},
	}
}

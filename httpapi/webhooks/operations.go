package webhooks

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

const (
	hookPath = "/v1/webhooks/:webhook"

	aboutWebhooks = "Events are posted as JSON and signed as Standard Webhooks says; docs/webhooks.md has how to verify them. " +
		"In order for each session, at least once, with growing pauses until they are accepted with 2xx or have had their time. " +
		"The answer has the secret, which is not shown again."
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
			Detail: aboutWebhooks + " It is deleted with its session.",
			Body:   v1SessionWebhookNew{}, Status: fiber.StatusCreated, Answer: v1Webhook{}, Success: "Created; `Location` is its address.",
			Refuses: []int{404, 409, 413, 415}, Serve: r.createForSession,
		},
		{
			Method: fiber.MethodGet, Path: "/v1/sessions/:id/webhooks", Name: "listSessionWebhooks", Summary: "List a session's webhooks",
			Detail: "Its own ones, and those for every session, which have no session_id.",
			Query:  rest.Paging(), Status: fiber.StatusOK, Answer: v1WebhookList{}, Success: "A page of webhooks.", Refuses: []int{404}, Serve: r.listForSession,
		},
		{
			Method: fiber.MethodGet, Path: hookPath, Name: "getWebhook", Summary: "Get a webhook",
			Status: fiber.StatusOK, Answer: v1Webhook{}, Success: "The webhook.", Refuses: []int{404}, Serve: r.get,
		},
		{
			Method: fiber.MethodPatch, Path: hookPath, Name: "updateWebhook", Summary: "Update a webhook",
			Detail: "A JSON merge patch (RFC 7396): what is left out stays. What waits is tried again at once.",
			Body:   v1WebhookPatch{}, Status: fiber.StatusOK, Answer: v1Webhook{}, Success: "The webhook as it is now.",
			Refuses: []int{404, 413, 415}, Serve: r.patch,
		},
		{
			Method: fiber.MethodDelete, Path: hookPath, Name: "deleteWebhook", Summary: "Delete a webhook",
			Detail: "Deletes what it has not delivered as well. Idempotent: 204 also where there is no such webhook.",
			Status: fiber.StatusNoContent, Success: "It is gone.", Serve: r.remove,
		},
		{
			Method: fiber.MethodPost, Path: hookPath + "/rotate-secret", Name: "rotateWebhookSecret", Summary: "Rotate a webhook's secret",
			Detail: "The secret of before signs as well for a day, so that receivers can be changed over.",
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
			Detail: "Sends a webhook.test event and answers what the receiver said, also where the webhook is paused. A receiver that takes it gets what waits for it at once.",
			Status: fiber.StatusOK, Answer: v1WebhookDelivery{}, Success: "What became of it, good or bad.", Refuses: []int{404, 429, 504}, Serve: r.test,
		},
		{
			Method: fiber.MethodGet, Path: hookPath + "/deliveries", Name: "listWebhookDeliveries", Summary: "List deliveries",
			Detail: "The last attempts, newest first. About 200 of each webhook are kept.",
			Query:  rest.Paging(), Status: fiber.StatusOK, Answer: v1WebhookDeliveries{}, Success: "A page of attempts.", Refuses: []int{404}, Serve: r.listDeliveries,
		},
		{
			Method: fiber.MethodGet, Path: hookPath + "/dead-letters", Name: "listDeadLetters", Summary: "List dead letters",
			Detail: "Events that could not be delivered in their time, in the order of the log.",
			Query:  append(rest.Paging(), rest.Parameter{Name: "session_id", Doc: "Only those of this session.", Schema: of}),
			Status: fiber.StatusOK, Answer: v1DeadLetters{}, Success: "A page of dead letters.", Refuses: []int{404}, Serve: r.listDead,
		},
		{
			Method: fiber.MethodPost, Path: hookPath + "/dead-letters/replay", Name: "replayDeadLetters", Summary: "Replay dead letters",
			Detail: "All of them, or those that the body chooses. What fails again stays.",
			Body:   v1DeadChoice{}, Input: rest.Input{Optional: true}, Status: fiber.StatusOK, Answer: v1Count{}, Success: "How many will be tried.",
			Refuses: []int{404, 413, 415}, Serve: r.requeueDead,
		},
		{
			Method: fiber.MethodPost, Path: hookPath + "/dead-letters/discard", Name: "discardDeadLetters", Summary: "Discard dead letters",
			Detail: "All of them, or those that the body chooses.",
			Body:   v1DeadChoice{}, Input: rest.Input{Optional: true}, Status: fiber.StatusOK, Answer: v1Count{}, Success: "How many are deleted.",
			Refuses: []int{404, 413, 415}, Serve: r.discardDead,
		},
		{
			Method: fiber.MethodPost, Path: hookPath + "/replay", Name: "replayWebhook", Summary: "Replay events",
			Detail: "From a number, from a time, or all that the log has; of one session or of all. They come with the ids they had, in order, and what has not been delivered yet follows.",
			Body:   v1Replay{}, Input: rest.Input{Optional: true}, Status: fiber.StatusOK, Answer: v1Replayed{}, Success: "The sessions that begin again.",
			Refuses: []int{404, 413, 415}, Serve: r.replay,
		},
	}
}

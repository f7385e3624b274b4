package httpapi

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

const (
	hookPath = "/v1/webhooks/:webhook"

	aboutWebhooks = "Events are posted as JSON and signed as Standard Webhooks says; docs/webhooks.md has how to verify them. " +
		"In order for each session, at least once, with growing pauses until they are accepted with 2xx or have had their time. " +
		"The answer has the secret, which is not shown again."
)

func (a *api) webhookOperations() []operation {
	all := []operation{
		{
			method: fiber.MethodPost, path: "/v1/webhooks", name: "createWebhook", summary: "register a webhook", detail: aboutWebhooks,
			body: v1WebhookNew{}, status: fiber.StatusCreated, answer: v1Webhook{}, success: "Created; `Location` is its address.",
			refuses: []int{404, 409, 413, 415}, serve: v1CreateWebhook,
		},
		{
			method: fiber.MethodGet, path: "/v1/webhooks", name: "listWebhooks", summary: "list webhooks", detail: "Sorted by id.",
			query: paging(), status: fiber.StatusOK, answer: v1WebhookList{}, success: "A page of webhooks.", serve: v1ListWebhooks,
		},
		{
			method: fiber.MethodPost, path: "/v1/sessions/:id/webhooks", name: "createSessionWebhook", summary: "register a webhook for one session",
			detail: aboutWebhooks + " It is deleted with its session.",
			body:   v1SessionWebhookNew{}, status: fiber.StatusCreated, answer: v1Webhook{}, success: "Created; `Location` is its address.",
			refuses: []int{404, 409, 413, 415}, serve: v1CreateSessionWebhook,
		},
		{
			method: fiber.MethodGet, path: "/v1/sessions/:id/webhooks", name: "listSessionWebhooks", summary: "list the webhooks that get a session's events",
			detail: "Its own ones, and those for every session, which have no session_id.",
			query:  paging(), status: fiber.StatusOK, answer: v1WebhookList{}, success: "A page of webhooks.", refuses: []int{404}, serve: v1ListSessionWebhooks,
		},
		{
			method: fiber.MethodGet, path: hookPath, name: "getWebhook", summary: "a webhook and how its deliveries are",
			status: fiber.StatusOK, answer: v1Webhook{}, success: "The webhook.", refuses: []int{404}, serve: v1GetWebhook,
		},
		{
			method: fiber.MethodPatch, path: hookPath, name: "updateWebhook", summary: "change, pause or resume a webhook",
			detail: "A JSON merge patch (RFC 7396): what is left out stays. What waits is tried again at once.",
			body:   v1WebhookPatch{}, status: fiber.StatusOK, answer: v1Webhook{}, success: "The webhook as it is now.",
			refuses: []int{404, 413, 415}, serve: v1PatchWebhook,
		},
		{
			method: fiber.MethodDelete, path: hookPath, name: "deleteWebhook", summary: "delete a webhook with all that it has not delivered",
			detail: "Idempotent: a webhook that is not there has been deleted.",
			status: fiber.StatusNoContent, success: "It is gone.", serve: v1DeleteWebhook,
		},
		{
			method: fiber.MethodPost, path: hookPath + "/rotate-secret", name: "rotateWebhookSecret", summary: "replace a webhook's secret",
			detail: "The secret of before signs as well for a day, so that receivers can be changed over.",
			body:   v1WebhookRotation{}, optional: true, status: fiber.StatusOK, answer: v1Webhook{}, success: "The webhook with its new secret, which is not shown again.",
			refuses: []int{404, 413, 415}, serve: v1RotateSecret,
		},
		{
			method: fiber.MethodPost, path: hookPath + "/test", name: "testWebhook", summary: "send a webhook.test event and answer what the receiver said",
			detail: "Also where the webhook is paused. A receiver that takes it gets what waits for it at once.",
			status: fiber.StatusOK, answer: v1WebhookDelivery{}, success: "What became of it, good or bad.", refuses: []int{404, 429, 504}, serve: v1TestWebhook,
		},
		{
			method: fiber.MethodGet, path: hookPath + "/deliveries", name: "listWebhookDeliveries", summary: "the last attempts, newest first",
			detail: "Some 200 of each webhook are kept.",
			query:  paging(), status: fiber.StatusOK, answer: v1WebhookDeliveries{}, success: "A page of attempts.", refuses: []int{404}, serve: v1ListDeliveries,
		},
	}
	all = append(all, a.redeliveryOperations()...)
	for i := range all {
		all[i].tag = tagWebhooks
	}
	return all
}

func (a *api) redeliveryOperations() []operation {
	of := &huma.Schema{Type: huma.TypeString, Pattern: `^[a-z0-9][a-z0-9_-]{0,63}$`}
	return []operation{
		{
			method: fiber.MethodGet, path: hookPath + "/dead-letters", name: "listDeadLetters", summary: "events that could not be delivered in their time",
			detail: "In the order of the log.",
			query:  append(paging(), parameter{"session_id", "Only those of this session.", of}),
			status: fiber.StatusOK, answer: v1DeadLetters{}, success: "A page of dead letters.", refuses: []int{404}, serve: v1ListDead,
		},
		{
			method: fiber.MethodPost, path: hookPath + "/dead-letters/replay", name: "replayDeadLetters", summary: "try dead letters once more",
			detail: "All of them, or those that the body chooses. What fails again stays.",
			body:   v1DeadChoice{}, optional: true, status: fiber.StatusOK, answer: v1Count{}, success: "How many will be tried.",
			refuses: []int{404, 413, 415}, serve: v1RequeueDead,
		},
		{
			method: fiber.MethodPost, path: hookPath + "/dead-letters/discard", name: "discardDeadLetters", summary: "delete dead letters",
			detail: "All of them, or those that the body chooses.",
			body:   v1DeadChoice{}, optional: true, status: fiber.StatusOK, answer: v1Count{}, success: "How many are deleted.",
			refuses: []int{404, 413, 415}, serve: v1DiscardDead,
		},
		{
			method: fiber.MethodPost, path: hookPath + "/replay", name: "replayWebhook", summary: "deliver events once more",
			detail: "From a number, from a time, or all that the log has; of one session or of all. They come with the ids they had, in order, and what has not been delivered yet follows.",
			body:   v1Replay{}, optional: true, status: fiber.StatusOK, answer: v1Replayed{}, success: "The sessions that begin again.",
			refuses: []int{404, 413, 415}, serve: v1ReplayWebhook,
		},
	}
}

package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// v1CreateWebhook is POST /v1/webhooks.
func v1CreateWebhook(s *Server, k *call) error {
	var in v1WebhookNew
	if err := k.decode(&in); err != nil {
		return err
	}
	return s.createWebhook(k, &in)
}

// v1CreateSessionWebhook is POST /v1/sessions/{id}/webhooks.
func v1CreateSessionWebhook(s *Server, k *call) error {
	var in v1SessionWebhookNew
	if err := k.decode(&in); err != nil {
		return err
	}
	return s.createWebhook(k, &v1WebhookNew{
		SessionID: string(k.id), URL: in.URL, Description: in.Description, Events: in.Events, Headers: in.Headers,
		Secret: in.Secret, Active: in.Active, From: in.From,
	})
}

func (s *Server) createWebhook(k *call, in *v1WebhookNew) error {
	kinds, err := wantedEvents(in.Events)
	if err != nil {
		return err
	}
	var from session.Origin
	switch in.From {
	case "", "now":
	case "beginning":
		from.Beginning = true
	default:
		if from.Seq, err = strconv.ParseUint(in.From, 10, 63); err != nil {
			return badField("from", "expected now, beginning, or the number of an event")
		}
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	hook, err := s.deps.Webhooks.Create(ctx, session.Webhook{
		Session: session.ID(in.SessionID), URL: in.URL, Description: in.Description, Events: kinds, Headers: in.Headers,
		Secret: in.Secret, Active: in.Active == nil || *in.Active,
	}, from)
	if err != nil {
		return err
	}
	k.Set(fiber.HeaderLocation, "/v1/webhooks/"+hook.ID)
	answer := v1WebhookOf(&hook, s.cfg.Now())
	answer.Secret = hook.Secret
	s.render(k.Ctx, fiber.StatusCreated, answer)
	return nil
}

// wantedEvents is the types that a request names; none are all.
func wantedEvents(in []v1WebhookEvent) ([]session.EventType, error) {
	if slices.Contains(in, everyEvent) {
		if len(in) > 1 {
			return nil, badField("events", "expected * alone: it is every type")
		}
		return nil, nil
	}
	var kinds []session.EventType
	for _, kind := range in {
		kinds = append(kinds, session.EventType(kind))
	}
	return kinds, nil
}

// v1ListWebhooks is GET /v1/webhooks.
func v1ListWebhooks(s *Server, k *call) error {
	return s.listWebhooks(k, func(*session.Webhook) bool { return true })
}

// v1ListSessionWebhooks is GET /v1/sessions/{id}/webhooks.
func v1ListSessionWebhooks(s *Server, k *call) error {
	if _, err := s.known(k); err != nil {
		return err
	}
	return s.listWebhooks(k, func(hook *session.Webhook) bool { return hook.Covers(k.id) })
}

func (s *Server) listWebhooks(k *call, want func(*session.Webhook) bool) error {
	after, err := k.cursor()
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(s.deps.Webhooks.List(), func(hook session.Webhook) bool { return !want(&hook) })
	slices.SortFunc(list, func(a, b session.Webhook) int { return strings.Compare(a.ID, b.ID) })
	page, next := pageOf(list, after, k.integer("limit", defaultPage), func(hook session.Webhook) session.ID { return session.ID(hook.ID) })
	answer := v1WebhookList{Items: make([]v1Webhook, 0, len(page)), Total: len(list), NextCursor: next}
	for i := range page {
		answer.Items = append(answer.Items, v1WebhookOf(&page[i], s.cfg.Now()))
	}
	return s.ok(k.Ctx, answer)
}

// hookID is the webhook's id of the path. What cannot be one is not looked up.
func (k *call) hookID() string { return strings.Clone(k.Params("webhook")) }

// v1GetWebhook is GET /v1/webhooks/{webhook}.
func v1GetWebhook(s *Server, k *call) error {
	hook, err := s.deps.Webhooks.Get(k.hookID())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	status, err := s.deps.Deliveries.Status(ctx, hook.ID)
	if err != nil {
		return err
	}
	answer := v1WebhookOf(&hook, s.cfg.Now())
	answer.Status = v1WebhookStatusOf(&hook, &status)
	return s.ok(k.Ctx, answer)
}

// v1PatchWebhook is PATCH /v1/webhooks/{webhook}.
func v1PatchWebhook(s *Server, k *call) error {
	hook, err := s.deps.Webhooks.Get(k.hookID())
	if err != nil {
		return err
	}
	patch, err := webhookPatch(&hook, k)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	if hook, err = s.deps.Webhooks.Update(ctx, hook.ID, patch); err != nil {
		return err
	}
	return s.ok(k.Ctx, v1WebhookOf(&hook, s.cfg.Now()))
}

func webhookPatch(hook *session.Webhook, k *call) (patch session.WebhookPatch, err error) {
	var in v1WebhookPatch
	var given map[string]json.RawMessage // tells a field that is null from one that is absent
	if err := errors.Join(k.decode(&in), k.decode(&given)); err != nil {
		return patch, err
	}
	patch.URL, patch.Active = in.URL, in.Active
	if _, ok := given["description"]; ok {
		text := orEmpty(in.Description)
		patch.Description = &text
	}
	if in.Events != nil {
		kinds, err := wantedEvents(in.Events)
		if err != nil {
			return patch, err
		}
		patch.Events = &kinds
	}
	if _, ok := given["headers"]; !ok {
		return patch, nil
	}
	patch.Headers = in.Headers
	for name, value := range in.Headers {
		if value != nil && *value == shownHeader {
			delete(patch.Headers, name) // who writes back what was read changes nothing
		}
	}
	if in.Headers == nil {
		patch.Headers = make(map[string]*string)
		for name := range hook.Headers {
			patch.Headers[name] = nil
		}
	}
	return patch, nil
}

// v1DeleteWebhook is DELETE /v1/webhooks/{webhook}.
func v1DeleteWebhook(s *Server, k *call) error {
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	if err := s.deps.Webhooks.Delete(ctx, k.hookID()); err != nil && session.CodeOf(err) != session.CodeUnknownWebhook {
		return err
	}
	k.Status(fiber.StatusNoContent)
	return nil
}

// v1RotateSecret is POST /v1/webhooks/{webhook}/rotate-secret.
func v1RotateSecret(s *Server, k *call) error {
	var in v1WebhookRotation
	if err := k.decode(&in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	hook, err := s.deps.Webhooks.Rotate(ctx, k.hookID(), in.Secret)
	if err != nil {
		return err
	}
	answer := v1WebhookOf(&hook, s.cfg.Now())
	answer.Secret = hook.Secret
	return s.ok(k.Ctx, answer)
}

// v1TestWebhook is POST /v1/webhooks/{webhook}/test.
func v1TestWebhook(s *Server, k *call) error {
	ctx, cancel := context.WithTimeout(s.work, s.cfg.LinkTimeout)
	defer cancel()
	d, err := s.deps.Webhooks.Test(ctx, k.hookID())
	if err != nil {
		return err
	}
	return s.ok(k.Ctx, v1WebhookDeliveryOf(&d))
}

// v1ListDeliveries is GET /v1/webhooks/{webhook}/deliveries.
func v1ListDeliveries(s *Server, k *call) error {
	before, err := k.number()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	limit := k.integer("limit", defaultPage)
	list, err := s.deps.Deliveries.Deliveries(ctx, k.hookID(), before, limit+1)
	if err != nil {
		return err
	}
	answer := v1WebhookDeliveries{Items: make([]v1WebhookDelivery, 0, limit)}
	for i := range list[:min(limit, len(list))] {
		answer.Items = append(answer.Items, v1WebhookDeliveryOf(&list[i]))
	}
	if len(list) > limit {
		answer.NextCursor = cursorOf(list[limit-1].N)
	}
	return s.ok(k.Ctx, answer)
}

// v1ListDead is GET /v1/webhooks/{webhook}/dead-letters.
func v1ListDead(s *Server, k *call) error {
	after, err := k.number()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	limit := k.integer("limit", defaultPage)
	list, err := s.deps.Deliveries.DeadLetters(ctx, k.hookID(), session.ID(k.query["session_id"]), after, limit+1)
	if err != nil {
		return err
	}
	answer := v1DeadLetters{Items: make([]v1DeadLetter, 0, limit)}
	for i := range list[:min(limit, len(list))] {
		answer.Items = append(answer.Items, v1DeadLetterOf(&list[i]))
	}
	if len(list) > limit {
		answer.NextCursor = cursorOf(list[limit-1].Event.Pos)
	}
	return s.ok(k.Ctx, answer)
}

// number is the cursor of a list that is ordered by numbers, 0 for the first page.
func (k *call) number() (uint64, error) {
	text, err := k.cursor()
	if err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.ParseUint(string(text), 10, 63)
	if err != nil {
		return 0, badField("cursor", "expected the next_cursor of an earlier answer")
	}
	return n, nil
}

func cursorOf(n uint64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.FormatUint(n, 10)))
}

// v1RequeueDead is POST /v1/webhooks/{webhook}/dead-letters/replay.
func v1RequeueDead(s *Server, k *call) error { return s.changeDead(k, s.deps.Deliveries.Requeue) }

// v1DiscardDead is POST /v1/webhooks/{webhook}/dead-letters/discard.
func v1DiscardDead(s *Server, k *call) error { return s.changeDead(k, s.deps.Deliveries.Discard) }

func (s *Server) changeDead(k *call, change func(context.Context, string, session.ID, uint64) (int, error)) error {
	var in v1DeadChoice
	if err := k.decode(&in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	n, err := change(ctx, k.hookID(), session.ID(in.SessionID), in.Pos)
	if err != nil {
		return err
	}
	return s.ok(k.Ctx, v1Count{n})
}

// v1ReplayWebhook is POST /v1/webhooks/{webhook}/replay.
func v1ReplayWebhook(s *Server, k *call) error {
	var in v1Replay
	if err := k.decode(&in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.LinkTimeout)
	defer cancel()
	moved, err := s.deps.Deliveries.Replay(ctx, k.hookID(), session.Replay{Session: session.ID(in.SessionID), Seq: in.Seq, Since: in.Since})
	if err != nil {
		return err
	}
	answer := v1Replayed{Sessions: make([]string, 0, len(moved))}
	for _, id := range moved {
		answer.Sessions = append(answer.Sessions, string(id))
	}
	return s.ok(k.Ctx, answer)
}

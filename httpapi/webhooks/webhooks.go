package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/webhooks"
)

// Registry is the registry of webhooks. Every method is safe for concurrent use. Errors carry a session.Code; an unknown
// webhook is session.CodeUnknownWebhook.
type Registry interface {
	// Create registers a webhook under a generated id. It generates a secret unless one is given. An unknown session is
	// session.CodeNotFound.
	Create(ctx context.Context, hook webhooks.Webhook, from webhooks.Origin) (webhooks.Webhook, error)
	Get(id string) (webhooks.Webhook, error)
	List() []webhooks.Webhook
	Update(ctx context.Context, id string, patch webhooks.Patch) (webhooks.Webhook, error)
	// Rotate replaces the secret. If secret is "", it generates one.
	Rotate(ctx context.Context, id, secret string) (webhooks.Webhook, error)
	Delete(ctx context.Context, id string) error
	// Test sends a test event and returns the result of the delivery.
	Test(ctx context.Context, id string) (webhooks.Delivery, error)
}

// Deliveries is the delivery of events to webhooks. Every method is safe for concurrent use. The errors are those of
// Registry.
type Deliveries interface {
	Status(ctx context.Context, id string) (webhooks.Status, error)
	// Deliveries lists the last attempts, newest first. If before is not 0, it lists those with a lower number.
	Deliveries(ctx context.Context, id string, before uint64, limit int) ([]webhooks.Delivery, error)
	// DeadLetters lists the dead letters after a position of the log: those of one session, or of all if of is "".
	DeadLetters(ctx context.Context, id string, of session.ID, after uint64, limit int) ([]webhooks.DeadLetter, error)
	// Requeue queues dead letters again: all, those of a session, or the one at a position. It returns how many.
	Requeue(ctx context.Context, id string, of session.ID, pos uint64) (int, error)
	// Discard deletes dead letters, which are selected in the same way. It returns how many.
	Discard(ctx context.Context, id string, of session.ID, pos uint64) (int, error)
	// Replay delivers stored events again. It returns the sessions whose events are delivered again.
	Replay(ctx context.Context, id string, replay webhooks.Replay) ([]session.ID, error)
}

// Resource serves the operations of this package.
type Resource struct {
	host       *rest.Host
	registry   Registry
	deliveries Deliveries
}

// New makes the resource.
func New(host *rest.Host, registry Registry, deliveries Deliveries) *Resource {
	return &Resource{host, registry, deliveries}
}

// create is POST /v1/webhooks.
func (r *Resource) create(k *rest.Call) error {
	var in v1WebhookNew
	if err := k.Decode(&in); err != nil {
		return err
	}
	return r.register(k, &in)
}

// createForSession is POST /v1/sessions/{id}/webhooks.
func (r *Resource) createForSession(k *rest.Call) error {
	var in v1SessionWebhookNew
	if err := k.Decode(&in); err != nil {
		return err
	}
	return r.register(k, &v1WebhookNew{
		SessionID: string(k.ID), URL: in.URL, Description: in.Description, Events: in.Events, Headers: in.Headers,
		Secret: in.Secret, Active: in.Active, From: in.From,
	})
}

func (r *Resource) register(k *rest.Call, in *v1WebhookNew) error {
	kinds, err := wantedEvents(in.Events)
	if err != nil {
		return err
	}
	var from webhooks.Origin
	switch in.From {
	case "", "now":
	case "beginning":
		from.Beginning = true
	default:
		if from.Seq, err = strconv.ParseUint(in.From, 10, 63); err != nil {
			return rest.BadField("from", "expected now, beginning, or the number of an event")
		}
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	hook, err := r.registry.Create(ctx, webhooks.Webhook{
		Session: session.ID(in.SessionID), URL: in.URL, Description: in.Description, Events: kinds, Headers: in.Headers,
		Secret: in.Secret, Active: in.Active == nil || *in.Active,
	}, from)
	if err != nil {
		return err
	}
	k.Set(fiber.HeaderLocation, "/v1/webhooks/"+hook.ID)
	answer := webhookOf(&hook, r.host.Now())
	answer.Secret = hook.Secret
	k.Render(fiber.StatusCreated, answer)
	return nil
}

// wantedEvents returns the types that a request names. nil means all types.
func wantedEvents(in []v1WebhookEvent) ([]events.Type, error) {
	if slices.Contains(in, everyEvent) {
		if len(in) > 1 {
			return nil, rest.BadField("events", "expected * alone: it is every type")
		}
		return nil, nil
	}
	var kinds []events.Type
	for _, kind := range in {
		kinds = append(kinds, events.Type(kind))
	}
	return kinds, nil
}

// list is GET /v1/webhooks.
func (r *Resource) list(k *rest.Call) error {
	return r.listWhere(k, func(*webhooks.Webhook) bool { return true })
}

// listForSession is GET /v1/sessions/{id}/webhooks.
func (r *Resource) listForSession(k *rest.Call) error {
	if _, err := k.Known(); err != nil {
		return err
	}
	return r.listWhere(k, func(hook *webhooks.Webhook) bool { return hook.Covers(k.ID) })
}

func (r *Resource) listWhere(k *rest.Call, want func(*webhooks.Webhook) bool) error {
	after, err := k.Cursor()
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(r.registry.List(), func(hook webhooks.Webhook) bool { return !want(&hook) })
	slices.SortFunc(list, func(a, b webhooks.Webhook) int { return strings.Compare(a.ID, b.ID) })
	page, next := rest.PageOf(list, after, k.Integer("limit", rest.DefaultPage), func(hook webhooks.Webhook) session.ID { return session.ID(hook.ID) })
	answer := v1WebhookList{Items: make([]v1Webhook, 0, len(page)), Total: len(list), NextCursor: next}
	for i := range page {
		answer.Items = append(answer.Items, webhookOf(&page[i], r.host.Now()))
	}
	return k.OK(answer)
}

// hookID returns the webhook's id from the path, which may be invalid.
func hookID(k *rest.Call) string { return strings.Clone(k.Params("webhook")) }

// get is GET /v1/webhooks/{webhook}.
func (r *Resource) get(k *rest.Call) error {
	hook, err := r.registry.Get(hookID(k))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	status, err := r.deliveries.Status(ctx, hook.ID)
	if err != nil {
		return err
	}
	answer := webhookOf(&hook, r.host.Now())
	answer.Status = webhookStatusOf(&hook, &status)
	return k.OK(answer)
}

// patch is PATCH /v1/webhooks/{webhook}.
func (r *Resource) patch(k *rest.Call) error {
	hook, err := r.registry.Get(hookID(k))
	if err != nil {
		return err
	}
	patch, err := webhookPatch(&hook, k)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	if hook, err = r.registry.Update(ctx, hook.ID, patch); err != nil {
		return err
	}
	return k.OK(webhookOf(&hook, r.host.Now()))
}

func webhookPatch(hook *webhooks.Webhook, k *rest.Call) (patch webhooks.Patch, err error) {
	var in v1WebhookPatch
	var given map[string]json.RawMessage // shows whether a field is null or absent
	if err := errors.Join(k.Decode(&in), k.Decode(&given)); err != nil {
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
			delete(patch.Headers, name) // a caller that writes back the masked value changes nothing
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

// remove is DELETE /v1/webhooks/{webhook}.
func (r *Resource) remove(k *rest.Call) error {
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	if err := r.registry.Delete(ctx, hookID(k)); err != nil && session.CodeOf(err) != session.CodeUnknownWebhook {
		return err
	}
	k.Status(fiber.StatusNoContent)
	return nil
}

// rotateSecret is POST /v1/webhooks/{webhook}/rotate-secret.
func (r *Resource) rotateSecret(k *rest.Call) error {
	var in v1WebhookRotation
	if err := k.Decode(&in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	hook, err := r.registry.Rotate(ctx, hookID(k), in.Secret)
	if err != nil {
		return err
	}
	answer := webhookOf(&hook, r.host.Now())
	answer.Secret = hook.Secret
	return k.OK(answer)
}

// test is POST /v1/webhooks/{webhook}/test.
func (r *Resource) test(k *rest.Call) error {
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.LinkTimeout)
	defer cancel()
	d, err := r.registry.Test(ctx, hookID(k))
	if err != nil {
		return err
	}
	return k.OK(webhookDeliveryOf(&d))
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

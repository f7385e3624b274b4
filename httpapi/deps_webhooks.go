package httpapi

import (
	"context"

	"wasup/internal/session"
)

// Webhooks is the registry of webhooks. Every method is safe for concurrent use; errors carry a session.Code, and a
// webhook that is not there is session.CodeUnknownWebhook.
type Webhooks interface {
	// Create registers a webhook under an id that it makes up, with a secret unless one is given. session.CodeNotFound
	// where it is for a session that is not there.
	Create(ctx context.Context, hook session.Webhook, from session.Origin) (session.Webhook, error)
	Get(id string) (session.Webhook, error)
	List() []session.Webhook
	Update(ctx context.Context, id string, patch session.WebhookPatch) (session.Webhook, error)
	// Rotate replaces the secret, by a new one where none is given.
	Rotate(ctx context.Context, id, secret string) (session.Webhook, error)
	Delete(ctx context.Context, id string) error
	// Test sends an event that nothing has caused and returns what became of it.
	Test(ctx context.Context, id string) (session.WebhookDelivery, error)
}

// Deliveries is what became of the events of webhooks. Every method is safe for concurrent use; errors are those of
// Webhooks.
type Deliveries interface {
	Status(ctx context.Context, id string) (session.WebhookStatus, error)
	// Deliveries lists the last attempts, newest first: those before a number, where it is not 0.
	Deliveries(ctx context.Context, id string, before uint64, limit int) ([]session.WebhookDelivery, error)
	// DeadLetters lists what could not be delivered after a position of the log; of all sessions with the empty id.
	DeadLetters(ctx context.Context, id string, of session.ID, after uint64, limit int) ([]session.DeadLetter, error)
	// Requeue lets dead letters be tried once more: all, those of a session, or the one at a position. It says how many.
	Requeue(ctx context.Context, id string, of session.ID, pos uint64) (int, error)
	// Discard deletes dead letters, chosen in the same way.
	Discard(ctx context.Context, id string, of session.ID, pos uint64) (int, error)
	// Replay delivers what the log has once more. It lists the sessions that begin again.
	Replay(ctx context.Context, id string, replay session.Replay) ([]session.ID, error)
}

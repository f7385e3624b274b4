package apitest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
)

// Hooked are real webhooks, on a database that is made when a test uses it first.
type Hooked struct {
	Open  func() *webhooks.Webhooks
	Store *store.Store
}

func hooksOf(t testing.TB) *Hooked {
	h := &Hooked{}
	h.Open = sync.OnceValue(func() *webhooks.Webhooks { return h.start(t) })
	return h
}

func (h *Hooked) start(t testing.TB) *webhooks.Webhooks {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st := openStore(ctx, t)
	if st == nil {
		return nil
	}
	log := events.NewLog(st.Events(), events.Options{})
	if _, err := st.Sessions().SetDesired(ctx, "shop", session.DesiredStop); err != nil {
		t.Error(err)
	}
	h.Store = st
	w := webhooks.New(st.Webhooks(), log.Watch(), webhooks.Options{
		AllowPrivate: true, RetryMin: time.Millisecond, RetryMax: time.Millisecond, RetryFor: time.Millisecond,
	})
	if err := errors.Join(log.Start(ctx), w.Start(ctx)); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := errors.Join(w.Stop(ctx), log.Stop(ctx), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (h *Hooked) Create(ctx context.Context, hook webhooks.Webhook, from webhooks.Origin) (webhooks.Webhook, error) {
	return h.Open().Create(ctx, hook, from)
}
func (h *Hooked) Get(id string) (webhooks.Webhook, error) { return h.Open().Get(id) }
func (h *Hooked) List() []webhooks.Webhook                { return h.Open().List() }
func (h *Hooked) Update(ctx context.Context, id string, patch webhooks.Patch) (webhooks.Webhook, error) {
	return h.Open().Update(ctx, id, patch)
}

func (h *Hooked) Rotate(ctx context.Context, id, secret string) (webhooks.Webhook, error) {
	return h.Open().Rotate(ctx, id, secret)
}
func (h *Hooked) Delete(ctx context.Context, id string) error { return h.Open().Delete(ctx, id) }
func (h *Hooked) Test(ctx context.Context, id string) (webhooks.Delivery, error) {
	return h.Open().Test(ctx, id)
}

func (h *Hooked) Status(ctx context.Context, id string) (webhooks.Status, error) {
	return h.Open().Status(ctx, id)
}

func (h *Hooked) Deliveries(ctx context.Context, id string, before uint64, limit int) ([]webhooks.Delivery, error) {
	return h.Open().Deliveries(ctx, id, before, limit)
}

func (h *Hooked) DeadLetters(ctx context.Context, id string, of session.ID, after uint64, limit int) ([]webhooks.DeadLetter, error) {
	return h.Open().DeadLetters(ctx, id, of, after, limit)
}

func (h *Hooked) Requeue(ctx context.Context, id string, of session.ID, pos uint64) (int, error) {
	return h.Open().Requeue(ctx, id, of, pos)
}

func (h *Hooked) Discard(ctx context.Context, id string, of session.ID, pos uint64) (int, error) {
	return h.Open().Discard(ctx, id, of, pos)
}

func (h *Hooked) Replay(ctx context.Context, id string, replay webhooks.Replay) ([]session.ID, error) {
	return h.Open().Replay(ctx, id, replay)
}

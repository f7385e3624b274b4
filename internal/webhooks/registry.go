package webhooks

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wasup/internal/session"
)

// DisabledGone is the value of Webhook.Disabled after the receiver has answered 410.
const DisabledGone = "gone"

// Create registers a webhook. It chooses the id, and a random secret if none is given. The caller has to show the
// secret now, because it is not shown later. CodeTooManyWebhooks if a limit is reached.
func (w *Webhooks) Create(ctx context.Context, hook Webhook, from Origin) (Webhook, error) {
	hook.ID, hook.OldSecret, hook.Disabled = newID(), "", ""
	if hook.Secret == "" {
		hook.Secret = newSecret()
	}
	if err := w.check(&hook); err != nil {
		return Webhook{}, err
	}
	if from.Seq > 0 && hook.Session == "" {
		return Webhook{}, badField("from", "a number needs a session; a webhook for all sessions begins now or at the beginning")
	}
	w.changes.Lock()
	defer w.changes.Unlock()
	if err := w.checkLimits(hook.Session); err != nil {
		return Webhook{}, err
	}
	stored, err := w.store.Create(ctx, hook, from)
	if err != nil {
		return Webhook{}, err
	}
	w.storeInMap(&stored)
	w.post(func(l *loop) { l.addReceiver(&stored) })
	return stored, nil
}

// checkLimits returns an error if there may be no further webhook. The caller holds changes.
func (w *Webhooks) checkLimits(of session.ID) error {
	all, same := 0, 0
	for _, hook := range *w.all.Load() {
		all++
		if of != "" && hook.Session == of {
			same++
		}
	}
	const op = "create webhook"
	switch {
	case all >= w.opts.Max:
		return &session.Error{
			Code: session.CodeTooManyWebhooks, Op: op, Session: of,
			Message: fmt.Sprintf("there are %d webhooks, which is as many as are allowed (webhooks.max)", all),
		}
	case same >= w.opts.PerSession:
		return &session.Error{
			Code: session.CodeTooManyWebhooks, Op: op, Session: of,
			Message: fmt.Sprintf("this session has %d webhooks, which is as many as are allowed (webhooks.per_session)", same),
		}
	default:
		return nil
	}
}

func newID() string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // it never fails
	return "wh_" + strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
}

func newSecret() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // it never fails
	return SecretPrefix + base64.StdEncoding.EncodeToString(random[:])
}

func badField(field, expected string) error {
	return &session.Error{Code: session.CodeInvalidRequest, Op: "check webhook", Field: field, Message: field + ": " + expected}
}

func (w *Webhooks) check(hook *Webhook) error {
	if err := hook.Check(); err != nil {
		return err
	}
	return checkHost(w.guard, hook.URL)
}

// storeInMap puts a webhook into a new copy of the map. The caller holds changes.
func (w *Webhooks) storeInMap(hook *Webhook) {
	all := maps.Clone(*w.all.Load())
	all[hook.ID] = hook
	w.all.Store(&all)
}

// deleteFromMap removes webhooks from a new copy of the map. The caller holds changes.
func (w *Webhooks) deleteFromMap(gone func(*Webhook) bool) {
	all := maps.Clone(*w.all.Load())
	maps.DeleteFunc(all, func(_ string, hook *Webhook) bool { return gone(hook) })
	w.all.Store(&all)
}

// Get returns a webhook; CodeUnknownWebhook if there is none.
func (w *Webhooks) Get(id string) (Webhook, error) {
	hook, there := (*w.all.Load())[id]
	if !there {
		return Webhook{}, &session.Error{Code: session.CodeUnknownWebhook, Op: "find webhook"}
	}
	return *hook, nil
}

// List returns all webhooks, oldest first.
func (w *Webhooks) List() []Webhook {
	all := *w.all.Load()
	list := make([]Webhook, 0, len(all))
	for _, hook := range all {
		list = append(list, *hook)
	}
	slices.SortFunc(list, func(a, b Webhook) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return list
}

// Update changes a webhook. A patch of Active clears Disabled.
func (w *Webhooks) Update(ctx context.Context, id string, patch Patch) (Webhook, error) {
	return w.change(ctx, id, func(hook *Webhook) {
		if patch.URL != nil {
			hook.URL = *patch.URL
		}
		if patch.Description != nil {
			hook.Description = *patch.Description
		}
		if patch.Events != nil {
			hook.Events = *patch.Events
		}
		if patch.Active != nil {
			hook.Active, hook.Disabled = *patch.Active, ""
		}
		if patch.Headers == nil {
			return
		}
		hook.Headers = maps.Clone(hook.Headers)
		for name, value := range patch.Headers {
			// Names of headers are the same in any case.
			maps.DeleteFunc(hook.Headers, func(k, _ string) bool { return strings.EqualFold(k, name) })
			if value != nil {
				if hook.Headers == nil {
					hook.Headers = make(map[string]string)
				}
				hook.Headers[name] = *value
			}
		}
	})
}

// Rotate replaces a webhook's secret, by a random one if none is given. The previous secret also signs for a while
// (Options.KeepSecret).
func (w *Webhooks) Rotate(ctx context.Context, id, secret string) (Webhook, error) {
	return w.change(ctx, id, func(hook *Webhook) {
		hook.OldSecret, hook.OldUntil = hook.Secret, w.opts.Now().Add(w.opts.KeepSecret)
		if hook.Secret = secret; secret == "" {
			hook.Secret = newSecret()
		}
	})
}

func (w *Webhooks) change(ctx context.Context, id string, edit func(*Webhook)) (Webhook, error) {
	w.changes.Lock()
	defer w.changes.Unlock()
	hook, err := w.Get(id)
	if err != nil {
		return hook, err
	}
	edit(&hook)
	if err := w.check(&hook); err != nil {
		return Webhook{}, err
	}
	stored, err := w.store.Update(ctx, hook)
	if err != nil {
		return Webhook{}, err
	}
	w.storeInMap(&stored)
	w.post(func(l *loop) { l.changeReceiver(&stored) })
	return stored, nil
}

// disable switches off a webhook whose receiver answered 410, unless it was changed meanwhile.
func (w *Webhooks) disable(ctx context.Context, as *Webhook) error {
	hook, err := w.Get(as.ID)
	if err != nil || hook.URL != as.URL || !hook.Active {
		return nil //nolint:nilerr // a deleted webhook need not be switched off
	}
	_, err = w.change(ctx, as.ID, func(hook *Webhook) {
		if hook.URL == as.URL && hook.Active {
			hook.Active, hook.Disabled = false, DisabledGone
		}
	})
	if err == nil {
		w.opts.Log.Warn("webhook: switched off, because its receiver answered 410 (gone)", "webhook", as.ID)
	}
	return err
}

// Delete removes a webhook with its undelivered events.
func (w *Webhooks) Delete(ctx context.Context, id string) error {
	w.changes.Lock()
	defer w.changes.Unlock()
	if err := w.store.Delete(ctx, id); err != nil {
		return err
	}
	w.deleteFromMap(func(hook *Webhook) bool { return hook.ID == id })
	w.post(func(l *loop) { l.removeReceiver(id) })
	return nil
}

// SessionRemoved notes that a session and its webhooks were deleted from the store.
func (w *Webhooks) SessionRemoved(id session.ID) {
	w.changes.Lock()
	defer w.changes.Unlock()
	w.deleteFromMap(func(hook *Webhook) bool { return hook.Session == id })
	w.post(func(l *loop) {
		for _, r := range l.scoped[id] {
			l.removeReceiver(r.hook.ID)
		}
	})
}

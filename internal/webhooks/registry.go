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

// DisabledGone is why a webhook was switched off whose receiver answered 410.
const DisabledGone = "gone"

// Create registers a webhook. Its id is made up, and so is its secret where none is given; the caller shows the secret
// now or never. CodeTooManyWebhooks where there are as many as are allowed.
func (w *Webhooks) Create(ctx context.Context, hook Webhook, from Origin) (Webhook, error) {
	hook.ID, hook.OldSecret, hook.Disabled = newID(), "", ""
	if hook.Secret == "" {
		hook.Secret = newSecret()
	}
	if err := w.check(&hook); err != nil {
		return Webhook{}, err
	}
	if from.Seq > 0 && hook.Session == "" {
		return Webhook{}, badField("from", "a number is one session's; a webhook for all of them begins now or at the beginning")
	}
	w.changes.Lock()
	defer w.changes.Unlock()
	if err := w.room(hook.Session); err != nil {
		return Webhook{}, err
	}
	stored, err := w.store.Create(ctx, hook, from)
	if err != nil {
		return Webhook{}, err
	}
	w.put(&stored)
	w.tell(func(l *loop) { l.add(&stored) })
	return stored, nil
}

// room refuses one webhook more than are allowed; changes is held.
func (w *Webhooks) room(of session.ID) error {
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
	return literal(w.guard, hook.URL)
}

// put and drop replace the map of webhooks; changes is held.
func (w *Webhooks) put(hook *Webhook) {
	all := maps.Clone(*w.all.Load())
	all[hook.ID] = hook
	w.all.Store(&all)
}

func (w *Webhooks) drop(gone func(*Webhook) bool) {
	all := maps.Clone(*w.all.Load())
	maps.DeleteFunc(all, func(_ string, hook *Webhook) bool { return gone(hook) })
	w.all.Store(&all)
}

// Get gives a webhook; CodeUnknownWebhook where there is none.
func (w *Webhooks) Get(id string) (Webhook, error) {
	hook, there := (*w.all.Load())[id]
	if !there {
		return Webhook{}, &session.Error{Code: session.CodeUnknownWebhook, Op: "find webhook"}
	}
	return *hook, nil
}

// List gives every webhook, oldest first.
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

// Update changes a webhook. Making it active again clears why it was switched off.
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
			// One header in any spelling.
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

// Rotate replaces a webhook's secret, by a new one where none is given. The one before goes on signing for a while.
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
	w.put(&stored)
	w.tell(func(l *loop) { l.change(&stored) })
	return stored, nil
}

// disable switches a webhook off whose receiver is gone, unless it was changed meanwhile.
func (w *Webhooks) disable(ctx context.Context, as *Webhook) error {
	hook, err := w.Get(as.ID)
	if err != nil || hook.URL != as.URL || !hook.Active {
		return nil //nolint:nilerr // what was deleted needs no switch
	}
	_, err = w.change(ctx, as.ID, func(hook *Webhook) {
		if hook.URL == as.URL && hook.Active {
			hook.Active, hook.Disabled = false, DisabledGone
		}
	})
	if err == nil {
		w.opts.Log.Warn("webhook is switched off: its receiver is gone", "webhook", as.ID)
	}
	return err
}

// Delete removes a webhook, with what it has not delivered.
func (w *Webhooks) Delete(ctx context.Context, id string) error {
	w.changes.Lock()
	defer w.changes.Unlock()
	if err := w.store.Delete(ctx, id); err != nil {
		return err
	}
	w.drop(func(hook *Webhook) bool { return hook.ID == id })
	w.tell(func(l *loop) { l.remove(id) })
	return nil
}

// SessionRemoved says that a session was deleted from the store, and its webhooks with it.
func (w *Webhooks) SessionRemoved(id session.ID) {
	w.changes.Lock()
	defer w.changes.Unlock()
	w.drop(func(hook *Webhook) bool { return hook.Session == id })
	w.tell(func(l *loop) {
		for _, r := range l.scoped[id] {
			l.remove(r.hook.ID)
		}
	})
}

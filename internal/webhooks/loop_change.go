package webhooks

import (
	"context"
	"sync/atomic"
	"time"

	"wasup/internal/session"
)

// surveying reports whether a survey of any receiver runs.
func (l *loop) surveying() bool {
	for _, r := range l.receivers {
		if r.surveying {
			return true
		}
	}
	return false
}

// survey asks the database which sessions have undelivered events for a receiver, and wakes their lanes. It is needed
// once, after the start or a change of the webhook.
func (l *loop) survey(r *receiver, now time.Time) {
	if r.surveying || now.Before(r.surveyAt) {
		return
	}
	r.surveying = true
	hook := *r.hook
	l.Webhooks.work.Go(func() {
		behind, err := l.store.Behind(r.ctx, hook)
		l.post(func(l *loop) {
			r.surveying = false
			if l.receivers[hook.ID] != r {
				return
			}
			if err != nil {
				l.opts.Log.Warn("webhook: cannot look for undelivered events; retrying", "webhook", hook.ID, "err", err)
				r.surveyAt = l.opts.Now().Add(min(storePause, l.opts.RetryMin))
				l.setAlarm(r, r.surveyAt)
				return
			}
			r.surveyed = true
			for _, id := range behind {
				l.wakeLane(r, id)
			}
			l.wakeLane(r, deadLane)
		})
	})
}

// addReceiver begins to deliver to a webhook.
func (l *loop) addReceiver(hook *Webhook) {
	r := &receiver{hook: hook, halt: new(atomic.Bool), lanes: make(map[session.ID]*lane)}
	r.ctx, r.cancel = context.WithCancel(l.life)
	l.receivers[hook.ID] = r
	if hook.Session == "" {
		l.global = append(l.global, r)
	} else {
		l.scoped[hook.Session] = append(l.scoped[hook.Session], r)
	}
	l.enqueue(r)
}

// changeReceiver continues with a new version of a webhook.
func (l *loop) changeReceiver(hook *Webhook) {
	r := l.receivers[hook.ID]
	if r == nil {
		return
	}
	r.halt.Store(true)
	r.hook, r.halt = hook, new(atomic.Bool)
	// The webhook may be active again, want other types, or have another URL.
	r.surveyed, r.downUntil, r.pauseUntil = false, time.Time{}, time.Time{}
	for _, ln := range r.lanes {
		ln.reset()
		if ln.state == waiting {
			ln.force = true
			l.makeReady(ln)
		}
	}
	l.enqueue(r)
}

// replay restarts the lanes whose cursors were moved back.
func (l *loop) replay(id string, moved []session.ID) {
	r := l.receivers[id]
	if r == nil {
		return
	}
	for _, of := range moved {
		l.restartLane(r, of)
	}
}

// restartLane lets a lane start from its stored cursor.
func (l *loop) restartLane(r *receiver, id session.ID) {
	l.wakeLane(r, id)
	r.lanes[id].reset()
}

// retryNow lets a receiver that is down be tried at once.
func (l *loop) retryNow(id string) {
	if r := l.receivers[id]; r != nil {
		r.failures, r.failing, r.downUntil = 0, time.Time{}, time.Time{}
		l.wakeDown(r)
	}
}

// removeReceiver ends the deliveries to a webhook. It also cancels running requests.
func (l *loop) removeReceiver(id string) {
	r := l.receivers[id]
	if r == nil {
		return
	}
	r.cancel()
	delete(l.receivers, id)
	l.global = without(l.global, r)
	if of := r.hook.Session; of != "" {
		if l.scoped[of] = without(l.scoped[of], r); len(l.scoped[of]) == 0 {
			delete(l.scoped, of)
		}
	}
}

func without(list []*receiver, r *receiver) []*receiver {
	var left []*receiver
	for _, other := range list {
		if other != r {
			left = append(left, other)
		}
	}
	return left
}

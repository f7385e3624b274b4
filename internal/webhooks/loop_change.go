package webhooks

import (
	"context"
	"sync/atomic"
	"time"

	"wasup/internal/session"
)

// surveying says whether the database is being asked for what is undelivered.
func (l *loop) surveying() bool {
	for _, r := range l.receivers {
		if r.surveying {
			return true
		}
	}
	return false
}

// survey looks for the sessions that have something for a receiver, once.
func (l *loop) survey(r *receiver, now time.Time) {
	if r.surveying || now.Before(r.surveyAt) {
		return
	}
	r.surveying = true
	hook := *r.hook
	l.Webhooks.work.Go(func() {
		behind, err := l.store.Behind(r.ctx, hook)
		l.tell(func(l *loop) {
			r.surveying = false
			if l.receivers[hook.ID] != r {
				return
			}
			if err != nil {
				l.opts.Log.Warn("undelivered events could not be looked for", "webhook", hook.ID, "err", err)
				r.surveyAt = l.opts.Now().Add(min(storePause, l.opts.RetryMin))
				l.alarm(r, r.surveyAt)
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

// add begins to deliver to a webhook.
func (l *loop) add(hook *Webhook) {
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

// change goes on with another version of a webhook.
func (l *loop) change(hook *Webhook) {
	r := l.receivers[hook.ID]
	if r == nil {
		return
	}
	r.halt.Store(true)
	r.hook, r.halt = hook, new(atomic.Bool)
	// It may be paused no longer, want other types, or lead elsewhere.
	r.surveyed, r.shut, r.rest = false, time.Time{}, time.Time{}
	for _, ln := range r.lanes {
		ln.renew()
		if ln.state == waiting {
			ln.force = true
			l.makeReady(ln)
		}
	}
	l.enqueue(r)
}

// replay begins again with lanes whose cursors were moved back.
func (l *loop) replay(id string, moved []session.ID) {
	r := l.receivers[id]
	if r == nil {
		return
	}
	for _, of := range moved {
		l.again(r, of)
	}
}

// again begins a lane from its stored cursor.
func (l *loop) again(r *receiver, id session.ID) {
	l.wakeLane(r, id)
	r.lanes[id].renew()
}

// try lets a receiver that is down be tried at once.
func (l *loop) try(id string) {
	if r := l.receivers[id]; r != nil {
		r.failures, r.failing, r.shut = 0, time.Time{}, time.Time{}
		l.release(r)
	}
}

// remove ends the deliveries to a webhook, those that run included.
func (l *loop) remove(id string) {
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

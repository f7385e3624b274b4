package webhooks

import (
	"time"

	"wasup/httpapi/wire"
	"wasup/internal/webhooks"
)

// shownHeader is shown instead of the value of a webhook's header, because the value may be a credential.
const shownHeader = "********"

func webhookOf(w *webhooks.Webhook, now time.Time) v1Webhook {
	out := v1Webhook{
		ID: w.ID, SessionID: string(w.Session), URL: w.URL, Description: w.Description, Events: []v1WebhookEvent{everyEvent},
		Active: w.Active, Disabled: w.Disabled, CreatedAt: wire.Stamp(w.CreatedAt), UpdatedAt: wire.Stamp(w.UpdatedAt),
	}
	if len(w.Events) > 0 {
		out.Events = nil
		for _, kind := range w.Events {
			out.Events = append(out.Events, v1WebhookEvent(kind))
		}
	}
	if len(w.Headers) > 0 {
		out.Headers = make(map[string]string, len(w.Headers))
		for name := range w.Headers {
			out.Headers[name] = shownHeader
		}
	}
	if w.OldSecret != "" && now.Before(w.OldUntil) {
		out.OldSecret = wire.Stamp(w.OldUntil)
	}
	return out
}

func webhookStatusOf(w *webhooks.Webhook, s *webhooks.Status) *v1WebhookStatus {
	out := &v1WebhookStatus{
		State: hookDelivering, Backlog: s.Backlog, Sessions: s.Sessions, Oldest: wire.Stamp(s.Oldest), Failing: wire.Stamp(s.Failing),
		Failures: s.Failures, NextAttempt: wire.Stamp(s.Retry), Dead: s.Dead, Missed: s.Missed,
	}
	for i := range s.Gaps {
		g := &s.Gaps[i]
		out.Gaps = append(out.Gaps, v1WebhookGap{
			SessionID: string(g.Session), First: g.First, Last: g.Last, Count: g.Count, From: wire.Stamp(g.From), To: wire.Stamp(g.To),
			At: wire.Stamp(g.At), State: v1GapState(g.State),
		})
	}
	switch {
	case w.Disabled != "":
		out.State = hookDisabled
	case !w.Active:
		out.State = hookPaused
	case s.Failures > 0:
		out.State = hookFailing
	}
	if s.Last != nil {
		last := webhookDeliveryOf(s.Last)
		out.Last = &last
	}
	return out
}

func webhookDeliveryOf(d *webhooks.Delivery) v1WebhookDelivery {
	return v1WebhookDelivery{
		Number: d.N, SessionID: string(d.Session), Seq: d.Seq, Pos: d.Pos, Type: v1WebhookEvent(d.Type), At: wire.Stamp(d.At), Attempt: d.Attempt,
		Outcome: v1WebhookOutcome(d.Outcome), Status: d.Status, Duration: float64(d.Took.Microseconds()) / 1000, Error: d.Error,
	}
}

func deadLetterOf(d *webhooks.DeadLetter) v1DeadLetter {
	return v1DeadLetter{
		SessionID: string(d.Event.Session), Seq: d.Event.Seq, Pos: d.Event.Pos, Type: v1WebhookEvent(d.Event.Type), At: wire.Stamp(d.Event.At),
		Data: d.Event.Data, Attempts: d.Attempts, Status: d.Status, Error: d.Error, DiedAt: wire.Stamp(d.DiedAt), Requeued: d.Requeued,
	}
}

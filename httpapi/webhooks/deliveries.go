package webhooks

import (
	"context"

	"wasup/httpapi/rest"
	"wasup/internal/session"
	"wasup/internal/webhooks"
)

// listDeliveries is GET /v1/webhooks/{webhook}/deliveries.
func (r *Resource) listDeliveries(k *rest.Call) error {
	before, err := k.Number()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	limit := k.Integer("limit", rest.DefaultPage)
	list, err := r.deliveries.Deliveries(ctx, hookID(k), before, limit+1)
	if err != nil {
		return err
	}
	answer := v1WebhookDeliveries{Items: make([]v1WebhookDelivery, 0, limit)}
	for i := range list[:min(limit, len(list))] {
		answer.Items = append(answer.Items, webhookDeliveryOf(&list[i]))
	}
	if len(list) > limit {
		answer.NextCursor = rest.CursorOf(list[limit-1].N)
	}
	return k.OK(answer)
}

// listDead is GET /v1/webhooks/{webhook}/dead-letters.
func (r *Resource) listDead(k *rest.Call) error {
	after, err := k.Number()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	limit := k.Integer("limit", rest.DefaultPage)
	list, err := r.deliveries.DeadLetters(ctx, hookID(k), session.ID(k.Query["session_id"]), after, limit+1)
	if err != nil {
		return err
	}
	answer := v1DeadLetters{Items: make([]v1DeadLetter, 0, limit)}
	for i := range list[:min(limit, len(list))] {
		answer.Items = append(answer.Items, deadLetterOf(&list[i]))
	}
	if webhooks.Full(list, limit+1) {
		answer.NextCursor = rest.CursorOf(list[len(answer.Items)-1].Event.Pos)
	}
	return k.OK(answer)
}

// requeueDead is POST /v1/webhooks/{webhook}/dead-letters/replay.
func (r *Resource) requeueDead(k *rest.Call) error { return r.changeDead(k, r.deliveries.Requeue) }

// discardDead is POST /v1/webhooks/{webhook}/dead-letters/discard.
func (r *Resource) discardDead(k *rest.Call) error { return r.changeDead(k, r.deliveries.Discard) }

func (r *Resource) changeDead(k *rest.Call, change func(context.Context, string, session.ID, uint64) (int, error)) error {
	var in v1DeadChoice
	if err := k.Decode(&in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	n, err := change(ctx, hookID(k), session.ID(in.SessionID), in.Pos)
	if err != nil {
		return err
	}
	return k.OK(v1Count{n})
}

// replay is POST /v1/webhooks/{webhook}/replay.
func (r *Resource) replay(k *rest.Call) error {
	var in v1Replay
	if err := k.Decode(&in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.LinkTimeout)
	defer cancel()
	moved, err := r.deliveries.Replay(ctx, hookID(k), webhooks.Replay{Session: session.ID(in.SessionID), Seq: in.Seq, Since: in.Since})
	if err != nil {
		return err
	}
	answer := v1Replayed{Sessions: make([]string, 0, len(moved))}
	for _, id := range moved {
		answer.Sessions = append(answer.Sessions, string(id))
	}
	return k.OK(answer)
}

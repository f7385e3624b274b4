package messages

import (
	"context"
	"slices"
	"strings"

	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/message"
	"wasup/internal/session"
)

// list is GET /v1/sessions/{id}/messages.
func (r *Resource) list(k *rest.Call) error {
	filter := message.Filter{Cursor: k.Query["cursor"], Limit: k.Integer("limit", rest.DefaultPage)}
	if text, given := k.Query["state"]; given {
		for each := range strings.SplitSeq(text, ",") {
			if !slices.Contains(message.States(), message.State(each)) {
				return rest.BadField("state", "expected states, separated by commas: "+strings.Join(stateNames(), ", "))
			}
			filter.States = append(filter.States, message.State(each))
		}
	}
	if _, err := k.Known(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	page, next, err := r.outbox.List(ctx, k.ID, filter)
	if err != nil {
		return err
	}
	answer := v1MessageList{Items: make([]wire.Message, 0, len(page)), NextCursor: next}
	for i := range page {
		answer.Items = append(answer.Items, messageOf(&page[i]))
	}
	return k.OK(answer)
}

func stateNames() []string {
	var names []string
	for _, state := range message.States() {
		names = append(names, string(state))
	}
	return names
}

// ofMessage makes the handler of an operation on one message.
func (r *Resource) ofMessage(do func(ctx context.Context, id session.ID, messageID string) (message.Message, error)) func(*rest.Call) error {
	return func(k *rest.Call) error {
		if _, err := k.Known(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
		defer cancel()
		msg, err := do(ctx, k.ID, k.Params("mid"))
		if err != nil {
			return err
		}
		out := messageOf(&msg)
		out.Session = r.hostOf(k.ID)
		return k.OK(out)
	}
}

func (r *Resource) message(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	return r.outbox.Message(ctx, id, messageID)
}

func (r *Resource) cancel(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	return r.outbox.Cancel(ctx, id, messageID)
}

// ofHeld makes the handler of an operation on all held messages of a session.
func (r *Resource) ofHeld(do func(ctx context.Context, id session.ID) (int, error)) func(*rest.Call) error {
	return func(k *rest.Call) error {
		if _, err := k.Known(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
		defer cancel()
		n, err := do(ctx, k.ID)
		if err != nil {
			return err
		}
		return k.OK(v1HeldMoved{Messages: n})
	}
}

func (r *Resource) requeueHeld(ctx context.Context, id session.ID) (int, error) {
	return r.outbox.RequeueHeld(ctx, id)
}

func (r *Resource) cancelHeld(ctx context.Context, id session.ID) (int, error) {
	return r.outbox.CancelHeld(ctx, id)
}

func (r *Resource) requeue(ctx context.Context, id session.ID, messageID string) (message.Message, error) {
	return r.outbox.Requeue(ctx, id, messageID)
}

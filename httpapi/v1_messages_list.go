package httpapi

import (
	"context"
	"slices"
	"strings"

	"wasup/internal/session"
)

// v1ListMessages is GET /v1/sessions/{id}/messages.
func v1ListMessages(s *Server, k *call) error {
	filter := session.MessageFilter{Cursor: k.query["cursor"], Limit: k.integer("limit", defaultPage)}
	if text, given := k.query["state"]; given {
		for each := range strings.SplitSeq(text, ",") {
			if !slices.Contains(session.MessageStates(), session.MessageState(each)) {
				return badField("state", "expected states, separated by commas: "+strings.Join(stateNames(), ", "))
			}
			filter.States = append(filter.States, session.MessageState(each))
		}
	}
	if _, err := s.known(k); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	page, next, err := s.deps.Messages.List(ctx, k.id, filter)
	if err != nil {
		return err
	}
	answer := v1MessageList{Items: make([]v1Message, 0, len(page)), NextCursor: next}
	for i := range page {
		answer.Items = append(answer.Items, s.v1MessageOf(&page[i]))
	}
	return s.ok(k.Ctx, answer)
}

func stateNames() []string {
	var names []string
	for _, state := range session.MessageStates() {
		names = append(names, string(state))
	}
	return names
}

// ofMessage makes the handler of a call about one message.
func ofMessage(do func(s *Server, ctx context.Context, id session.ID, messageID string) (session.Message, error)) func(*Server, *call) error {
	return func(s *Server, k *call) error {
		if _, err := s.known(k); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
		defer cancel()
		message, err := do(s, ctx, k.id, k.Params("mid"))
		if err != nil {
			return err
		}
		out := s.v1MessageOf(&message)
		out.Session = s.hostOf(k.id)
		return s.ok(k.Ctx, out)
	}
}

func v1GetMessage(s *Server, ctx context.Context, id session.ID, messageID string) (session.Message, error) {
	return s.deps.Messages.Message(ctx, id, messageID)
}

func v1CancelMessage(s *Server, ctx context.Context, id session.ID, messageID string) (session.Message, error) {
	return s.deps.Messages.Cancel(ctx, id, messageID)
}

func v1RequeueMessage(s *Server, ctx context.Context, id session.ID, messageID string) (session.Message, error) {
	return s.deps.Messages.Requeue(ctx, id, messageID)
}

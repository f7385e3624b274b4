package httpapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// postSend is POST /send: it answers once WhatsApp's server has acknowledged the message.
func (s *Server) postSend(c *fiber.Ctx) error {
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	key, err := keyOf(c)
	if err != nil {
		return err
	}
	to, text, err := sendOf(c)
	if err != nil {
		return err
	}
	id := session.NumericID(client)
	// With a key the sender decides alone: a message that was sent before is answered whatever the state is now.
	if status := s.statusOf(id); key == "" && !status.CanSend() {
		return notReady(status, nil)
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.SendTimeout)
	defer cancel()
	messageID, err := s.deps.Sender.Send(ctx, id, to, text, key)
	switch {
	case err == nil:
		return s.ok(c, sendAnswer{OK: true, MessageID: messageID})
	case isAny(session.CodeOf(err), session.CodeNotReady, session.CodeNotFound, session.CodeQuarantined):
		return notReady(s.statusOf(id), err)
	case errors.Is(err, context.DeadlineExceeded):
		return faultOf(&session.Error{Code: session.CodeAckOverdue, Op: "send", Session: id, Err: err})
	default:
		return err
	}
}

func notReady(status session.Status, cause error) *fault {
	return &fault{
		status: fiber.StatusConflict, code: codeSessionNotReady,
		message: fmt.Sprintf("WhatsApp session not ready. Current state: %s", status.State), cause: cause,
	}
}

func isAny(code session.Code, codes ...session.Code) bool {
	for _, other := range codes {
		if code == other {
			return true
		}
	}
	return false
}

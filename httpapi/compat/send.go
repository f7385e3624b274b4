package compat

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// headerMessage names the message of a POST /send that was not answered with 200, if the message has an id.
const headerMessage = "X-Message-Id"

// postSend is POST /send. It answers when WhatsApp's server has acknowledged the message.
func (r *Routes) postSend(c *fiber.Ctx) error {
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
	wait, err := r.waitOf(c, r.cfg.SendTimeout)
	if err != nil {
		return err
	}
	id := session.NumericID(client)
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), min(wait, r.cfg.SendTimeout))
	defer cancel()
	messageID, err := r.deps.Sender.Send(ctx, id, to, text, key)
	if err != nil && messageID != "" {
		c.Set(headerMessage, messageID)
	}
	switch {
	case err == nil:
		return r.ok(c, sendAnswer{OK: true, MessageID: messageID})
	case slices.Contains([]session.Code{session.CodeNotReady, session.CodeNotFound, session.CodeQuarantined}, session.CodeOf(err)):
		return notReady(r.statusOf(id), err)
	case errors.Is(err, context.DeadlineExceeded) && session.CodeOf(err) == session.CodeInternal:
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

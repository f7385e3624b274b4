package httpapi

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// actions is recommended_action by state.
var actions = map[session.State]string{
	session.Initializing:            "Initializing for first time - wait",
	session.Reconnecting:            "Recovering existing session - wait",
	session.Ready:                   "Session operational - can send messages",
	session.QRRequired:              "Scan QR code to authenticate",
	session.AuthFailure:             "Restart service and scan new QR",
	session.DisconnectedRecoverable: "Auto-reconnecting - wait",
	session.DisconnectedLogout:      "User logged out - restart and scan QR",
	session.DisconnectedBanned:      "Number banned - contact WhatsApp support",
	session.Errored:                 "Technical error - check logs",
	session.NotInitialized:          "Unknown state",
}

// statusOf is the session's snapshot; an unknown id looks like one that was never initialized.
func (s *Server) statusOf(id session.ID) session.Status {
	status, _ := s.knownStatusOf(id)
	return status
}

func (s *Server) knownStatusOf(id session.ID) (session.Status, bool) {
	if status, ok := s.deps.Sessions.Status(id); ok {
		return status, true
	}
	return session.Status{ID: id, State: session.NotInitialized, Cause: session.CauseNone, MaxAttempts: s.cfg.MaxAttempts}, false
}

func headOf(client int64, status session.Status) statusHead {
	return statusHead{
		ClientID:    client,
		Connected:   status.State == session.Ready,
		State:       status.State,
		Attempts:    status.Failures,
		MaxAttempts: status.MaxAttempts,
	}
}

// getStatus is GET /status.
func (s *Server) getStatus(c *fiber.Ctx) error {
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	status, known := s.knownStatusOf(session.NumericID(client))
	answer := statusAnswer{
		statusHead:        headOf(client, status),
		CanSendMessages:   status.CanSend(),
		NeedsQR:           status.State.NeedsQR(),
		IsRecoverable:     status.State.Transitional(),
		RecommendedAction: actions[status.State],
	}
	if !known {
		answer.Error = "Client not initialized for this cliente_id"
	}
	s.watch(status)
	if status.State == session.QRRequired && status.QR.Valid(s.cfg.Now()) {
		url, err := s.deps.Pictures.DataURL(status.QR.Code)
		if err != nil {
			return err
		}
		answer.QRCodeBase64 = &url
	}
	return s.ok(c, answer)
}

// postInit is POST /init.
func (s *Server) postInit(c *fiber.Ctx) error {
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.StartTimeout)
	defer cancel()
	status, already, err := s.deps.Sessions.Start(ctx, session.NumericID(client))
	if err != nil {
		return s.startFailed(c, client, err)
	}
	answer := initAnswer{Success: true, ClientID: client, Status: headOf(client, status)}
	if already {
		answer.Message = "Client already initialized"
		answer.Action = "NO_ACTION_NEEDED"
		return s.ok(c, answer)
	}
	answer.Message = "WhatsApp client initialization started"
	answer.NextSteps = "Monitor /status endpoint for QR code or READY state"
	// The action says which of the two ways the start takes; the state may have moved on already.
	answer.Action = string(session.Initializing)
	if status.HasDevice {
		answer.Action = string(session.Reconnecting)
	}
	return s.ok(c, answer)
}

// startFailed is the contract's one answer to a start that failed; only a drain differs, because then another
// process will do.
func (s *Server) startFailed(c *fiber.Ctx, client int64, err error) error {
	if session.CodeOf(err) == session.CodeShuttingDown {
		return err
	}
	s.deps.Log.Warn("start failed", slog.Int64("session", client), slog.Any("err", err))
	answer := initError{Error: true, Code: codeInitFailed, Message: sentence(codeInitFailed, flagged), ClientID: client, Retry: true}
	var e *session.Error
	if errors.As(err, &e) && e.Code != session.CodeInternal {
		answer.Message = e.Public()
		answer.Retry = e.Retryable()
	}
	s.render(c, fiber.StatusInternalServerError, answer)
	return nil
}

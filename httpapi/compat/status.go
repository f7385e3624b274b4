package compat

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// actions maps states to recommended_action.
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

// statusOf returns the session's snapshot. For an unknown id it is that of a session that was never initialized.
func (r *Routes) statusOf(id session.ID) session.Status {
	status, _ := r.knownStatusOf(id)
	return status
}

func (r *Routes) knownStatusOf(id session.ID) (session.Status, bool) {
	if status, ok := r.host.Sessions.Status(id); ok {
		return status, true
	}
	return session.Status{ID: id, State: session.NotInitialized, Cause: session.CauseNone, MaxAttempts: r.cfg.MaxAttempts}, false
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

// needsQR reports whether a person has to scan a code. A session that another connection has replaced keeps its
// credentials, and a start brings it back without one.
func needsQR(status session.Status) bool {
	return status.State.NeedsQR() && !(status.Cause == session.CauseReplaced && status.HasDevice)
}

// getStatus is GET /status.
func (r *Routes) getStatus(c *fiber.Ctx) error {
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	status, known := r.knownStatusOf(session.NumericID(client))
	answer := statusAnswer{
		statusHead:        headOf(client, status),
		CanSendMessages:   status.CanSend(),
		NeedsQR:           needsQR(status),
		IsRecoverable:     status.State.Transitional(),
		RecommendedAction: actions[status.State],
	}
	if !known {
		answer.Error = "Client not initialized for this cliente_id"
	}
	r.host.Watch(&status)
	if status.State == session.QRRequired && status.QR.Valid(r.host.Now()) {
		url, err := r.deps.Pictures.DataURL(status.QR.Code)
		if err != nil {
			return err
		}
		answer.QRCodeBase64 = &url
	}
	return r.ok(c, answer)
}

// postInit is POST /init.
func (r *Routes) postInit(c *fiber.Ctx) error {
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.host.Life.Work(), r.host.StartTimeout)
	defer cancel()
	status, already, err := r.deps.Starter.Start(ctx, session.NumericID(client))
	if err != nil {
		return r.startFailed(c, client, err)
	}
	answer := initAnswer{Success: true, ClientID: client, Status: headOf(client, status)}
	if already {
		answer.Message = "Client already initialized"
		answer.Action = "NO_ACTION_NEEDED"
		return r.ok(c, answer)
	}
	answer.Message = "WhatsApp client initialization started"
	answer.NextSteps = "Monitor /status endpoint for QR code or READY state"
	// The action depends on whether a device is linked, and not on the state, because the state may have changed
	// already.
	answer.Action = string(session.Initializing)
	if status.HasDevice {
		answer.Action = string(session.Reconnecting)
	}
	return r.ok(c, answer)
}

// startFailed writes the contract's one answer to a failed start. A drain is answered like on all other routes, because
// then another process can start the session.
func (r *Routes) startFailed(c *fiber.Ctx, client int64, err error) error {
	if session.CodeOf(err) == session.CodeShuttingDown {
		return err
	}
	r.host.Log.Warn("start failed", slog.Int64("session", client), slog.Any("err", err))
	answer := initError{Error: true, Code: codeInitFailed, Message: sentence(codeInitFailed, flagged), ClientID: client, Retry: true}
	var e *session.Error
	if errors.As(err, &e) && e.Code != session.CodeInternal {
		answer.Message = e.Public()
		answer.Retry = e.Retryable()
	}
	r.render(c, fiber.StatusInternalServerError, answer)
	return nil
}

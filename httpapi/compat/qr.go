package compat

import (
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/session"
)

// getQRCode is GET /qr-code.
func (r *Routes) getQRCode(c *fiber.Ctx) error {
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	wait, err := r.waitOf(c, r.cfg.QRWait)
	if err != nil {
		return err
	}
	answer := r.host.RequestQR(session.NumericID(client), wait)
	switch answer.Outcome {
	case session.OutcomeQR:
		url, err := r.deps.Pictures.DataURL(answer.QR.Code)
		if err != nil {
			return err
		}
		return r.ok(c, qrCodeAnswer{QR: url})
	case session.OutcomeReady:
		return &fault{status: fiber.StatusConflict, code: codeQRNotRequired, state: answer.State}
	case session.OutcomeTimeout:
		return &fault{
			status: fiber.StatusGatewayTimeout, code: codeQRTimeout,
			state: answer.State, waitMS: wait.Milliseconds(), reason: answer.Reason,
		}
	case session.OutcomeFailed, session.OutcomeStopped:
		// The contract has no other code for a session that was stopped meanwhile, and it was not initialized either.
		// current_state shows which of the two happened.
		return &fault{status: fiber.StatusInternalServerError, code: codeInitFailed, state: answer.State, reason: answer.Reason, retryAfter: answer.RetryAfter}
	case session.OutcomeTooMany:
		return &fault{status: fiber.StatusTooManyRequests, code: codeTooManyWaiters}
	case session.OutcomeShuttingDown:
		return rest.ShuttingDown()
	case session.OutcomeError:
		return internalFault(answer)
	}
	return internalFault(answer)
}

func internalFault(answer session.QRAnswer) *fault {
	return &fault{
		status: fiber.StatusInternalServerError, code: codeInternal,
		cause: fmt.Errorf("request for a QR ended with outcome %q in %s, cause %q", answer.Outcome, answer.State, answer.Cause),
	}
}

// getQR is GET /qr.
func (r *Routes) getQR(c *fiber.Ctx) error {
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	status := r.statusOf(session.NumericID(client))
	r.host.Watch(&status)
	now := r.host.Now()
	if status.State != session.QRRequired || !status.QR.Valid(now) {
		r.render(c, fiber.StatusConflict, qrAbsent{Error: "QR not available", State: status.State, CanSendMessages: status.CanSend()})
		return nil
	}
	url, err := r.deps.Pictures.DataURL(status.QR.Code)
	if err != nil {
		return err
	}
	return r.ok(c, qrNowAnswer{State: status.State, ExpiresIn: secondsLeft(status.QR, now), QR: url})
}

// secondsLeft returns for how many seconds a valid code is still valid, rounded down, but at least 1.
func secondsLeft(qr session.QR, now time.Time) int64 {
	return max(1, int64(qr.ExpiresAt.Sub(now)/time.Second))
}

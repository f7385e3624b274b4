package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// requestQR waits for the first outcome. A wait that the server's shutdown has cut short is told as such, because the
// sessions themselves begin to drain only after the HTTP server.
func (s *Server) requestQR(id session.ID, wait time.Duration) session.QRAnswer {
	began := s.cfg.Now()
	ctx, cancel := context.WithTimeout(s.waits, wait)
	defer cancel()
	answer := s.deps.Sessions.RequestQR(ctx, id)
	if answer.Outcome == session.OutcomeTimeout && s.waits.Err() != nil {
		answer.Outcome = session.OutcomeShuttingDown
	}
	s.deps.Observer.QRRequest(answer.Outcome, s.cfg.Now().Sub(began))
	return answer
}

// getQRCode is GET /qr-code.
func (s *Server) getQRCode(c *fiber.Ctx) error {
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	wait, err := s.waitOf(c, s.cfg.QRWait)
	if err != nil {
		return err
	}
	answer := s.requestQR(session.NumericID(client), wait)
	switch answer.Outcome {
	case session.OutcomeQR:
		url, err := s.deps.Pictures.DataURL(answer.QR.Code)
		if err != nil {
			return err
		}
		return s.ok(c, qrCodeAnswer{QR: url})
	case session.OutcomeReady:
		return &fault{status: fiber.StatusConflict, code: codeQRNotRequired, state: answer.State}
	case session.OutcomeTimeout:
		return &fault{
			status: fiber.StatusGatewayTimeout, code: codeQRTimeout,
			state: answer.State, waitMS: wait.Milliseconds(),
		}
	case session.OutcomeFailed, session.OutcomeStopped:
		// A session that somebody stops meanwhile has not been initialized either, and the contract has no other
		// word for it; current_state tells the two apart.
		return &fault{status: fiber.StatusInternalServerError, code: codeInitFailed, state: answer.State}
	case session.OutcomeTooMany:
		return &fault{status: fiber.StatusTooManyRequests, code: codeTooManyWaiters}
	case session.OutcomeShuttingDown:
		return shuttingDown()
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
func (s *Server) getQR(c *fiber.Ctx) error {
	client, err := clientOf(c)
	if err != nil {
		return err
	}
	status := s.statusOf(session.NumericID(client))
	s.watch(status)
	now := s.cfg.Now()
	if status.State != session.QRRequired || !status.QR.Valid(now) {
		s.render(c, fiber.StatusConflict, qrAbsent{Error: "QR not available", State: status.State, CanSendMessages: status.CanSend()})
		return nil
	}
	url, err := s.deps.Pictures.DataURL(status.QR.Code)
	if err != nil {
		return err
	}
	return s.ok(c, qrNowAnswer{State: status.State, ExpiresIn: secondsLeft(status.QR, now), QR: url})
}

// watch keeps a pairing attended for as long as somebody reads where it is: whoever reads on waits for the scan.
func (s *Server) watch(status session.Status) {
	if status.State == session.QRRequired {
		s.deps.Sessions.Watch(status.ID)
	}
}

// secondsLeft rounds down, so that nobody is promised time that the code does not have; but a valid code has 1.
func secondsLeft(qr session.QR, now time.Time) int64 {
	return max(1, int64(qr.ExpiresAt.Sub(now)/time.Second))
}

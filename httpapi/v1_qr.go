package httpapi

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/qr"
	"wasup/internal/session"
)

// v1GetQR is GET /v1/sessions/{id}/qr: it waits for the first outcome, whatever it is, and never answers an empty 200.
func v1GetQR(s *Server, k *call) error {
	wait, err := s.wait(k, s.cfg.QRWait)
	if err != nil {
		return err
	}
	if _, err := s.known(k); err != nil {
		return err
	}
	answer := s.requestQR(k.id, wait)
	if p := outcomeProblem(&answer); p != nil {
		return p
	}
	k.Set("X-QR-Sequence", strconv.Itoa(answer.QR.Seq))
	k.Set("X-QR-Expires-At", stamp(answer.QR.ExpiresAt).Format(time.RFC3339))
	switch k.format {
	case contentPNG:
		url, err := s.deps.Pictures.DataURL(answer.QR.Code)
		if err != nil {
			return err
		}
		_, encoded, _ := strings.Cut(url, ",")
		picture, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return err
		}
		return send(k, contentPNG, picture)
	case contentSVG:
		return drawn(k, s.deps.Pictures.SVG, contentSVG, answer.QR.Code)
	case contentText:
		return drawn(k, s.deps.Pictures.Text, contentText+"; charset=utf-8", answer.QR.Code)
	default:
		return s.ok(k.Ctx, v1QRAnswer{
			Outcome: v1Outcome(answer.Outcome), State: v1State(answer.State), Cause: v1Cause(answer.Cause), QR: v1QROf(answer.QR),
		})
	}
}

// outcomeProblem is nil for a code, and a problem with the outcome, state and cause for everything else.
func outcomeProblem(answer *session.QRAnswer) *problem {
	coded := func(code session.Code) *problem {
		return &problem{status: statuses[code], code: string(code), detail: publicOf(string(code)), answer: answer}
	}
	named := func(code string) *problem {
		p := httpProblem(code, "")
		p.answer = answer
		return p
	}
	switch answer.Outcome {
	case session.OutcomeQR:
		if answer.QR.Code != "" {
			return nil
		}
		p := coded(session.CodeInternal)
		p.answer, p.cause = nil, qr.ErrNoCode
		return p
	case session.OutcomeReady:
		return named(probLinked)
	case session.OutcomeFailed:
		return named(probLinkFailed)
	case session.OutcomeStopped:
		return named(probStopped)
	case session.OutcomeTimeout:
		p := coded(session.CodeTimeout)
		p.detail = "There was no code in time; the session is " + string(answer.State) + "."
		return p
	case session.OutcomeTooMany:
		return coded(session.CodeTooManyWaiters)
	case session.OutcomeShuttingDown:
		return coded(session.CodeShuttingDown)
	case session.OutcomeError:
	}
	p := coded(session.CodeInternal)
	p.cause = internalFault(*answer).cause
	if answer.Outcome != session.OutcomeError {
		p.answer = nil // nothing is known of it
	}
	return p
}

func drawn(k *call, draw func(code string) (string, error), contentType, code string) error {
	picture, err := draw(code)
	if err != nil {
		return err
	}
	return send(k, contentType, []byte(picture))
}

func send(k *call, contentType string, body []byte) error {
	k.Set(fiber.HeaderContentType, contentType)
	k.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	k.Status(fiber.StatusOK).Response().SetBodyRaw(body)
	return nil
}

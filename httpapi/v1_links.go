package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"wasup/internal/session"
)

// v1PairingCodeFor is POST /v1/sessions/{id}/pairing-code.
func v1PairingCodeFor(s *Server, k *call) error {
	var in v1PairingCodeAsk
	if err := k.decode(&in); err != nil {
		return err
	}
	phone, ok := digitsOf(in.Phone)
	if !ok {
		return badField("phone", "expected a number with country code, 7 to 15 digits, such as +54 9 11 5555 0101")
	}
	if _, err := s.known(k); err != nil {
		return err
	}
	// A drain ends this wait as it ends that for a QR.
	ctx, cancel := context.WithTimeout(s.waits, s.cfg.LinkTimeout)
	defer cancel()
	code, expires, err := s.deps.Links.PairPhone(ctx, k.id, phone)
	if err != nil {
		return s.ended(err)
	}
	return s.ok(k.Ctx, v1PairingCode{Code: code, ExpiresAt: stamp(expires)})
}

// digitsOf accepts a number in every spelling that recipients may have, with the length of one that can be linked.
func digitsOf(phone string) (string, bool) {
	person, err := session.ParsePerson(phone)
	if err != nil {
		return "", false
	}
	digits, isNumber := strings.CutSuffix(person.Address().PN, "@s.whatsapp.net")
	return digits, isNumber && len(digits) >= 7 && len(digits) <= 15
}

// ended tells a wait that the shutdown has cut short as such.
func (s *Server) ended(err error) error {
	if session.CodeOf(err) == session.CodeTimeout && s.waits.Err() != nil {
		return &session.Error{Code: session.CodeShuttingDown, Op: "wait", Err: err}
	}
	return err
}

// v1GetPasskey is GET /v1/sessions/{id}/passkey.
func v1GetPasskey(s *Server, k *call) error {
	status, err := s.known(k)
	if err != nil {
		return err
	}
	p := status.Passkey
	if p == nil {
		return &session.Error{
			Code: session.CodeWrongState, Op: "read passkey", Session: k.id,
			Message: fmt.Sprintf("the session is %s, %s: WhatsApp has not asked it for a passkey", status.State, status.Cause),
		}
	}
	s.watch(status)
	answer := v1Passkey{Step: passkeyDue(p), Code: p.Code, ComparisonSkipped: p.Skip}
	if answer.Step == passkeyResponse && json.Valid(p.Challenge) {
		answer.Challenge = p.Challenge
	}
	return s.ok(k.Ctx, answer)
}

// v1PasskeyResponse is POST /v1/sessions/{id}/passkey/response.
func v1PasskeyResponse(s *Server, k *call) error {
	return s.passkey(k, func(ctx context.Context) (session.Status, error) {
		return s.deps.Links.AnswerPasskey(ctx, k.id, k.body)
	})
}

// v1PasskeyConfirmation is POST /v1/sessions/{id}/passkey/confirmation.
func v1PasskeyConfirmation(s *Server, k *call) error {
	return s.passkey(k, func(ctx context.Context) (session.Status, error) {
		return s.deps.Links.ConfirmPasskey(ctx, k.id)
	})
}

func (s *Server) passkey(k *call, do func(context.Context) (session.Status, error)) error {
	if _, err := s.known(k); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.work, s.cfg.LinkTimeout)
	defer cancel()
	status, err := do(ctx)
	return s.finish(k, status, err)
}

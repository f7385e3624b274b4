package whatsapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/session"
)

// pairDisplay is the device's name on the phone while a code is entered. WhatsApp validates it: it must have the form
// "Browser (OS)" with common names (whatsmeow's PairPhone).
const pairDisplay = "Chrome (Linux)"

// linkingPause is the wait that callers are told after a 429 for a step of linking. WhatsApp does not say how long its
// limit lasts.
const linkingPause = time.Minute

// askCode is Client.PairPhone.
func (p *pairing) askCode(ctx context.Context, phone string) (string, error) {
	const op = "ask for a pairing code"
	ctx, done := requestContext(ctx)
	defer done()
	code, err := p.wa.PairPhone(ctx, phone, true, whatsmeow.PairClientChrome, pairDisplay)
	switch {
	case err == nil:
		return code, nil
	case errors.Is(err, whatsmeow.ErrPhoneNumberTooShort), errors.Is(err, whatsmeow.ErrPhoneNumberIsNotInternational):
		return "", &session.Error{
			Code: session.CodeInvalidRequest, Op: op, Session: p.run.Session, Field: "phone",
			Message: "phone: expected a number with country code and without leading zero, such as 5491100000000", Err: err,
		}
	default:
		return "", p.stepFailed(op, err)
	}
}

// answerPasskey is Client.AnswerPasskey.
func (p *pairing) answerPasskey(ctx context.Context, answer []byte) error {
	const op = "answer passkey"
	var response types.WebAuthnResponse
	if err := json.Unmarshal(answer, &response); err != nil || len(response.RawID) == 0 {
		return &session.Error{
			Code: session.CodeInvalidRequest, Op: op, Session: p.run.Session, Field: "response", Err: err,
			Message: "response: expected the authenticator's answer as WebAuthn JSON with id, rawId, type and response",
		}
	}
	ctx, done := requestContext(ctx)
	defer done()
	if err := p.wa.SendPasskeyResponse(ctx, &response); err != nil {
		return p.stepFailed(op, err)
	}
	return nil
}

// confirmPasskey is Client.ConfirmPasskey.
func (p *pairing) confirmPasskey(ctx context.Context) error {
	ctx, done := requestContext(ctx)
	defer done()
	if err := p.wa.SendPasskeyConfirmation(ctx); err != nil {
		return p.stepFailed("confirm passkey", err)
	}
	return nil
}

// stepFailed returns the error of a failed pairing step: whether WhatsApp refused it, it timed out, or the connection
// was lost.
func (p *pairing) stepFailed(op string, err error) error {
	out := &session.Error{Code: session.CodeDisconnected, Op: op, Session: p.run.Session, Err: err}
	var refused *whatsmeow.IQError
	switch {
	case errors.As(err, &refused):
		out.Status = refused.Code
		out.Code, out.Message, out.RetryAfter = refusedStep(refused.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, whatsmeow.ErrIQTimedOut):
		out.Code = session.CodeTimeout
	}
	return out
}

// refusedStep returns the code, the message and the wait for WhatsApp's refusal of a pairing step. A refusal for a time is
// not one of the step itself.
func refusedStep(status int) (session.Code, string, time.Duration) {
	switch {
	case status == statusTooMany:
		return session.CodeRateLimited, "WhatsApp limits how often a device may be linked; try again later", linkingPause
	case status >= http.StatusInternalServerError:
		return session.CodeUnavailable, fmt.Sprintf("WhatsApp could not carry out this step of linking the device (error %d)", status), 0
	default:
		return session.CodePairingRefused, "WhatsApp refused this step of linking the device", 0
	}
}

func passkeyRequired(e *events.PairPasskeyRequest) session.Input {
	in := session.Input{Kind: session.PasskeyRequired, Detail: "WhatsApp asks for a passkey to link this device"}
	challenge, err := json.Marshal(e.PublicKey)
	if err != nil { // cannot happen: types.WebAuthnPublicKey holds only text and bytes
		return session.Input{Kind: session.PairFailed, Detail: "the passkey challenge could not be read"}
	}
	in.Passkey = &session.Passkey{Challenge: challenge}
	return in
}

func passkeyAnswered(e *events.PairPasskeyConfirmation) session.Input {
	return session.Input{
		Kind: session.PasskeyAnswered, Detail: "the passkey was accepted and waits for confirmation",
		Passkey: &session.Passkey{Code: e.Code, Skip: e.SkipHandoffUX},
	}
}

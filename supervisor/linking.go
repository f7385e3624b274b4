package supervisor

import (
	"context"
	"fmt"
	"time"

	"wasup/internal/session"
)

// Linking links devices to sessions in other ways than by a QR.
type Linking struct{ of *Supervisor }

// PairPhone asks WhatsApp for a code that the owner of the number enters on the phone. It starts the session if it does
// not run. It waits, until ctx ends, for a QR, because WhatsApp answers such a request only after it has issued one. The
// code is valid until expires. It ends with the connection, and WhatsApp closes the connection when the last QR of it has
// expired. So a session that has shown QRs for a while connects anew first. The error has CodeWrongState if the session is linked already.
func (l *Linking) PairPhone(ctx context.Context, id session.ID, phone string) (code string, expires time.Time, err error) {
	answer := l.of.awaitQR(ctx, id, true)
	if err := linkable(id, answer); err != nil {
		return "", time.Time{}, err
	}
	if code, err = session.PairPhone.Ask(ctx, l.of, id, phone); err != nil {
		return "", time.Time{}, err
	}
	return code, answer.QR.LastsTill, nil
}

// AnswerPasskey sends WhatsApp the authenticator's answer to the challenge in Status.Passkey.
func (l *Linking) AnswerPasskey(ctx context.Context, id session.ID, answer []byte) (session.Status, error) {
	return l.passkey(ctx, id, session.AnswerPasskey.With(answer))
}

// ConfirmPasskey confirms that a person has compared the code in Status.Passkey with the one on the phone.
func (l *Linking) ConfirmPasskey(ctx context.Context, id session.ID) (session.Status, error) {
	return l.passkey(ctx, id, session.ConfirmPasskey.With(session.None{}))
}

func (l *Linking) passkey(ctx context.Context, id session.ID, use session.Use) (session.Status, error) {
	status, known := l.of.Status(id)
	switch {
	case !known:
		return status, notFound(id)
	case status.Passkey == nil:
		return status, &session.Error{
			Code: session.CodeWrongState, Op: use.Verb, Session: id,
			Message: fmt.Sprintf("the session is %s, %s: WhatsApp has not asked it for a passkey", status.State, status.Cause),
		}
	}
	_, err := l.of.Use(ctx, id, use)
	status, _ = l.of.Status(id)
	return status, err
}

// linkable returns nil if a device can be linked now. Otherwise it turns the outcome of a request for a code into the
// error for a caller that links in another way.
func linkable(id session.ID, answer session.QRAnswer) error {
	fail := func(code session.Code, message string) error {
		return &session.Error{Code: code, Op: "link session", Session: id, Message: message}
	}
	where := fmt.Sprintf("%s, %s", answer.State, answer.Cause)
	if answer.Reason != "" {
		where += ". The last attempt failed: " + answer.Reason
	}
	switch answer.Outcome {
	case session.OutcomeQR:
		return nil
	case session.OutcomeReady:
		return fail(session.CodeWrongState, "the session is linked already: log it out to link another device")
	case session.OutcomeFailed:
		if answer.Cause == session.CauseClientOutdated {
			return &session.Error{Code: session.CodeClientOutdated, Op: "link session", Session: id, RetryAfter: answer.RetryAfter}
		}
		return fail(session.CodePairingRefused, "the session failed before a device could be linked: it is "+where)
	case session.OutcomeStopped:
		return fail(session.CodeWrongState, "the session was stopped while the request waited")
	case session.OutcomeTimeout:
		return fail(session.CodeTimeout, "the session was not ready to link a device in time: it is "+where)
	case session.OutcomeTooMany:
		return fail(session.CodeTooManyWaiters, "")
	case session.OutcomeShuttingDown:
		return fail(session.CodeShuttingDown, "")
	default:
		return fail(session.CodeInternal, "")
	}
}

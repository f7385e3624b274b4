package wire

import (
	"time"

	"wasup/internal/session"
)

// Stamp converts a time to the form of /v1: UTC, cut to milliseconds.
func Stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// SessionOf returns the JSON of a session at the time now.
func SessionOf(status *session.Status, now time.Time) Session {
	return Session{
		ID: string(status.ID), Name: status.Settings.Name, Metadata: status.Settings.Metadata,
		Proxy:     session.MaskProxy(status.Settings.Proxy),
		CreatedAt: Stamp(status.CreatedAt), UpdatedAt: Stamp(status.UpdatedAt), Status: StatusOf(status, now),
	}
}

// StatusOf returns the JSON of a session's status at the time now.
func StatusOf(status *session.Status, now time.Time) Status {
	out := Status{
		ID: string(status.ID), State: State(status.State), Cause: Cause(status.Cause), Desired: Desired(status.Desired),
		Since: Stamp(status.Since), CanSend: status.CanSend(), HasCredentials: status.HasDevice,
		NextRetryAt: Stamp(status.RetryAt), BanUntil: Stamp(status.Until), RestrictedTill: Stamp(status.Restricted),
		Incarnation: uint64(status.Incarnation), Failures: status.Failures, MaxAttempts: status.MaxAttempts,
		Restarts: status.Restarts, Unlink: string(status.Unlink), HeldMessages: status.Held, ConnectedAt: Stamp(status.ConnectedAt), DisconnectedAt: Stamp(status.DisconnectAt),
		Passkey: PasskeyDueOf(status.Passkey),
	}
	if status.LastCause != "" && status.LastCause != session.CauseNone {
		out.LastError = &LastError{Cause: Cause(status.LastCause), Message: status.LastError}
	}
	if a := status.Account; a != (session.Account{}) {
		out.Account = &Account{JID: a.JID, LID: a.LID, Phone: a.Phone(), PushName: a.PushName}
	}
	if Scannable(status, now) {
		out.QR = &QRState{Sequence: status.QR.Seq, ExpiresAt: Stamp(status.QR.ExpiresAt)}
	}
	return out
}

// Scannable reports whether the session has a code that can be scanned at the time now.
func Scannable(status *session.Status, now time.Time) bool {
	return status.State == session.QRRequired && status.QR.Valid(now)
}

// QROf returns the JSON of a code without its picture.
func QROf(qr session.QR) QR {
	return QR{Code: qr.Code, Sequence: qr.Seq, IssuedAt: Stamp(qr.IssuedAt), ExpiresAt: Stamp(qr.ExpiresAt)}
}

// PasskeyDueOf returns the next step of a person, "" if there is none.
func PasskeyDueOf(p *session.Passkey) PasskeyDue {
	switch {
	case p == nil:
		return ""
	case p.Code == "" && !p.Skip:
		return PasskeyResponse
	default:
		return PasskeyConfirmation
	}
}

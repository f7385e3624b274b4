package httpapi

import (
	"time"

	"wasup/internal/session"
)

// stamp is a time as /v1 writes it: UTC, to the millisecond.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

func (s *Server) v1SessionOf(status *session.Status) v1Session {
	return v1Session{
		ID: string(status.ID), Name: status.Settings.Name, Metadata: status.Settings.Metadata,
		Proxy:     session.MaskProxy(status.Settings.Proxy),
		CreatedAt: stamp(status.CreatedAt), UpdatedAt: stamp(status.UpdatedAt), Status: s.v1StatusOf(status),
	}
}

func (s *Server) v1StatusOf(status *session.Status) v1Status {
	out := v1Status{
		ID: string(status.ID), State: v1State(status.State), Cause: v1Cause(status.Cause), Desired: v1Desired(status.Desired),
		Since: stamp(status.Since), CanSend: status.CanSend(), HasCredentials: status.HasDevice,
		NextRetryAt: stamp(status.RetryAt), BanUntil: stamp(status.Until), RestrictedTill: stamp(status.Restricted),
		Incarnation: uint64(status.Incarnation), Failures: status.Failures, MaxAttempts: status.MaxAttempts,
		Restarts: status.Restarts, ConnectedAt: stamp(status.ConnectedAt), DisconnectedAt: stamp(status.DisconnectAt),
		Passkey: passkeyDue(status.Passkey),
	}
	if status.LastCause != "" && status.LastCause != session.CauseNone {
		out.LastError = &v1LastError{Cause: v1Cause(status.LastCause), Message: status.LastError}
	}
	if a := status.Account; a != (session.Account{}) {
		out.Account = &v1Account{JID: a.JID, LID: a.LID, Phone: a.Phone(), PushName: a.PushName}
	}
	if s.scannable(status) {
		out.QR = &v1QRState{Sequence: status.QR.Seq, ExpiresAt: stamp(status.QR.ExpiresAt)}
	}
	return out
}

func (s *Server) scannable(status *session.Status) bool {
	return status.State == session.QRRequired && status.QR.Valid(s.cfg.Now())
}

func v1QROf(qr session.QR) v1QR {
	return v1QR{Code: qr.Code, Sequence: qr.Seq, IssuedAt: stamp(qr.IssuedAt), ExpiresAt: stamp(qr.ExpiresAt)}
}

// passkeyDue is what a person has to do next, "" where nothing.
func passkeyDue(p *session.Passkey) v1PasskeyDue {
	switch {
	case p == nil:
		return ""
	case p.Code == "" && !p.Skip:
		return passkeyResponse
	default:
		return passkeyConfirmation
	}
}

func v1SupervisedOf(node *SupervisionNode, stack bool) v1Supervised {
	status := &node.Status
	out := v1Supervised{
		ID: string(status.ID), State: v1State(status.State), Cause: v1Cause(status.Cause), Desired: v1Desired(status.Desired),
		Running: node.Running, Quarantined: node.Quarantined, Incarnation: uint64(status.Incarnation),
		Restarts: status.Restarts, RestartsInWindow: node.InWindow,
		NextRetryAt: stamp(status.RetryAt), Since: stamp(status.Since),
	}
	if crash := node.LastCrash; crash != nil {
		out.LastCrash = &v1Crash{At: stamp(node.LastCrashAt), Where: crash.Where, Reason: crash.Reason}
		if stack {
			out.LastCrash.Stack = crash.Stack
		}
	}
	return out
}

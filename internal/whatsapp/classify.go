package whatsapp

import (
	"errors"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/session"
)

// classify turns an event of whatsmeow's into the input that it means to the session's machine. It returns false for an
// event that does not concern the machine, such as every event that is not listed here.
//
// whatsmeow reports nothing in the following cases. The machine's deadlines cover them, and the end of the connection
// is reported as Disconnected at the latest:
//
//	case                                            covered by
//	pair-device never sent                          connect deadline (no first code)
//	login neither accepted nor refused              connect deadline
//	login refused with 500 or 503, socket not closed  connect deadline
//	scanned, login request (515) never sent         pairing deadline
//	scanned, socket closed without 515              the link's end: SocketLost (whatsmeow expects that end and does not report it)
//	stream error 503 without a close                nothing reaches the socket any more: keepalive, ack deadline
//	server stops answering                          KeepAliveStale (liveness), ack deadline
//
// Details are for operators. They contain codes and reasons, never phone numbers, names or message text.
func classify(evt any, now time.Time) (session.Input, bool) {
	switch e := evt.(type) {
	case *events.QR:
		return session.Input{Kind: session.QRIssued, Codes: e.Codes}, true
	case *events.PairSuccess:
		return session.Input{Kind: session.Paired, Account: session.Account{JID: e.ID.String(), LID: e.LID.String()}}, true
	case *events.PairError:
		return pairFailure(e.Error), true
	case *events.PairPasskeyRequest:
		return passkeyRequired(e), true
	case *events.PairPasskeyConfirmation:
		return passkeyAnswered(e), true
	case *events.PairPasskeyError:
		return session.Input{Kind: session.PairFailed, Detail: "the passkey exchange failed"}, true
	case *events.ManualLoginReconnect:
		return session.Input{Kind: session.LoginReconnect, Detail: "the server asked for a new login (515)"}, true
	case *events.Connected:
		return session.Input{Kind: session.SocketUp}, true
	case *events.Disconnected:
		return session.Input{Kind: session.SocketLost, Detail: "the connection ended"}, true
	case *events.LoggedOut:
		return logout(e), true
	case *events.StreamReplaced:
		return session.Input{Kind: session.Replaced, Detail: "another connection uses this device"}, true
	case *events.TemporaryBan:
		in := session.Input{Kind: session.TempBanned, Code: int(e.Code), Detail: "temporary ban " + e.Code.String()}
		if e.Expire > 0 {
			in.Until = now.Add(e.Expire)
		}
		return in, true
	case *events.ClientOutdated:
		return session.Input{Kind: session.ClientOutdated, Code: int(events.ConnectFailureClientOutdated), Detail: "WhatsApp refuses this client version (405)"}, true
	case *events.ConnectFailure:
		return session.Input{Kind: session.ConnectRefused, Code: int(e.Reason), Detail: "login refused, " + e.Reason.String()}, true
	case *events.CATRefreshError:
		return session.Input{Kind: session.ConnectRefused, Code: int(events.ConnectFailureCATInvalid), Detail: "login refused for its authentication token (413 or 414)"}, true
	case *events.StreamError:
		return session.Input{Kind: session.SocketLost, Detail: "stream error " + digits(e.Code)}, true
	default:
		return session.Input{}, false
	}
}

// logout distinguishes the three refusals that whatsmeow reports as LoggedOut. WhatsApp Web calls 406 BANNED and 403
// LOCKED (types/events/events.go). A device that was removed on the phone is reported as 401.
func logout(e *events.LoggedOut) session.Input {
	in := session.Input{Kind: session.LoggedOut, Code: int(e.Reason), Detail: "the device was removed from the phone"}
	if !e.OnConnect {
		return in
	}
	switch e.Reason {
	case events.ConnectFailureUnknownLogout:
		in.Kind, in.Detail = session.Banned, "the account is banned (406)"
	case events.ConnectFailureMainDeviceGone:
		in.Detail = "the account is locked or its phone is gone (403)"
	default:
		in.Detail = "login refused, " + e.Reason.String()
	}
	return in
}

// pairFailure distinguishes failures of a pairing: those caused by WhatsApp or the phone wait for a person, those
// caused by our database or the network may be retried.
func pairFailure(err error) session.Input {
	var (
		proto    *whatsmeow.PairProtoError
		database *whatsmeow.PairDatabaseError
	)
	in := session.Input{Kind: session.PairFailed}
	switch {
	case errors.Is(err, whatsmeow.ErrPairInvalidDeviceIdentityHMAC):
		in.Detail = "the phone's answer does not belong to this code (HMAC mismatch)"
	case errors.Is(err, whatsmeow.ErrPairInvalidDeviceSignature):
		in.Detail = "the phone's signature on this device is not valid"
	case errors.Is(err, whatsmeow.ErrPairRejectedLocally):
		in.Detail = "the device could not be bound to the session"
	case errors.As(err, &proto):
		in.Detail = "the phone's answer could not be read"
	case errors.As(err, &database):
		in.Kind, in.Detail = session.StoreFailed, "the new device could not be stored"
	default:
		in.Kind, in.Detail = session.SocketLost, "the connection ended while the pairing was confirmed"
	}
	return in
}

// digits returns a code of the server's, or "unknown" if it is not a short number: nothing else of it may get into a
// log line.
func digits(code string) string {
	for _, r := range code {
		if r < '0' || r > '9' {
			return "unknown"
		}
	}
	if code == "" || len(code) > 6 {
		return "unknown"
	}
	return code
}

package compat

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/session"
)

// hubStatuses maps states to the hub's statuses.
//
//	init          the session was not started yet, or starts for the first time
//	qr_required   a person has to scan a code
//	connecting    the session is linked and connects to WhatsApp
//	connected     the session is linked and can send
//	disconnected  the connection is lost and a retry is scheduled, or the device was unlinked and a new scan is needed
//	error         the session does not reconnect; last_error_code says why
var hubStatuses = map[session.State]string{
	session.NotInitialized:          "init",
	session.Initializing:            "init",
	session.QRRequired:              "qr_required",
	session.Reconnecting:            "connecting",
	session.Ready:                   "connected",
	session.DisconnectedRecoverable: "disconnected",
	session.DisconnectedLogout:      "disconnected",
	session.DisconnectedBanned:      "error",
	session.AuthFailure:             "error",
	session.Errored:                 "error",
}

// The values of qr_status.
const (
	qrNone      = "none"      // no code was issued
	qrGenerated = "generated" // a code can be scanned now; it is in qr_string
	qrExpired   = "expired"   // the last code expired before it was scanned; POST …/qr renews it
	qrUsed      = "used"      // a code was scanned: the device is linked
)

// hubQRStatus returns the qr_status of a snapshot. A linked device comes before a valid or expired code.
func (r *Routes) hubQRStatus(status session.Status) string {
	switch {
	case status.State == session.Ready, status.HasDevice:
		return qrUsed
	case status.State == session.QRRequired && status.QR.Valid(r.host.Now()):
		return qrGenerated
	case status.QR.Code != "", status.Cause == session.CauseUnattended:
		return qrExpired
	default:
		return qrNone
	}
}

func (r *Routes) instance(c *fiber.Ctx) (session.Status, error) {
	notFound := &fault{status: fiber.StatusNotFound, code: codeSessionNotFound}
	id, ok := instanceOf(c.Params("instance"))
	if !ok {
		return session.Status{}, notFound
	}
	status, known := r.knownStatusOf(id)
	if !known {
		return session.Status{}, notFound
	}
	return status, nil
}

// getInstance is GET /api/session-manager/sessions/sender_<n>.
func (r *Routes) getInstance(c *fiber.Ctx) error {
	status, err := r.instance(c)
	if err != nil {
		return err
	}
	r.host.Watch(&status)
	answer := instanceAnswer{
		InstanceID:     "sender_" + string(status.ID),
		Status:         hubStatuses[status.State],
		QRStatus:       r.hubQRStatus(status),
		PhoneNumber:    text(status.Account.Phone()),
		ConnectedAt:    instant(status.ConnectedAt),
		DisconnectedAt: instant(status.DisconnectAt),
		CreatedAt:      instant(status.CreatedAt),
		UpdatedAt:      instant(status.UpdatedAt),
	}
	if status.LastCause != "" && status.LastCause != session.CauseNone {
		answer.LastErrorCode = text(string(status.LastCause))
		answer.LastErrorMessage = text(status.LastError)
	}
	if answer.QRStatus == qrGenerated {
		url, err := r.deps.Pictures.DataURL(status.QR.Code)
		if err != nil {
			return err
		}
		answer.QRString = &url
	}
	if answer.QRStatus == qrGenerated || answer.QRStatus == qrExpired {
		answer.QRExpiresAt = instant(status.QR.ExpiresAt)
	}
	return r.ok(c, answer)
}

// postInstanceQR is POST /api/session-manager/sessions/sender_<n>/qr.
func (r *Routes) postInstanceQR(c *fiber.Ctx) error {
	wait, err := r.waitOf(c, r.cfg.HubWait)
	if err != nil {
		return err
	}
	status, err := r.instance(c)
	if err != nil {
		return err
	}
	answer := r.host.RequestQR(status.ID, wait)
	switch answer.Outcome {
	case session.OutcomeQR:
		url, err := r.deps.Pictures.DataURL(answer.QR.Code)
		if err != nil {
			return &fault{status: fiber.StatusInternalServerError, code: codeQRFailed, cause: err}
		}
		return r.ok(c, instanceQRAnswer{QRString: url, QRExpiresAt: answer.QR.ExpiresAt.UTC().Format(time.RFC3339)})
	case session.OutcomeReady:
		return &fault{status: fiber.StatusConflict, code: codeAlreadyConnected}
	case session.OutcomeTooMany:
		return &fault{status: fiber.StatusTooManyRequests, code: codeTooManyWaiters}
	case session.OutcomeShuttingDown:
		return rest.ShuttingDown()
	case session.OutcomeFailed, session.OutcomeStopped, session.OutcomeTimeout:
		return &fault{status: fiber.StatusInternalServerError, code: codeQRFailed, state: answer.State, reason: answer.Reason, retryAfter: answer.RetryAfter}
	case session.OutcomeError:
	}
	f := internalFault(answer)
	f.code = codeQRFailed
	return f
}

// instant returns t in the hub's format, nil if t is zero.
func instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return text(t.UTC().Format(time.RFC3339))
}

// text returns a pointer to s, nil if s is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

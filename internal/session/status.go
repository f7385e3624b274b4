package session

import "time"

// QR is a pairing code from WhatsApp.
type QR struct {
	Code      string // the string to draw
	Seq       int    // 1 for a session's first code, then one more for each code, also after a reconnect
	IssuedAt  time.Time
	ExpiresAt time.Time
	LastsTill time.Time // when the last code of this client run expires; a pairing that began may finish until then
}

// Valid reports whether a phone can scan the code at the time now.
func (q QR) Valid(now time.Time) bool { return q.Code != "" && now.Before(q.ExpiresAt) }

// Status is a snapshot of a session. It is immutable, so readers may keep it.
type Status struct {
	ID      ID
	State   State
	Cause   Cause
	Desired Desired
	Since   time.Time // of this state and cause

	Incarnation Incarnation
	Failures    int       // consecutive failed attempts; 0 while READY
	MaxAttempts int       // 0: unlimited
	RetryAt     time.Time // of the next attempt; zero if none is scheduled
	Until       time.Time // end of a temporary ban; zero if there is none
	Restricted  time.Time // WhatsApp refuses messages to new chats until then; zero: no restriction
	Restarts    int       // restarts by the supervisor since the process started
	HasDevice   bool      // credentials are stored
	Settings    Settings
	Passkey     *Passkey // CausePasskey: what a person has to do; else nil
	Account     Account
	QR          QR          // the code on show; see QR.Valid
	Unlink      UnlinkState // only in the answer to a logout
	Held        int         // messages that were accepted for another account; only in answers of the API
	CreatedAt   time.Time   // of the session
	UpdatedAt   time.Time
	Past
}

// Past is the history in a session's status: the last failure and the last connection.
type Past struct {
	LastError    string    // one line, of the last failure
	LastCause    Cause     // of the last failure; CauseNone if there was none
	ConnectedAt  time.Time // when the session last became READY
	DisconnectAt time.Time // when the session last left READY
}

// Passkey is WhatsApp's request for a passkey while a device is being linked. It has two steps: the owner's
// authenticator signs a challenge, and then, unless Skip, a person compares a code with the one that the phone shows.
type Passkey struct {
	Challenge []byte // WebAuthn PublicKeyCredentialRequestOptions, JSON
	Code      string // "" until the challenge is answered; then the code to compare with the phone's
	Skip      bool   // no comparison is needed: confirm at once
}

// UnlinkState says how far the unlinking of a device is that a logout or a deletion asked for.
type UnlinkState string

// The states. "" means that no device was linked, or that WhatsApp has unlinked it.
const (
	UnlinkPending UnlinkState = "pending"  // wasup unlinks it in the background; until then the phone lists it
	UnlinkByPhone UnlinkState = "by_phone" // wasup cannot unlink it: a person has to remove it on the phone
)

// CanSend reports whether the session can send a message now.
func (s Status) CanSend() bool { return s.State == Ready }

// FailureReason returns why the session's last attempt to connect or to link failed, if it has not succeeded since. It is
// one of a fixed set of sentences. A crash has none: its reason is for operators.
func (s Status) FailureReason() string {
	failing := s.Failures > 0 || s.State == DisconnectedRecoverable || s.State == Errored || s.State == AuthFailure ||
		s.State == DisconnectedBanned
	if !failing || s.LastCause == CauseCrashed || s.LastCause == CauseQuarantined {
		return ""
	}
	return s.LastError
}

// QROutcome is the result of a request for a code.
type QROutcome string

// The outcomes. Every request ends with one.
const (
	OutcomeQR           QROutcome = "qr"            // QR is valid now
	OutcomeReady        QROutcome = "ready"         // the session is linked; no code is needed
	OutcomeFailed       QROutcome = "failed"        // AUTH_FAILURE, ERROR or DISCONNECTED_BANNED was reached
	OutcomeStopped      QROutcome = "stopped"       // somebody stopped the session
	OutcomeTimeout      QROutcome = "timeout"       // the wait ended; State is the session's state at that time
	OutcomeTooMany      QROutcome = "too_many"      // the limit of waiting callers is reached
	OutcomeShuttingDown QROutcome = "shutting_down" // the process is draining
	OutcomeError        QROutcome = "error"         // a database error or a bug
)

// QROutcomes lists every outcome.
func QROutcomes() []QROutcome {
	return []QROutcome{
		OutcomeQR, OutcomeReady, OutcomeFailed, OutcomeStopped, OutcomeTimeout, OutcomeTooMany,
		OutcomeShuttingDown, OutcomeError,
	}
}

// QRAnswer is the answer to a request for a code.
type QRAnswer struct {
	Outcome QROutcome
	State   State
	Cause   Cause
	QR      QR     // OutcomeQR
	Reason  string // OutcomeTimeout, OutcomeFailed: why the last attempt failed, one line for the caller; "" if none did
	// RetryAfter says after how long the same request may have another outcome by itself; 0: only a person can change it.
	RetryAfter time.Duration
}

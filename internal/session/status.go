package session

import "time"

// QR is a pairing code that WhatsApp's client library issued, while it can be scanned.
type QR struct {
	Code      string // exactly the string to draw
	Seq       int    // 1 for a session's first code, counting on through rotations and reconnects
	IssuedAt  time.Time
	ExpiresAt time.Time
	LastsTill time.Time // when the last code of this client run expires: a pairing that began may end until then
}

// Valid reports whether the code can still be scanned at a time.
func (q QR) Valid(now time.Time) bool { return q.Code != "" && now.Before(q.ExpiresAt) }

// Status is what is known of a session at one moment: an immutable copy that readers may keep.
type Status struct {
	ID      ID
	State   State
	Cause   Cause
	Desired Desired
	Since   time.Time // of this state and cause

	Incarnation Incarnation
	Failures    int       // consecutive failed attempts; 0 once READY
	MaxAttempts int       // 0: unlimited
	RetryAt     time.Time // of the next attempt; zero where none is scheduled
	Until       time.Time // of a temporary ban; zero where unknown or none
	Restricted  time.Time // sends to new chats are restricted until then; zero: no restriction
	Restarts    int       // supervised restarts since the process started
	HasDevice   bool      // credentials are stored
	Settings    Settings
	Passkey     *Passkey // CausePasskey: what the person has to answer; else nil
	Account     Account
	QR          QR        // the code of this moment; see QR.Valid
	CreatedAt   time.Time // of the slot
	UpdatedAt   time.Time
	Past
}

// Past is what a session remembers of what it has gone through.
type Past struct {
	LastError    string    // one line, of the last failure
	LastCause    Cause     // of the last failure; CauseNone where there was none
	ConnectedAt  time.Time // of the last READY
	DisconnectAt time.Time // of the last end of READY
}

// Passkey is WhatsApp's demand for a passkey while a device is linked. It has two steps: a challenge that the owner's
// authenticator signs, and then, unless Confirmed needs nobody, a code that must match the one the phone shows.
type Passkey struct {
	Challenge []byte // WebAuthn PublicKeyCredentialRequestOptions, JSON
	Code      string // "" until the challenge is answered; then the code to compare with the phone's
	Skip      bool   // the comparison is not needed: confirm at once
}

// CanSend reports whether a message would be taken now.
func (s Status) CanSend() bool { return s.State == Ready }

// QROutcome is the typed answer to a request for a code.
type QROutcome string

// The outcomes. A request never ends without one.
const (
	OutcomeQR           QROutcome = "qr"            // QR is valid now
	OutcomeReady        QROutcome = "ready"         // the session is linked; no code is needed
	OutcomeFailed       QROutcome = "failed"        // AUTH_FAILURE, ERROR or DISCONNECTED_BANNED was reached
	OutcomeStopped      QROutcome = "stopped"       // somebody stopped the session meanwhile
	OutcomeTimeout      QROutcome = "timeout"       // the wait ended; State says where the session was
	OutcomeTooMany      QROutcome = "too_many"      // as many callers as allowed wait already
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

// QRAnswer settles a request for a code.
type QRAnswer struct {
	Outcome QROutcome
	State   State
	Cause   Cause
	QR      QR // OutcomeQR
}

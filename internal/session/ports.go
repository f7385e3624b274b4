package session

import (
	"context"
	"errors"
	"time"
)

// Dialer opens client runs. The whatsapp package implements it; the session actor uses it.
type Dialer interface {
	// Open loads the session's device, or makes a new one if none is stored. It connects and returns when the handshake
	// is done. Later events of the client are posted through run.Post. Cancelling ctx ends the whole run, not only the
	// opening. Errors are *Error: CodeStoreUnavailable, CodeProxyFailed, CodeUntrusted, CodeClientOutdated,
	// CodeConnectRefused (with Status) or CodeConnectFailed. Nothing runs after an error.
	Open(ctx context.Context, run Run) (Client, error)
	// Forget deletes the session's stored credentials. Only a person's logout or deletion calls for it.
	Forget(ctx context.Context, id ID) error
	// Detach takes the credentials from the session, which can be linked again afterwards. They are kept only until a
	// short login, in the background, has unlinked the device. It does nothing if the session has no credentials.
	Detach(ctx context.Context, id ID) error
}

// Run describes a client run to the dialer. Post takes the inputs of the run; it never blocks and may be called from
// any goroutine. The dialer puts Incarnation into every input.
type Run struct {
	Session     ID
	Incarnation Incarnation
	Linked      bool // the machine believes that credentials are stored
	Attended    bool // a person started the session, or asked for a code, within Policy.UnattendedAfter
	Post        func(Input)
}

// Client is one run of a WhatsApp client, with the methods that every session needs. Verbs that need more methods
// declare their own interface. A Client is discarded when its run ends; the next run gets a new one.
type Client interface {
	// PairPhone asks WhatsApp for a code that the owner enters on the phone, instead of scanning a QR. phone is the
	// number in digits, with the country code. It works only in QR_REQUIRED.
	PairPhone(ctx context.Context, phone string) (code string, err error)
	// AnswerPasskey sends the authenticator's answer: a WebAuthn AuthenticatorAssertionResponse credential in JSON.
	AnswerPasskey(ctx context.Context, answer []byte) error
	// ConfirmPasskey confirms that a person compared the codes, or that no comparison is needed.
	ConfirmPasskey(ctx context.Context) error
	// Unlink removes the device from the account at WhatsApp. Dialer.Forget deletes the credentials.
	Unlink(ctx context.Context) error
	// Close ends the run. No input is posted after it has returned. It is bounded, idempotent and allowed at any time.
	Close()
}

// Detached is a device that belongs to no session any more and that WhatsApp still has to unlink.
type Detached struct {
	Device   string // JID
	Session  ID     // that it belonged to
	Proxy    string // of that session; "" if it had none of its own
	Since    time.Time
	Attempts int
	Next     time.Time // when the next attempt is due; zero: at once
}

// Record is a session's stored row.
type Record struct {
	ID           ID
	Desired      Desired
	Settings     Settings
	DeviceJID    string // the bound device; "" if none is stored
	State        State  // as last observed
	Cause        Cause
	Until        time.Time
	LastError    string
	LastCause    Cause
	Account      Account
	CreatedAt    time.Time
	UpdatedAt    time.Time
	ConnectedAt  time.Time
	DisconnectAt time.Time
}

// InputFor returns the input that tells the machine about an error of Dialer.Open.
func InputFor(err error, incarnation Incarnation) Input {
	in := Input{Kind: SocketLost, Incarnation: incarnation, Detail: publicDetail(err)}
	switch CodeOf(err) {
	case CodeStoreUnavailable, CodeStoreFull, CodeStoreLocked:
		in.Kind = StoreFailed
	case CodeClientOutdated:
		in.Kind = ClientOutdated
	case CodeProxyFailed:
		in.Kind = ProxyFailed
	case CodeUntrusted:
		in.Kind = ServerUntrusted
	case CodeConnectRefused:
		in.Kind = ConnectRefused
		in.Code = statusOf(err)
	default:
	}
	return in
}

func publicDetail(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Public()
	}
	return "internal error"
}

func statusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

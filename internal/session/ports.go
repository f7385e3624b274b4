package session

import (
	"context"
	"errors"
	"time"
)

// Dialer opens client runs. The whatsapp package implements it; the session actor uses it.
type Dialer interface {
	// Open loads the session's device, or makes a new one where none is stored, connects and returns once the
	// handshake is done. Everything that happens to the client afterwards is posted through run.Post. Cancelling ctx
	// ends the whole run, not only the opening. Errors are *Error: CodeStoreUnavailable, CodeProxyFailed,
	// CodeClientOutdated, CodeConnectRefused (with Status) or CodeConnectFailed; nothing runs after an error.
	Open(ctx context.Context, run Run) (Client, error)
	// Forget deletes the session's stored credentials. It is a person's decision, never a policy.
	Forget(ctx context.Context, id ID) error
}

// Run identifies one client run and where its inputs go. Post never blocks and may be called from any goroutine; the
// dialer stamps Session's Incarnation on every input.
type Run struct {
	Session     ID
	Incarnation Incarnation
	Linked      bool // credentials are believed to be stored
	Post        func(Input)
}

// Client is one run of a WhatsApp client, as far as every session needs it. What verbs need beside that is an interface
// next to the verbs. A Client is discarded when the run ends; the next run gets a new one.
type Client interface {
	// PairPhone asks for a code that the owner of the number enters on the phone, instead of scanning a QR. The phone is
	// digits with country code. Only while the session waits for a person (QR_REQUIRED).
	PairPhone(ctx context.Context, phone string) (code string, err error)
	// AnswerPasskey hands over the authenticator's answer, a WebAuthn AuthenticatorAssertionResponse credential in JSON.
	AnswerPasskey(ctx context.Context, answer []byte) error
	// ConfirmPasskey says that a person compared the codes, or that none has to.
	ConfirmPasskey(ctx context.Context) error
	// Unlink tells WhatsApp that the device is gone. The credentials are deleted by Dialer.Forget.
	Unlink(ctx context.Context) error
	// Close ends the run: no input is posted once it returned. It is bounded, idempotent and safe at any time.
	Close()
}

// Record is a session's stored row.
type Record struct {
	ID           ID
	Desired      Desired
	Settings     Settings
	DeviceJID    string // the bound device; "" where none is stored
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

// InputFor turns the error of Dialer.Open into the input it means to the machine.
func InputFor(err error, incarnation Incarnation) Input {
	in := Input{Kind: SocketLost, Incarnation: incarnation, Detail: publicDetail(err)}
	switch CodeOf(err) {
	case CodeStoreUnavailable, CodeStoreFull, CodeStoreLocked:
		in.Kind = StoreFailed
	case CodeClientOutdated:
		in.Kind = ClientOutdated
	case CodeProxyFailed:
		in.Kind = ProxyFailed
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

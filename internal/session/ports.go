package session

import (
	"context"
	"errors"
	"os"
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

// Client is one run of a WhatsApp client. It is discarded when the run ends; the next run gets a new one.
type Client interface {
	Messaging
	// Send returns once WhatsApp's server has acknowledged the message. Errors: CodeSendFailed, CodeRestricted,
	// CodeAckOverdue (ctx ended), CodeDisconnected, CodeNotOnWhatsApp.
	Send(ctx context.Context, message Outgoing) (Ack, error)
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

// Messaging is what the client of a READY session does about messages beside sending them. Errors, beside those named:
// CodeInvalidRequest, CodeDisconnected, CodeTimeout (ctx ended), CodeSendFailed (WhatsApp refused).
type Messaging interface {
	// MarkRead tells the sender, and the account's other devices, that messages were read or played.
	MarkRead(ctx context.Context, mark ReadMark) error
	// SetChatState shows the other side that the account is typing, recording, or has paused.
	SetChatState(ctx context.Context, chat Recipient, state ChatState) error
	// CheckContacts asks WhatsApp which phone numbers have an account: digits with country code, at most 100 at a time,
	// answered in the order of the question. CodeRateLimited where WhatsApp was asked too often.
	CheckContacts(ctx context.Context, phones []string) ([]Contact, error)
	// FetchMedia downloads, verifies and decrypts a file into to, which is empty before and complete after it.
	// CodeMediaGone where WhatsApp has it no longer, CodeStoreFull, CodeFetchFailed where it cannot be downloaded or is
	// another file than was said.
	FetchMedia(ctx context.Context, file Remote, to *os.File) error
}

// Ack is the server's acknowledgement.
type Ack struct {
	MessageID string
	At        time.Time // the server's time
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

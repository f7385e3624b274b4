package message

import (
	"context"
	"errors"
	"os"
	"time"

	"wasup/internal/session"
)

// Client is the part of a READY session's client that the verbs of this package need. Errors beside those named below:
// CodeInvalidRequest, CodeDisconnected, CodeTimeout (ctx ended), CodeSendFailed (WhatsApp refused).
type Client interface {
	// Send sends a message and returns when WhatsApp's server has acknowledged it. Errors: CodeSendFailed,
	// CodeRestricted, CodeAckOverdue (ctx ended), CodeDisconnected, CodeNotOnWhatsApp. An *UnsentError has one of these
	// in its chain, and no byte of the message has left.
	Send(ctx context.Context, message Outgoing) (Ack, error)
	// MarkRead tells the sender, and the account's other devices, that messages were read or played.
	MarkRead(ctx context.Context, mark ReadMark) error
	// SetChatState shows in the recipient's chat that the account is typing, recording, or has paused.
	SetChatState(ctx context.Context, chat Recipient, state ChatState) error
	// CheckContacts asks WhatsApp which phone numbers have an account. It takes at most 100 numbers, in digits with the
	// country code, and answers in their order. CodeRateLimited if WhatsApp was asked too often.
	CheckContacts(ctx context.Context, phones []string) ([]Contact, error)
	// FetchMedia downloads a file, verifies and decrypts it, and writes it to an empty file. Errors: CodeMediaGone if
	// WhatsApp no longer has the file, CodeStoreFull, CodeFetchFailed if the download fails or the file is not the
	// announced one.
	FetchMedia(ctx context.Context, file Remote, to *os.File) error
}

// UnsentError is the error of an attempt to send a message that ended before the message left: its file was not uploaded,
// or WhatsApp did not say which devices the recipient has. WhatsApp cannot have the message.
type UnsentError struct{ Err error }

func (e *UnsentError) Error() string { return "nothing was sent: " + e.Err.Error() }

// Unwrap returns the error as it was.
func (e *UnsentError) Unwrap() error { return e.Err }

// Ack is the acknowledgement of WhatsApp's server.
type Ack struct {
	MessageID string
	At        time.Time // the server's time
}

// VerbSend is the name of the verb that sends a message. The metrics count it apart from the other verbs.
const VerbSend = "send"

// VerbNames returns the names of the verbs below.
func VerbNames() []string {
	return []string{Send.Name, MarkRead.Name, SetChatState.Name, CheckContacts.Name, FetchMedia.Name}
}

// Send sends a message and returns when WhatsApp has acknowledged it. The caller sets the bound, which depends on the
// size of the file.
var Send = session.Verb[Client, Outgoing, Ack]{
	Name: VerbSend, In: session.Ready, Whole: true,
	Do: func(ctx context.Context, client Client, message Outgoing) (Ack, error) {
		ack, err := client.Send(ctx, message)
		var known *session.Error
		if err == nil || errors.As(err, &known) {
			return ack, err
		}
		code := session.CodeSendFailed
		if ctx.Err() != nil {
			code = session.CodeAckOverdue
		}
		return ack, &session.Error{Code: code, Op: VerbSend, Err: err}
	},
}

// MarkRead tells the sender, and the account's other devices, that messages were read or played.
var MarkRead = session.Verb[Client, ReadMark, session.None]{
	Name: "MarkRead", In: session.Ready, Awaits: true,
	Do: func(ctx context.Context, client Client, mark ReadMark) (session.None, error) {
		return session.None{}, client.MarkRead(ctx, mark)
	},
}

// Typing is the question of SetChatState.
type Typing struct {
	Chat  Recipient
	State ChatState
}

// SetChatState shows in the recipient's chat that the account is typing, recording, or has paused.
var SetChatState = session.Verb[Client, Typing, session.None]{
	Name: "SetChatState", In: session.Ready, Awaits: true,
	Do: func(ctx context.Context, client Client, typing Typing) (session.None, error) {
		return session.None{}, client.SetChatState(ctx, typing.Chat, typing.State)
	},
}

// CheckContacts asks WhatsApp which phone numbers have an account. It takes at most 100 numbers and answers in their
// order.
var CheckContacts = session.Verb[Client, []string, []Contact]{
	Name: "CheckContacts", In: session.Ready, Awaits: true,
	Do: func(ctx context.Context, client Client, phones []string) ([]Contact, error) {
		return client.CheckContacts(ctx, phones)
	},
}

// fetchBound limits the download of a file from WhatsApp. It is enough for 2 GB at 4 MB a second.
const fetchBound = 10 * time.Minute

// Download is the question of FetchMedia: a file of an incoming message, and the file to write it to.
type Download struct {
	File Remote
	To   *os.File // empty before the download
}

// FetchMedia downloads, verifies and decrypts a file. A caller that leaves early may close To, which ends the download.
var FetchMedia = session.Verb[Client, Download, session.None]{
	Name: "FetchMedia", In: session.Ready, Bound: fetchBound, Awaits: true,
	Do: func(ctx context.Context, client Client, download Download) (session.None, error) {
		return session.None{}, client.FetchMedia(ctx, download.File, download.To)
	},
}

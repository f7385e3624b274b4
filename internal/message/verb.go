package message

import (
	"context"
	"errors"
	"os"
	"time"

	"wasup/internal/session"
)

// Client is what the client of a READY session does about messages: what the verbs of this package need of it. Errors,
// beside those named: CodeInvalidRequest, CodeDisconnected, CodeTimeout (ctx ended), CodeSendFailed (WhatsApp refused).
type Client interface {
	// Send returns once WhatsApp's server has acknowledged the message. Errors: CodeSendFailed, CodeRestricted,
	// CodeAckOverdue (ctx ended), CodeDisconnected, CodeNotOnWhatsApp.
	Send(ctx context.Context, message Outgoing) (Ack, error)
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

// VerbSend is the name of the verb that sends a message: how long it takes, and why it fails, has figures of its own.
const VerbSend = "send"

// VerbNames are the names of the verbs below.
func VerbNames() []string {
	return []string{Send.Name, MarkRead.Name, SetChatState.Name, CheckContacts.Name, FetchMedia.Name}
}

// Send sends a message and returns once WhatsApp has acknowledged it. Whoever uses it gives it a bound.
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
	Name: "MarkRead", In: session.Ready,
	Do: func(ctx context.Context, client Client, mark ReadMark) (session.None, error) {
		return session.None{}, client.MarkRead(ctx, mark)
	},
}

// Typing is what SetChatState is asked with.
type Typing struct {
	Chat  Recipient
	State ChatState
}

// SetChatState shows the other side that the account is typing, recording, or has paused.
var SetChatState = session.Verb[Client, Typing, session.None]{
	Name: "SetChatState", In: session.Ready,
	Do: func(ctx context.Context, client Client, typing Typing) (session.None, error) {
		return session.None{}, client.SetChatState(ctx, typing.Chat, typing.State)
	},
}

// CheckContacts asks WhatsApp which phone numbers have an account, at most 100 at a time, answered in the order of the
// question.
var CheckContacts = session.Verb[Client, []string, []Contact]{
	Name: "CheckContacts", In: session.Ready,
	Do: func(ctx context.Context, client Client, phones []string) ([]Contact, error) {
		return client.CheckContacts(ctx, phones)
	},
}

// fetchBound is how long a file may take to come from WhatsApp: 2 GB at 4 MB a second.
const fetchBound = 10 * time.Minute

// Download is what FetchMedia is asked with: a file of an incoming message, and where it goes on this machine.
type Download struct {
	File Remote
	To   *os.File // empty before and complete after it
}

// FetchMedia downloads, verifies and decrypts a file. A caller that leaves early may close To: the download ends then.
var FetchMedia = session.Verb[Client, Download, session.None]{
	Name: "FetchMedia", In: session.Ready, Bound: fetchBound,
	Do: func(ctx context.Context, client Client, download Download) (session.None, error) {
		return session.None{}, client.FetchMedia(ctx, download.File, download.To)
	},
}

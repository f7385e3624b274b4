package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Verb is one thing that the client of a session does when it is asked. Q is what it is asked with, A its answer.
type Verb[Q, A any] struct {
	Name  string        // for errors, logs and metrics
	In    State         // in which it makes sense: READY or QR_REQUIRED
	Bound time.Duration // how long it may take; 0: as long as the session's own bound
	// Whole says that what has begun is not cut short when the caller leaves.
	Whole bool
	Do    func(ctx context.Context, client Client, question Q) (A, error)
}

// None is the answer of a verb that has none.
type None = struct{}

// Use is a verb with its question, as it is carried to a session.
type Use struct {
	Verb     string
	In       State
	Bound    time.Duration
	Whole    bool
	Question any // of the verb's type
	Do       func(ctx context.Context, client Client) (any, error)
}

// Door is the one way to the client of a session, wherever the session lives.
type Door interface {
	// Use carries a use out and gives what its Do returned. It ends with ctx, the bound or the client's run, whichever is
	// first. Errors beside those of Do: CodeNotFound, CodeNotReady or CodeWrongState where the session is in another
	// state, CodeQueueFull, CodeTimeout, CodeRestarted, CodeShuttingDown, CodeQuarantined.
	Use(ctx context.Context, id ID, use Use) (any, error)
}

// With gives the verb its question.
func (v Verb[Q, A]) With(question Q) Use {
	return Use{
		Verb: v.Name, In: v.In, Bound: v.Bound, Whole: v.Whole, Question: question,
		Do: func(ctx context.Context, client Client) (any, error) { return v.Do(ctx, client, question) },
	}
}

// Ask carries the verb to a session through a door and gives its answer. Errors are those of Door.Use.
func (v Verb[Q, A]) Ask(ctx context.Context, door Door, id ID, question Q) (answer A, err error) {
	given, err := door.Use(ctx, id, v.With(question))
	if err != nil {
		return answer, err
	}
	answer, ok := given.(A)
	if !ok {
		err = &Error{Code: CodeInternal, Op: v.Name, Session: id, Err: fmt.Errorf("the answer is a %T, want %T", given, answer)}
	}
	return answer, err
}

// VerbSend is the name of the verb that sends a message: how long it takes, and why it fails, has figures of its own.
const VerbSend = "send"

// VerbNames are the names of all verbs.
func VerbNames() []string {
	return []string{
		Send.Name, MarkRead.Name, SetChatState.Name, CheckContacts.Name, FetchMedia.Name, PairPhone.Name, AnswerPasskey.Name,
		ConfirmPasskey.Name,
	}
}

// Send sends a message and returns once WhatsApp has acknowledged it. Whoever uses it gives it a bound.
var Send = Verb[Outgoing, Ack]{
	Name: VerbSend, In: Ready, Whole: true,
	Do: func(ctx context.Context, client Client, message Outgoing) (Ack, error) {
		ack, err := client.Send(ctx, message)
		var known *Error
		if err == nil || errors.As(err, &known) {
			return ack, err
		}
		code := CodeSendFailed
		if ctx.Err() != nil {
			code = CodeAckOverdue
		}
		return ack, &Error{Code: code, Op: VerbSend, Err: err}
	},
}

// MarkRead tells the sender, and the account's other devices, that messages were read or played.
var MarkRead = Verb[ReadMark, None]{
	Name: "MarkRead", In: Ready,
	Do: func(ctx context.Context, client Client, mark ReadMark) (None, error) {
		return None{}, client.MarkRead(ctx, mark)
	},
}

// Typing is what SetChatState is asked with.
type Typing struct {
	Chat  Recipient
	State ChatState
}

// SetChatState shows the other side that the account is typing, recording, or has paused.
var SetChatState = Verb[Typing, None]{
	Name: "SetChatState", In: Ready,
	Do: func(ctx context.Context, client Client, typing Typing) (None, error) {
		return None{}, client.SetChatState(ctx, typing.Chat, typing.State)
	},
}

// CheckContacts asks WhatsApp which phone numbers have an account, at most 100 at a time, answered in the order of the
// question.
var CheckContacts = Verb[[]string, []Contact]{
	Name: "CheckContacts", In: Ready,
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
var FetchMedia = Verb[Download, None]{
	Name: "FetchMedia", In: Ready, Bound: fetchBound,
	Do: func(ctx context.Context, client Client, download Download) (None, error) {
		return None{}, client.FetchMedia(ctx, download.File, download.To)
	},
}

// PairPhone asks for a code that the owner of the number enters on the phone.
var PairPhone = Verb[string, string]{
	Name: "PairPhone", In: QRRequired,
	Do: func(ctx context.Context, client Client, phone string) (string, error) {
		return client.PairPhone(ctx, phone)
	},
}

// AnswerPasskey hands over the authenticator's answer to the challenge in Status.Passkey.
var AnswerPasskey = Verb[[]byte, None]{
	Name: "AnswerPasskey", In: QRRequired,
	Do: func(ctx context.Context, client Client, answer []byte) (None, error) {
		return None{}, client.AnswerPasskey(ctx, answer)
	},
}

// ConfirmPasskey says that a person has compared the code in Status.Passkey with the one on the phone.
var ConfirmPasskey = Verb[None, None]{
	Name: "ConfirmPasskey", In: QRRequired,
	Do: func(ctx context.Context, client Client, _ None) (None, error) {
		return None{}, client.ConfirmPasskey(ctx)
	},
}

package session

import (
	"context"
	"fmt"
	"time"
)

// Verb is an operation on the client of a session, such as sending a message. C is the interface that it needs of the
// client, Q is the type of its question, and A is the type of its answer.
type Verb[C, Q, A any] struct {
	Name  string        // for errors, logs and metrics
	In    State         // the state in which it is possible: READY or QR_REQUIRED
	Bound time.Duration // how long it may take; 0: the session's default bound
	// Whole lets an operation that has begun finish, even if the caller leaves.
	Whole bool
	// Awaits lets the caller wait briefly for a session that is just connecting again.
	Awaits bool
	Do     func(ctx context.Context, client C, question Q) (A, error)
}

// None is the answer type of a verb without an answer.
type None = struct{}

// Use is a verb with its question, on its way to a session.
type Use struct {
	Verb     string
	In       State
	Bound    time.Duration
	Whole    bool
	Awaits   bool
	Question any // of the verb's type
	Do       func(ctx context.Context, client Client) (any, error)
}

// Door is the only way to the client of a session, in whichever process the session lives.
type Door interface {
	// Use carries out a use and returns the result of its Do. It ends when ctx, the bound or the client's run ends.
	// Errors beside those of Do: CodeNotFound, CodeNotReady or CodeWrongState if the session is in another state,
	// CodeQueueFull, CodeTimeout, CodeRestarted, CodeShuttingDown, CodeQuarantined.
	Use(ctx context.Context, id ID, use Use) (any, error)
}

// With returns a use of the verb with a question. Its Do fails with CodeInternal if the client does not implement C.
func (v Verb[C, Q, A]) With(question Q) Use {
	return Use{
		Verb: v.Name, In: v.In, Bound: v.Bound, Whole: v.Whole, Awaits: v.Awaits, Question: question,
		Do: func(ctx context.Context, client Client) (any, error) {
			able, ok := client.(C)
			if !ok {
				return nil, &Error{Code: CodeInternal, Op: v.Name, Err: fmt.Errorf("the client is a %T and cannot do this", client)}
			}
			return v.Do(ctx, able, question)
		},
	}
}

// Ask carries out the verb on a session through a door and returns the answer. Errors are those of Door.Use.
func (v Verb[C, Q, A]) Ask(ctx context.Context, door Door, id ID, question Q) (answer A, err error) {
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

// VerbNames returns the names of the verbs that link a device.
func VerbNames() []string { return []string{PairPhone.Name, AnswerPasskey.Name, ConfirmPasskey.Name} }

// PairPhone asks WhatsApp for a code that the owner of the number enters on the phone. The question is the number.
var PairPhone = Verb[Client, string, string]{
	Name: "PairPhone", In: QRRequired,
	Do: func(ctx context.Context, client Client, phone string) (string, error) {
		return client.PairPhone(ctx, phone)
	},
}

// AnswerPasskey sends the authenticator's answer to the challenge in Status.Passkey.
var AnswerPasskey = Verb[Client, []byte, None]{
	Name: "AnswerPasskey", In: QRRequired,
	Do: func(ctx context.Context, client Client, answer []byte) (None, error) {
		return None{}, client.AnswerPasskey(ctx, answer)
	},
}

// ConfirmPasskey confirms that a person has compared the code in Status.Passkey with the one on the phone.
var ConfirmPasskey = Verb[Client, None, None]{
	Name: "ConfirmPasskey", In: QRRequired,
	Do: func(ctx context.Context, client Client, _ None) (None, error) {
		return None{}, client.ConfirmPasskey(ctx)
	},
}

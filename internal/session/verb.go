package session

import (
	"context"
	"fmt"
	"time"
)

// Verb is one thing that the client of a session does when it is asked. C is what it needs of the client, Q is what it is
// asked with, and A is its answer.
type Verb[C, Q, A any] struct {
	Name  string        // for errors, logs and metrics
	In    State         // in which it makes sense: READY or QR_REQUIRED
	Bound time.Duration // how long it may take; 0: as long as the session's own bound
	// Whole says that what has begun is not cut short when the caller leaves.
	Whole bool
	Do    func(ctx context.Context, client C, question Q) (A, error)
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

// With gives the verb its question. Do fails with CodeInternal if the client is not what the verb needs.
func (v Verb[C, Q, A]) With(question Q) Use {
	return Use{
		Verb: v.Name, In: v.In, Bound: v.Bound, Whole: v.Whole, Question: question,
		Do: func(ctx context.Context, client Client) (any, error) {
			able, ok := client.(C)
			if !ok {
				return nil, &Error{Code: CodeInternal, Op: v.Name, Err: fmt.Errorf("the client is a %T and cannot do this", client)}
			}
			return v.Do(ctx, able, question)
		},
	}
}

// Ask carries the verb to a session through a door and gives its answer. Errors are those of Door.Use.
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

// VerbNames are the names of the verbs that link a device.
func VerbNames() []string { return []string{PairPhone.Name, AnswerPasskey.Name, ConfirmPasskey.Name} }

// PairPhone asks for a code that the owner of the number enters on the phone.
var PairPhone = Verb[Client, string, string]{
	Name: "PairPhone", In: QRRequired,
	Do: func(ctx context.Context, client Client, phone string) (string, error) {
		return client.PairPhone(ctx, phone)
	},
}

// AnswerPasskey hands over the authenticator's answer to the challenge in Status.Passkey.
var AnswerPasskey = Verb[Client, []byte, None]{
	Name: "AnswerPasskey", In: QRRequired,
	Do: func(ctx context.Context, client Client, answer []byte) (None, error) {
		return None{}, client.AnswerPasskey(ctx, answer)
	},
}

// ConfirmPasskey says that a person has compared the code in Status.Passkey with the one on the phone.
var ConfirmPasskey = Verb[Client, None, None]{
	Name: "ConfirmPasskey", In: QRRequired,
	Do: func(ctx context.Context, client Client, _ None) (None, error) {
		return None{}, client.ConfirmPasskey(ctx)
	},
}

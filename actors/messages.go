package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/session"
)

// Tell steps the machine with an input from people or from the supervisor. The answer is a Told.
type Tell struct{ Input session.Input }

// Told answers Tell with the session's status after the step.
type Told struct {
	Before session.State
	Status session.Status
}

// RequestQR asks for a code; the answer is a session.QRAnswer, given when the session has come to one.
type RequestQR struct{}

// ForgetWaiter withdraws a RequestQR whose asker has gone.
type ForgetWaiter struct{ Asker *actor.PID }

// Dismiss answers everybody who waits for a code with OutcomeShuttingDown: the process drains.
type Dismiss struct{}

// SendText queues a message in the session's lane; the answer is a Sent.
type SendText struct {
	Text session.Text
}

// Sent answers SendText.
type Sent struct {
	Ack session.Ack
	Err error // *session.Error
}

// The rest are the actor's messages to itself. Those of a goroutine name the incarnation of the actor that started it,
// so that the next one does not take them for its own.
type (
	posted struct{ in session.Input } // by a client run
	fired  struct{ timer session.Timer }
	opened struct {
		incarnation session.Incarnation
		client      session.Client
	}
	sendDone struct {
		from        *Session
		incarnation session.Incarnation
		err         error
	}
	saved struct {
		from *Session
		err  error
	}
	saveDue struct{ from *Session }
	crashed struct {
		from  *Session
		crash *session.Crash
	}
)

const saveRetry = 2 * time.Second

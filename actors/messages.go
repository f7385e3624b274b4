package actors

import (
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/internal/session"
)

// Tell steps the machine with an input from people or from the supervisor. The answer is a Told.
type Tell struct {
	Input session.Input
	// Order is the place of a person's wish among all wishes for the session, in which they were stored. One that was
	// overtaken is not taken: the session would do other than what is stored. Zero is no wish.
	Order uint64
}

// Told answers Tell with the session's status after the step.
type Told struct {
	Before session.State
	Status session.Status
	Ended  <-chan struct{} // closed once the last client run, and an unlinking, have ended; nil: there was none
	Err    error           // *session.Error: the actor crashed over the input
}

// RequestQR asks for a code; the answer is a session.QRAnswer, given when the session has come to one.
type RequestQR struct {
	Order uint64 // as in Tell
}

// Forget withdraws a RequestQR, or a UseClient that has not begun, whose asker has gone.
type Forget struct{ Asker *actor.PID }

// Configure replaces the session's settings. The answer is a Told. A proxy counts from the next connect on.
type Configure struct {
	Settings session.Settings
	At       time.Time // when they were stored
}

// UseClient carries a verb out against the live client, off the mailbox. A Bound of 0 is UseBound; the ctx of Do also
// ends with the client's run. The answer is a Used: CodeNotReady or CodeWrongState where the session is in another
// state, CodeQueueFull where too much is in flight already.
type UseClient struct{ session.Use }

// Used answers UseClient.
type Used struct {
	Value any
	Err   error // *session.Error
}

// Dismiss answers everybody who waits for a code with OutcomeShuttingDown: the process drains.
type Dismiss struct{}

// The rest are the actor's messages to itself. Those of a goroutine name the incarnation of the actor that started it,
// so that the next one does not take them for its own.
type (
	posted struct { // by a client run
		in    session.Input
		inbox *atomic.Int64
	}
	fired  struct{ timer session.Timer }
	opened struct {
		incarnation session.Incarnation
		client      session.Client
	}
	useDone struct {
		from        *Session
		incarnation session.Incarnation
		err         error
	}
	crashed struct {
		from  *Session // nil: whichever incarnation runs
		crash *session.Crash
	}
)

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
	// Order numbers the changes of the desired state in the order in which they were stored. The session ignores an
	// input with a lower Order than one it has accepted, because it would then do something else than what is stored.
	// Zero means that the input changes no desired state.
	Order uint64
}

// Told answers Tell with the session's status after the step.
type Told struct {
	Before session.State
	Status session.Status
	Ended  <-chan struct{} // closed when the last client run or unlinking has ended; nil: there was none
	Err    error           // *session.Error: the actor crashed while handling the input
}

// RequestQR asks for a code. The answer is a session.QRAnswer and comes when the request has an outcome.
type RequestQR struct {
	Order uint64 // as in Tell
	Fresh bool   // the codes must last as long as those of a new connection
}

// Forget withdraws the RequestQR, or the UseClient that has not begun, of an asker that has gone.
type Forget struct{ Asker *actor.PID }

// Configure replaces the session's settings. The answer is a Told. A new proxy is used from the next connect on.
type Configure struct {
	Settings session.Settings
	At       time.Time // when they were stored
}

// UseClient carries out a verb with the live client, off the mailbox. A Bound of 0 means UseBound. The ctx of Do also
// ends when the client's run ends. The answer is a Used. Its error has CodeNotReady or CodeWrongState if the session is
// in another state than the verb needs, and CodeQueueFull if too many uses are in flight.
type UseClient struct{ session.Use }

// Used answers UseClient.
type Used struct {
	Value any
	Err   error // *session.Error
}

// Dismiss answers every caller that waits for a code with OutcomeShuttingDown, because the process drains.
type Dismiss struct{}

// The actor sends these messages to itself. A message from a goroutine names the incarnation that started the goroutine,
// so that the next incarnation does not take it as its own.
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
		from  *Session // nil: the message is for any incarnation
		crash *session.Crash
	}
)

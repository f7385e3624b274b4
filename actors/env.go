package actors

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"wasup/internal/session"
)

// Records is where the observed half of a session is kept.
type Records interface {
	// SaveObserved writes what was seen: state, cause, times, account, last error. Never desired, never the device.
	SaveObserved(ctx context.Context, record session.Record) error
}

// Observer is told what happens, on the goroutine where it happens, and must not block. Several sessions tell it at
// the same time. A panic in it is taken for a bug of the session that told it.
type Observer interface {
	SessionChanged(id session.ID, state session.State, cause session.Cause)
	// VerbDone tells a use of a client that has ended, or that was refused; code is "" where it succeeded.
	VerbDone(verb string, code session.Code, took time.Duration)
}

// Snapshots is told every snapshot that may differ from the last one, by several sessions at the same time. It must not block
// and must not panic.
type Snapshots interface {
	Publish(status session.Status)
}

// Env is what all session actors of a process share.
type Env struct {
	System    *actor.ActorSystem
	Dialer    session.Dialer
	Records   Records
	Observer  Observer
	Snapshots Snapshots // nil: nobody follows
	Policy    *session.Policy
	Log       *slog.Logger

	MaxWaiters  int           // callers that may wait for one session's code
	SaveTimeout time.Duration // for one write of a record

	// Tasks counts the goroutines that sessions own, so that whoever stops the process can wait for them. They are
	// started by actors and by each other; once the actors have stopped and every Core was told to Finish, no new one is.
	Tasks sync.WaitGroup
	// Draining says that the process refuses requests: nobody may begin to wait.
	Draining atomic.Bool
}

// Lost takes a message that reached no actor: the log is the last place where a bug can still be told.
func (e *Env) Lost(message any) {
	if m, ok := message.(crashed); ok {
		e.Log.Error("panic in a session that has stopped", "op", m.crash.Where, "err", m.crash.Reason, "stack", m.crash.Stack)
	}
}

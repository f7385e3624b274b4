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

// Records stores the observed part of sessions.
type Records interface {
	// SaveObserved writes state, cause, times, account and last error. It never writes the desired state or the device.
	SaveObserved(ctx context.Context, record session.Record) error
}

// Observer receives changes of sessions. Its methods are called on the goroutine where the change happens, by several
// sessions at the same time, and must not block. A panic in a method counts as a crash of the session that called it.
type Observer interface {
	SessionChanged(id session.ID, state session.State, cause session.Cause)
	// VerbDone reports a use of a client that has ended or was refused. code is "" if the use succeeded.
	VerbDone(verb string, code session.Code, took time.Duration)
}

// Snapshots receives every snapshot that may differ from the session's last one. Publish is called by several sessions
// at the same time. It must not block and must not panic.
type Snapshots interface {
	Publish(status session.Status)
}

// Env is what all session actors of a process share.
type Env struct {
	System    *actor.ActorSystem
	Dialer    session.Dialer
	Records   Records
	Observer  Observer
	Snapshots Snapshots // nil: nobody receives snapshots
	// StoreFails reports whether the database takes no writes at the moment. It must not block; nil: it never fails.
	StoreFails func() bool
	Policy     *session.Policy
	Log        *slog.Logger

	MaxWaiters  int           // how many callers may wait for one session's code
	SaveTimeout time.Duration // for one write of a record

	// Tasks counts the goroutines of all sessions, so that the supervisor can wait for them when the process stops.
	// Actors and other tasks start them. No new one starts after all actors have stopped and Finish was called on every
	// Core.
	Tasks sync.WaitGroup
	// Draining means that the process refuses new requests: no caller may begin to wait.
	Draining atomic.Bool
}

// storeFails reports whether the database takes no writes at the moment.
func (e *Env) storeFails() bool { return e.StoreFails != nil && e.StoreFails() }

// Lost handles a message that reached no actor. It logs the panic of a session that has stopped, which nobody else can
// report.
func (e *Env) Lost(message any) {
	if m, ok := message.(crashed); ok {
		e.Log.Error("panic in a session that has stopped", "op", m.crash.Where, "err", m.crash.Reason, "stack", m.crash.Stack)
	}
}

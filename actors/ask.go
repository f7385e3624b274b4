package actors

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// ErrGone is the answer where nobody is: the actor has stopped, or stopped before it answered.
var ErrGone = errors.New("actors: the actor is gone")

// Ask sends a message to an actor and waits for its one answer, which an ordinary ctx.Respond gives. It ends with
// ctx.Err() when ctx ends, and with ErrGone when the actor is not there or gone is closed; a nil gone never closes. An
// answer that has arrived wins over both. onEnd, if set, is told the asker's address when ctx ended first, so that the
// actor can forget it.
//
// It stands in for the library's own future, whose result and timeout race (docs/decisions/0002).
func Ask[R any](ctx context.Context, system *actor.ActorSystem, to *actor.PID, message any, gone <-chan struct{}, onEnd func(*actor.PID)) (R, error) {
	var zero R
	asker := &asker{answers: make(chan any, 1)}
	pid, ok := system.ProcessRegistry.Add(asker, "ask"+system.ProcessRegistry.NextId())
	if !ok {
		return zero, fmt.Errorf("actors: the asker's address %s is taken", pid.Id)
	}
	defer system.ProcessRegistry.Remove(pid)
	system.Root.RequestWithCustomSender(to, message, pid)
	select {
	case answer := <-asker.answers:
		return typed[R](answer)
	case <-gone:
		select {
		case answer := <-asker.answers:
			return typed[R](answer)
		default:
			return zero, ErrGone
		}
	case <-ctx.Done():
		select {
		case answer := <-asker.answers:
			return typed[R](answer)
		default:
		}
		if onEnd != nil {
			onEnd(pid)
		}
		return zero, ctx.Err()
	}
}

func typed[R any](answer any) (R, error) {
	var zero R
	switch v := answer.(type) {
	case R:
		return v, nil
	case *actor.DeadLetterResponse:
		return zero, ErrGone
	default:
		return zero, fmt.Errorf("actors: answered with %T, want %T", answer, zero)
	}
}

// asker is a process of the registry that takes one message. A second answer is dropped: the first one counts.
type asker struct {
	answered atomic.Bool
	answers  chan any // holds one: sending never blocks the actor that answers
}

func (a *asker) SendUserMessage(_ *actor.PID, message any) {
	if a.answered.CompareAndSwap(false, true) {
		_, answer, _ := actor.UnwrapEnvelope(message)
		a.answers <- answer
	}
}

func (a *asker) SendSystemMessage(*actor.PID, any) {}

func (a *asker) Stop(*actor.PID) {}

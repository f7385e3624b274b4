package actors

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// ErrGone means that nobody answers: the actor does not exist, or it stopped before it answered.
var ErrGone = errors.New("actors: the actor is gone")

// Ask sends a message to an actor and waits for one answer, which the actor gives with ctx.Respond. Ask returns
// ctx.Err() when ctx ends, and ErrGone when the actor does not exist or gone is closed. A nil gone never closes. An
// answer that has arrived wins over both errors. If ctx ends first, Ask calls onEnd, unless it is nil, with the asker's
// address, so that the actor can forget the asker.
//
// Ask replaces the library's own future, in which the result and the timeout race (docs/decisions/0002).
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

// asker is a process in the registry that accepts one answer and drops all later ones.
type asker struct {
	answered atomic.Bool
	answers  chan any // of size 1: sending never blocks the actor that answers
}

func (a *asker) SendUserMessage(_ *actor.PID, message any) {
	if a.answered.CompareAndSwap(false, true) {
		_, answer, _ := actor.UnwrapEnvelope(message)
		a.answers <- answer
	}
}

func (a *asker) SendSystemMessage(*actor.PID, any) {}

func (a *asker) Stop(*actor.PID) {}

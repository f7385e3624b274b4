package actors_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSystem() *actor.ActorSystem {
	return actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		actor.WithDeadLetterRequestLogging(false),
		actor.WithDeadLetterThrottleInterval(time.Millisecond),
	))
}

// spawn starts an actor that lives until the test ends.
func spawn(tb testing.TB, system *actor.ActorSystem, receive actor.ReceiveFunc) *actor.PID {
	tb.Helper()
	pid := system.Root.Spawn(actor.PropsFromFunc(receive))
	tb.Cleanup(func() { _ = system.Root.StopFuture(pid).Wait() })
	return pid
}

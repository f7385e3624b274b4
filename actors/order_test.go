package actors_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"wasup/actors"
	"wasup/internal/session"
)

// quiet implements every interface that a session needs, and does nothing.
type quiet struct{ session.Client }

func (q quiet) Open(context.Context, session.Run) (session.Client, error) { return q, nil }
func (quiet) Detach(context.Context, session.ID) error                    { return nil }

func (quiet) Forget(context.Context, session.ID) error                               { return nil }
func (quiet) Close()                                                                 {}
func (quiet) SaveObserved(context.Context, session.Record) error                     { return nil }
func (quiet) SessionChanged(id session.ID, state session.State, cause session.Cause) {}
func (quiet) VerbDone(string, session.Code, time.Duration)                           {}

func TestAWishThatWasOvertakenIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := session.DefaultPolicy()
		env := &actors.Env{
			System: newSystem(), Dialer: quiet{}, Records: quiet{}, Observer: quiet{}, Policy: &policy,
			Log: slog.New(slog.DiscardHandler), MaxWaiters: 10, SaveTimeout: time.Second,
		}
		core := actors.NewCore(env, session.Record{ID: "a", Desired: session.DesiredRun}, 1, time.Now())
		pid := env.System.Root.Spawn(actors.Props(core))
		tell := func(kind session.InputKind, order uint64) session.Status {
			told, err := actors.Ask[actors.Told](t.Context(), env.System, pid, actors.Tell{Input: session.Input{Kind: kind}, Order: order}, nil, nil)
			if err != nil || told.Err != nil {
				t.Fatal(err, told.Err)
			}
			return told.Status
		}
		if s := tell(session.Started, 1); s.State != session.Initializing {
			t.Fatalf("state is %s", s.State)
		}
		if s := tell(session.Stopped, 3); s.State != session.NotInitialized || s.Desired != session.DesiredStop {
			t.Fatalf("status is %+v", s)
		}
		if s := tell(session.Started, 2); s.State != session.NotInitialized || s.Desired != session.DesiredStop {
			t.Fatalf("stored is stop, but the status is %+v", s)
		}
		answer, err := actors.Ask[session.QRAnswer](t.Context(), env.System, pid, actors.RequestQR{Order: 2}, nil, nil)
		if err != nil || answer.Outcome != session.OutcomeStopped {
			t.Fatalf("answer is %+v, %v", answer, err)
		}
		if s := tell(session.Started, 4); s.State != session.Initializing || s.Desired != session.DesiredRun {
			t.Fatalf("status is %+v", s)
		}
		env.System.Root.Stop(pid)
		synctest.Wait()
		core.Finish()
		env.Tasks.Wait()
		time.Sleep(2 * time.Second) // protoactor's throttle of dead letters
	})
}

package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
	"wasup/supervisor"
)

func TestARequestWaitsForTheCodeAndGetsIt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		answers := w.request(t.Context(), "a")
		unansweredYet(t, answers)
		w.dialer.last("a").qr("code-1")
		answer := answered(t, answers)
		wantOutcome(t, answer, session.OutcomeQR)
		if answer.QR.Code != "code-1" || answer.State != session.QRRequired {
			t.Fatalf("answer is %+v", answer)
		}
		again := answered(t, w.request(t.Context(), "a"))
		wantOutcome(t, again, session.OutcomeQR)
		if n := w.dialer.count("a"); n != 1 {
			t.Fatalf("%d runs, want 1", n)
		}
	})
}

func TestARequestResolvesOnEveryStateThatSettlesIt(t *testing.T) {
	tests := []struct {
		input   session.InputKind
		outcome session.QROutcome
		state   session.State
	}{
		{session.SocketUp, session.OutcomeReady, session.Ready},
		{session.PairFailed, session.OutcomeFailed, session.AuthFailure},
		{session.ClientOutdated, session.OutcomeFailed, session.Errored},
		{session.Banned, session.OutcomeFailed, session.DisconnectedBanned},
		{session.TempBanned, session.OutcomeFailed, session.DisconnectedBanned},
	}
	for _, test := range tests {
		t.Run(string(test.input), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				answers := w.request(t.Context(), "a")
				unansweredYet(t, answers)
				w.dialer.last("a").post(test.input)
				answer := answered(t, answers)
				wantOutcome(t, answer, test.outcome)
				if answer.State != test.state {
					t.Fatalf("state is %s, want %s", answer.State, test.state)
				}
			})
		})
	}
}

func TestARequestEndsWhenAPersonStopsTheSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		answers := w.request(t.Context(), "a")
		synctest.Wait()
		if _, err := w.StopSession(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		wantOutcome(t, answered(t, answers), session.OutcomeStopped)
	})
}

func TestARequestEndsWhenAPersonLogsTheSessionOut(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		answers := w.request(t.Context(), "a")
		synctest.Wait()
		if _, err := w.Logout(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		wantOutcome(t, answered(t, answers), session.OutcomeStopped)
		w.is("a", session.DisconnectedLogout, session.CauseLoggedOut)
		if s, _ := w.Status("a"); s.Desired != session.DesiredStop || w.store.row("a").Desired != session.DesiredStop {
			t.Fatalf("desired is %s, stored %s", s.Desired, w.store.row("a").Desired)
		}
	})
}

func TestATimeoutSaysWhereTheSessionWas(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		answer := w.RequestQR(ctx, "a")
		wantOutcome(t, answer, session.OutcomeTimeout)
		if answer.State != session.Initializing {
			t.Fatalf("state is %s", answer.State)
		}
		if w.Waiting() != 0 {
			t.Fatalf("%d wait", w.Waiting())
		}
	})
}

func TestAHundredCallersAreAnsweredByOneCode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var all []<-chan session.QRAnswer
		for range 100 {
			all = append(all, w.request(t.Context(), "a"))
		}
		synctest.Wait()
		if w.Waiting() != 100 || w.dialer.count("a") != 1 {
			t.Fatalf("%d wait, %d runs", w.Waiting(), w.dialer.count("a"))
		}
		w.dialer.last("a").qr("one")
		for _, answers := range all {
			if answer := answered(t, answers); answer.QR.Code != "one" {
				t.Fatalf("answer is %+v", answer)
			}
		}
	})
}

func TestCallersBeyondTheCapsAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		first := w.request(ctx, "a")
		second := w.request(t.Context(), "a")
		unansweredYet(t, second)
		wantOutcome(t, answered(t, w.request(t.Context(), "a")), session.OutcomeTooMany)
		third := w.request(t.Context(), "b")
		unansweredYet(t, third)
		wantOutcome(t, answered(t, w.request(t.Context(), "c")), session.OutcomeTooMany)

		cancel() // frees one place, in the session's limit and in the total
		wantOutcome(t, answered(t, first), session.OutcomeTimeout)
		unansweredYet(t, w.request(t.Context(), "a"))
	}, func(cfg *supervisor.Config) { cfg.MaxWaiters, cfg.MaxWaitersTotal = 2, 3 })
}

func TestAWaiterSurvivesACrashAndGetsTheNextIncarnationsCode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		answers := w.request(t.Context(), "a")
		synctest.Wait()
		w.dialer.last("a").run.Post(session.Input{Kind: session.Crashed, Detail: "handler", Stack: "stack"})
		unansweredYet(t, answers)
		w.is("a", session.Initializing, session.CauseCrashed)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.dialer.last("a").qr("after")
		answer := answered(t, answers)
		wantOutcome(t, answer, session.OutcomeQR)
		if answer.QR.Code != "after" || w.dialer.count("a") != 2 {
			t.Fatalf("answer is %+v after %d runs", answer, w.dialer.count("a"))
		}
	})
}

func TestARequestThatCrashesTheActorIsAnsweredByTheNextIncarnation(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		crashes := 1
		w.observer.script(func(_ session.ID, state session.State) {
			if state == session.Initializing && crashes > 0 {
				crashes--
				panic("scripted")
			}
		})
		answers := w.request(t.Context(), "a")
		unansweredYet(t, answers)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.dialer.last("a").qr("after")
		wantOutcome(t, answered(t, answers), session.OutcomeQR)
		if w.supervision("a").Status.Restarts != 1 {
			t.Fatalf("%d restarts", w.supervision("a").Status.Restarts)
		}
	})
}

func TestAnUnlinkedDeviceUnderAWaitingCallerIsLinkedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.stored("a")
		if err := w.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		answers := w.request(t.Context(), "a")
		synctest.Wait()
		w.dialer.last("a").post(session.LoggedOut)
		unansweredYet(t, answers)
		if n := w.dialer.count("a"); n != 2 {
			t.Fatalf("%d runs, want 2", n)
		}
		w.dialer.last("a").qr("fresh")
		wantOutcome(t, answered(t, answers), session.OutcomeQR)
	})
}

func TestAServerThatAnswers401ForEverIsAskedAgainOnceOnly(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.stored("a")
		w.dialer.script(func(d *dialer) { d.onOpen = func(c *client) { c.post(session.LoggedOut) } })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		answer := w.RequestQR(ctx, "a")
		wantOutcome(t, answer, session.OutcomeTimeout)
		if answer.State != session.DisconnectedLogout {
			t.Fatalf("state is %s", answer.State)
		}
		if n := w.dialer.count("a"); n != 2 {
			t.Fatalf("%d runs, want 2", n)
		}
	})
}

func TestARequestReleasesAQuarantine(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.quarantine("a")
		answers := w.request(t.Context(), "a")
		unansweredYet(t, answers)
		time.Sleep(10 * time.Second) // the longest wait after a row of crashes
		synctest.Wait()
		w.dialer.last("a").qr("released")
		wantOutcome(t, answered(t, answers), session.OutcomeQR)
	})
}

func TestADatabaseErrorIsAnOutcomeAndStartsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.store.script(func(s *store) { s.desired = func(context.Context) error { return errDatabase } })
		wantOutcome(t, w.RequestQR(t.Context(), "a"), session.OutcomeError)
		_, _, err := w.Start(t.Context(), "a")
		wantCode(t, err, session.CodeStoreUnavailable)
		if _, ok := w.Status("a"); ok || w.dialer.count("a") != 0 || len(w.List()) != 0 {
			t.Fatal("something was started")
		}
	})
}

func TestAStoreThatHangsEndsTheRequestInTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.store.script(func(s *store) {
			s.desired = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		first, second := w.request(ctx, "a"), w.request(ctx, "a")
		time.Sleep(10 * time.Second)
		wantOutcome(t, answered(t, first), session.OutcomeTimeout)
		wantOutcome(t, answered(t, second), session.OutcomeTimeout)
	})
}

func TestWhatIsStoredLastIsWhatIsDone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		for range 50 {
			w.request(t.Context(), "a")
			go func() { _, _ = w.StopSession(t.Context(), "a") }()
			go func() { _, _, _ = w.Start(t.Context(), "a") }()
		}
		synctest.Wait()
		s, _ := w.Status("a")
		if stored := w.store.row("a").Desired; s.Desired != stored {
			t.Fatalf("stored is %s, done is %s", stored, s.Desired)
		}
		if rests := s.State == session.NotInitialized; rests != (s.Desired == session.DesiredStop) {
			t.Fatalf("desired is %s in %s", s.Desired, s.State)
		}
	}, func(cfg *supervisor.Config) { cfg.MaxWaiters = 1000 })
}

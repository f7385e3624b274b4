package supervisor_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
	"wasup/supervisor"
)

func TestStoredSessionsComeBackInParallelEachAtItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ids := names(50)
		w.stored(ids...)
		began := time.Now()
		opened := make(map[session.ID]time.Duration)
		w.dialer.script(func(d *dialer) {
			d.open = func(ctx context.Context, c *client) error {
				d.mu.Lock()
				opened[c.run.Session] = time.Since(began)
				d.mu.Unlock()
				if c.run.Session == ids[0] { // it hangs, and delays no other
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
			d.onOpen = func(c *client) { c.post(session.SocketUp) }
		})
		if r := w.Readiness(); r.Ready {
			t.Fatal("ready before the boot")
		}
		if err := w.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Fatalf("the boot waited %s", took)
		}
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if r := w.Readiness(); r.Ready || r.Wanted != 50 || r.Restored < 20 || r.Restored > 30 {
			t.Fatalf("half way: %+v", r)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r := w.Readiness()
		if r.Ready || r.Wanted != 50 || r.Restored != 49 || r.Settled != 49 {
			t.Fatalf("readiness is %+v", r)
		}
		if wanted, ready := w.observer.restored(); wanted != 50 || ready != 49 {
			t.Fatalf("told %d of %d", ready, wanted)
		}
		var second [6]int
		w.dialer.script(func(*dialer) {
			for _, at := range opened {
				second[at/time.Second]++
			}
		})
		if second[0] != 10 || second[4] != 10 {
			t.Fatalf("opened per second: %v", second)
		}
		time.Sleep(31 * time.Second) // the connect deadline of the one that hangs
		synctest.Wait()
		if r := w.Readiness(); !r.Ready || r.Settled != 50 || r.Restored != 49 {
			t.Fatalf("readiness is %+v", r)
		}
	})
}

func TestTheJitterSpreadsTurnsWithinItsBound(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.stored(names(100)...)
		w.dialer.script(func(d *dialer) { d.onOpen = func(c *client) { c.post(session.SocketUp) } })
		if err := w.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if r := w.Readiness(); r.Restored == 100 {
			t.Fatal("nothing was spread")
		}
		time.Sleep(5100 * time.Millisecond)
		synctest.Wait()
		if r := w.Readiness(); !r.Ready || r.Restored != 100 {
			t.Fatalf("readiness is %+v", r)
		}
	}, func(cfg *supervisor.Config) { cfg.BootRate, cfg.BootJitter = 1000, 5*time.Second })
}

func TestABootWithoutSessionsIsReady(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		if err := w.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := w.Readiness(); !r.Ready || r.Wanted != 0 {
			t.Fatalf("readiness is %+v", r)
		}
		w.Drain()
		if r := w.Readiness(); r.Ready || !r.Draining {
			t.Fatalf("readiness is %+v", r)
		}
	})
}

func TestABootThatCannotReadTheStoreSaysSoAndIsNotReady(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.store.script(func(s *store) { s.list = errDatabase })
		if err := w.Boot(t.Context()); !errors.Is(err, errDatabase) {
			t.Fatalf("error is %v", err)
		}
		if w.Readiness().Ready {
			t.Fatal("ready")
		}
	})
}

func TestOnlyWhatShouldRunAndWaitsForNobodyComesBack(t *testing.T) {
	device := "1:2@s.whatsapp.net"
	tests := []struct {
		name   string
		record session.Record
		state  session.State
		cause  session.Cause
		runs   int
	}{
		{"linked", session.Record{Desired: session.DesiredRun, DeviceJID: device, State: session.Ready}, session.Ready, session.CauseConnected, 1},
		{"failing", session.Record{Desired: session.DesiredRun, DeviceJID: device, State: session.Errored, Cause: session.CauseQuarantined}, session.Ready, session.CauseConnected, 1},
		{"stopped", session.Record{Desired: session.DesiredStop, DeviceJID: device, State: session.NotInitialized, Cause: session.CauseStopped}, session.NotInitialized, session.CauseStopped, 0},
		{"deleted", session.Record{Desired: session.DesiredDelete, DeviceJID: device, State: session.Ready}, session.NotInitialized, session.CauseNone, 0},
		{"never linked", session.Record{Desired: session.DesiredRun, State: session.QRRequired}, session.NotInitialized, session.CauseUnattended, 0},
		{"logged out", session.Record{Desired: session.DesiredRun, State: session.DisconnectedLogout, Cause: session.CauseLoggedOut}, session.DisconnectedLogout, session.CauseLoggedOut, 0},
		{"replaced", session.Record{Desired: session.DesiredRun, DeviceJID: device, State: session.DisconnectedLogout, Cause: session.CauseReplaced}, session.DisconnectedLogout, session.CauseReplaced, 0},
		{"banned", session.Record{Desired: session.DesiredRun, DeviceJID: device, State: session.DisconnectedBanned, Cause: session.CauseBanned}, session.DisconnectedBanned, session.CauseBanned, 0},
		{"pairing failed", session.Record{Desired: session.DesiredRun, State: session.AuthFailure, Cause: session.CausePairFailed}, session.AuthFailure, session.CausePairFailed, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				test.record.ID = "a"
				w.store.script(func(s *store) { s.rows["a"] = test.record })
				w.dialer.script(func(d *dialer) { d.onOpen = func(c *client) { c.post(session.SocketUp) } })
				if err := w.Boot(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				w.is("a", test.state, test.cause)
				if n := w.dialer.count("a"); n != test.runs {
					t.Fatalf("%d runs, want %d", n, test.runs)
				}
				if r := w.Readiness(); !r.Ready || r.Wanted != test.runs {
					t.Fatalf("readiness is %+v", r)
				}
			})
		})
	}
}

func TestATemporaryBanIsRetriedWhenItIsOverAlsoAfterARestartOfTheProcess(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		until := time.Now().Add(time.Hour)
		w.store.script(func(s *store) {
			s.rows["a"] = session.Record{
				ID: "a", Desired: session.DesiredRun, DeviceJID: "1:2@s.whatsapp.net", State: session.DisconnectedBanned,
				Cause: session.CauseTemporaryBan, Until: until.Round(0).UTC(),
			}
		})
		if err := w.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if w.dialer.count("a") != 0 {
			t.Fatal("tried before the ban is over")
		}
		w.untilRetry("a")
		if w.dialer.count("a") != 1 {
			t.Fatal("not tried")
		}
	})
}

func TestASessionStoppedBeforeItsTurnStaysStopped(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.stored(names(20)...)
		if err := w.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range names(20) {
			if _, err := w.StopSession(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, id := range names(20) {
			w.is(id, session.NotInitialized, session.CauseStopped)
		}
		if r := w.Readiness(); !r.Ready || r.Settled != 20 {
			t.Fatalf("readiness is %+v", r)
		}
	})
}

func TestAPersonWhoStopsASessionWhileTheBootRunsIsFaster(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.stored("a")
		var stopped atomic.Bool
		w.observer.script(func(session.ID, session.State) { // the session is registered, but its restore has not begun
			if stopped.CompareAndSwap(false, true) {
				if _, err := w.StopSession(t.Context(), "a"); err != nil {
					t.Error(err)
				}
			}
		})
		if err := w.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.is("a", session.NotInitialized, session.CauseStopped)
		if r := w.Readiness(); !r.Ready || w.dialer.count("a") != 0 {
			t.Fatalf("readiness is %+v after %d runs", r, w.dialer.count("a"))
		}
	})
}

func TestARequestBeforeItsTurnDoesNotStopTheRestore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.stored(names(20)...)
		w.dialer.script(func(d *dialer) { d.onOpen = func(c *client) { c.post(session.SocketUp) } })
		answers := w.request(t.Context(), "s019") // the request comes before Boot, and waits while Boot runs
		if err := w.Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		wantOutcome(t, answered(t, answers), session.OutcomeReady)
		if r := w.Readiness(); !r.Ready || r.Settled != r.Wanted {
			t.Fatalf("readiness is %+v", r)
		}
	})
}

package supervisor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
)

func TestAStateThatCannotBeStoredIsTriedAgainAndFailsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var attempts atomic.Int64
		w.store.script(func(s *store) {
			s.save = func(session.Record) error {
				if attempts.Add(1) <= 10 {
					return errDatabase
				}
				return nil
			}
		})
		w.up("a")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := attempts.Load(); n < 5 || n > 6 {
			t.Fatalf("%d attempts in 10 s, want one each 2 s", n)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
		if row := w.store.row("a"); attempts.Load() != 11 || row.State != session.Ready {
			t.Fatalf("%d attempts, stored is %+v", attempts.Load(), row)
		}
	})
}

// A session that is deleted while a state of it is on its way to the database has nothing more to store.
func TestTheStateOfADeletedSessionIsNotTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var attempts atomic.Int64
		w.store.script(func(s *store) {
			s.save = func(r session.Record) error {
				attempts.Add(1)
				return &session.Error{Code: session.CodeNotFound, Session: r.ID}
			}
		})
		w.up("a")
		synctest.Wait()
		before := attempts.Load()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := attempts.Load(); before == 0 || n != before {
			t.Fatalf("%d attempts, then %d", before, n)
		}
		w.is("a", session.Ready, session.CauseConnected)
	})
}

func TestTheNewestStateIsStoredLast(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		goOn := make(chan struct{})
		w.store.script(func(s *store) {
			s.save = func(r session.Record) error {
				if r.State == session.DisconnectedRecoverable {
					<-goOn // the write hangs, also while its actor crashes
				}
				return nil
			}
		})
		w.dialer.last("a").post(session.SocketLost)
		synctest.Wait()
		w.untilRetry("a")
		w.crash("a")
		w.untilRetry("a")
		w.dialer.last("a").post(session.Banned)
		synctest.Wait()
		w.is("a", session.DisconnectedBanned, session.CauseBanned)
		close(goOn)
		synctest.Wait()
		if row := w.store.row("a"); row.Cause != session.CauseBanned {
			t.Fatalf("stored is %+v", row)
		}
	})
}

func TestAStateSeenRightBeforeACrashIsStored(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		w.observer.script(func(_ session.ID, state session.State) {
			if state == session.DisconnectedLogout {
				panic("scripted bug")
			}
		})
		w.dialer.last("a").post(session.Replaced)
		synctest.Wait()
		if row := w.store.row("a"); row.Cause != session.CauseReplaced {
			t.Fatalf("stored is %+v", row)
		}
		w.is("a", session.DisconnectedLogout, session.CauseReplaced)
	})
}

func TestAWishThatCannotBeStoredIsNotDone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		w.store.script(func(s *store) { s.desired = func(context.Context) error { return errDatabase } })
		_, err := w.StopSession(t.Context(), "a")
		wantCode(t, err, session.CodeStoreUnavailable)
		_, err = w.Logout(t.Context(), "a")
		wantCode(t, err, session.CodeStoreUnavailable)
		w.is("a", session.Ready, session.CauseConnected)
		w.store.script(func(s *store) { s.desired = nil })
		if _, err := w.StopSession(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		w.is("a", session.NotInitialized, session.CauseStopped)
		if row := w.store.row("a"); row.Desired != session.DesiredStop {
			t.Fatalf("stored is %+v", row)
		}
	})
}

func TestAWishOfWhichNobodyKnowsWhetherItIsStoredIsOverwrittenByTheNext(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		w.store.script(func(s *store) {
			s.desired = func(context.Context) error { // the database stored it, but its answer was lost
				w.store.script(func(s *store) { s.rows["a"] = session.Record{ID: "a", Desired: session.DesiredStop} })
				return errDatabase
			}
		})
		_, err := w.StopSession(t.Context(), "a")
		wantCode(t, err, session.CodeStoreUnavailable)
		w.store.script(func(s *store) { s.desired = nil })
		if _, _, err := w.Start(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if row := w.store.row("a"); row.Desired != session.DesiredRun {
			t.Fatalf("stored is %+v", row)
		}
	})
}

func TestWatchingACodeKeepsThePairingAttended(t *testing.T) {
	for _, watched := range []bool{true, false} {
		bubble(t, func(t *testing.T, w *world) {
			answers := w.request(t.Context(), "a")
			synctest.Wait()
			w.dialer.script(func(d *dialer) { d.onOpen = func(c *client) { c.qr("1", "2", "3", "4", "5", "6") } })
			w.dialer.last("a").qr("1", "2", "3", "4", "5", "6")
			wantOutcome(t, answered(t, answers), session.OutcomeQR)
			for range 40 {
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if watched {
					w.Watch("a")
				}
			}
			if s, _ := w.Status("a"); (s.State == session.QRRequired) != watched {
				t.Fatalf("watched %t: state is %s, %s", watched, s.State, s.Cause)
			}
		})
	}
}

package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
)

// The dialer checks in every test that no session has two open runs at the same time, that each client is closed once,
// and that credentials are not deleted while a run is open.

func TestTheNextRunWaitsForTheCloseOfTheOneBefore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		first := w.dialer.last("a")
		closing := make(chan struct{})
		first.close = func() { <-closing }
		for range 5 { // runs that never opened hold the next one back too
			if _, err := w.Restart(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if w.dialer.count("a") != 1 || !first.isClosed() {
			t.Fatalf("%d runs, closed %t", w.dialer.count("a"), first.isClosed())
		}
		close(closing)
		synctest.Wait()
		if got := w.dialer.last("a").run.Incarnation; w.dialer.count("a") != 2 || got != 6 {
			t.Fatalf("%d runs, the last is %d", w.dialer.count("a"), got)
		}
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
	})
}

func TestTheNextRunWaitsForTheCloseAlsoAcrossACrash(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		closing := make(chan struct{})
		w.dialer.last("a").close = func() { <-closing }
		w.crash("a")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := w.dialer.count("a"); n != 1 {
			t.Fatalf("%d runs, want 1", n)
		}
		close(closing)
		synctest.Wait()
		if n := w.dialer.count("a"); n != 2 {
			t.Fatalf("%d runs, want 2", n)
		}
	})
}

func TestAClientThatNeverClosesDoesNotHoldItsSessionForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(discard{t})
		defer w.end()
		w.up("a")
		closing := make(chan struct{})
		defer close(closing)
		w.dialer.last("a").close = func() { <-closing }
		if _, err := w.Restart(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if n := w.dialer.count("a"); n != 1 {
			t.Fatalf("%d runs, want 1", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.dialer.count("a"); n < 2 {
			t.Fatalf("%d runs, want another one", n)
		}
	})
}

// discard ignores errors, so that a test may have two open runs at the same time.
type discard struct{ testing.TB }

func (discard) Errorf(string, ...any) {}

func TestWhatAnEndedRunPostsIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		old := w.dialer.last("a")
		if _, err := w.Restart(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		for _, kind := range []session.InputKind{
			session.LoggedOut, session.SocketLost, session.Replaced, session.Banned, session.ClientOutdated, session.Crashed, session.QRIssued,
		} {
			old.post(kind)
		}
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
		if node := w.supervision("a"); node.Status.Restarts != 0 || w.InFlight() != 0 {
			t.Fatalf("%d restarts, %d in flight", node.Status.Restarts, w.InFlight())
		}
	})
}

func TestAClientThatOpensTooLateIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		goOn := make(chan struct{})
		w.dialer.script(func(d *dialer) {
			d.open = func(_ context.Context, c *client) error {
				if c.run.Incarnation == 1 {
					<-goOn // it ignores the end of its context
				}
				return nil
			}
		})
		if _, _, err := w.Start(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		late := w.dialer.last("a")
		if _, err := w.Restart(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		close(goOn)
		synctest.Wait()
		if !late.isClosed() || w.dialer.count("a") != 2 {
			t.Fatalf("closed %t, %d runs", late.isClosed(), w.dialer.count("a"))
		}
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		if err := answered(t, w.sending(t.Context(), "a", "x")); err != nil {
			t.Fatal(err)
		}
		if len(late.sent) != 0 || len(w.dialer.last("a").sent) != 1 {
			t.Fatal("the message left through the run that had ended")
		}
	})
}

func TestARunThatCannotBeOpenedIsTriedAgainWithBackoff(t *testing.T) {
	tests := []struct {
		err   error
		cause session.Cause
	}{
		{&session.Error{Code: session.CodeConnectFailed}, session.CauseSocketLost},
		{&session.Error{Code: session.CodeConnectRefused, Status: 503}, session.CauseServerUnavailable},
		{&session.Error{Code: session.CodeStoreUnavailable}, session.CauseStoreUnavailable},
		{errors.New("unheard of"), session.CauseSocketLost},
	}
	for _, test := range tests {
		t.Run(test.err.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.dialer.script(func(d *dialer) {
					d.open = func(_ context.Context, c *client) error {
						if c.run.Incarnation <= 3 {
							return test.err
						}
						return nil
					}
				})
				if _, _, err := w.Start(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
				for n := 1; n <= 3; n++ {
					synctest.Wait()
					if s, _ := w.Status("a"); s.State != session.DisconnectedRecoverable || s.Cause != test.cause || s.Failures != n {
						t.Fatalf("status is %+v", s)
					}
					w.untilRetry("a")
				}
				w.dialer.last("a").post(session.SocketUp)
				synctest.Wait()
				w.is("a", session.Ready, session.CauseConnected)
			})
		})
	}
}

func TestARunThatFloodsItsSessionIsEnded(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		blocked, goOn := make(chan struct{}), make(chan struct{})
		w.observer.script(func(_ session.ID, state session.State) {
			if state == session.Reconnecting {
				close(blocked)
				<-goOn
			}
		})
		c := w.dialer.last("a")
		c.post(session.LoginReconnect)
		<-blocked // the actor handles no message now
		synctest.Wait()
		flood := w.dialer.last("a")
		for range 5000 {
			flood.post(session.KeepAliveStale)
		}
		if n := w.InFlight(); n > 1025 {
			t.Fatalf("%d in flight", n)
		}
		synctest.Wait()
		if !flood.isClosed() {
			t.Fatal("the flooding run is open")
		}
		w.observer.script(nil)
		close(goOn)
		synctest.Wait()
		if n := w.InFlight(); n != 0 {
			t.Fatalf("%d in flight", n)
		}
		w.untilRetry("a")
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
	})
}

func TestALogoutTellsWhatsAppAndDeletesTheCredentials(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name   string
		unlink func(ctx context.Context) error
		forget error // the error of the first attempts
	}{
		{"WhatsApp confirms", func(context.Context) error { return nil }, nil},
		{"WhatsApp refuses", func(context.Context) error { return errors.New("refused") }, nil},
		{"WhatsApp does not answer", hang, nil},
		{"the client has a bug", func(context.Context) error { panic("scripted bug") }, nil},
		{"the database is busy", func(context.Context) error { return nil }, errDatabase},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.up("a")
				told := false
				w.dialer.last("a").unlink = func(ctx context.Context) error { told = true; return test.unlink(ctx) }
				attempts := 0
				w.dialer.script(func(d *dialer) {
					d.forget = func() error {
						if attempts++; attempts <= 3 {
							return test.forget
						}
						return nil
					}
				})
				if _, err := w.Logout(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
				first := w.dialer.last("a")
				if _, _, err := w.Start(t.Context(), "a"); err != nil { // it waits until the credentials are deleted
					t.Fatal(err)
				}
				time.Sleep(20 * time.Second)
				synctest.Wait()
				if !told || w.dialer.forgot["a"] != 1 || !first.isClosed() {
					t.Fatalf("told %t, forgot %d, closed %t", told, w.dialer.forgot["a"], first.isClosed())
				}
				if w.dialer.count("a") < 2 {
					t.Fatal("the session does not start again")
				}
			})
		})
	}
}

func TestACrashRightAfterALogoutKeepsNoCredentials(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		w.observer.script(func(_ session.ID, state session.State) {
			if state == session.DisconnectedLogout {
				panic("scripted bug")
			}
		})
		_, err := w.Logout(t.Context(), "a")
		wantCode(t, err, session.CodeRestarted)
		synctest.Wait()
		w.is("a", session.DisconnectedLogout, session.CauseLoggedOut)
		if w.dialer.forgot["a"] != 1 {
			t.Fatalf("forgot %d times", w.dialer.forgot["a"])
		}
	})
}

package supervisor_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/supervisor"
)

// crash makes a session's client run post Crashed.
func (w *world) crash(id session.ID) {
	w.t.Helper()
	w.dialer.last(id).run.Post(session.Input{Kind: session.Crashed, Detail: "scripted bug", Stack: "scripted stack"})
	synctest.Wait()
}

// quarantine crashes a session until it is in quarantine.
func (w *world) quarantine(id session.ID) {
	w.t.Helper()
	if _, _, err := w.Start(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	for n := 1; ; n++ {
		w.crash(id)
		if s, _ := w.Status(id); s.Cause == session.CauseQuarantined {
			if n != 6 {
				w.t.Fatalf("quarantined after %d crashes, want 6", n)
			}
			return
		}
		if n > 6 {
			w.t.Fatal("not quarantined")
		}
		time.Sleep(20 * time.Second) // the backoff is over
		synctest.Wait()
	}
}

// untilRetry sleeps until the session tries again.
func (w *world) untilRetry(id session.ID) {
	w.t.Helper()
	status, _ := w.Status(id)
	if status.RetryAt.IsZero() {
		w.t.Fatalf("session %s is not to be retried", id)
	}
	time.Sleep(time.Until(status.RetryAt))
	synctest.Wait()
}

func TestABugInOneSessionRestartsThatSessionOnly(t *testing.T) {
	const bad = session.ID("s042")
	tests := []struct {
		name  string
		where string
		crash func(t *testing.T, w *world)
		run   session.Incarnation // of the bad session, once it is back
	}{
		{"in the actor", "actor on actors.posted", func(t *testing.T, w *world) {
			w.observer.script(func(id session.ID, state session.State) {
				if id == bad && state == session.DisconnectedRecoverable {
					panic("scripted bug")
				}
			})
			w.dialer.last(bad).post(session.SocketLost)
		}, 2},
		{"in opening a client", "effect OpenSocket", func(t *testing.T, w *world) {
			first := true
			w.dialer.script(func(d *dialer) {
				d.open = func(context.Context, *client) error {
					if first {
						first = false
						panic("scripted bug")
					}
					return nil
				}
			})
			if _, err := w.Restart(t.Context(), bad); err != nil {
				t.Fatal(err)
			}
		}, 3},
		{"in a send", "effect send", func(t *testing.T, w *world) {
			w.dialer.last(bad).send = func(context.Context, message.Outgoing) error { panic("scripted bug") }
			wantCode(t, answered(t, w.sending(t.Context(), bad, "x")), session.CodeRestarted)
		}, 2},
		{"in an event handler", "client run", func(t *testing.T, w *world) {
			w.dialer.last(bad).run.Post(session.Input{Kind: session.Crashed, Detail: "scripted bug", Stack: "goroutine"})
		}, 2},
		{"in closing a client", "effect CloseSocket", func(t *testing.T, w *world) {
			w.dialer.last(bad).close = func() { panic("scripted bug") }
			w.dialer.last(bad).post(session.SocketLost)
		}, 2},
		{"in storing the state", "effect Save", func(t *testing.T, w *world) {
			w.store.script(func(s *store) {
				s.save = func(r session.Record) error {
					if r.ID == bad && r.State == session.DisconnectedRecoverable {
						panic("scripted bug")
					}
					return nil
				}
			})
			w.dialer.last(bad).post(session.SocketLost)
		}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				ids := names(100)
				w.up(ids...)
				test.crash(t, w)
				synctest.Wait()
				for _, id := range ids {
					if id == bad {
						continue
					}
					if err := answered(t, w.sending(t.Context(), id, "meanwhile")); err != nil {
						t.Fatalf("%s does not answer: %v", id, err)
					}
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				w.dialer.last(bad).post(session.SocketUp)
				synctest.Wait()
				w.is(bad, session.Ready, session.CauseConnected)
				for _, node := range w.Tree() {
					wantNode(t, node.Status.ID == bad, node.Status, test.run, node.LastCrash, test.where, node.InWindow)
				}
			})
		})
	}
}

func wantNode(t *testing.T, bad bool, s session.Status, run session.Incarnation, crash *session.Crash, where string, inWindow int) {
	t.Helper()
	if !bad {
		if s.Incarnation != 1 || s.Restarts != 0 || crash != nil || s.State != session.Ready {
			t.Fatalf("%s was touched: %+v, %v", s.ID, s, crash)
		}
		return
	}
	if s.Restarts != 1 || inWindow != 1 || s.Incarnation != run {
		t.Fatalf("%d restarts, %d in the window, run %d; want 1, 1, %d", s.Restarts, inWindow, s.Incarnation, run)
	}
	if crash == nil || crash.Where != where || crash.Reason != "scripted bug" || !strings.Contains(crash.Stack, "goroutine") {
		t.Fatalf("last crash is %+v, want one in %s", crash, where)
	}
}

func TestTheSixthCrashInFiveMinutesQuarantines(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("other")
		w.quarantine("a")
		w.is("a", session.Errored, session.CauseQuarantined)
		node := w.supervision("a")
		if !node.Quarantined || node.Running || node.InWindow != 6 || node.LastCrash == nil || node.LastCrash.Stack != "scripted stack" {
			t.Fatalf("supervision is %+v", node)
		}
		if !w.dialer.last("a").isClosed() || w.observer.restarts != 6 {
			t.Fatalf("closed %t, %d restarts told", w.dialer.last("a").isClosed(), w.observer.restarts)
		}
		if row := w.store.row("a"); row.Cause != session.CauseQuarantined {
			t.Fatalf("stored is %+v", row)
		}
		_, err := w.Send(t.Context(), "a", message.Outgoing{Content: message.TextOf("x")})
		wantCode(t, err, session.CodeNotReady)
		if w.supervision("a").Running {
			t.Fatal("a send released the quarantine")
		}
		w.is("other", session.Ready, session.CauseConnected)
	})
}

func TestCrashesFarApartDoNotQuarantine(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		for range 12 {
			w.crash("a")
			time.Sleep(2 * time.Second)
			synctest.Wait()
			w.dialer.last("a").post(session.SocketUp)
			time.Sleep(88 * time.Second) // READY lasts, so the next crash is the first in a row again
			synctest.Wait()
			w.is("a", session.Ready, session.CauseConnected)
		}
		if node := w.supervision("a"); node.InWindow > 5 || node.Status.Restarts != 12 {
			t.Fatalf("supervision is %+v", node)
		}
	})
}

func TestAQuarantineEndsByItself(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.quarantine("a")
		runs := w.dialer.count("a")
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		w.is("a", session.Errored, session.CauseQuarantined)
		w.untilRetry("a")
		if w.dialer.count("a") != runs+1 {
			t.Fatalf("%d runs, want %d", w.dialer.count("a"), runs+1)
		}
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
		w.crash("a") // the count starts again at 1
		if node := w.supervision("a"); node.InWindow != 1 || !node.Running {
			t.Fatalf("supervision is %+v", node)
		}
	})
}

func TestAPersonsRestartEndsAQuarantine(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.quarantine("a")
		if _, err := w.Restart(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
		w.crash("a")
		if n := w.supervision("a").InWindow; n != 1 {
			t.Fatalf("%d in the window, want 1: the count begins anew", n)
		}
		w.untilRetry("a")
		w.dialer.last("a").post(session.SocketUp)
		time.Sleep(time.Hour) // the timer of the released quarantine does nothing
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
	})
}

func TestASessionThatCrashesWheneverItStartsIsQuarantined(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a", "b")
		w.observer.script(func(id session.ID, _ session.State) {
			if id == "a" {
				panic("scripted bug")
			}
		})
		w.dialer.last("a").post(session.SocketLost)
		synctest.Wait()
		// Every change panics, so the actor crashes. A stopped session starts its actor without a change, so the actor
		// survives that. A restart by a person crashes it again. The sixth crash quarantines the session, and its
		// release crashes it in the same way.
		for range 10 {
			_, err := w.Restart(t.Context(), "a")
			if err != nil {
				wantCode(t, err, session.CodeRestarted)
			}
			synctest.Wait()
			if w.supervision("a").Quarantined {
				break
			}
		}
		w.is("a", session.Errored, session.CauseQuarantined)
		if w.supervision("a").Running || len(w.dialer.stillOpen()) != 1 {
			t.Fatalf("running %t, open %v", w.supervision("a").Running, w.dialer.stillOpen())
		}
		w.is("b", session.Ready, session.CauseConnected)
		w.observer.script(nil)
		w.untilRetry("a")
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
	})
}

func TestACrashInItsFirstMessageIsSupervisedToo(t *testing.T) {
	tests := []struct {
		restarts int
		state    session.State
		cause    session.Cause
	}{
		{5, session.Reconnecting, session.CauseCrashed},
		{1, session.Errored, session.CauseQuarantined},
	}
	for _, test := range tests {
		bubble(t, func(t *testing.T, w *world) {
			w.up("a")
			w.observer.script(func(_ session.ID, state session.State) {
				if state == session.Reconnecting {
					panic("scripted bug")
				}
			})
			w.dialer.last("a").post(session.LoginReconnect)
			synctest.Wait()
			w.is("a", test.state, test.cause)
			node := w.supervision("a")
			if node.InWindow != 2 || node.LastCrash.Where != "actor on *actor.Started" || node.Running == node.Quarantined {
				t.Fatalf("supervision is %+v, last crash %+v", node, node.LastCrash)
			}
			w.observer.script(nil)
			w.untilRetry("a")
			w.dialer.last("a").post(session.SocketUp)
			synctest.Wait()
			w.is("a", session.Ready, session.CauseConnected)
		}, func(cfg *supervisor.Config) { cfg.Restarts = test.restarts })
	}
}

func TestACrashWhileItIsReleasedNeitherResurrectsNorLeavesAGhost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		w.dialer.last("a").close = func() { panic("scripted bug while closing") }
		w.observer.script(func(_ session.ID, state session.State) {
			if state == session.Errored {
				panic("scripted bug while stopping")
			}
		})
		w.crash("a") // the client is closed in Restarting, and Close panics
		if n := w.supervision("a").Status.Restarts; n != 1 {
			t.Fatalf("%d restarts, want 1", n)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for range 5 {
			w.crash("a")
			time.Sleep(20 * time.Second)
			synctest.Wait()
		}
		w.is("a", session.Errored, session.CauseQuarantined)
		if node := w.supervision("a"); node.Running || len(w.dialer.stillOpen()) != 0 {
			t.Fatalf("running %t, open %v", node.Running, w.dialer.stillOpen())
		}
		if row := w.store.row("a"); row.Cause != session.CauseQuarantined {
			t.Fatalf("stored is %+v", row)
		}
	})
}

func TestAPanicOfWhoeverCountsRestartsDoesNotTouchTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a", "b")
		w.observer.restart = func() { panic("scripted bug") }
		w.crash("a")
		w.is("a", session.Reconnecting, session.CauseCrashed)
		w.untilRetry("a")
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
		if s, _ := w.Status("b"); s.Incarnation != 1 || s.State != session.Ready {
			t.Fatalf("the other is %+v", s)
		}
	})
}

func TestAPanicWhileASessionIsReleasedLosesNoAnswerAndNoRestart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		w.dialer.last("a").send = gate(make(chan error)).send
		first := w.sending(t.Context(), "a", "1")
		synctest.Wait()
		second, third := w.sending(t.Context(), "a", "2"), w.sending(t.Context(), "a", "3")
		synctest.Wait()
		w.observer.lose = func() { panic("scripted bug") }
		w.crash("a")
		for _, done := range []<-chan error{first, second, third} {
			wantCode(t, answered(t, done), session.CodeRestarted)
		}
		if n := w.supervision("a").Status.Restarts; n != 1 {
			t.Fatalf("%d restarts, want 1", n)
		}
		w.untilRetry("a")
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		w.is("a", session.Ready, session.CauseConnected)
	})
}

func TestItRestartsAtOnceAndReconnectsLate(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		for range 3 {
			w.crash("a")
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		w.crash("a")
		runs := w.dialer.count("a")
		status, _ := w.Status("a")
		if status.State != session.Reconnecting || status.Cause != session.CauseCrashed || !status.RetryAt.After(time.Now()) {
			t.Fatalf("status is %+v", status)
		}
		_, err := w.Send(t.Context(), "a", message.Outgoing{Content: message.TextOf("x")})
		wantCode(t, err, session.CodeNotReady)
		var refused *session.Error
		if !errors.As(err, &refused) || refused.Message != "WhatsApp session not ready. Current state: RECONNECTING" {
			t.Fatalf("error is %v", err)
		}
		answers := w.request(t.Context(), "a")
		unansweredYet(t, answers)
		if _, already, err := w.Start(t.Context(), "a"); err != nil || !already {
			t.Fatalf("already %t, %v", already, err)
		}
		if w.dialer.count("a") != runs || time.Now().After(status.RetryAt) {
			t.Fatal("it did not wait for its reconnect")
		}
		w.untilRetry("a")
		w.dialer.last("a").post(session.SocketUp)
		wantOutcome(t, answered(t, answers), session.OutcomeReady)
	})
}

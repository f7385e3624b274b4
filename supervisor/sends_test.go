package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
	"wasup/supervisor"
)

// gate lets sends through one by one.
type gate chan error

func (g gate) send(ctx context.Context, _ session.Outgoing) error {
	select {
	case err := <-g:
		return err
	case <-ctx.Done():
		return &session.Error{Code: session.CodeAckOverdue, Err: ctx.Err()}
	}
}

func TestMessagesLeaveInOrderOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		c, g := w.dialer.last("a"), make(gate)
		c.send = g.send
		var sends []<-chan error
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprint(i))
			sends = append(sends, w.sending(t.Context(), "a", want[i]))
			synctest.Wait()
		}
		wantCode(t, answered(t, w.sending(t.Context(), "a", "one too many")), session.CodeQueueFull)
		for i, done := range sends {
			unansweredYet(t, done)
			if !slices.Equal(c.sent, want[:i+1]) {
				t.Fatalf("sent %v before the acknowledgement of %d", c.sent, i)
			}
			g <- nil
			if err := answered(t, done); err != nil {
				t.Fatal(err)
			}
		}
		if err := answered(t, w.sendingThrough(g, "a", "room again")); err != nil {
			t.Fatal(err)
		}
	})
}

func (w *world) sendingThrough(g gate, id session.ID, body string) <-chan error {
	done := w.sending(context.Background(), id, body)
	synctest.Wait()
	g <- nil
	return done
}

func TestASendInAnyOtherStateIsRefusedWithTheContractsSentence(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, err := w.Send(t.Context(), "a", session.Outgoing{})
		wantCode(t, err, session.CodeNotReady)
		if _, _, err := w.Start(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		_, err = w.Send(t.Context(), "a", session.Outgoing{})
		wantCode(t, err, session.CodeNotReady)
		var e *session.Error
		if !errors.As(err, &e) || e.Message != "WhatsApp session not ready. Current state: INITIALIZING" {
			t.Fatalf("error is %v", err)
		}
		if w.observer.failed[session.CodeNotReady] != 2 {
			t.Fatalf("told %v", w.observer.failed)
		}
	})
}

func TestAMessageThatIsNotAcknowledgedReconnectsAndAnswersTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		c := w.dialer.last("a")
		c.send = gate(make(chan error)).send
		first := w.sending(t.Context(), "a", "1")
		synctest.Wait()
		second := w.sending(t.Context(), "a", "2")
		unansweredYet(t, second)
		time.Sleep(30 * time.Second)
		wantCode(t, answered(t, first), session.CodeAckOverdue)
		wantCode(t, answered(t, second), session.CodeDisconnected)
		w.is("a", session.DisconnectedRecoverable, session.CauseAckOverdue)
		if !c.isClosed() || len(c.sent) != 1 {
			t.Fatalf("closed %t, sent %v", c.isClosed(), c.sent)
		}
		w.untilRetry("a")
		w.dialer.last("a").post(session.SocketUp)
		synctest.Wait()
		if err := answered(t, w.sending(t.Context(), "a", "3")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestARefusalIsTheCallersAndTheNextMessageLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		c := w.dialer.last("a")
		for _, code := range []session.Code{session.CodeSendFailed, session.CodeRestricted, session.CodeNotOnWhatsApp} {
			c.send = func(context.Context, session.Outgoing) error { return &session.Error{Code: code} }
			wantCode(t, answered(t, w.sending(t.Context(), "a", "x")), code)
		}
		c.send = nil
		if err := answered(t, w.sending(t.Context(), "a", "x")); err != nil {
			t.Fatal(err)
		}
		w.is("a", session.Ready, session.CauseConnected)
	})
}

func TestACrashAnswersTheMessageInFlightAndThoseBehindIt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		w.dialer.last("a").send = gate(make(chan error)).send
		first := w.sending(t.Context(), "a", "1")
		synctest.Wait()
		second := w.sending(t.Context(), "a", "2")
		synctest.Wait()
		w.crash("a")
		wantCode(t, answered(t, first), session.CodeRestarted)
		wantCode(t, answered(t, second), session.CodeRestarted)
	})
}

func TestALostLinkAnswersTheMessageInFlightAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		w.dialer.last("a").send = gate(make(chan error)).send
		first := w.sending(t.Context(), "a", "1")
		synctest.Wait()
		second := w.sending(t.Context(), "a", "2")
		synctest.Wait()
		w.dialer.last("a").post(session.SocketLost)
		wantCode(t, answered(t, first), session.CodeDisconnected)
		wantCode(t, answered(t, second), session.CodeDisconnected)
	})
}

func TestAClientThatHangsInASendHoldsUpItsOwnRunOnly(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		goOn := make(chan struct{})
		w.dialer.last("a").send = func(context.Context, session.Outgoing) error { <-goOn; return nil } // hears of nothing
		first := w.sending(t.Context(), "a", "1")
		synctest.Wait()
		if _, err := w.Restart(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		next := w.dialer.last("a")
		next.post(session.SocketUp)
		g := make(gate)
		next.send = g.send
		synctest.Wait()
		second := w.sending(t.Context(), "a", "2")
		synctest.Wait()
		third := w.sending(t.Context(), "a", "3")
		synctest.Wait()
		close(goOn) // what the run before says now does not let the third one pass the second
		if err := answered(t, first); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(next.sent, []string{"2"}) {
			t.Fatalf("sent %v", next.sent)
		}
		g <- nil
		g <- nil
		for _, done := range []<-chan error{second, third} {
			if err := answered(t, done); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAMessageNobodyWaitsForAnyMoreIsWithdrawn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		c, g := w.dialer.last("a"), make(gate)
		c.send = g.send
		first := w.sending(t.Context(), "a", "1")
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		second := w.sending(ctx, "a", "2")
		synctest.Wait()
		third := w.sending(t.Context(), "a", "3")
		synctest.Wait()
		cancel()
		wantCode(t, answered(t, second), session.CodeTimeout)
		g <- nil
		g <- nil
		if err := errors.Join(answered(t, first), answered(t, third)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.sent, []string{"1", "3"}) {
			t.Fatalf("sent %v", c.sent)
		}
	})
}

func TestASendDuringTheLastCrashIsAnsweredAndReleasesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		c := w.dialer.last("a")
		c.send = gate(make(chan error)).send
		first := w.sending(t.Context(), "a", "1")
		synctest.Wait()
		second := w.sending(t.Context(), "a", "2")
		synctest.Wait()
		w.crash("a") // one restart is allowed in this test, and none is left after it
		wantCode(t, answered(t, second), session.CodeQuarantined)
		if code := session.CodeOf(answered(t, first)); code != session.CodeQuarantined {
			t.Fatalf("code is %s", code)
		}
		w.is("a", session.Errored, session.CauseQuarantined)
		if w.supervision("a").Running {
			t.Fatal("released")
		}
	}, func(cfg *supervisor.Config) { cfg.Restarts = 0 })
}

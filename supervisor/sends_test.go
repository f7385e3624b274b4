package supervisor_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/supervisor"
)

// gate lets one send finish for each value that is sent to it.
type gate chan error

func (g gate) send(ctx context.Context, _ message.Outgoing) error {
	select {
	case err := <-g:
		return err
	case <-ctx.Done():
		return &session.Error{Code: session.CodeAckOverdue, Err: ctx.Err()}
	}
}

func TestASendInAnyOtherStateIsRefusedWithTheContractsSentence(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, err := w.Send(t.Context(), "a", message.Outgoing{})
		wantCode(t, err, session.CodeNotReady)
		if _, _, err := w.Start(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		_, err = w.Send(t.Context(), "a", message.Outgoing{})
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
		time.Sleep(10 * time.Second)
		second := w.sending(t.Context(), "a", "2")
		unansweredYet(t, second)
		time.Sleep(20 * time.Second)
		wantCode(t, answered(t, first), session.CodeAckOverdue)
		wantCode(t, answered(t, second), session.CodeDisconnected)
		w.is("a", session.DisconnectedRecoverable, session.CauseAckOverdue)
		if !c.isClosed() || len(c.sent) != 2 {
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
			c.send = func(context.Context, message.Outgoing) error { return &session.Error{Code: code} }
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
		w.dialer.last("a").send = func(context.Context, message.Outgoing) error { <-goOn; return nil } // it ignores the end of its context
		first := w.sending(t.Context(), "a", "1")
		synctest.Wait()
		if _, err := w.Restart(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		next := w.dialer.last("a")
		next.post(session.SocketUp)
		synctest.Wait()
		if err := answered(t, w.sending(t.Context(), "a", "2")); err != nil {
			t.Fatal(err)
		}
		close(goOn) // the answer of the earlier run reaches only its own caller
		if err := answered(t, first); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(next.sent, []string{"2"}) {
			t.Fatalf("sent %v", next.sent)
		}
		w.is("a", session.Ready, session.CauseConnected)
	})
}

func TestASendThatHasBegunGoesOnWithoutItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		c, g := w.dialer.last("a"), make(gate)
		c.send = g.send
		ctx, cancel := context.WithCancel(t.Context())
		sent := w.sending(ctx, "a", "1")
		synctest.Wait()
		cancel()
		wantCode(t, answered(t, sent), session.CodeTimeout)
		synctest.Wait()
		g <- nil // the message is still being sent
		synctest.Wait()
		if n := w.observer.failures(session.CodeTimeout); n != 0 || !slices.Equal(c.sent, []string{"1"}) {
			t.Fatalf("it failed %d times, sent %v", n, c.sent)
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
		w.crash("a") // this test allows no restart, so the first crash quarantines the session
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

package supervisor_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
)

func TestAPairingCodeLastsAsLongAsThatOfANewConnection(t *testing.T) {
	six := []string{"a", "b", "c", "d", "e", "f"}
	bubble(t, func(t *testing.T, w *world) {
		type answer struct {
			expires time.Time
			err     error
		}
		ask := func() <-chan answer {
			answers := make(chan answer, 1)
			go func() {
				_, expires, err := w.PairPhone(context.Background(), "51", "5491100000000")
				answers <- answer{expires, err}
			}()
			synctest.Wait()
			return answers
		}
		asked := w.request(context.Background(), "51")
		synctest.Wait()
		w.dialer.last("51").qr(six...)
		answered(t, asked)
		time.Sleep(150 * time.Second) // ten seconds are left of the codes
		first, second := ask(), ask()
		if len(first) != 0 || len(second) != 0 || w.dialer.count("51") != 2 {
			t.Fatalf("%d and %d answers, %d runs", len(first), len(second), w.dialer.count("51"))
		}
		w.dialer.last("51").qr(six...)
		for _, answers := range []<-chan answer{first, second} {
			if got := answered(t, answers); got.err != nil || time.Until(got.expires) != 160*time.Second {
				t.Errorf("%v, expires in %s", got.err, time.Until(got.expires))
			}
		}
		if w.dialer.last("51").phones() != 2 || w.dialer.count("51") != 2 {
			t.Errorf("%d codes of %d runs", w.dialer.last("51").phones(), w.dialer.count("51"))
		}
	})
}

func TestACallerLearnsWhyThereIsNoCode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.dialer.script(func(d *dialer) {
			d.open = func(context.Context, *client) error {
				return &session.Error{Code: session.CodeUntrusted, Message: "the TLS certificate is not valid"}
			}
		})
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		answer := w.RequestQR(ctx, "51")
		if answer.Outcome != session.OutcomeTimeout || answer.Reason != "the TLS certificate is not valid" {
			t.Errorf("got %+v", answer)
		}
		if status, _ := w.Status("51"); status.LastCause != session.CauseUntrustedServer {
			t.Errorf("the cause is %s", status.LastCause)
		}
		_, _, err := w.PairPhone(ctx, "51", "5491100000000")
		if session.CodeOf(err) != session.CodeTimeout || !strings.Contains(err.Error(), "The last attempt failed: the TLS certificate is not valid") {
			t.Errorf("got %v", err)
		}
	})
}

func TestACrashIsNoReasonForACaller(t *testing.T) {
	crashed := session.Status{State: session.Initializing, Failures: 1, Past: session.Past{LastCause: session.CauseCrashed, LastError: "handler: index out of range"}}
	if reason := crashed.FailureReason(); reason != "" {
		t.Errorf("a caller reads %q", reason)
	}
	connected := session.Status{State: session.Ready, Past: session.Past{LastCause: session.CauseSocketLost, LastError: "the connection ended"}}
	if reason := connected.FailureReason(); reason != "" {
		t.Errorf("a connected session fails because of %q", reason)
	}
}

func TestALogoutSaysWhatIsLeftToDo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("stopped")
		if _, err := w.StopSession(t.Context(), "stopped"); err != nil {
			t.Fatal(err)
		}
		w.up("replaced")
		w.dialer.last("replaced").post(session.Replaced)
		synctest.Wait()
		if _, err := w.StopSession(t.Context(), "new"); err != nil {
			t.Fatal(err)
		}
		w.up("connected")
		for id, want := range map[session.ID]struct {
			left     session.UnlinkState
			detached int
		}{
			"stopped":  {session.UnlinkPending, 1},
			"replaced": {session.UnlinkByPhone, 0},
			"new":      {"", 1}, // there is nothing to detach
		} {
			status, err := w.Logout(t.Context(), id)
			if err != nil || status.Unlink != want.left || w.dialer.detached[id] != want.detached || w.dialer.forgot[id] != 1 {
				t.Errorf("%s: %v, %q, detached %d times, forgotten %d times", id, err, status.Unlink, w.dialer.detached[id], w.dialer.forgot[id])
			}
		}
		if left, err := w.Delete(t.Context(), "connected"); err != nil || left != "" {
			t.Errorf("a connected session: %q, %v", left, err)
		}
		w.up("refused")
		w.dialer.last("refused").unlink = func(context.Context) error { return &session.Error{Code: session.CodeSendFailed} }
		if left, err := w.Delete(t.Context(), "refused"); err != nil || left != session.UnlinkPending {
			t.Errorf("a session whose unlinking was refused: %q, %v", left, err)
		}
	})
}

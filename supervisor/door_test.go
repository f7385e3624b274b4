package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// marking marks messages as read in the background.
func (w *world) marking(ctx context.Context, id session.ID) <-chan error {
	done := make(chan error, 1)
	go func() { done <- w.mark(ctx, id) }()
	return done
}

func (w *world) mark(ctx context.Context, id session.ID) error {
	_, err := message.MarkRead.Ask(ctx, w, id, message.ReadMark{})
	return err
}

// held makes the MarkRead of a session's client wait until its context ends or the returned channel is closed.
func (w *world) held(id session.ID) chan struct{} {
	release := make(chan struct{})
	w.dialer.last(id).mark = func(ctx context.Context) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return &session.Error{Code: session.CodeTimeout, Err: ctx.Err()}
		}
	}
	return release
}

func TestAReadySessionsClientIsUsedBesideItsSends(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("51")
		release := w.held("51")
		marked := w.marking(context.Background(), "51")
		unansweredYet(t, marked)
		if err := answered(t, w.sending(context.Background(), "51", "hello")); err != nil {
			t.Fatal(err)
		}
		close(release)
		if err := answered(t, marked); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOnlyAReadySessionsClientIsUsed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		wantCode(t, w.mark(context.Background(), "51"), session.CodeNotFound)
		w.stored("52")
		if _, err := w.StopSession(context.Background(), "52"); err != nil {
			t.Fatal(err)
		}
		wantCode(t, w.mark(context.Background(), "52"), session.CodeNotReady)
		if n := w.dialer.count("52"); n != 0 {
			t.Errorf("the session was started %d times", n)
		}
		w.up("53")
		w.Drain()
		wantCode(t, w.mark(context.Background(), "53"), session.CodeShuttingDown)
	})
}

func TestAUseEndsWithItsCallerItsRunOrItsBound(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(w *world, leave func())
		code session.Code
	}{
		"the caller leaves":    {func(_ *world, leave func()) { leave() }, session.CodeTimeout},
		"the socket is lost":   {func(w *world, _ func()) { w.dialer.last("51").post(session.SocketLost) }, session.CodeDisconnected},
		"the process drains":   {func(w *world, _ func()) { go w.Stop(context.Background()) }, session.CodeShuttingDown},
		"the bound has passed": {func(*world, func()) { time.Sleep(31 * time.Second) }, session.CodeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.up("51")
				ended := make(chan struct{})
				w.dialer.last("51").mark = func(ctx context.Context) error {
					defer close(ended)
					<-ctx.Done()
					return &session.Error{Code: session.CodeTimeout, Err: ctx.Err()}
				}
				ctx, leave := context.WithCancel(context.Background())
				defer leave()
				marked := w.marking(ctx, "51")
				unansweredYet(t, marked)
				test.end(w, leave)
				wantCode(t, answered(t, marked), test.code)
				synctest.Wait()
				select {
				case <-ended:
				default:
					t.Error("the client is still at it")
				}
			})
		})
	}
}

func TestAPanicInAUseIsItsSessionsAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("51", "52")
		w.dialer.last("51").mark = func(context.Context) error { panic("a bug") }
		wantCode(t, answered(t, w.marking(context.Background(), "51")), session.CodeRestarted)
		w.is("52", session.Ready, session.CauseConnected)
		if n := w.supervision("51").Status.Restarts; n != 1 {
			t.Errorf("restarted %d times", n)
		}
	})
}

func TestUsesOfOneClientAreBounded(t *testing.T) {
	const most = 32
	bubble(t, func(t *testing.T, w *world) {
		w.up("51")
		release := w.held("51")
		var all []<-chan error
		for range most {
			all = append(all, w.marking(context.Background(), "51"))
		}
		synctest.Wait()
		wantCode(t, answered(t, w.marking(context.Background(), "51")), session.CodeQueueFull)
		close(release)
		for _, one := range all {
			if err := answered(t, one); err != nil {
				t.Error(err)
			}
		}
		if err := answered(t, w.marking(context.Background(), "51")); err != nil {
			t.Errorf("there is room again: %v", err)
		}
	})
}

package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"

	"wasup/internal/session"
)

// opening makes runs post their first code before Open returns, as whatsmeow's handler may, and blocks them in Open.
func (w *world) opening(then func() error) (proceed func()) {
	held := make(chan struct{})
	w.dialer.script(func(d *dialer) {
		d.open = func(ctx context.Context, c *client) error {
			c.qr("a", "b")
			select {
			case <-held:
				return then()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return func() { close(held) }
}

type pairingCode struct {
	code string
	err  error
}

func (w *world) pairPhone(ctx context.Context) <-chan pairingCode {
	answers := make(chan pairingCode, 1)
	go func() {
		code, _, err := w.PairPhone(ctx, "51", "5491100000000")
		answers <- pairingCode{code, err}
	}()
	synctest.Wait()
	return answers
}

func TestAPairingCodeWaitsForTheClientOfACodeThatWasQuickerThanItsRun(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		proceed := w.opening(func() error { return nil })
		answers := w.pairPhone(context.Background())
		if len(answers) != 0 {
			t.Fatalf("answered before the run was open: %+v", <-answers)
		}
		proceed()
		if got := answered(t, answers); got.err != nil || got.code != "CODE-5491100000000" {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestAPairingCodeIsRefusedWhenTheRunNeverOpens(t *testing.T) {
	ways := map[string]struct {
		end  func(w *world, proceed func())
		code session.Code
	}{
		"the socket is lost": {func(w *world, _ func()) { w.dialer.last("51").post(session.SocketLost) }, session.CodeDisconnected},
		"somebody stops it":  {func(w *world, _ func()) { _, _ = w.StopSession(context.Background(), "51") }, session.CodeDisconnected},
		"the opening fails":  {func(_ *world, proceed func()) { proceed() }, session.CodeDisconnected},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				proceed := w.opening(func() error { return &session.Error{Code: session.CodeConnectFailed} })
				answers := w.pairPhone(context.Background())
				way.end(w, proceed)
				if got := answered(t, answers); session.CodeOf(got.err) != way.code {
					t.Fatalf("got %+v", got)
				}
			})
		})
	}
}

func TestAPairingCodeThatNobodyWaitsForAnyMoreIsNotAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		proceed := w.opening(func() error { return nil })
		ctx, leave := context.WithCancel(context.Background())
		answers := w.pairPhone(ctx)
		leave()
		if got := answered(t, answers); session.CodeOf(got.err) != session.CodeTimeout {
			t.Fatalf("got %+v", got)
		}
		proceed()
		synctest.Wait()
		if asked := w.dialer.last("51").phones(); asked != 0 {
			t.Fatalf("WhatsApp was asked for %d codes", asked)
		}
	})
}

func TestAVerbThatHadNotBegunWhenTheSocketWasLostIsRefusedAsNotReady(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.stored("51")
		w.dialer.script(func(d *dialer) {
			d.open = func(ctx context.Context, c *client) error {
				c.post(session.SocketUp) // before the run is open, as whatsmeow's handler may
				<-ctx.Done()
				return ctx.Err()
			}
		})
		if _, _, err := w.Start(t.Context(), "51"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.is("51", session.Ready, session.CauseConnected)
		sent := w.sending(t.Context(), "51", "hello")
		unansweredYet(t, sent)
		w.dialer.last("51").post(session.SocketLost)
		wantCode(t, answered(t, sent), session.CodeNotReady) // nothing was sent: the outbox repeats it, whatever send.max_attempts is
	})
}

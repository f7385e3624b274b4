package supervisor_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/supervisor"
)

// Every question gets an answer, however often its session crashes, is quarantined and is released meanwhile. The dialer
// checks that a session never has two actors, because they would open two runs.
func TestNoAnswerIsLostInAStormOfQuarantines(t *testing.T) {
	for restarts := range 3 {
		bubble(t, func(t *testing.T, w *world) {
			w.dialer.script(func(d *dialer) {
				d.onOpen = func(c *client) {
					if c.run.Incarnation%2 == 1 {
						c.run.Post(session.Input{Kind: session.Crashed, Detail: "scripted bug"})
					}
					c.qr("code")
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			began := time.Now()
			ids := names(8)
			var all sync.WaitGroup
			for n := range 400 {
				id := ids[n%len(ids)]
				all.Go(func() {
					switch n % 5 {
					case 0, 1:
						if answer := w.RequestQR(ctx, id); answer.Outcome == session.OutcomeError || answer.Outcome == session.OutcomeTimeout {
							t.Errorf("a request was answered %+v", answer)
						}
					case 2:
						if _, err := w.Restart(ctx, id); err != nil && session.CodeOf(err) != session.CodeRestarted {
							t.Errorf("a restart was answered %v", err)
						}
					case 3:
						if _, _, err := w.Start(ctx, id); err != nil && session.CodeOf(err) != session.CodeRestarted {
							t.Errorf("a start was answered %v", err)
						}
					default:
						_, err := w.Send(ctx, id, message.Outgoing{})
						wantOneOf(t, err, session.CodeNotReady, session.CodeRestarted, session.CodeQuarantined, session.CodeDisconnected)
					}
				})
			}
			all.Wait()
			if took := time.Since(began); took > 5*time.Minute {
				t.Errorf("the answers took %s", took)
			}
			synctest.Wait()
			for _, id := range ids {
				_, err := w.StopSession(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				w.is(id, session.NotInitialized, session.CauseStopped)
			}
			synctest.Wait()
			if open := w.dialer.stillOpen(); len(open) != 0 || w.Waiting() != 0 || w.InFlight() != 0 {
				t.Fatalf("open %v, %d waiting, %d in flight", open, w.Waiting(), w.InFlight())
			}
		}, func(cfg *supervisor.Config) { cfg.Restarts = restarts })
	}
}

func wantOneOf(t *testing.T, err error, codes ...session.Code) {
	t.Helper()
	for _, code := range codes {
		if session.CodeOf(err) == code {
			return
		}
	}
	t.Errorf("error is %v, want one of %v", err, codes)
}

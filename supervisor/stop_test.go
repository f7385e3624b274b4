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
)

func TestAStopClosesEveryClientAndAnswersEveryWaiter(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ids := names(50)
		w.up(ids...)
		code := w.request(t.Context(), "waiting")
		w.dialer.last(ids[0]).send = gate(make(chan error)).send
		flying := w.sending(t.Context(), ids[0], "1")
		synctest.Wait()
		queued := w.sending(t.Context(), ids[0], "2")
		unansweredYet(t, code)
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantOutcome(t, answered(t, code), session.OutcomeShuttingDown)
		wantCode(t, answered(t, flying), session.CodeShuttingDown)
		wantCode(t, answered(t, queued), session.CodeShuttingDown)
		for _, id := range ids {
			if !w.dialer.last(id).isClosed() {
				t.Fatalf("%s is open", id)
			}
		}
	})
}

func TestAStopIsIdempotentAndLegalBeforeTheBoot(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for range 3 {
			if err := w.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.stored("a")
		wantCode(t, w.Boot(t.Context()), session.CodeShuttingDown)
	})
}

func TestADrainAnswersWhoWaitsAndRefusesWhoComes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		code := w.request(t.Context(), "waiting")
		unansweredYet(t, code)
		w.Drain()
		wantOutcome(t, answered(t, code), session.OutcomeShuttingDown)
		for _, id := range []session.ID{"a", "waiting", "new"} {
			wantOutcome(t, w.RequestQR(t.Context(), id), session.OutcomeShuttingDown)
			_, _, err := w.Start(t.Context(), id)
			wantCode(t, err, session.CodeShuttingDown)
			_, err = w.Send(t.Context(), id, message.Outgoing{})
			wantCode(t, err, session.CodeShuttingDown)
		}
		w.is("a", session.Ready, session.CauseConnected)
		if _, ok := w.Status("new"); ok {
			t.Fatal("a session was made")
		}
	})
}

func TestAStopThatTakesTooLongNamesTheSessionsAndMayBeAwaitedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("good", "slow", "worse")
		closing := make(chan struct{})
		w.dialer.last("slow").close = func() { <-closing }
		w.store.script(func(s *store) {
			s.save = func(r session.Record) error {
				if r.ID == "worse" {
					<-closing
				}
				return nil
			}
		})
		w.dialer.last("worse").post(session.SocketLost)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := w.Stop(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), ": slow, worse: ") {
			t.Fatalf("error is %v", err)
		}
		close(closing)
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAStopWhileTheBootRunsEnds(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, w *world) {
			w.stored(names(200)...)
			booted := make(chan error, 1)
			go func() { booted <- w.Boot(t.Context()) }()
			var asked []<-chan session.QRAnswer
			for _, id := range names(20) {
				asked = append(asked, w.request(t.Context(), id))
			}
			if err := w.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := answered(t, booted); err != nil {
				wantCode(t, err, session.CodeShuttingDown)
			}
			for _, answers := range asked {
				wantOutcome(t, answered(t, answers), session.OutcomeShuttingDown)
			}
		})
	}
}

func TestACrashWhileItStopsBringsNothingBack(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, w *world) {
			ids := names(50)
			w.up(ids...)
			for _, id := range ids {
				c := w.dialer.last(id)
				go c.run.Post(session.Input{Kind: session.Crashed, Detail: "scripted bug"})
			}
			if err := w.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			for _, id := range ids {
				if n := w.dialer.count(id); n != 1 {
					t.Fatalf("%s has %d runs", id, n)
				}
			}
		})
	}
}

func TestAStopEndsAQuarantineAndTheRetriesOfItsRecord(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.quarantine("a")
		w.up("b")
		w.store.script(func(s *store) { s.save = func(session.Record) error { return errDatabase } })
		w.dialer.last("b").post(session.SocketLost)
		synctest.Wait()
		runs := w.dialer.count("a")
		began := time.Now()
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Fatalf("the stop waited %s", took)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.dialer.count("a") != runs {
			t.Fatal("released after the stop")
		}
	})
}

func TestWhatWasNotYetStoredIsStoredByTheStop(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		w.store.script(func(s *store) { s.save = func(session.Record) error { return errDatabase } })
		w.dialer.last("a").post(session.Replaced)
		synctest.Wait()
		w.store.script(func(s *store) { s.save = nil })
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if row := w.store.row("a"); row.Cause != session.CauseReplaced {
			t.Fatalf("stored is %+v", row)
		}
	})
}

func TestAStopLetsALogoutFinish(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("a")
		c := w.dialer.last("a")
		told := make(chan bool, 1)
		c.unlink = func(ctx context.Context) error {
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
			told <- !c.isClosed() && ctx.Err() == nil
			return nil
		}
		if _, err := w.Logout(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ok := answered(t, told); !ok || !c.isClosed() || w.dialer.forgot["a"] != 1 {
			t.Fatalf("told %t, closed %t, forgot %d", ok, c.isClosed(), w.dialer.forgot["a"])
		}
	})
}

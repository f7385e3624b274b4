package supervisor_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/session"
	"wasup/supervisor"
)

func TestASessionIsCreatedOnceAndStartsOnlyIfAsked(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		settings := session.Settings{Name: "Sales", Metadata: map[string]string{"team": "a"}}
		status, err := w.Create(context.Background(), "sales", settings, false)
		if err != nil || status.State != session.NotInitialized || status.Desired != session.DesiredStop || status.Settings.Name != "Sales" {
			t.Fatalf("created as %+v, %v", status, err)
		}
		if _, err := w.Create(context.Background(), "sales", settings, true); session.CodeOf(err) != session.CodeExists {
			t.Fatalf("created twice: %v", err)
		}
		if n := w.dialer.count("sales"); n != 0 {
			t.Fatalf("%d client runs of a session that nobody started", n)
		}
		status, err = w.Create(context.Background(), "support", session.Settings{}, true)
		if err != nil || status.State != session.Initializing || status.Desired != session.DesiredRun {
			t.Fatalf("created and started as %+v, %v", status, err)
		}
		if _, err := w.Create(context.Background(), "bad", session.Settings{Proxy: "ftp://x"}, false); session.CodeOf(err) != session.CodeInvalidRequest {
			t.Fatalf("a wrong proxy was taken: %v", err)
		}
	})
}

func TestANewProxyIsUsedAtOnceAndANewNameDisturbsNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("51")
		before, _ := w.Status("51")
		time.Sleep(time.Second)
		status, err := w.Update(context.Background(), "51", session.Settings{Name: "new"})
		if err != nil || status.Settings.Name != "new" || status.Incarnation != before.Incarnation || !status.UpdatedAt.After(before.UpdatedAt) {
			t.Fatalf("renamed from %+v to %+v, %v", before, status, err)
		}
		status, err = w.Update(context.Background(), "51", session.Settings{Name: "new", Proxy: "socks5://127.0.0.1:1080"})
		if err != nil || status.Incarnation == before.Incarnation {
			t.Fatalf("the old connection goes on beside the new proxy: %+v, %v", status, err)
		}
		if row := w.store.row("51"); row.Settings.Proxy == "" {
			t.Fatal("the proxy is not stored")
		}
		if _, err := w.Update(context.Background(), "nobody", session.Settings{}); session.CodeOf(err) != session.CodeNotFound {
			t.Fatalf("an unknown session was updated: %v", err)
		}
	})
}

func TestADeletedSessionLeavesNothingAndItsIdIsFree(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("51", "52")
		if _, err := w.Delete(context.Background(), "51"); err != nil {
			t.Fatal(err)
		}
		if _, known := w.Status("51"); known {
			t.Fatal("the session is still known")
		}
		if _, stored := w.store.rows["51"]; stored {
			t.Fatal("the session is still stored")
		}
		if w.dialer.forgot["51"] == 0 || !w.dialer.last("51").isClosed() {
			t.Fatal("its credentials or its client are left")
		}
		if !slices.Equal(w.observer.removed, []session.ID{"51"}) {
			t.Fatalf("removed: %v", w.observer.removed)
		}
		if _, err := w.Delete(context.Background(), "51"); err != nil {
			t.Fatalf("deleting again: %v", err)
		}
		w.is("52", session.Ready, session.CauseConnected)
		if _, err := w.Create(context.Background(), "51", session.Settings{}, true); err != nil {
			t.Fatalf("the id is not free: %v", err)
		}
		synctest.Wait()
		w.is("51", session.Initializing, session.CauseStarting)
	})
}

func TestADeletionThatFailedIsTakenUpByTheNextAttempt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.up("51")
		w.dialer.forget = func() error { return &session.Error{Code: session.CodeStoreUnavailable} }
		if _, err := w.Delete(context.Background(), "51"); session.CodeOf(err) != session.CodeStoreUnavailable {
			t.Fatalf("credentials could not be deleted: %v", err)
		}
		if row := w.store.row("51"); row.Desired != session.DesiredDelete {
			t.Fatalf("the row is %+v: without it nobody would finish the deletion", row)
		}
		w.dialer.forget = nil
		if _, err := w.Delete(context.Background(), "51"); err != nil {
			t.Fatal(err)
		}
		if _, stored := w.store.rows["51"]; stored || w.dialer.forgot["51"] == 0 {
			t.Fatal("the second attempt finished nothing")
		}
	})
}

func TestADeletionThatWasInterruptedIsFinishedAtTheNextStart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.stored("51", "52")
		w.store.script(func(s *store) {
			row := s.rows["51"]
			row.Desired = session.DesiredDelete
			s.rows["51"] = row
		})
		if err := w.Boot(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, stored := w.store.rows["51"]; stored || w.dialer.forgot["51"] != 1 {
			t.Fatal("the deletion was not finished")
		}
		if _, known := w.Status("51"); known || w.Readiness().Wanted != 1 {
			t.Fatalf("a deleted session is brought back: %+v", w.Readiness())
		}
	})
}

func TestAPairingCodeStartsTheSessionAndWaitsUntilTheServerIsReady(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		type answer struct {
			code    string
			expires time.Time
			err     error
		}
		answers := make(chan answer, 1)
		go func() {
			code, expires, err := w.PairPhone(context.Background(), "51", "5491100000000")
			answers <- answer{code, expires, err}
		}()
		synctest.Wait()
		w.dialer.last("51").qr("a", "b", "c")
		got := answered(t, answers)
		if got.err != nil || got.code != "CODE-5491100000000" || !got.expires.Equal(time.Now().Add(100*time.Second)) {
			t.Fatalf("got %+v", got)
		}
		w.dialer.last("51").post(session.SocketUp)
		synctest.Wait()
		if _, _, err := w.PairPhone(context.Background(), "51", "5491100000000"); session.CodeOf(err) != session.CodeWrongState {
			t.Fatalf("a linked session gave a pairing code: %v", err)
		}
	})
}

func TestAPasskeyIsAnsweredAndConfirmedByAPerson(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		if _, err := w.AnswerPasskey(ctx, "51", nil); session.CodeOf(err) != session.CodeNotFound {
			t.Fatalf("an unknown session took a passkey: %v", err)
		}
		answers := w.request(ctx, "51")
		synctest.Wait()
		w.dialer.last("51").qr("a")
		answered(t, answers)
		if _, err := w.ConfirmPasskey(ctx, "51"); session.CodeOf(err) != session.CodeWrongState {
			t.Fatalf("a passkey nobody asked for was confirmed: %v", err)
		}
		w.dialer.last("51").run.Post(session.Input{Kind: session.PasskeyRequired, Passkey: &session.Passkey{Challenge: []byte(`{"challenge":"x"}`)}})
		synctest.Wait()
		if _, err := w.AnswerPasskey(ctx, "51", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		status, _ := w.Status("51")
		if status.Passkey == nil || status.Passkey.Code != "1234" || string(status.Passkey.Challenge) != `{"challenge":"x"}` {
			t.Fatalf("the code to compare is not shown: %+v", status.Passkey)
		}
		if _, err := w.ConfirmPasskey(ctx, "51"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.is("51", session.Reconnecting, session.CausePairing)
	})
}

type live struct{ seen chan session.Status }

func (l live) Publish(status session.Status) { l.seen <- status }

func (l live) Remove(session.ID) {}

func TestWhoFollowsLiveSeesEveryCodeAndEveryState(t *testing.T) {
	follow := live{make(chan session.Status, 100)}
	bubble(t, func(t *testing.T, w *world) {
		answers := w.request(context.Background(), "51")
		synctest.Wait()
		w.dialer.last("51").qr("a", "b")
		answered(t, answers)
		time.Sleep(time.Minute)
		synctest.Wait()
		codes := map[string]bool{}
		for len(follow.seen) > 0 {
			codes[(<-follow.seen).QR.Code] = true
		}
		if !codes["a"] || !codes["b"] {
			t.Fatalf("seen: %v", codes)
		}
	}, func(c *supervisor.Config) { c.Snapshots = follow })
}

func TestADeletedSessionIsNotStoredAnyMore(t *testing.T) {
	for _, running := range []bool{true, false} {
		bubble(t, func(t *testing.T, w *world) {
			var attempts atomic.Int64
			if running {
				w.up("a")
			} else {
				w.quarantine("a")
			}
			w.store.script(func(s *store) {
				s.save = func(session.Record) error { attempts.Add(1); return errDatabase }
			})
			if _, err := w.StopSession(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Delete(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			before := attempts.Load()
			time.Sleep(time.Minute)
			synctest.Wait()
			if after := attempts.Load(); before == 0 || after != before {
				t.Fatalf("%d attempts, and %d more after the deletion", before, after-before)
			}
		})
	}
}

package outbox

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

var (
	ana   = session.Account{JID: "5491100000001:3@s.whatsapp.net", LID: "111:3@lid"}
	bruno = session.Account{JID: "34600111222:7@s.whatsapp.net", LID: "222:7@lid"}
)

// claim logs an account in.
func (r *rig) claim(t *testing.T, account session.Account) {
	t.Helper()
	if err := r.Claim(t.Context(), "51", account); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasAcceptedForOneAccountNeverLeavesFromAnother(t *testing.T) {
	for _, again := range []bool{false, true} { // in a new process, too
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{})
			r.claim(t, ana)
			r.becomes("51", session.DisconnectedLogout)
			var held []string
			for n := range 3 {
				held = append(held, r.enqueue(t, fmt.Sprint(n)))
			}
			later := r.enqueue(t, "later", func(q *message.Request) { q.SendAt = time.Now().Add(time.Minute) })
			r.claim(t, bruno)
			if again {
				if err := r.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.open(t, Options{})
			}
			r.line.auto = true
			r.becomes("51", session.Ready)
			mine := r.enqueue(t, "new-account")
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := ids(r.line.wantSent(t, 1)); got[0] != mine {
				t.Fatalf("sent %v", got)
			}
			for _, id := range append(slices.Clone(held), later) {
				if m := r.is(t, id, message.Held); !m.CanRequeue {
					t.Errorf("message is %+v", m)
				}
			}
			if s := r.Stats(); s != (Stats{Held: 4}) || r.Held("51") != 4 {
				t.Fatalf("stats are %+v", s)
			}
			// The key stays in use.
			if m, existed, err := r.Enqueue(t.Context(), request("0")); err != nil || !existed || m.ID != held[0] {
				t.Errorf("the key of a held message: %+v, %v, %v", m, existed, err)
			}
			// One is cancelled, one is requeued, then all others. All of it may be repeated.
			for range 2 {
				if m, err := r.Cancel(t.Context(), "51", held[1]); err != nil || m.State != message.Cancelled {
					t.Fatalf("cancelled: %+v, %v", m, err)
				}
			}
			r.becomes("51", session.Reconnecting)
			for range 2 {
				if m, err := r.Requeue(t.Context(), "51", held[2]); err != nil || m.State != message.Queued {
					t.Fatalf("requeued: %+v, %v", m, err)
				}
			}
			for _, want := range []int{2, 0} {
				if n, err := r.RequeueHeld(t.Context(), "51"); err != nil || n != want {
					t.Fatalf("requeued %d, %v", n, err)
				}
			}
			r.becomes("51", session.Ready)
			synctest.Wait()
			if got := ids(r.line.wantSent(t, 3)); !slices.Equal(got, []string{held[0], held[2], later}) {
				t.Errorf("sent %v", got)
			}
			if s := r.Stats(); s != (Stats{}) {
				t.Errorf("stats are %+v", s)
			}
			_, err := r.Requeue(t.Context(), "51", held[0])
			wantCode(t, err, session.CodeWrongState)
		})
	}
}

func TestTheSameAccountGoesOn(t *testing.T) {
	moved := session.Account{JID: "5491100000099:4@s.whatsapp.net", LID: ana.LID} // it has changed its number
	for what, accounts := range map[string][]session.Account{
		"relinked":                 {ana, {JID: "5491100000001:9@s.whatsapp.net", LID: "111:9@lid"}},
		"a new number":             {ana, moved},
		"the LID was not known":    {{JID: ana.JID}, ana},
		"the LID is not known now": {ana, {JID: ana.JID}},
		"the first account":        {bruno},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{})
			r.becomes("51", session.DisconnectedLogout)
			for _, account := range accounts[:len(accounts)-1] {
				r.claim(t, account)
			}
			id := r.enqueue(t, "k")
			r.claim(t, accounts[len(accounts)-1])
			r.line.auto = true
			r.becomes("51", session.Ready)
			synctest.Wait()
			if m, err := r.Message(t.Context(), "51", id); err != nil || m.State != message.ServerAck {
				t.Errorf("%s: message is %+v, %v", what, m, err)
			}
		})
	}
	recycled := session.Account{JID: ana.JID, LID: "333:1@lid"}
	if ana.Same(recycled) || ana.Same(bruno) || (session.Account{}).Same(session.Account{}) || !ana.Same(moved) {
		t.Error("a number that went to somebody else is the same account, or one that moved is another")
	}
}

func TestHeldMessagesExpireAndCanBeCancelledTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Retention: 24 * time.Hour})
		r.claim(t, ana)
		r.becomes("51", session.DisconnectedLogout)
		short := r.enqueue(t, "short", func(q *message.Request) { q.ExpiresAt = time.Now().Add(time.Minute) })
		long := r.enqueue(t, "long")
		r.claim(t, bruno)
		time.Sleep(60 * 24 * time.Hour)
		synctest.Wait()
		if _, err := r.Message(t.Context(), "51", short); session.CodeOf(err) != session.CodeUnknownMessage {
			t.Errorf("the expired one is still there: %v", err)
		}
		r.is(t, long, message.Held) // a person decides, however late
		if s := r.Stats(); s != (Stats{Held: 1}) {
			t.Errorf("stats are %+v", s)
		}
		for _, want := range []int{1, 0} {
			if n, err := r.CancelHeld(t.Context(), "51"); err != nil || n != want {
				t.Fatalf("cancelled %d, %v", n, err)
			}
		}
		r.is(t, long, message.Cancelled)
		if s := r.Stats(); s != (Stats{}) {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestRequeueingStopsAtTheLimitOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxOpen: 2})
		r.claim(t, ana)
		r.becomes("51", session.DisconnectedLogout)
		r.enqueue(t, "1")
		r.enqueue(t, "2")
		r.claim(t, bruno)
		mine := r.enqueue(t, "mine")
		n, err := r.RequeueHeld(t.Context(), "51")
		wantCode(t, err, session.CodeQueueFull)
		if s := r.Stats(); n != 1 || s.Held != 1 || s.Open != 2 {
			t.Errorf("%d requeued, stats are %+v", n, s)
		}
		if _, err := r.Cancel(t.Context(), "51", mine); err != nil {
			t.Fatal(err)
		}
		if n, err := r.RequeueHeld(t.Context(), "51"); err != nil || n != 1 {
			t.Errorf("%d requeued, %v", n, err)
		}
	})
}

func TestWhoWaitsForAMessageThatIsHeldIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.claim(t, ana)
		flying := r.sendText(t, "") // an attempt has begun
		behind := r.sendText(t, "")
		waiting := r.enqueue(t, "waits")
		seen := make(chan message.Message, 1)
		go func() {
			m, err := r.Wait(context.WithoutCancel(t.Context()), "51", waiting, message.ServerAck)
			if err != nil {
				t.Error(err)
			}
			seen <- m
		}()
		synctest.Wait()
		r.becomes("51", session.Reconnecting)
		r.line.refuse(session.CodeDisconnected)
		synctest.Wait()
		r.claim(t, bruno)
		wantCode(t, (<-flying).err, session.CodeOutcomeUnknown)
		wantCode(t, (<-behind).err, session.CodeWrongState)
		if m := <-seen; m.State != message.Held {
			t.Errorf("message is %+v", m)
		}
		if s := r.Stats(); s != (Stats{Held: 1}) {
			t.Errorf("stats are %+v", s)
		}
		r.line.wantSent(t, 1)
		r.line.auto = true
		r.becomes("51", session.Ready)
		synctest.Wait()
		r.line.wantSent(t, 0)
	})
}

// A hub that repeats a request is no person: what failed for one account does not leave from the next one.
func TestARepeatedRequestDoesNotSendFromAnotherAccount(t *testing.T) {
	for what, end := range map[string]func(r *rig){
		"unknown": func(r *rig) { r.line.refuse(session.CodeDisconnected) },
		"expired": func(r *rig) { r.line.unsent(session.CodeDisconnected) },
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{AttemptTimeout: time.Hour})
			r.claim(t, ana)
			first := r.sendText(t, "k")
			got := <-first
			r.becomes("51", session.NotInitialized)
			end(r)
			synctest.Wait()
			failed := r.is(t, got.result.MessageID, message.Failed)
			r.claim(t, bruno)
			r.line.auto = true
			for _, state := range []session.State{session.NotInitialized, session.Ready} {
				r.becomes("51", state)
				again := <-r.sendText(t, "k")
				wantCode(t, again.err, failed.Failure.Code)
				if again.took != 0 || again.result.MessageID != got.result.MessageID {
					t.Errorf("%s, %s: answered %+v after %s", what, state, again.result, again.took)
				}
			}
			r.line.wantSent(t, 1)
			if _, err := r.Requeue(t.Context(), "51", got.result.MessageID); err != nil {
				t.Errorf("%s: a person cannot decide: %v", what, err)
			}
			synctest.Wait()
			r.line.wantSent(t, 1)
		})
	}
}

func TestARepeatedRequestForAHeldMessageIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: time.Hour})
		r.claim(t, ana)
		r.becomes("51", session.NotInitialized)
		id := r.enqueue(t, "k")
		r.claim(t, bruno)
		r.becomes("51", session.Ready)
		got := <-r.sendText(t, "k")
		wantCode(t, got.err, session.CodeWrongState)
		if got.took != 0 || got.result.MessageID != id || got.result.State != message.Held {
			t.Errorf("answered %+v after %s", got.result, got.took)
		}
		r.line.wantSent(t, 0)
	})
}

func TestACancelledMessageHasNoFailure(t *testing.T) {
	for _, all := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{AttemptTimeout: time.Hour})
			r.claim(t, ana)
			id := r.enqueue(t, "k")
			synctest.Wait()
			r.becomes("51", session.NotInitialized)
			r.line.refuse(session.CodeDisconnected)
			synctest.Wait()
			r.claim(t, bruno)
			var err error
			if all {
				_, err = r.CancelHeld(t.Context(), "51")
			} else {
				_, err = r.Cancel(t.Context(), "51", id)
			}
			if m := r.is(t, id, message.Cancelled); err != nil || m.Failure != (message.Failure{}) {
				t.Errorf("all %t: the failure is %+v, %v", all, m.Failure, err)
			}
		})
	}
}

// Cancel and Requeue decide by the state that they find, also if another caller changes it in between.
func TestCancelAndRequeueAtOnceOfAHeldMessage(t *testing.T) {
	for what, first := range map[string]func(r *rig, id string) error{
		"requeued":  func(r *rig, id string) error { _, err := r.Requeue(context.Background(), "51", id); return err },
		"cancelled": func(r *rig, id string) error { _, err := r.Cancel(context.Background(), "51", id); return err },
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{})
			r.claim(t, ana)
			r.becomes("51", session.NotInitialized)
			cancelled, requeued := r.enqueue(t, "c"), r.enqueue(t, "r")
			r.claim(t, bruno)
			between := func(id string) {
				r.ledger.afterMessage = func() {
					r.ledger.afterMessage = nil
					if err := first(r, id); err != nil {
						t.Error(err)
					}
				}
			}
			between(cancelled)
			if m, err := r.Cancel(t.Context(), "51", cancelled); err != nil || m.State != message.Cancelled {
				t.Errorf("%s: to cancel answers %s, %v", what, m.State, err)
			}
			between(requeued)
			m, err := r.Requeue(t.Context(), "51", requeued)
			switch {
			case what == "requeued" && (err != nil || m.State != message.Queued):
				t.Errorf("to requeue answers %s, %v", m.State, err)
			case what == "cancelled":
				wantCode(t, err, session.CodeWrongState)
			}
			if s := r.Stats(); s.Held != 0 {
				t.Errorf("%s: stats are %+v", what, s)
			}
		})
	}
}

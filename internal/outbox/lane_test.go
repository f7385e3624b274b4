package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// enqueue accepts a message with a key and returns its id.
func (r *rig) enqueue(t *testing.T, key string, change ...func(*message.Request)) string {
	t.Helper()
	q := request(key)
	for _, c := range change {
		c(&q)
	}
	msg, existed, err := r.Enqueue(t.Context(), q)
	if err != nil || existed {
		t.Fatalf("enqueue %s: existed %v, %v", key, existed, err)
	}
	return msg.ID
}

// is fails the test unless the message is in the state.
func (r *rig) is(t *testing.T, messageID string, want message.State) message.Message {
	t.Helper()
	m, err := r.Message(t.Context(), "51", messageID)
	if err != nil || m.State != want {
		t.Fatalf("message is %+v, %v; want %s", m, err, want)
	}
	return m
}

func ids(sent []message.Outgoing) (list []string) {
	for _, m := range sent {
		list = append(list, m.ID)
	}
	return list
}

func TestWhatIsQueuedLeavesInOrderWhenTheSessionIsReady(t *testing.T) {
	for _, window := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{Window: window})
			r.becomes("51", session.Reconnecting)
			var want []string
			for n := range 3 * pageSize {
				want = append(want, r.enqueue(t, fmt.Sprint(n)))
			}
			synctest.Wait()
			r.line.wantSent(t, 0)
			if s := r.Stats(); s.Open != 3*pageSize || s.Lanes != 1 {
				t.Fatalf("stats are %+v", s)
			}
			r.line.auto = true
			r.becomes("51", session.Ready)
			synctest.Wait()
			if got := ids(r.line.wantSent(t, len(want))); !slices.Equal(got, want) {
				t.Fatalf("sent %v, want %v", got, want)
			}
			r.is(t, want[0], message.ServerAck)
			if s := r.Stats(); s != (Stats{}) {
				t.Fatalf("stats are %+v", s)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.lanes)+len(r.waiters.all)+len(r.pacer.paces) != 0 {
				t.Errorf("%d lanes, %d waiters and %d paces are left", len(r.lanes), len(r.waiters.all), len(r.pacer.paces))
			}
		})
	}
}

func TestSessionsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.enqueue(t, "hangs")
		synctest.Wait()
		r.line.auto = true
		other := r.enqueue(t, "leaves", func(q *message.Request) { q.Session = "52" })
		synctest.Wait()
		if m, err := r.Message(t.Context(), "52", other); err != nil || m.State != message.ServerAck {
			t.Fatalf("%+v, %v", m, err)
		}
	})
}

func TestWhatAnEarlierProcessLeftIsSentUnderTheStoredIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		first, second := r.enqueue(t, "1"), r.enqueue(t, "2")
		synctest.Wait()
		r.line.wantSent(t, 1)
		r.is(t, first, message.Sending)
		died, cancel := context.WithCancel(t.Context())
		cancel()
		wantCode(t, r.Stop(died), session.CodeTimeout)
		r.open(t, Options{})
		synctest.Wait()
		if s := r.Stats(); s.Open != 2 {
			t.Fatalf("stats are %+v", s)
		}
		r.line.acknowledge()
		r.line.acknowledge()
		synctest.Wait()
		if got := ids(r.line.wantSent(t, 2)); !slices.Equal(got, []string{first, second}) {
			t.Fatalf("sent %v, want %s and %s", got, first, second)
		}
	})
}

func TestAnAttemptWithoutOutcomeIsMadeAgainUnderItsID(t *testing.T) {
	for _, code := range []session.Code{
		session.CodeAckOverdue, session.CodeDisconnected, session.CodeRestarted, session.CodeTimeout, session.CodeStoreFull,
		session.CodeStoreLocked, session.CodeStoreUnavailable, session.CodeNotReady, session.CodeQuarantined, session.CodeInternal,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{AttemptTimeout: 2 * time.Hour})
			first := r.enqueue(t, "1")
			second := r.enqueue(t, "2")
			for range 3 {
				r.line.refuse(code)
			}
			time.Sleep(time.Hour)
			r.line.acknowledge()
			r.line.acknowledge()
			synctest.Wait()
			want := []string{first, first, first, first, second}
			if got := ids(r.line.wantSent(t, 5)); !slices.Equal(got, want) {
				t.Fatalf("%s: sent %v, want %v", code, got, want)
			}
			m := r.is(t, first, message.ServerAck)
			if begun := map[bool]int{true: 1, false: 4}[verdictOf(&session.Error{Code: code}) == notBegun]; m.Attempts != begun {
				t.Errorf("%s: %d attempts count, want %d", code, m.Attempts, begun)
			}
		})
	}
}

func TestAMessageThatAlwaysEndsTheConnectionFailsInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxAttempts: 4, RetryMin: time.Second, RetryMax: time.Minute})
		poison := r.enqueue(t, "poison")
		next := r.enqueue(t, "next")
		began := time.Now()
		for range 4 {
			r.line.refuse(session.CodeDisconnected)
		}
		r.line.acknowledge()
		// The session is READY again at once each time. The lane must not retry without a pause.
		for range 100 {
			r.SessionChanged("51", session.Ready, session.CauseConnected)
		}
		synctest.Wait()
		r.line.wantSent(t, 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		r.line.wantSent(t, 3)
		m := r.is(t, poison, message.Failed)
		if m.Failure.Code != session.CodeDisconnected || m.UpdatedAt.Sub(began) < 1500*time.Millisecond {
			t.Errorf("it failed after %s with %+v", m.UpdatedAt.Sub(began), m.Failure)
		}
		r.is(t, next, message.ServerAck)
	})
}

func TestARefusalByCauseIsFinalAndTheNextMessageLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		for status, final := range map[int]bool{400: true, 479: true, 0: true, 429: false, 500: false, 503: false} {
			id := r.enqueue(t, fmt.Sprint(status))
			r.line.answers <- answer{err: &session.Error{Code: session.CodeSendFailed, Status: status}}
			if !final {
				r.line.acknowledge()
			}
			synctest.Wait()
			r.is(t, id, map[bool]message.State{true: message.Failed, false: message.ServerAck}[final])
		}
		for _, code := range []session.Code{
			session.CodeRestricted, session.CodeNotOnWhatsApp, session.CodeInvalidRequest, session.CodeMediaGone, session.CodeMediaTooLarge,
		} {
			id := r.enqueue(t, string(code))
			r.line.refuse(code)
			synctest.Wait()
			if m := r.is(t, id, message.Failed); m.Failure.Code != code {
				t.Errorf("%s failed for %s", code, m.Failure.Code)
			}
		}
	})
}

func TestOnlyWhatIsQueuedCanBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		flying, waiting := r.enqueue(t, "flying"), r.enqueue(t, "waiting")
		synctest.Wait()
		m, err := r.Cancel(t.Context(), "51", flying)
		wantCode(t, err, session.CodeWrongState)
		if m.State != message.Sending {
			t.Errorf("it is %s", m.State)
		}
		for range 2 {
			if m, err = r.Cancel(t.Context(), "51", waiting); err != nil || m.State != message.Cancelled {
				t.Fatalf("cancelled it is %+v, %v", m, err)
			}
		}
		r.line.acknowledge()
		synctest.Wait()
		if got := ids(r.line.wantSent(t, 1)); got[0] != flying {
			t.Fatalf("sent %v", got)
		}
		_, err = r.Cancel(t.Context(), "51", flying)
		wantCode(t, err, session.CodeWrongState)
		_, err = r.Cancel(t.Context(), "51", "3EB0")
		wantCode(t, err, session.CodeUnknownMessage)
		if s := r.Stats(); s.Open != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestWhatFailedIsQueuedAgainUnderItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		id := r.enqueue(t, "k", func(q *message.Request) { q.ExpiresAt = time.Now().Add(time.Minute) })
		synctest.Wait()
		_, err := r.Requeue(t.Context(), "51", id)
		wantCode(t, err, session.CodeWrongState)
		r.line.refuse(session.CodeNotOnWhatsApp)
		synctest.Wait()
		r.is(t, id, message.Failed)
		time.Sleep(time.Hour) // a requeue drops the old time limit
		if _, err := r.Requeue(t.Context(), "51", id); err != nil {
			t.Fatal(err)
		}
		r.line.acknowledge()
		synctest.Wait()
		if got := ids(r.line.wantSent(t, 2)); got[0] != id || got[1] != id {
			t.Fatalf("sent %v", got)
		}
		r.is(t, id, message.ServerAck)
		_, err = r.Requeue(t.Context(), "51", id)
		wantCode(t, err, session.CodeWrongState)
		if s := r.Stats(); s.Open != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestAMessageForLaterLetsOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.line.auto = true
		later := r.enqueue(t, "later", func(q *message.Request) { q.SendAt = time.Now().Add(time.Hour) })
		now := r.enqueue(t, "now")
		synctest.Wait()
		r.is(t, now, message.ServerAck)
		r.is(t, later, message.Queued)
		time.Sleep(59 * time.Minute)
		r.line.wantSent(t, 1)
		r.becomes("51", session.Reconnecting)
		time.Sleep(2 * time.Minute)
		r.line.wantSent(t, 0)
		r.becomes("51", session.Ready)
		synctest.Wait()
		r.is(t, later, message.ServerAck)
	})
}

func TestAMessageForLaterLeavesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.line.auto = true
		id := r.enqueue(t, "later", func(q *message.Request) { q.SendAt = time.Now().Add(time.Hour) })
		time.Sleep(time.Hour - time.Second)
		r.is(t, id, message.Queued)
		time.Sleep(time.Second)
		synctest.Wait()
		r.is(t, id, message.ServerAck)
		if r.ledger.reads > 6 {
			t.Errorf("the ledger was asked %d times", r.ledger.reads)
		}
	})
}

func TestAMessageRunsOutWhetherItsSessionIsThereOrNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.becomes("51", session.Reconnecting)
		soon := func(q *message.Request) { q.ExpiresAt = time.Now().Add(time.Minute) }
		late := r.enqueue(t, "later", func(q *message.Request) { q.ExpiresAt = time.Now().Add(time.Hour) })
		first := r.enqueue(t, "1", soon)
		time.Sleep(time.Minute)
		synctest.Wait()
		if m := r.is(t, first, message.Failed); m.Failure.Code != session.CodeExpired {
			t.Fatalf("it failed for %+v", m.Failure)
		}
		r.is(t, late, message.Queued)
		r.becomes("51", session.Ready)
		synctest.Wait()
		r.line.acknowledge()
		r.is(t, late, message.Sending)

		flying := r.enqueue(t, "2", soon)
		synctest.Wait()
		time.Sleep(40 * time.Second)
		r.is(t, flying, message.Sending)
		r.line.acknowledge() // in time
		time.Sleep(time.Hour)
		r.is(t, flying, message.ServerAck)
		if got := ids(r.line.wantSent(t, 2)); got[0] != late || got[1] != flying {
			t.Errorf("sent %v", got)
		}
		if s := r.Stats(); s.Open != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestAMessageThatRunsOutWhileItIsOnItsWayHasItsAttemptsOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: time.Hour})
		soon := func(q *message.Request) { q.ExpiresAt = time.Now().Add(time.Minute) }
		arrives := r.enqueue(t, "1", soon)
		time.Sleep(10 * time.Minute)
		r.is(t, arrives, message.Sending)
		r.line.acknowledge()
		synctest.Wait()
		r.is(t, arrives, message.ServerAck)
		fails := r.enqueue(t, "2", soon)
		time.Sleep(10 * time.Minute)
		r.line.refuse(session.CodeDisconnected)
		synctest.Wait()
		r.is(t, fails, message.Failed)
		r.line.wantSent(t, 2)
	})
}

func TestASessionSendsNoFasterThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Rate: 0.5, Window: 8})
		r.line.auto = true
		for n := range 10 {
			r.enqueue(t, fmt.Sprint(n))
		}
		synctest.Wait()
		r.line.wantSent(t, 1)
		for range 9 {
			time.Sleep(2*time.Second - time.Millisecond)
			r.line.wantSent(t, 0)
			time.Sleep(time.Millisecond)
			synctest.Wait()
			r.line.wantSent(t, 1)
		}
	})
}

func TestJitterOnlyEverAddsToThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Rate: 1, Jitter: time.Second})
		r.line.auto = true
		for n := range 20 {
			r.enqueue(t, fmt.Sprint(n))
		}
		time.Sleep(19*time.Second - time.Millisecond)
		synctest.Wait()
		r.line.mu.Lock()
		n := len(r.line.sent)
		r.line.mu.Unlock()
		if n >= 20 || n < 10 {
			t.Errorf("%d left within 19 s", n)
		}
		time.Sleep(19*time.Second + time.Millisecond)
		synctest.Wait()
		r.line.wantSent(t, 20)
	})
}

func TestTheDaysCapHoldsAcrossProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := Options{DailyCap: 3}
		r := newRig(t, options)
		midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		send := func(n int) {
			r.enqueue(t, fmt.Sprint(n))
			r.line.answers <- answer{ack: message.Ack{At: time.Now()}}
			synctest.Wait()
		}
		send(1)
		send(2)
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.open(t, options)
		send(3)
		send(4)
		send(5)
		r.line.wantSent(t, 3)
		time.Sleep(time.Until(midnight) - time.Second)
		r.line.wantSent(t, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		r.line.wantSent(t, 2)
	})
}

func TestAQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxOpen: 3})
		r.becomes("51", session.Reconnecting)
		first := r.enqueue(t, "1")
		r.enqueue(t, "2")
		r.enqueue(t, "3")
		_, _, err := r.Enqueue(t.Context(), request("4"))
		wantCode(t, err, session.CodeQueueFull)
		if m, existed, err := r.Enqueue(t.Context(), request("1")); err != nil || !existed || m.ID != first {
			t.Fatalf("a key that was accepted: %+v, %v, %v", m, existed, err)
		}
		other := request("1")
		other.Content.Text = "adiós"
		_, _, err = r.Enqueue(t.Context(), other)
		wantCode(t, err, session.CodeIdempotencyReuse)
		if _, err := r.Cancel(t.Context(), "51", first); err != nil {
			t.Fatal(err)
		}
		r.enqueue(t, "4")
		_, err = r.Requeue(t.Context(), "51", first)
		wantCode(t, err, session.CodeQueueFull)
	})
}

func TestAWaitIsWokenByWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		id := r.enqueue(t, "k")
		got := make(chan message.Message, 3)
		for _, until := range []message.State{message.ServerAck, message.Delivered, message.Played} {
			go func() {
				m, err := r.Wait(t.Context(), "51", id, until)
				if err != nil {
					t.Error(err)
				}
				got <- m
			}()
		}
		synctest.Wait()
		receipt := func(status message.State) {
			err := r.Receipt(t.Context(), "51", events.ReceiptData{IDs: []string{id, "3EB0"}, Status: string(status), At: serverTime})
			if err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		r.line.acknowledge()
		if m := <-got; m.State != message.ServerAck {
			t.Fatalf("first it is %s", m.State)
		}
		receipt(message.Delivered)
		receipt(message.Delivered)
		if m := <-got; m.State != message.Delivered {
			t.Fatalf("then it is %s", m.State)
		}
		receipt(message.Read)
		if len(got) != 0 {
			t.Fatal("a wait ended early")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if m, err := r.Wait(ctx, "51", id, message.Played); err != nil || m.State != message.Read {
			t.Fatalf("a wait that is over: %+v, %v", m, err)
		}
		receipt(message.Played)
		<-got
		_, err := r.Wait(t.Context(), "51", "3EB0", message.Read)
		wantCode(t, err, session.CodeUnknownMessage)
	})
}

func TestAReceiptBeforeTheAckSettlesTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		id := r.enqueue(t, "k")
		synctest.Wait()
		err := r.Receipt(t.Context(), "51", events.ReceiptData{IDs: []string{id}, Status: "read", At: serverTime})
		if err != nil {
			t.Fatal(err)
		}
		r.line.refuse(session.CodeDisconnected) // the acknowledgement was lost
		synctest.Wait()
		r.is(t, id, message.Read)
		r.line.wantSent(t, 1)
		if s := r.Stats(); s.Open != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestADeletedSessionsMessagesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.becomes("51", session.Reconnecting)
		id := r.enqueue(t, "k")
		waited := make(chan error)
		go func() {
			_, err := r.Wait(t.Context(), "51", id, message.ServerAck)
			waited <- err
		}()
		synctest.Wait()
		r.ledger.mu.Lock()
		r.ledger.entries = nil
		r.ledger.mu.Unlock()
		r.SessionRemoved("51")
		wantCode(t, <-waited, session.CodeUnknownMessage)
		if s := r.Stats(); s != (Stats{}) {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestWhatMayHaveBeenStoredIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.line.auto = true
		r.ledger.loseAnswers(&session.Error{Code: session.CodeStoreUnavailable})
		_, _, err := r.Enqueue(t.Context(), request("k")) // the answer to the commit was lost
		wantCode(t, err, session.CodeStoreUnavailable)
		r.ledger.breakWith(nil)
		time.Sleep(time.Minute)
		r.is(t, idOf(request("k")), message.ServerAck)
		if s := r.Stats(); s != (Stats{}) {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestALedgerThatFailsHoldsTheLaneUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		first, second := r.enqueue(t, "1"), r.enqueue(t, "2")
		synctest.Wait()
		r.ledger.breakWith(&session.Error{Code: session.CodeStoreFull})
		r.line.acknowledge()
		time.Sleep(time.Hour)
		r.line.wantSent(t, 1)
		r.ledger.breakWith(nil)
		time.Sleep(time.Minute)
		r.is(t, first, message.ServerAck)
		r.line.acknowledge()
		synctest.Wait()
		r.is(t, second, message.ServerAck)
	})
}

func TestOldMessagesAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{KeyRetention: time.Hour, Retention: 24 * time.Hour, RetentionCount: 7, PruneEvery: time.Hour})
		r.line.auto = true
		r.enqueue(t, "k")
		time.Sleep(23*time.Hour + 30*time.Minute)
		if stored := r.ledger.all(); len(stored) != 1 {
			t.Fatalf("after 23.5 h the ledger has %+v", stored)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if stored := r.ledger.all(); len(stored) != 0 {
			t.Fatalf("after 25.5 h the ledger has %+v", stored)
		}
		r.ledger.mu.Lock()
		before := len(r.ledger.pruned)
		for range 2*retainBatch + 1 { // one sweep deletes many messages in several batches
			r.ledger.entries = append(r.ledger.entries, Entry{Message: message.Message{State: message.Read}})
		}
		r.ledger.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		r.ledger.mu.Lock()
		defer r.ledger.mu.Unlock()
		if looks := r.ledger.pruned[before:]; len(looks) != 3 || looks[0].Keep != 7 || looks[0].Limit != retainBatch ||
			looks[0].KeyBefore.Sub(looks[0].Before) != 23*time.Hour || len(r.ledger.entries) != 0 {
			t.Errorf("%d messages are left after %+v", len(r.ledger.entries), looks)
		}
	})
}

func TestStopWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		sent, closed := make(chan error), make(chan error)
		go func() {
			_, err := r.SendText(t.Context(), request("k"))
			sent <- err
		}()
		synctest.Wait()
		behind := r.enqueue(t, "behind")
		go func() { closed <- r.Stop(t.Context()) }()
		synctest.Wait()
		_, err := r.SendText(t.Context(), request("late"))
		wantCode(t, err, session.CodeShuttingDown)
		_, _, err = r.Enqueue(t.Context(), request("late"))
		wantCode(t, err, session.CodeShuttingDown)
		select {
		case err := <-closed:
			t.Fatalf("Stop did not wait: %v", err)
		default:
		}
		r.line.acknowledge()
		if err := errors.Join(<-sent, <-closed, r.Stop(t.Context())); err != nil {
			t.Error(err)
		}
		r.line.wantSent(t, 1)
		r.is(t, behind, message.Queued)
	})
}

func TestStopIsBoundedAndTheCutOffMessageStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		sent := make(chan error, 1)
		go func() {
			_, err := r.SendText(t.Context(), request("k"))
			sent <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		wantCode(t, r.Stop(ctx), session.CodeTimeout)
		wantCode(t, <-sent, session.CodeOutcomeUnknown)
		r.is(t, idOf(request("k")), message.Failed) // the next process must not send it: its caller was told so
		idle := newRig(t, Options{})
		if err := idle.Stop(ctx); err != nil { // ctx has ended, but there is nothing to wait for
			t.Error(err)
		}
	})
}

// atTheLastMoment is a sender whose acknowledgement arrives when its context ends.
type atTheLastMoment struct{}

func (atTheLastMoment) Ready(session.ID) bool { return true }

func (atTheLastMoment) Returns(session.ID, time.Time) bool { return true }

func (atTheLastMoment) AwaitReady(context.Context, session.ID) bool { return true }

func (atTheLastMoment) Send(ctx context.Context, _ session.ID, _ message.Outgoing) (message.Ack, error) {
	<-ctx.Done()
	return message.Ack{At: serverTime}, nil
}

func TestAnAckThatArrivesAtTheCutIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := &memory{}
		box := New(ledger, Options{})
		if err := box.Start(t.Context(), atTheLastMoment{}); err != nil {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		go func() {
			_, err := box.SendText(t.Context(), request("k"))
			sent <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantCode(t, box.Stop(ctx), session.CodeTimeout)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if stored := ledger.all(); len(stored) != 1 || stored[0].State != message.ServerAck {
			t.Errorf("ledger has %+v", stored)
		}
	})
}

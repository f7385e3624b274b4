package outbox

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

func TestAMessageIsStoredSentAndAcknowledged(t *testing.T) {
	for _, key := range []string{"", "order-1"} {
		r := newRig(t, Options{})
		r.line.acknowledge()
		result, err := r.SendText(t.Context(), request(key))
		if err != nil {
			t.Fatal(err)
		}
		sent := r.line.wantSent(t, 1)[0]
		if want := (message.Outgoing{ID: result.MessageID, To: request(key).To, Content: message.TextOf("hola")}); !reflect.DeepEqual(sent, want) {
			t.Errorf("sent %+v, want %+v", sent, want)
		}
		if result.State != message.ServerAck || !result.At.Equal(serverTime) || (key != "" && result.MessageID != idOf(request(key))) {
			t.Errorf("result is %+v", result)
		}
		stored := r.ledger.all()
		if len(stored) != 1 || stored[0].State != message.ServerAck || stored[0].Content.Text != "" || stored[0].ID != result.MessageID {
			t.Errorf("ledger has %+v", stored)
		}
	}
}

func TestWithoutAKeyTheSameTextGoesTwice(t *testing.T) {
	r := newRig(t, Options{})
	r.line.acknowledge()
	r.line.acknowledge()
	first, err1 := r.SendText(t.Context(), request(""))
	second, err2 := r.SendText(t.Context(), request(""))
	if err := errors.Join(err1, err2); err != nil || first.MessageID == second.MessageID {
		t.Errorf("%v, %v, %v", first, second, err)
	}
	r.line.wantSent(t, 2)
}

func TestAnAnsweredKeyIsAnsweredAgainWithoutSending(t *testing.T) {
	r := newRig(t, Options{})
	r.line.acknowledge()
	first, err := r.SendText(t.Context(), request("k"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.SendText(t.Context(), request("k"))
	if err != nil || again != first {
		t.Errorf("again is %+v, %v; want %+v", again, err, first)
	}
	r.line.wantSent(t, 1)
}

func TestTheSameKeyWithAnotherBodyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		other, elsewhere := request("k"), request("k")
		other.Content.Text, elsewhere.To = "adiós", "5491100000002@s.whatsapp.net"
		done := make(chan error)
		go func() {
			_, err := r.SendText(t.Context(), request("k"))
			done <- err
		}()
		synctest.Wait() // the first is in flight
		for _, q := range []message.Request{other, elsewhere} {
			_, err := r.SendText(t.Context(), q)
			wantCode(t, err, session.CodeIdempotencyReuse)
		}
		r.line.acknowledge()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for _, q := range []message.Request{other, elsewhere} { // the key stays in use after the answer
			_, err := r.SendText(t.Context(), q)
			wantCode(t, err, session.CodeIdempotencyReuse)
		}
		r.line.wantSent(t, 1)
	})
}

func TestCallersWithOneKeyShareTheRunningAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		const callers = 20
		type got struct {
			result Result
			err    error
		}
		results := make(chan got)
		for range callers {
			go func() {
				result, err := r.SendText(t.Context(), request("k"))
				results <- got{result, err}
			}()
		}
		synctest.Wait()
		r.line.wantSent(t, 1)
		r.line.acknowledge()
		first := <-results
		for range callers - 1 {
			if next := <-results; next != first || next.err != nil {
				t.Errorf("one caller got %+v, another %+v", first, next)
			}
		}
		r.line.wantSent(t, 0)
	})
}

func TestARefusalIsStoredAndComesBackTheSame(t *testing.T) {
	for _, code := range []session.Code{session.CodeSendFailed, session.CodeRestricted, session.CodeNotOnWhatsApp} {
		r := newRig(t, Options{})
		r.line.refuse(code)
		first, firstErr := r.SendText(t.Context(), request("k"))
		again, againErr := r.SendText(t.Context(), request("k"))
		var a, b *session.Error
		if !errors.As(firstErr, &a) || !errors.As(againErr, &b) {
			t.Fatalf("errors are %v and %v", firstErr, againErr)
		}
		if a.Code != code || b.Code != code || a.Message != b.Message || a.Message == "" || a.Status != 463 || b.Status != 463 {
			t.Errorf("first %+v, then %+v", a, b)
		}
		if first != again || first.State != message.Failed {
			t.Errorf("first %+v, then %+v", first, again)
		}
		r.line.wantSent(t, 1)
		if stored := r.ledger.all(); len(stored) != 1 || stored[0].Content.Text != "hola" {
			t.Errorf("ledger has %+v", stored) // a refused message can be queued again
		}
	}
}

func TestNothingIsSentThatTheLedgerDidNotCommit(t *testing.T) {
	r := newRig(t, Options{})
	for _, code := range []session.Code{session.CodeStoreFull, session.CodeStoreLocked, session.CodeStoreUnavailable} {
		r.ledger.breakWith(&session.Error{Code: code})
		_, err := r.SendText(t.Context(), request("k"))
		wantCode(t, err, code)
	}
	r.line.wantSent(t, 0)
	r.ledger.breakWith(nil)
	r.line.acknowledge()
	if _, err := r.SendText(t.Context(), request("k")); err != nil {
		t.Error(err)
	}
}

func TestAnAckIsToldEvenWhenItCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		done := make(chan error)
		var result Result
		go func() {
			var err error
			result, err = r.SendText(t.Context(), request("k"))
			done <- err
		}()
		synctest.Wait()
		r.ledger.breakWith(&session.Error{Code: session.CodeStoreFull})
		r.line.acknowledge()
		if err := <-done; err != nil || result.State != message.ServerAck {
			t.Errorf("result %+v, %v", result, err)
		}
	})
}

func TestACallerThatGoesAwayDoesNotStopTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			result, err := r.SendText(ctx, request("k"))
			if result.MessageID != idOf(request("k")) {
				t.Errorf("the leaving caller was told %+v", result)
			}
			done <- err
		}()
		synctest.Wait()
		cancel()
		err := <-done
		wantCode(t, err, session.CodeOutcomeUnknown)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not say why", err)
		}
		r.line.acknowledge()
		synctest.Wait()
		if stored := r.ledger.all(); len(stored) != 1 || stored[0].State != message.ServerAck {
			t.Errorf("ledger has %+v", stored)
		}
		_, err = r.SendText(ctx, request("another")) // ctx has ended already
		wantCode(t, err, session.CodeTimeout)
		r.line.wantSent(t, 1)
	})
}

func TestAnAttemptIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: 45 * time.Second})
		id := r.enqueue(t, "k") // nobody answers
		time.Sleep(45 * time.Second)
		synctest.Wait()
		if m := r.is(t, id, message.Sending); m.Attempts != 2 || m.Failure.Code != session.CodeAckOverdue {
			t.Errorf("message is %+v", m)
		}
	})
}

func TestASendIsRefusedBeforeItIsStoredWhereTheSessionIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.becomes("51", session.Reconnecting)
		for _, key := range []string{"", "k"} {
			_, err := r.SendText(t.Context(), request(key))
			wantCode(t, err, session.CodeNotReady)
		}
		if stored := r.ledger.all(); len(stored) != 0 {
			t.Fatalf("ledger has %+v", stored)
		}
		id := r.enqueue(t, "waits")
		result, err := r.SendText(t.Context(), request("waits"))
		wantCode(t, err, session.CodeNotReady)
		if result.MessageID != id || result.State != message.Queued {
			t.Errorf("result is %+v", result)
		}
		r.line.auto = true
		r.becomes("51", session.Ready)
		synctest.Wait()
		r.becomes("51", session.Reconnecting)
		if result, err := r.SendText(t.Context(), request("waits")); err != nil || result.MessageID != id {
			t.Errorf("what was sent before is answered %+v, %v", result, err)
		}
	})
}

func TestASendThatCouldNotBeginIsForgotten(t *testing.T) {
	for _, code := range []session.Code{session.CodeNotReady, session.CodeNotFound, session.CodeQueueFull, session.CodeQuarantined} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{})
			r.becomes("51", session.Ready)
			answered := make(chan error, 1)
			go func() {
				_, err := r.SendText(t.Context(), request("k"))
				answered <- err
			}()
			synctest.Wait()
			r.becomes("51", session.DisconnectedLogout)
			r.line.refuse(code)
			wantCode(t, <-answered, session.CodeNotReady)
			synctest.Wait()
			if stored := r.ledger.all(); len(stored) != 0 {
				t.Errorf("after %s the ledger has %+v", code, stored)
			}
			if s := r.Stats(); s != (Stats{}) {
				t.Errorf("stats are %+v", s)
			}
		})
	}
}

func TestASendBehindOthersIsForgottenWhenTheSessionGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		first := r.enqueue(t, "first")
		answered := make(chan error, 1)
		go func() {
			_, err := r.SendText(t.Context(), request("second"))
			answered <- err
		}()
		synctest.Wait()
		r.becomes("51", session.DisconnectedLogout)
		wantCode(t, <-answered, session.CodeNotReady)
		r.line.refuse(session.CodeDisconnected)
		synctest.Wait()
		r.is(t, first, message.Sending)
		if stored := r.ledger.all(); len(stored) != 1 {
			t.Errorf("ledger has %+v", stored)
		}
	})
}

func TestABugInTheSenderIsAnErrorAndNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.line.answers <- answer{err: errCrash}
		r.line.acknowledge()
		if _, err := r.SendText(t.Context(), request("k")); err != nil {
			t.Errorf("the next attempt is not the answer: %v", err)
		}
		r.line.wantSent(t, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 10 {
			r.line.answers <- answer{err: errCrash}
		}
		_, err := r.SendText(ctx, request("again"))
		wantCode(t, err, session.CodeOutcomeUnknown)
	})
}

func TestADrainAnswersThoseWhoseMessagesDidNotLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		answered := make(chan error, 2)
		for _, key := range []string{"1", "2"} {
			go func() {
				_, err := r.SendText(t.Context(), request(key))
				answered <- err
			}()
			synctest.Wait()
		}
		r.line.refuse(session.CodeShuttingDown)
		wantCode(t, <-answered, session.CodeShuttingDown)
		wantCode(t, <-answered, session.CodeShuttingDown)
		_, err := r.SendText(t.Context(), request("3"))
		wantCode(t, err, session.CodeShuttingDown)
		synctest.Wait()
		if stored := r.ledger.all(); len(stored) != 0 {
			t.Errorf("ledger has %+v", stored)
		}
		r.line.wantSent(t, 1)
	})
}

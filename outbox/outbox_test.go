package outbox

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"wasup/session"
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
		if want := (session.Outgoing{ID: result.MessageID, To: request(key).To, Content: session.TextOf("hola")}); !reflect.DeepEqual(sent, want) {
			t.Errorf("sent %+v, want %+v", sent, want)
		}
		if result.State != ServerAck || !result.At.Equal(serverTime) || (key != "" && result.MessageID != NewMessageID("51", key)) {
			t.Errorf("result is %+v", result)
		}
		stored := r.ledger.all()
		if len(stored) != 1 || stored[0].State != ServerAck || stored[0].Text != "" || stored[0].MessageID != result.MessageID {
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
		other.Body, elsewhere.To = "adiós", "5491100000002@s.whatsapp.net"
		done := make(chan error)
		go func() {
			_, err := r.SendText(t.Context(), request("k"))
			done <- err
		}()
		synctest.Wait() // the first is in flight
		for _, q := range []Request{other, elsewhere} {
			_, err := r.SendText(t.Context(), q)
			wantCode(t, err, session.CodeIdempotencyReuse)
		}
		r.line.acknowledge()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for _, q := range []Request{other, elsewhere} { // and after it was answered
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
		if first != again || first.State != Failed {
			t.Errorf("first %+v, then %+v", first, again)
		}
		r.line.wantSent(t, 1)
		if stored := r.ledger.all(); len(stored) != 1 || stored[0].Text != "" {
			t.Errorf("ledger has %+v", stored)
		}
	}
}

func TestAnAttemptWithoutAnswerIsSentAgainUnderItsID(t *testing.T) {
	for _, code := range []session.Code{session.CodeAckOverdue, session.CodeDisconnected, session.CodeRestarted, session.CodeTimeout} {
		r := newRig(t, Options{})
		r.line.refuse(code)
		first, err := r.SendText(t.Context(), request("k"))
		wantCode(t, err, code)
		if stored := r.ledger.all(); len(stored) != 1 || stored[0].State != Sending || stored[0].Text != "hola" {
			t.Fatalf("ledger has %+v", stored)
		}
		// What was perhaps delivered is not forgotten because a later attempt could not begin.
		r.line.refuse(session.CodeNotReady)
		_, err = r.SendText(t.Context(), request("k"))
		wantCode(t, err, session.CodeNotReady)
		if stored := r.ledger.all(); len(stored) != 1 || stored[0].State != Sending {
			t.Fatalf("after an attempt that could not begin the ledger has %+v", stored)
		}
		r.line.acknowledge()
		last, err := r.SendText(t.Context(), request("k"))
		if err != nil || last.MessageID != first.MessageID {
			t.Fatalf("retry gave %+v, %v; want id %s", last, err, first.MessageID)
		}
		for _, sent := range r.line.wantSent(t, 3) {
			if sent.ID != first.MessageID {
				t.Errorf("sent under %s, want %s", sent.ID, first.MessageID)
			}
		}
	}
}

func TestWhatACrashLeftIsSentUnderTheStoredID(t *testing.T) {
	r := newRig(t, Options{})
	left := Entry{ // by a version that derived its ids another way
		Session: "51", MessageID: "3EB0ANOTHERDERIVATION0", Key: "k", BodyHash: bodyHash(request("k").To, "hola"), State: Sending,
	}
	r.ledger.entries = []Entry{left}
	r.line.acknowledge()
	result, err := r.SendText(t.Context(), request("k"))
	if err != nil || result.MessageID != left.MessageID || r.line.wantSent(t, 1)[0].ID != left.MessageID {
		t.Errorf("result %+v, %v; want id %s", result, err, left.MessageID)
	}
}

func TestWhatNeverLeftIsForgotten(t *testing.T) {
	for _, code := range []session.Code{
		session.CodeNotReady, session.CodeNotFound, session.CodeQueueFull, session.CodeShuttingDown, session.CodeQuarantined,
	} {
		r := newRig(t, Options{})
		r.line.refuse(code)
		_, err := r.SendText(t.Context(), request("k"))
		wantCode(t, err, code)
		if stored := r.ledger.all(); len(stored) != 0 {
			t.Errorf("after %s the ledger has %+v", code, stored)
		}
		r.line.acknowledge()
		if _, err := r.SendText(t.Context(), request("k")); err != nil {
			t.Errorf("the retry after %s: %v", code, err)
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
		if err := <-done; err != nil || result.State != ServerAck {
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
			if result.MessageID != NewMessageID("51", "k") {
				t.Errorf("the leaving caller was told %+v", result)
			}
			done <- err
		}()
		synctest.Wait()
		cancel()
		err := <-done
		wantCode(t, err, session.CodeTimeout)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not say why", err)
		}
		r.line.acknowledge()
		synctest.Wait()
		if stored := r.ledger.all(); len(stored) != 1 || stored[0].State != ServerAck {
			t.Errorf("ledger has %+v", stored)
		}
		_, err = r.SendText(ctx, request("another")) // gone before it came
		wantCode(t, err, session.CodeTimeout)
		r.line.wantSent(t, 1)
	})
}

func TestAnAttemptIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: 45 * time.Second})
		_, err := r.SendText(t.Context(), request("k")) // nobody answers
		wantCode(t, err, session.CodeAckOverdue)
	})
}

func TestABugInTheSenderIsAnErrorAndNotTheEnd(t *testing.T) {
	r := newRig(t, Options{})
	r.line.answers <- answer{err: errCrash}
	_, err := r.SendText(t.Context(), request("k"))
	wantCode(t, err, session.CodeInternal)
	var crash *session.Crash
	if !errors.As(err, &crash) || crash.Stack == "" {
		t.Errorf("%v has no crash with a stack", err)
	}
	r.line.acknowledge()
	if _, err := r.SendText(t.Context(), request("k")); err != nil {
		t.Errorf("the key is stuck: %v", err)
	}
}

func TestExpiredKeysArePruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{KeyRetention: 24 * time.Hour, PruneEvery: time.Hour})
		r.line.acknowledge()
		if _, err := r.SendText(t.Context(), request("k")); err != nil {
			t.Fatal(err)
		}
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
		for range 2*pruneBatch + 1 { // many at once go in batches, in one look
			r.ledger.entries = append(r.ledger.entries, Entry{UpdatedAt: time.Now()})
		}
		r.ledger.mu.Unlock()
		time.Sleep(25*time.Hour + time.Minute)
		synctest.Wait()
		r.ledger.mu.Lock()
		defer r.ledger.mu.Unlock()
		if got := r.ledger.pruned[len(r.ledger.pruned)-3:]; got[0] != pruneBatch || got[1] != pruneBatch || got[2] != 1 {
			t.Errorf("pruned in batches of %v", got)
		}
	})
}

func TestCloseWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		sent, closed := make(chan error), make(chan error)
		go func() {
			_, err := r.SendText(t.Context(), request("k"))
			sent <- err
		}()
		synctest.Wait()
		go func() { closed <- r.Close(t.Context()) }()
		synctest.Wait()
		_, err := r.SendText(t.Context(), request("late"))
		wantCode(t, err, session.CodeShuttingDown)
		select {
		case err := <-closed:
			t.Fatalf("Close did not wait: %v", err)
		default:
		}
		r.line.acknowledge()
		if err := errors.Join(<-sent, <-closed, r.Close(t.Context())); err != nil {
			t.Error(err)
		}
		r.line.wantSent(t, 1)
	})
}

func TestCloseIsBoundedAndTheCutOffMessageStays(t *testing.T) {
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
		wantCode(t, r.Close(ctx), session.CodeTimeout)
		wantCode(t, <-sent, session.CodeAckOverdue)
		if stored := r.ledger.all(); len(stored) != 1 || stored[0].State != Sending || stored[0].Text != "hola" {
			t.Errorf("ledger has %+v", stored)
		}
		idle := newRig(t, Options{})
		if err := idle.Close(ctx); err != nil { // no time left, and nothing to wait for
			t.Error(err)
		}
	})
}

// atTheLastMoment is a sender whose acknowledgement arrives as it is cut off.
type atTheLastMoment struct{}

func (atTheLastMoment) Send(ctx context.Context, _ session.ID, _ session.Outgoing) (session.Ack, error) {
	<-ctx.Done()
	return session.Ack{At: serverTime}, nil
}

func TestAnAckThatArrivesAtTheCutIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := &memory{}
		box := New(ledger, atTheLastMoment{}, Options{})
		sent := make(chan error, 1)
		go func() {
			_, err := box.SendText(t.Context(), request("k"))
			sent <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantCode(t, box.Close(ctx), session.CodeTimeout)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if stored := ledger.all(); len(stored) != 1 || stored[0].State != ServerAck {
			t.Errorf("ledger has %+v", stored)
		}
	})
}

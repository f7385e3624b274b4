package outbox

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// unsent ends an attempt before the message has left.
func (l *line) unsent(code session.Code) {
	l.answers <- answer{err: &message.UnsentError{Err: &session.Error{Code: code}}}
}

func TestAMessageThatNeverLeftIsAnsweredAsNotSent(t *testing.T) {
	for _, code := range []session.Code{session.CodeAckOverdue, session.CodeDisconnected, session.CodeUploadFailed, session.CodeInternal, session.CodeStoreFull} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{})
			answered := r.sendText(t, "")
			for range 3 {
				r.line.unsent(code)
			}
			time.Sleep(1200 * time.Millisecond) // the third attempt is over, and the fourth has not begun
			r.becomes("51", session.NotInitialized)
			got := <-answered
			wantCode(t, got.err, session.CodeNotReady)
			if left := r.ledger.all(); len(left) != 0 {
				t.Errorf("%s: the ledger has %+v", code, left)
			}
			r.line.wantSent(t, 3)
			r.wantNothingMore(t)
		})
	}
}

func TestTheLastAttemptOfAMessageThatNeverLeftIsNoUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: time.Hour})
		got := <-r.sendText(t, "") // the attempt runs on
		wantCode(t, got.err, session.CodeOutcomeUnknown)
		r.line.unsent(session.CodeAckOverdue)
		synctest.Wait()
		if m := r.is(t, got.result.MessageID, message.Failed); m.Failure.Code != session.CodeExpired || m.Attempts != 0 {
			t.Errorf("message is %+v", m)
		}
		r.line.wantSent(t, 1)
		r.wantNothingMore(t)
	})
}

func TestAMessageThatCanNeverLeaveFailsInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxAttempts: 3, RetryMin: time.Second, RetryMax: time.Minute})
		poison, next := r.enqueue(t, "poison"), r.enqueue(t, "next")
		for range 3 {
			r.line.unsent(session.CodeAckOverdue)
		}
		r.line.acknowledge()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := ids(r.line.wantSent(t, 4)); !slices.Equal(got, []string{poison, poison, poison, next}) {
			t.Fatalf("sent %v", got)
		}
		if m := r.is(t, poison, message.Failed); m.Failure.Code != session.CodeAckOverdue || m.Attempts != 0 {
			t.Errorf("message is %+v", m)
		}
		r.is(t, next, message.ServerAck)
	})
}

// What an earlier attempt may have brought to WhatsApp stays so, however the later ones end.
func TestALaterAttemptThatDoesNotLeaveSaysNothingAboutAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: time.Hour})
		id := r.enqueue(t, "k")
		r.line.refuse(session.CodeAckOverdue)
		r.line.unsent(session.CodeAckOverdue)
		time.Sleep(time.Second)
		synctest.Wait()
		r.becomes("51", session.NotInitialized)
		r.line.unsent(session.CodeDisconnected)
		synctest.Wait()
		if m := r.is(t, id, message.Sending); m.Attempts != 1 {
			t.Errorf("message is %+v", m)
		}
		_, err := r.Cancel(t.Context(), "51", id)
		wantCode(t, err, session.CodeWrongState)
	})
}

// The second request with a key sends a message again whose outcome is unknown, and gives up before an attempt. The
// recipient may have the message from the first request, so it is not forgotten.
func TestARepeatedRequestThatGivesUpKeepsWhatMayHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: time.Hour})
		first := r.sendText(t, "k")
		r.becomes("51", session.NotInitialized)
		r.line.refuse(session.CodeDisconnected)
		got := <-first
		wantCode(t, got.err, session.CodeOutcomeUnknown)
		r.line.wantSent(t, 1)
		r.becomes("51", session.Ready)
		r.enqueue(t, "other") // its attempt runs on
		synctest.Wait()
		waits := r.sendText(t, "k")
		r.becomes("51", session.NotInitialized)
		again := <-waits
		wantCode(t, again.err, session.CodeOutcomeUnknown)
		if again.result.MessageID != got.result.MessageID {
			t.Errorf("it names %q, the first one %q", again.result.MessageID, got.result.MessageID)
		}
		if m := r.is(t, got.result.MessageID, message.Failed); m.Failure.Code != session.CodeOutcomeUnknown || !m.CanRequeue {
			t.Errorf("message is %+v", m)
		}
	})
}

// A request that repeats another one whose message never left, and gives up as well, does not delete the message either.
func TestARepeatedRequestThatGivesUpKeepsWhatWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: time.Hour})
		first := <-r.sendText(t, "k")
		r.line.unsent(session.CodeAckOverdue)
		synctest.Wait()
		r.is(t, first.result.MessageID, message.Failed)
		r.enqueue(t, "other") // its attempt runs on
		synctest.Wait()
		waits := r.sendText(t, "k")
		r.becomes("51", session.NotInitialized)
		again := <-waits
		wantCode(t, again.err, session.CodeNotReady)
		if m := r.is(t, first.result.MessageID, message.Failed); m.Failure.Code != session.CodeExpired || m.Attempts != 0 {
			t.Errorf("message is %+v", m)
		}
		r.line.refuse(session.CodeDisconnected)
		r.line.wantSent(t, 2)
	})
}

// A message behind a slow one in the same commit is marked, but its attempt must not begin once its caller has gone.
func TestAMarkedMessageWhoseCallerGaveUpDoesNotLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: time.Hour, Window: 2})
		slow := r.enqueue(t, "slow")
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context()) // without a deadline, so the messages have no time limit
		answers := make(chan sentText)
		for range 2 {
			go func() {
				result, err := r.SendText(ctx, request(""))
				answers <- sentText{result: result, err: err}
			}()
		}
		synctest.Wait()
		r.line.acknowledge() // both are marked, and the attempt of the first one begins
		synctest.Wait()
		cancel()
		var ids []string
		for range 2 {
			got := <-answers
			wantCode(t, got.err, session.CodeOutcomeUnknown)
			ids = append(ids, got.result.MessageID)
		}
		r.line.acknowledge()
		synctest.Wait()
		sent := r.line.wantSent(t, 2)
		if sent[0].ID != slow || !slices.Contains(ids, sent[1].ID) {
			t.Fatalf("sent %s and %s", sent[0].ID, sent[1].ID)
		}
		for _, id := range ids {
			if id == sent[1].ID {
				r.is(t, id, message.ServerAck)
			} else if m := r.is(t, id, message.Failed); m.Failure.Code != session.CodeExpired || m.Attempts != 0 {
				t.Errorf("message is %+v", m)
			}
		}
		r.wantNothingMore(t)
	})
}

// What could not begin is no attempt of the message.
func TestAMessageThatCouldNotBeginIsNotFailedByOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxAttempts: 2, AttemptTimeout: time.Hour})
		id := r.enqueue(t, "k")
		for range 5 {
			r.line.refuse(session.CodeNotReady)
		}
		r.line.refuse(session.CodeAckOverdue)
		r.line.acknowledge()
		time.Sleep(time.Hour)
		synctest.Wait()
		r.is(t, id, message.ServerAck)
		r.line.wantSent(t, 7)
	})
}

// A database that fails before the message has left is no attempt of the message.
func TestAFailingDatabaseDoesNotUseUpTheAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxAttempts: 1})
		id := r.enqueue(t, "k")
		for range 5 {
			r.line.unsent(session.CodeStoreUnavailable)
		}
		r.line.acknowledge()
		time.Sleep(time.Hour)
		synctest.Wait()
		r.is(t, id, message.ServerAck)
		r.line.wantSent(t, 6)
	})
}

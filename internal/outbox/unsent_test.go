package outbox

import (
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

// A message behind a slow one in the same commit is marked, but its attempt must not begin once its caller has gone.
func TestAMarkedMessageWhoseCallerGaveUpDoesNotLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: time.Hour, Window: 2})
		r.becomes("51", session.NotInitialized)
		slow := r.enqueue(t, "slow")
		behind := r.enqueue(t, "behind")
		r.becomes("51", session.Ready)
		synctest.Wait()
		waits := r.sendText(t, "behind")
		got := <-waits // the key's first request has accepted it, so it stays
		wantCode(t, got.err, session.CodeOutcomeUnknown)
		r.line.acknowledge()
		synctest.Wait()
		if sent := ids(r.line.wantSent(t, 2)); !slices.Equal(sent, []string{slow, behind}) {
			t.Errorf("sent %v", sent)
		}
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

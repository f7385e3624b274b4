package outbox

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wasup/internal/message"
	"wasup/internal/session"
)

// bound is the time limit of the requests of these tests.
const bound = 45 * time.Second

// sentText is the answer to a request.
type sentText struct {
	result Result
	err    error
	took   time.Duration
}

// sendText sends a text with a time limit, in the background.
func (r *rig) sendText(t *testing.T, key string) <-chan sentText {
	answered := make(chan sentText, 1)
	go func() {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), bound)
		defer cancel()
		result, err := r.SendText(ctx, request(key))
		answered <- sentText{result, err, time.Since(began)}
	}()
	synctest.Wait()
	return answered
}

// wantNothingMore fails the test if a message leaves within an hour with a session that is READY.
func (r *rig) wantNothingMore(t *testing.T) {
	t.Helper()
	r.line.auto = true
	r.becomes("51", session.Ready)
	time.Sleep(time.Hour)
	synctest.Wait()
	r.line.wantSent(t, 0)
}

func TestASendWaitsForTheAttemptAfterTheReconnect(t *testing.T) {
	for _, code := range []session.Code{
		session.CodeAckOverdue, session.CodeDisconnected, session.CodeRestarted, session.CodeTimeout, session.CodeStoreUnavailable,
		session.CodeStoreFull, session.CodeNotReady, session.CodeInternal,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{})
			answered := r.sendText(t, "")
			r.becomes("51", session.DisconnectedRecoverable)
			r.line.refuse(code)
			synctest.Wait()
			r.becomes("51", session.Reconnecting)
			time.Sleep(20 * time.Second)
			r.line.acknowledge()
			r.becomes("51", session.Ready)
			got := <-answered
			if got.err != nil || got.result.State != message.ServerAck {
				t.Fatalf("after %s: %+v, %v", code, got.result, got.err)
			}
			if sent := ids(r.line.wantSent(t, 2)); sent[0] != sent[1] || sent[0] != got.result.MessageID {
				t.Errorf("sent %v", sent)
			}
		})
	}
}

func TestWhatHasNotLeftInTimeIsFailedAndStaysHere(t *testing.T) {
	for what, setUp := range map[string]func(t *testing.T, r *rig){
		"reconnecting":  func(_ *testing.T, r *rig) { r.becomes("51", session.Reconnecting) },
		"behind others": func(t *testing.T, r *rig) { r.line.wantSent(t, 1); r.line.auto = false },
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{AttemptTimeout: time.Hour})
			r.becomes("51", session.Ready)
			first := r.enqueue(t, "first") // hangs
			synctest.Wait()
			answered := r.sendText(t, "")
			setUp(t, r)
			got := <-answered
			wantCode(t, got.err, session.CodeTimeout)
			if got.took != bound {
				t.Errorf("%s: answered after %s", what, got.took)
			}
			for _, e := range r.ledger.all()[1:] { // it is deleted, or has expired at the same moment
				if e.State != message.Failed || e.Attempts != 0 {
					t.Errorf("%s: the ledger has %+v", what, e)
				}
			}
			r.line.acknowledge()
			synctest.Wait()
			if left := ids(r.line.sent); len(left) > 0 && left[len(left)-1] != first {
				t.Errorf("%s: %v left", what, left)
			}
			r.line.sent = nil
			r.wantNothingMore(t)
		})
	}
}

func TestWhatMayHaveLeftIsAnsweredAsUnknownAndNotSentAgain(t *testing.T) {
	for what, end := range map[string]func(r *rig){
		"no answer in time":  func(*rig) {},
		"lost and not back":  func(r *rig) { r.becomes("51", session.Reconnecting); r.line.refuse(session.CodeDisconnected) },
		"unlinked meanwhile": func(r *rig) { r.becomes("51", session.DisconnectedLogout); r.line.refuse(session.CodeDisconnected) },
		"stopped meanwhile":  func(r *rig) { r.becomes("51", session.NotInitialized); r.line.refuse(session.CodeDisconnected) },
		"the process stops":  func(r *rig) { r.Drain(); r.line.refuse(session.CodeDisconnected) },
		"the database fails": func(r *rig) { r.becomes("51", session.Reconnecting); r.line.refuse(session.CodeStoreFull) },
		"refused for now, no time": func(r *rig) {
			r.becomes("51", session.Reconnecting)
			r.line.answers <- answer{err: &session.Error{Code: session.CodeSendFailed, Status: 503}}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{AttemptTimeout: time.Hour})
			answered := r.sendText(t, "")
			end(r)
			got := <-answered
			wantCode(t, got.err, session.CodeOutcomeUnknown)
			if got.result.MessageID == "" || !strings.Contains(got.err.Error(), got.result.MessageID) {
				t.Errorf("%s: %v does not name %q", what, got.err, got.result.MessageID)
			}
			r.line.refuse(session.CodeDisconnected) // the attempt that runs, if one does
			synctest.Wait()
			r.is(t, got.result.MessageID, message.Failed)
			if s := r.Stats(); s != (Stats{}) {
				t.Errorf("%s: stats are %+v", what, s)
			}
			r.line.wantSent(t, 1)
			if r.isHalted() {
				died, cancel := context.WithCancel(t.Context())
				cancel()
				_ = r.Stop(died)
				r.open(t, Options{})
			}
			r.wantNothingMore(t)
		})
	}
}

func TestARunningAttemptWhoseCallerGaveUpMayStillSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{AttemptTimeout: time.Hour})
		answered := r.sendText(t, "")
		got := <-answered
		wantCode(t, got.err, session.CodeOutcomeUnknown)
		r.line.acknowledge()
		synctest.Wait()
		r.is(t, got.result.MessageID, message.ServerAck)
	})
}

func TestTheSameKeyIsSentAgainUnderItsIDAfterAnUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		first := r.sendText(t, "k")
		r.line.refuse(session.CodeDisconnected)
		synctest.Wait()
		r.becomes("51", session.NotInitialized)
		r.line.refuse(session.CodeDisconnected)
		got := <-first
		wantCode(t, got.err, session.CodeOutcomeUnknown)
		r.is(t, got.result.MessageID, message.Failed)
		r.becomes("51", session.Ready)
		r.line.wantSent(t, 2)
		second, third := r.sendText(t, "k"), r.sendText(t, "k")
		r.line.acknowledge()
		for _, answered := range []<-chan sentText{second, third} {
			if again := <-answered; again.err != nil || again.result.MessageID != got.result.MessageID {
				t.Fatalf("again: %+v, %v", again.result, again.err)
			}
		}
		r.line.wantSent(t, 1)
	})
}

func TestASessionThatIsJustConnectingAgainIsWaitedForBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.line.auto = true
		r.becomes("51", session.Reconnecting)
		answered := r.sendText(t, "")
		time.Sleep(2 * time.Second)
		r.becomes("51", session.Ready)
		if got := <-answered; got.err != nil {
			t.Fatalf("it was refused: %v", got.err)
		}
		r.line.wantSent(t, 1)
		r.becomes("51", session.Reconnecting)
		got := <-r.sendText(t, "")
		wantCode(t, got.err, session.CodeNotReady)
		if got.took > 4*time.Second || len(r.ledger.all()) != 1 {
			t.Errorf("refused after %s, the ledger has %d messages", got.took, len(r.ledger.all()))
		}
		r.becomes("51", session.QRRequired)
		got = <-r.sendText(t, "")
		wantCode(t, got.err, session.CodeNotReady)
		if got.took != 0 {
			t.Errorf("a session that waits for a person was waited for: %s", got.took)
		}
		r.wantNothingMore(t)
	})
}

func TestASendThatTheDatabaseMayHaveStoredIsResolved(t *testing.T) {
	down := &session.Error{Code: session.CodeStoreUnavailable}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.ledger.loseAnswers(down) // stored, but the answer is lost; the database works again at once
		r.line.mu.Lock()
		r.line.down["51"] = false
		r.line.mu.Unlock()
		r.ledger.onEnqueue = func() { r.ledger.fail, r.ledger.unsure = nil, false; r.line.setDown("51") }
		got := <-r.sendText(t, "")
		wantCode(t, got.err, session.CodeStoreUnavailable)
		if all := r.ledger.all(); len(all) != 0 {
			t.Errorf("the ledger has %+v", all)
		}
		r.wantNothingMore(t)
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.ledger.loseAnswers(down)
		r.ledger.onEnqueue = func() { r.ledger.unsure = false } // the database fails from now on
		got := <-r.sendText(t, "")
		wantCode(t, got.err, session.CodeOutcomeUnknown)
		if got.result.MessageID == "" {
			t.Error("the answer names no message")
		}
		time.Sleep(bound)
		r.ledger.breakWith(nil)
		r.wantNothingMore(t)
	})
}

func TestAMessageWhoseStartWasStoredTooLateDoesNotLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.becomes("51", session.Reconnecting)
		id := r.enqueue(t, "k", func(q *message.Request) { q.ExpiresAt = time.Now().Add(10 * time.Second) })
		r.ledger.breakAdvance(&session.Error{Code: session.CodeStoreFull})
		r.becomes("51", session.Ready)
		time.Sleep(time.Minute)
		r.ledger.breakAdvance(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		r.line.wantSent(t, 0)
		if m := r.is(t, id, message.Failed); m.Failure.Code != session.CodeExpired || m.Attempts != 0 {
			t.Errorf("message is %+v", m)
		}
	})
}

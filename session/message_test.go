package session

import (
	"errors"
	"fmt"
	"testing"
)

func TestAWaitEndsOnceAMessageHasComeSoFarOrCannot(t *testing.T) {
	for _, test := range []struct {
		state, until MessageState
		want         bool
	}{
		{MessageQueued, MessageServerAck, false},
		{MessageSending, MessageServerAck, false},
		{MessageServerAck, MessageServerAck, true},
		{MessageRead, MessageServerAck, true},
		{MessageServerAck, MessageDelivered, false},
		{MessagePlayed, MessageDelivered, true},
		{MessageFailed, MessageDelivered, true},
		{MessageCancelled, MessageServerAck, true},
	} {
		if got := test.state.Reached(test.until); got != test.want {
			t.Errorf("%s has reached %s: %t", test.state, test.until, got)
		}
	}
	for _, state := range MessageStates() {
		if state.Settled() == (state == MessageQueued || state == MessageSending) {
			t.Errorf("%s: settled is %t", state, state.Settled())
		}
	}
}

func TestAFailureKeepsWhatMayBeShownAndNothingElse(t *testing.T) {
	cause := errors.New("SELECT 1")
	failure := FailureOf(fmt.Errorf("send: %w", &Error{Code: CodeSendFailed, Status: 479, Message: "refused", Err: cause}))
	if failure != (MessageFailure{CodeSendFailed, 479, "refused"}) {
		t.Errorf("%+v", failure)
	}
	err := failure.Err("51")
	if CodeOf(err) != CodeSendFailed || errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if FailureOf(nil).Err("51") != nil || FailureOf(cause).Code != CodeInternal || FailureOf(cause).Message != "" {
		t.Error("no failure, or one that is no *Error")
	}
}

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

func TestAnAccountExcludesWhoIsCertainlySomebodyElse(t *testing.T) {
	own := Account{JID: "5491155550101:12@s.whatsapp.net", LID: "123456@lid"}
	for who, want := range map[Address]bool{
		{}:                                   false,
		{PN: "5491155550101@s.whatsapp.net"}: false,
		{LID: "123456@lid"}:                  false,
		{PN: "5491155550102@s.whatsapp.net"}: true,
		{LID: "5491155550101@lid"}:           true,
		{PN: "5491155550102@s.whatsapp.net", LID: "123456@lid"}: false,
	} {
		if got := own.Excludes(who); got != want {
			t.Errorf("%+v: %v", who, got)
		}
	}
	if (Account{JID: own.JID}).Excludes(Address{LID: "654321@lid"}) || (Account{}).Excludes(Address{PN: "5491155550102@s.whatsapp.net"}) {
		t.Error("an account that is not known excludes somebody")
	}
}

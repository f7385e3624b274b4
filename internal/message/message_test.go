package message

import (
	"errors"
	"fmt"
	"testing"

	"wasup/internal/session"
)

func TestAWaitEndsOnceAMessageHasComeSoFarOrCannot(t *testing.T) {
	for _, test := range []struct {
		state, until State
		want         bool
	}{
		{Queued, ServerAck, false},
		{Held, ServerAck, false},
		{Sending, ServerAck, false},
		{ServerAck, ServerAck, true},
		{Read, ServerAck, true},
		{ServerAck, Delivered, false},
		{Played, Delivered, true},
		{Failed, Delivered, true},
		{Cancelled, ServerAck, true},
	} {
		if got := test.state.Reached(test.until); got != test.want {
			t.Errorf("%s has reached %s: %t", test.state, test.until, got)
		}
	}
	for _, state := range States() {
		if state.Settled() == (state == Queued || state == Held || state == Sending) {
			t.Errorf("%s: settled is %t", state, state.Settled())
		}
	}
}

func TestAFailureKeepsWhatMayBeShownAndNothingElse(t *testing.T) {
	cause := errors.New("SELECT 1")
	failure := FailureOf(fmt.Errorf("send: %w", &session.Error{Code: session.CodeSendFailed, Status: 479, Message: "refused", Err: cause}))
	if failure != (Failure{session.CodeSendFailed, 479, "refused"}) {
		t.Errorf("%+v", failure)
	}
	err := failure.Err("51")
	if session.CodeOf(err) != session.CodeSendFailed || errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if FailureOf(nil).Err("51") != nil || FailureOf(cause).Code != session.CodeInternal || FailureOf(cause).Message != "" {
		t.Error("no failure, or one that is no *Error")
	}
}

func TestAnAddressIsNotAnAccountsWhereThatIsCertain(t *testing.T) {
	own := session.Account{JID: "5491155550101:12@s.whatsapp.net", LID: "123456@lid"}
	for who, want := range map[Address]bool{
		{}:                                   false,
		{PN: "5491155550101@s.whatsapp.net"}: false,
		{LID: "123456@lid"}:                  false,
		{PN: "5491155550102@s.whatsapp.net"}: true,
		{LID: "5491155550101@lid"}:           true,
		{PN: "5491155550102@s.whatsapp.net", LID: "123456@lid"}: false,
	} {
		if got := who.IsNot(own); got != want {
			t.Errorf("%+v: %v", who, got)
		}
	}
	if (Address{LID: "654321@lid"}).IsNot(session.Account{JID: own.JID}) || (Address{PN: "5491155550102@s.whatsapp.net"}).IsNot(session.Account{}) {
		t.Error("an account that is not known excludes somebody")
	}
}

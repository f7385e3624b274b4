package whatsapp_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/session"
)

func TestARefusedPairingStepSaysWhetherToTryAgain(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	phone := h.phone()
	h.add("a")
	l := h.open("a")
	l.expect(session.QRIssued)
	for status, want := range map[int]session.Error{
		400: {Code: session.CodePairingRefused},
		406: {Code: session.CodePairingRefused},
		429: {Code: session.CodeRateLimited, RetryAfter: time.Minute},
		500: {Code: session.CodeUnavailable},
		503: {Code: session.CodeUnavailable},
	} {
		h.fault(faults.Fault{Kind: faults.RefuseIQ, Match: "md/link_code_companion_reg", Code: status, Count: 1})
		_, err := l.client.PairPhone(testContext(t), phone.Number())
		var e *session.Error
		if !errors.As(err, &e) || e.Code != want.Code || e.RetryAfter != want.RetryAfter || e.Status != status {
			t.Errorf("%d: %#v", status, err)
		}
	}
	if _, err := l.client.PairPhone(testContext(t), phone.Number()); err != nil {
		t.Errorf("after the refusals: %v", err)
	}
}

func TestARefusedPasskeyStepSaysWhetherToTryAgain(t *testing.T) {
	for status, want := range map[int]session.Code{429: session.CodeRateLimited, 503: session.CodeUnavailable, 401: session.CodePairingRefused} {
		err := refusedPasskey(t, status)
		var e *session.Error
		if !errors.As(err, &e) || e.Code != want || e.Status != status {
			t.Errorf("%d: %#v", status, err)
		}
	}
}

// refusedPasskey answers a passkey request while the server refuses the answer.
func refusedPasskey(t *testing.T, status int) error {
	t.Helper()
	h := newHouse(t, sandbox.Config{})
	h.fault(faults.Fault{Kind: faults.RefuseIQ, Match: "md/passkey_prologue", Code: status, Count: 1})
	phone := h.phone()
	phone.RequirePasskey(true)
	h.add("a")
	l := h.open("a")
	code := l.expect(session.QRIssued).Codes[0]
	scanned := make(chan error, 1)
	go func() {
		_, err := phone.Scan(testContext(t), code)
		scanned <- err
	}()
	challenge := l.expect(session.PasskeyRequired).Passkey.Challenge
	err := l.client.AnswerPasskey(testContext(t), assertion(t, phone, challenge))
	l.client.Close()
	<-scanned // the client went away
	return err
}

func TestAnUnavailableServerIsNoRefusalOfALookUp(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	l := h.ready("a", h.phone())
	for status, want := range map[int]session.Code{400: session.CodeSendFailed, 429: session.CodeRateLimited, 500: session.CodeUnavailable, 503: session.CodeUnavailable} {
		h.fault(faults.Fault{Kind: faults.RefuseIQ, Match: "usync", Code: status, Count: 1})
		_, err := l.client.CheckContacts(testContext(t), []string{"5491100000000"})
		wantCode(t, err, want)
	}
}

// assertion answers a passkey challenge, as the phone's owner does in a browser.
func assertion(t *testing.T, phone *sandbox.Phone, challenge []byte) []byte {
	t.Helper()
	var request types.WebAuthnPublicKey
	if err := json.Unmarshal(challenge, &request); err != nil {
		t.Fatal(err)
	}
	answer, err := phone.Passkey().Assert(&request)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

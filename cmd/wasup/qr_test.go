package main

import (
	"context"
	"net/http"
	"testing"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

func TestThePictureHoldsTheVeryStringThatTheLibraryIssuedAndAPhoneCanUseIt(t *testing.T) {
	h := newHouse(t)
	read := h.code(1)
	if issued := h.status(1).QR.Code; read != issued {
		t.Fatalf("the picture says\n%s\nand the library issued\n%s", read, issued)
	}
	for _, path := range []string{"/qr", "/qr-code"} {
		if again := h.get(path, 1).is(200).code(); again != read {
			t.Fatalf("%s shows another code while the first one is valid", path)
		}
	}
	// The phone answers to every part of the code: ref, Noise key, identity key and ADV secret.
	phone := h.phone(phones.ScriptRead)
	if _, err := phone.Scan(bounded(t), read); err != nil {
		t.Fatal(err)
	}
	h.ready(1)
	h.get("/qr-code", 1).is(409).with("error", "QR_NOT_REQUIRED", "current_state", "READY")
	h.get("/qr", 1).is(409).with("state", "READY", "can_send_messages", true)
	h.get("/status", 1).is(200).with("state", "READY", "connected", true, "can_send_messages", true, "needs_qr", false, "qr_code_base64", nil)
}

func TestAHundredCallersAreAnsweredByOneCode(t *testing.T) {
	h := newHouse(t)
	h.fault(faults.Fault{Kind: faults.WithholdQR, Count: 1})
	events, end := h.server.Subscribe()
	defer end()
	const callers = 100
	answers := make(chan answer, callers)
	for range callers {
		go func() {
			a, err := h.try(context.Background(), http.MethodGet, "/qr-code", 1, "", nil)
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	until(t, "all callers wait", func() bool { return h.app.sessions.Waiting() == callers })
	for event := range events {
		if event.Kind == observe.EventFault {
			break
		}
	}
	h.server.DropTCP(faults.Select{}) // the next connection gets its code
	first := <-answers
	code := first.is(200).code()
	for range callers - 1 {
		if a := <-answers; a.status != 200 || string(a.body) != string(first.body) {
			t.Fatalf("one caller was answered otherwise: %d %s", a.status, a.body)
		}
	}
	if code != h.status(1).QR.Code {
		t.Fatal("the callers did not get the code of the session")
	}
	end()
	sent := 0
	for event := range events {
		if event.Kind == observe.EventPairDeviceSent {
			sent++
		}
	}
	if sent != 1 {
		t.Fatalf("the server issued codes %d times for %d callers", sent, callers)
	}
	if seq := h.status(1).QR.Seq; seq != 1 {
		t.Fatalf("the session showed %d codes", seq)
	}
	if h.status(1).State != session.QRRequired {
		t.Fatal(h.status(1).State)
	}
}

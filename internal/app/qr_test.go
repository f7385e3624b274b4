package app

import (
	"context"
	"net/http"
	"testing"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/internal/session"
)

func TestThePictureHoldsTheVeryStringThatTheLibraryIssuedAndAPhoneCanUseIt(t *testing.T) {
	h := newHouse(t)
	read := h.code(1)
	if issued := h.status(1).QR.Code; read != issued {
		t.Fatalf("the picture says\n%s\nand the library issued\n%s", read, issued)
	}
	for _, path := range []string{"/qr", "/qr-code"} {
		if again := h.Get(path, 1).Is(200).Code(); again != read {
			t.Fatalf("%s shows another code while the first one is valid", path)
		}
	}
	// The phone checks every part of the code: ref, Noise key, identity key and ADV secret.
	phone := h.phone(phones.ScriptRead)
	if _, err := phone.Scan(apptest.Bounded(t), read); err != nil {
		t.Fatal(err)
	}
	h.ready(1)
	h.Get("/qr-code", 1).Is(409).With("error", "QR_NOT_REQUIRED", "current_state", "READY")
	h.Get("/qr", 1).Is(409).With("state", "READY", "can_send_messages", true)
	h.Get("/status", 1).Is(200).With("state", "READY", "connected", true, "can_send_messages", true, "needs_qr", false, "qr_code_base64", nil)
}

func TestAHundredCallersAreAnsweredByOneCode(t *testing.T) {
	h := newHouse(t)
	h.fault(faults.Fault{Kind: faults.WithholdQR, Count: 1})
	events, end := h.server.Subscribe()
	defer end()
	const callers = 100
	answers := make(chan apptest.Answer, callers)
	for range callers {
		go func() {
			a, err := h.Try(context.Background(), http.MethodGet, "/qr-code", 1, "", nil)
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	apptest.Until(t, "all callers wait", func() bool { return h.app.sessions.Waiting() == callers })
	for event := range events {
		if event.Kind == observe.EventFault {
			break
		}
	}
	h.server.DropTCP(faults.Select{}) // the next connection gets its code
	first := <-answers
	code := first.Is(200).Code()
	for range callers - 1 {
		if a := <-answers; a.Status != 200 || string(a.Body) != string(first.Body) {
			t.Fatalf("one caller was answered otherwise: %d %s", a.Status, a.Body)
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

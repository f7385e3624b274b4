package whatsapp_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/session"
)

// fields returns the parts of a code: link and ref, noise key, identity key, secret, type.
func fields(t *testing.T, code string) []string {
	t.Helper()
	parts := strings.Split(code, ",")
	if len(parts) != 5 {
		t.Fatalf("a code of %d parts: %q", len(parts), code)
	}
	return parts
}

// wantSameRefs checks that the new codes differ from the old ones by their secret, and by nothing else.
func wantSameRefs(t *testing.T, before, after []string) {
	t.Helper()
	if len(before) != len(after) {
		t.Fatalf("%d codes became %d", len(before), len(after))
	}
	for i := range before {
		old, fresh := fields(t, before[i]), fields(t, after[i])
		if old[3] == fresh[3] {
			t.Errorf("code %d keeps its retired secret", i)
		}
		if old[3] = fresh[3]; strings.Join(old, ",") != strings.Join(fresh, ",") {
			t.Errorf("code %d became %q", i, after[i])
		}
	}
}

func TestACodeWhoseSecretIsRetiredIsShownWithANewOne(t *testing.T) {
	for _, variant := range []string{faults.VariantRefresh, faults.VariantRotate} {
		t.Run(variant, func(t *testing.T) {
			h := newHouse(t, sandbox.Config{})
			feed, stop := h.server.Subscribe()
			defer stop()
			phone := h.phone()
			h.add("a")
			l := h.open("a")
			codes := l.expect(session.QRIssued).Codes
			for range 2 { // the second retires the secret that the first brought
				if err := h.server.RetireCode(codes[0], variant); err != nil {
					t.Fatal(err)
				}
				fresh := l.expect(session.QRRefreshed).Codes
				wantSameRefs(t, codes, fresh)
				until(t, feed, observe.EventRetireAcked)
				if _, err := phone.Scan(testContext(t), codes[0]); !errors.Is(err, sandbox.ErrCodeRetired) {
					t.Errorf("a scan of the retired code: %v", err)
				}
				codes = fresh
			}
			if _, err := phone.Scan(testContext(t), codes[1]); err != nil { // a code of the same run whose turn comes later
				t.Fatal(err)
			}
			l.expect(session.Scanned)
			l.expect(session.Paired)
			l.expect(session.LoginReconnect)
			l.nothingMore()
		})
	}
}

func TestAScanThatRetiresTheCodeWorksWithTheNextOne(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.fault(faults.Fault{Kind: faults.RetireCode, Count: 1})
	phone := h.phone()
	h.add("a")
	l := h.open("a")
	codes := l.expect(session.QRIssued).Codes
	if _, err := phone.Scan(testContext(t), codes[0]); !errors.Is(err, sandbox.ErrCodeRetired) {
		t.Fatalf("the scan: %v", err)
	}
	if _, err := phone.Scan(testContext(t), l.expect(session.QRRefreshed).Codes[0]); err != nil {
		t.Fatal(err)
	}
	l.expect(session.Scanned)
}

// A pairing code has a secret of its own from its second stage on. If the client replaced it, the phone's confirmation
// would not fit any more.
func TestAPairingThatHasBegunKeepsItsSecret(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	feed, stop := h.server.Subscribe()
	defer stop()
	h.fault(faults.Fault{Kind: faults.RetireCode, Count: 1})
	phone := h.phone()
	h.add("a")
	l := h.open("a")
	l.expect(session.QRIssued)
	code, err := l.client.PairPhone(testContext(t), phone.Number())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = phone.EnterCode(testContext(t), code); err != nil {
		t.Fatal(err)
	}
	until(t, feed, observe.EventCodeRetired)
	until(t, feed, observe.EventRetireAcked)
	l.expect(session.QRRefreshed) // the second stage has brought the secret, and the retirement no other one
	l.expect(session.Scanned)
	l.expect(session.Paired)
	l.expect(session.LoginReconnect)
	l.nothingMore()
}

func TestAPairingCodeOutlivesTheSecretOfTheQR(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	phone := h.phone()
	h.add("a")
	l := h.open("a")
	shown := l.expect(session.QRIssued).Codes
	code, err := l.client.PairPhone(testContext(t), phone.Number())
	if err != nil {
		t.Fatal(err)
	}
	if err = h.server.RetireCode(shown[0], ""); err != nil {
		t.Fatal(err)
	}
	l.expect(session.QRRefreshed)
	if _, err = phone.EnterCode(testContext(t), code); err != nil {
		t.Fatal(err)
	}
	l.expect(session.QRRefreshed)
	l.expect(session.Scanned)
	l.expect(session.Paired)
}

// The second stage of a pairing code replaces the secret, whether the code was right or not: only the phone knows that.
func TestAQRCanBeScannedAfterAWrongPairingCode(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	phone := h.phone()
	h.add("a")
	l := h.open("a")
	codes := l.expect(session.QRIssued).Codes
	for range 2 { // each wrong code replaces the secret
		if _, err := l.client.PairPhone(testContext(t), phone.Number()); err != nil {
			t.Fatal(err)
		}
		if _, err := phone.EnterCode(testContext(t), "ABCD-1234"); !errors.Is(err, sandbox.ErrWrongCode) {
			t.Fatalf("the wrong code: %v", err)
		}
		fresh := l.expect(session.QRRefreshed).Codes
		wantSameRefs(t, codes, fresh)
		codes = fresh
	}
	if _, err := phone.Scan(testContext(t), codes[0]); err != nil {
		t.Errorf("the code on show cannot be scanned: %v", err)
	}
	l.expect(session.Scanned)
	l.expect(session.Paired)
	l.expect(session.LoginReconnect)
	l.nothingMore()
}

// WhatsApp asks for a passkey after a scan, and whatsmeow replaces the secret before anything is answered.
func TestACodeFollowsTheSecretOfAPasskey(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	phone := h.phone()
	phone.RequirePasskey(true)
	h.add("a")
	l := h.open("a")
	codes := l.expect(session.QRIssued).Codes
	ctx, cancel := context.WithCancel(testContext(t))
	scanned := make(chan error, 1)
	go func() {
		_, err := phone.Scan(ctx, codes[0])
		scanned <- err
	}()
	l.expect(session.PasskeyRequired)
	wantSameRefs(t, codes, l.expect(session.QRRefreshed).Codes)
	cancel()
	if err := <-scanned; !errors.Is(err, context.Canceled) {
		t.Errorf("the scan that nobody confirmed: %v", err)
	}
}

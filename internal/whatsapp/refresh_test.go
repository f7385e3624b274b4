package whatsapp_test

import (
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
	l.expect(session.Scanned)
	l.expect(session.Paired)
}

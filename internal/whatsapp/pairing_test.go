package whatsapp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

func TestAScannedCodeLinksTheSessionForGood(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	phone := h.phone()
	h.add("a")
	l := h.open("a")

	codes := l.expect(session.QRIssued).Codes
	if len(codes) != 6 || !strings.HasPrefix(codes[0], "https://wa.me/settings/linked_devices#") {
		t.Fatalf("%d codes, the first %q", len(codes), codes[0])
	}
	device, err := phone.Scan(testContext(t), codes[0])
	if err != nil {
		t.Fatal(err)
	}
	l.expect(session.Scanned)
	paired := l.expect(session.Paired)
	if paired.Account.JID != device.String() || paired.Account.Phone() != phone.Number() || paired.Account.LID == "" {
		t.Errorf("paired as %+v, the phone linked %s", paired.Account, device)
	}
	if got := h.bound("a"); got != device.String() {
		t.Errorf("bound to %q", got)
	}
	l.expect(session.LoginReconnect)
	l.nothingMore()

	again := h.open("a")
	if up := again.expect(session.SocketUp); up.Account.JID != device.String() || up.Account.LID != paired.Account.LID {
		t.Errorf("logged in as %+v", up.Account)
	}
	again.nothingMore()
	if name := phone.Devices()[0].Platform; name != whatsapp.DefaultDeviceName {
		t.Errorf("the phone shows %q", name)
	}
}

func TestTheLoginRequestIsNotLostWhenTheServerClosesAtOnce(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.fault(faults.Fault{Kind: faults.CloseAfter515})
	for _, id := range []session.ID{"a", "b", "c", "d", "e", "f", "g", "h"} {
		h.link(id, h.phone())
	}
}

func TestAnEndWithoutALoginRequestIsNotSilent(t *testing.T) {
	for name, end := range map[string]func(*sandbox.Server){
		"reset":  func(s *sandbox.Server) { s.DropTCP(faults.Select{}) },
		"closed": func(s *sandbox.Server) { s.CloseConnections(faults.Select{}) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, sandbox.Config{})
			h.fault(faults.Fault{Kind: faults.No515})
			h.add("a")
			l := h.open("a")
			if _, err := h.phone().Scan(testContext(t), l.expect(session.QRIssued).Codes[0]); err != nil {
				t.Fatal(err)
			}
			l.expect(session.Scanned)
			l.expect(session.Paired)
			end(h.server)
			l.expect(session.SocketLost)
			l.nothingMore()
			if h.bound("a") == "" {
				t.Error("the device is not bound")
			}
		})
	}
}

func TestCodesThatRunOutEndTheConnection(t *testing.T) {
	h := newHouse(t, sandbox.Config{FirstRefTTL: 50 * time.Millisecond, RefTTL: 50 * time.Millisecond, Refs: 2})
	h.add("a")
	l := h.open("a")
	if codes := l.expect(session.QRIssued).Codes; len(codes) != 2 {
		t.Errorf("%d codes", len(codes))
	}
	l.expect(session.SocketLost)
	l.nothingMore()
}

func TestASpoiledConfirmationFailsThePairing(t *testing.T) {
	for kind, detail := range map[faults.Kind]string{
		faults.BadPairHMAC: "HMAC", faults.BadPairSignature: "signature",
	} {
		t.Run(string(kind), func(t *testing.T) {
			h := newHouse(t, sandbox.Config{})
			h.fault(faults.Fault{Kind: kind})
			h.add("a")
			l := h.open("a")
			if _, err := h.phone().Scan(testContext(t), l.expect(session.QRIssued).Codes[0]); !errors.Is(err, sandbox.ErrPairRefused) {
				t.Errorf("the phone saw %v", err)
			}
			if failed := l.expect(session.PairFailed); !strings.Contains(failed.Detail, detail) {
				t.Errorf("detail %q", failed.Detail)
			}
			l.nothingMore()
			if h.bound("a") != "" || h.storedDevices() != 0 {
				t.Errorf("bound to %q, %d credentials stored", h.bound("a"), h.storedDevices())
			}
		})
	}
}

// devices is a Devices whose calls a test can make fail.
type devices struct {
	whatsapp.Devices
	lookUp, bind error
}

func (d *devices) DeviceOf(ctx context.Context, id session.ID) (string, error) {
	if d.lookUp != nil {
		return "", d.lookUp
	}
	return d.Devices.DeviceOf(ctx, id)
}

func (d *devices) BindDevice(ctx context.Context, id session.ID, jid string) error {
	if d.bind != nil {
		return d.bind
	}
	return d.Devices.BindDevice(ctx, id, jid)
}

func TestAPairingThatCannotBeBoundIsRefused(t *testing.T) {
	broken := &devices{bind: errors.New("disk I/O error")}
	h := newHouse(t, sandbox.Config{}, func(c *whatsapp.Config) { broken.Devices, c.Devices = c.Devices, broken })
	h.add("a")
	l := h.open("a")
	if _, err := h.phone().Scan(testContext(t), l.expect(session.QRIssued).Codes[0]); !errors.Is(err, sandbox.ErrPairRefused) {
		t.Errorf("the phone saw %v", err)
	}
	l.expect(session.StoreFailed)
	l.nothingMore()
	if h.storedDevices() != 0 {
		t.Error("credentials were stored that belong to no session")
	}
}

func TestABindingToNothingIsClearedAndASessionPairsAgain(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.add("a")
	if err := h.store.Sessions().BindDevice(testContext(t), "a", "5491100000000:7@s.whatsapp.net"); err != nil {
		t.Fatal(err)
	}
	l := h.open("a")
	l.expect(session.QRIssued)
	l.nothingMore()
	if got := h.bound("a"); got != "" {
		t.Errorf("still bound to %q", got)
	}
}

func TestAFailingDatabaseIsNeverTakenForNoDevice(t *testing.T) {
	t.Run("binding", func(t *testing.T) {
		broken := &devices{}
		h := newHouse(t, sandbox.Config{}, func(c *whatsapp.Config) { broken.Devices, c.Devices = c.Devices, broken })
		h.link("a", h.phone())
		logins := h.server.Counters().ConnectionsTotal
		broken.lookUp = errors.New("disk I/O error")
		_, err := h.begin(context.Background(), "a")
		if session.CodeOf(err) != session.CodeStoreUnavailable {
			t.Errorf("got %v", err)
		}
		if now := h.server.Counters().ConnectionsTotal; now != logins {
			t.Error("it connected all the same")
		}
	})
	t.Run("credentials", func(t *testing.T) {
		h := newHouse(t, sandbox.Config{})
		device := h.link("a", h.phone())
		if _, err := h.store.DB().Exec(testContext(t), "ALTER TABLE whatsmeow_device RENAME TO away"); err != nil {
			t.Fatal(err)
		}
		_, err := h.begin(context.Background(), "a")
		if session.CodeOf(err) != session.CodeStoreUnavailable {
			t.Errorf("got %v", err)
		}
		if got := h.bound("a"); got != device.String() {
			t.Errorf("the session was unbound: %q", got)
		}
	})
}

func TestADeviceNumberGivenAgainReplacesTheOldCredentials(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	phone := h.phone()
	first := h.link("a", phone)
	// The server loses its state, like a sandbox that is restarted, and numbers devices from the beginning.
	other := newServer(t, sandbox.Config{})
	again, err := other.AddPhone(phones.Config{Number: phone.Number()})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := &house{t: t, server: other, store: h.store}
	elsewhere.dialer = elsewhere.newDialer()
	if second := elsewhere.link("b", again); second != first {
		t.Fatalf("devices are numbered %s and %s: nothing is given again", first, second)
	}
	elsewhere.open("b").expect(session.SocketUp)
	if h.bound("a") != "" {
		t.Errorf("the dead device is still bound to %q", h.bound("a"))
	}
}

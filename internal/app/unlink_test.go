package app

import (
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// untilUnlinked waits until the server has unlinked a device.
func untilUnlinked(t *testing.T, feed <-chan observe.Event) {
	t.Helper()
	ctx := apptest.Bounded(t)
	for {
		select {
		case event := <-feed:
			if event.Kind == observe.EventUnlinked {
				return
			}
		case <-ctx.Done():
			t.Fatal("the server never unlinked a device")
		}
	}
}

func wantNoDevice(t *testing.T, phone *sandbox.Phone) {
	t.Helper()
	if devices := phone.Devices(); len(devices) != 0 {
		t.Errorf("the phone still lists %v", devices)
	}
}

func TestADeletedSessionThatWasStoppedLeavesThePhone(t *testing.T) {
	h := newHouse(t)
	feed, stop := h.server.Subscribe()
	defer stop()
	phone := h.linked(51)
	h.v1("POST", "/51/stop", "").Is(200)
	h.comes(51, session.NotInitialized, session.CauseStopped)
	if left := h.v1("DELETE", "/51", "").Is(204).Header.Get("X-Unlink"); left != "pending" {
		t.Errorf("X-Unlink is %q", left)
	}
	untilUnlinked(t, feed)
	wantNoDevice(t, phone)
	h.pair(51, h.phone(phones.ScriptRead)) // the same id again, with another phone
}

func TestALogoutBetweenTwoAttemptsIsCarriedOutByTheNextProcess(t *testing.T) {
	h := newHouse(t)
	feed, stop := h.server.Subscribe()
	defer stop()
	phone := h.linked(51)
	h.fault(faults.Fault{Kind: faults.HTTPStatus, Code: 503})
	h.server.DropTCP(faults.Select{})
	h.comes(51, session.DisconnectedRecoverable, session.CauseSocketLost)
	h.v1("POST", "/51/logout", "").Is(200).With("state", "DISCONNECTED_LOGOUT", "unlink", "pending")
	if len(phone.Devices()) != 1 {
		t.Errorf("the phone lists %v", phone.Devices())
	}
	h.close()
	h.server.ClearFaults()
	open(t, h.server, h.cfg, seams{})
	untilUnlinked(t, feed)
	wantNoDevice(t, phone)
}

func TestALogoutOfAConnectedSessionLeavesNothingToDo(t *testing.T) {
	h := newHouse(t)
	phone := h.linked(51)
	if left := h.v1("DELETE", "/51", "").Is(204).Header.Get("X-Unlink"); left != "" {
		t.Errorf("X-Unlink is %q", left)
	}
	wantNoDevice(t, phone)
}

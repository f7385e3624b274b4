package whatsapp_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

func quickly(c *whatsapp.Config) { c.UnlinkPause = 10 * time.Millisecond }

// marks waits until done accepts the devices that are to be unlinked.
func (h *house) marks(done func([]session.Detached) bool) {
	h.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		marks, err := h.store.Sessions().ToUnlink(testContext(h.t))
		if err != nil {
			h.t.Fatal(err)
		}
		if done(marks) {
			return
		}
		select {
		case <-tick.C:
		case <-limit.C:
			h.t.Fatalf("to unlink: %+v", marks)
		}
	}
}

func none(marks []session.Detached) bool { return len(marks) == 0 }

func (h *house) detach(id session.ID) {
	h.t.Helper()
	if err := h.dialer.Detach(testContext(h.t), id); err != nil {
		h.t.Fatal(err)
	}
}

func TestADetachedDeviceIsUnlinkedByOneLogin(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly)
	feed, stop := h.server.Subscribe()
	defer stop()
	phone := h.phone()
	h.link("a", phone)
	h.detach("a")
	if h.bound("a") != "" {
		t.Error("the session still has the device")
	}
	until(t, feed, observe.EventUnlinked)
	h.marks(none)
	if devices := phone.Devices(); len(devices) != 0 || h.storedDevices() != 0 {
		t.Errorf("the phone lists %v, %d devices are stored", devices, h.storedDevices())
	}
	h.detach("a") // nothing is left to detach
	h.marks(none)
}

func TestADeviceIsUnlinkedWhenTheServerIsBack(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly)
	phone := h.phone()
	device := h.link("a", phone)
	h.fault(faults.Fault{Kind: faults.HTTPStatus, Code: 503})
	h.detach("a")
	h.marks(func(marks []session.Detached) bool {
		return len(marks) == 1 && marks[0].Device == device.String() && marks[0].Session == "a" && marks[0].Attempts > 1
	})
	if len(phone.Devices()) != 1 || h.storedDevices() != 1 {
		t.Errorf("the phone lists %v, %d devices are stored", phone.Devices(), h.storedDevices())
	}
	h.server.ClearFaults()
	h.marks(none)
	if len(phone.Devices()) != 0 || h.storedDevices() != 0 {
		t.Errorf("the phone lists %v, %d devices are stored", phone.Devices(), h.storedDevices())
	}
}

func TestTheNextProcessUnlinksADevice(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly)
	phone := h.phone()
	h.link("a", phone)
	h.fault(faults.Fault{Kind: faults.LoginFailure, Code: 503})
	h.detach("a")
	h.marks(func(marks []session.Detached) bool { return len(marks) == 1 && marks[0].Attempts > 0 })
	if err := h.dialer.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	h.server.ClearFaults()
	h.dialer = h.newDialer(quickly)
	h.marks(none)
	if len(phone.Devices()) != 0 || h.storedDevices() != 0 {
		t.Errorf("the phone lists %v, %d devices are stored", phone.Devices(), h.storedDevices())
	}
}

func TestASessionIsLinkedAgainBeforeItsOldDeviceIsUnlinked(t *testing.T) {
	var claimed atomic.Value // the JID of the account that the session was last told to belong to
	h := newHouse(t, sandbox.Config{}, quickly, func(c *whatsapp.Config) {
		c.Claim = func(_ context.Context, _ session.ID, account session.Account) error {
			claimed.Store(account.JID)
			return nil
		}
	})
	old, next := h.phone(), h.phone()
	h.link("a", old)
	h.fault(faults.Fault{Kind: faults.LoginFailure, Code: 503, Account: old.Number()})
	h.detach("a")
	h.marks(func(marks []session.Detached) bool { return len(marks) == 1 && marks[0].Attempts > 0 })
	device := h.link("a", next)
	l := h.open("a")
	if up := l.expect(session.SocketUp); up.Account.JID != device.String() {
		t.Errorf("logged in as %+v", up.Account)
	}
	h.server.ClearFaults()
	h.marks(none)
	if len(old.Devices()) != 0 || len(next.Devices()) != 1 || h.bound("a") != device.String() || h.storedDevices() != 1 {
		t.Errorf("the phones list %v and %v; bound %q, %d stored", old.Devices(), next.Devices(), h.bound("a"), h.storedDevices())
	}
	if claimed.Load() != device.String() {
		t.Errorf("the session is said to belong to %v: the login of the old device counted", claimed.Load())
	}
	l.nothingMore()
}

func TestADeviceThatThePhoneRemovedNeedsNoUnlinking(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly)
	phone := h.phone()
	device := h.link("a", phone)
	if err := phone.Unlink(context.Background(), device); err != nil {
		t.Fatal(err)
	}
	h.detach("a")
	h.marks(none)
	if h.storedDevices() != 0 {
		t.Errorf("%d devices are stored", h.storedDevices())
	}
}

func TestADeviceThatCannotBeUnlinkedIsGivenUp(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly, func(c *whatsapp.Config) { c.UnlinkFor = 50 * time.Millisecond })
	phone := h.phone()
	h.link("a", phone)
	h.fault(faults.Fault{Kind: faults.HTTPStatus, Code: 503})
	h.detach("a")
	h.marks(none)
	if len(phone.Devices()) != 1 || h.storedDevices() != 0 {
		t.Errorf("the phone lists %v, %d devices are stored", phone.Devices(), h.storedDevices())
	}
}

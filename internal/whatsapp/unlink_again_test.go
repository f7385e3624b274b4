package whatsapp_test

import (
	"context"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

// strikes waits until a fault has struck.
func (h *house) strikes(id string) {
	h.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		for _, f := range h.server.Faults() {
			if f.ID == id && f.Applied > 0 {
				return
			}
		}
		select {
		case <-tick.C:
		case <-limit.C:
			h.t.Fatal("the fault never struck")
		}
	}
}

// newPhone replaces a phone by another one with its number. Its devices are numbered from the beginning.
func (h *house) newPhone(old *sandbox.Phone) *sandbox.Phone {
	h.t.Helper()
	if err := h.server.RemovePhone(old.Number()); err != nil {
		h.t.Fatal(err)
	}
	again, err := h.server.AddPhone(phones.Config{Number: old.Number()})
	if err != nil {
		h.t.Fatal(err)
	}
	return again
}

// wantLinked checks that nobody has touched the session's device.
func (h *house) wantLinked(id session.ID, phone *sandbox.Phone, device types.JID) {
	h.t.Helper()
	if devices := phone.Devices(); len(devices) != 1 || h.bound(id) != device.String() {
		h.t.Errorf("the phone lists %v, the session has %q", devices, h.bound(id))
	}
	var n int
	err := h.store.DB().QueryRow(testContext(h.t), "SELECT COUNT(*) FROM whatsmeow_device WHERE jid=$1", device.String()).Scan(&n)
	if err != nil || n != 1 {
		h.t.Errorf("%d credentials are stored, %v", n, err)
	}
}

func TestANewDeviceIsNotUnlinkedByTheMarkOfAnOldOne(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly)
	slow, old, last := h.phone(), h.phone(), h.phone()
	h.link("slow", slow)
	device := h.link("a", old)
	h.link("last", last)
	refused := h.fault(faults.Fault{Kind: faults.LoginFailure, Code: 503, Account: slow.Number()})
	h.fault(faults.Fault{Kind: faults.LoginFailure, Code: 503, Account: old.Number()})
	h.detach("slow")
	h.detach("a")
	h.marks(func(marks []session.Detached) bool {
		return len(marks) == 2 && marks[0].Attempts > 0 && marks[1].Attempts > 0
	})
	hanging := h.fault(faults.Fault{Kind: faults.SilentLogin, Account: slow.Number()})
	h.server.ClearFault(refused)
	h.strikes(hanging) // both marks were read before this attempt
	h.server.ClearFaults()
	again := h.newPhone(old)
	if got := h.link("a", again); got != device {
		t.Fatalf("the number of %s is not given again: %s", device, got)
	}
	l := h.open("a")
	l.expect(session.SocketUp)
	if n := h.server.DropTCP(faults.Select{Account: slow.Number()}); n != 1 {
		t.Errorf("%d connections wait for the answer to their login", n)
	}
	h.detach("last")
	h.marks(none)
	h.wantLinked("a", again, device)
	l.nothingMore()
}

func TestALinkingEndsTheAttemptToUnlinkTheOldDevice(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly)
	old, other := h.phone(), h.phone()
	device := h.link("a", old)
	h.link("b", other)
	delay := h.fault(faults.Fault{Kind: faults.DelayHandshake, Delay: 3 * time.Second})
	h.detach("a")
	h.strikes(delay)
	h.server.ClearFaults()
	again := h.newPhone(old)
	if got := h.link("a", again); got != device { // before the login of the old device is refused
		t.Fatalf("the number of %s is not given again: %s", device, got)
	}
	h.detach("b")
	h.marks(none) // b's device, after the attempt of the old one
	h.wantLinked("a", again, device)
	h.open("a").expect(session.SocketUp)
}

// A session that was linked before learns of it at its next login. The credentials are those of the other session by then.
func TestARefusedLoginKeepsTheCredentialsThatAnotherSessionHasUnderItsNumber(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	old := h.phone()
	device := h.link("a", old)
	delay := h.fault(faults.Fault{Kind: faults.DelayHandshake, Delay: 3 * time.Second})
	opened := make(chan *life, 1)
	go func() {
		l, err := h.begin(context.Background(), "a")
		if err != nil {
			t.Error(err)
		}
		opened <- l
	}()
	h.strikes(delay)
	h.server.ClearFaults()
	again := h.newPhone(old)
	h.add("b")
	scanning := h.openAs("b")
	if got, err := again.Scan(testContext(t), scanning.expect(session.QRIssued).Codes[0]); err != nil || got != device {
		t.Fatalf("linked as %s, %v", got, err)
	}
	l := <-opened
	l.expect(session.LoggedOut)
	l.nothingMore()
	h.wantLinked("b", again, device)
}

// openAs opens a run while another one is being opened.
func (h *house) openAs(id session.ID) *life {
	h.t.Helper()
	l := &life{t: h.t, more: make(chan struct{}, 1)}
	opened, err := h.dialer.Open(context.Background(), session.Run{Session: id, Post: func(in session.Input) {
		l.mu.Lock()
		l.inputs = append(l.inputs, in)
		l.mu.Unlock()
		select {
		case l.more <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		h.t.Fatal(err)
	}
	l.client = opened.(client)
	h.t.Cleanup(opened.Close)
	return l
}

func TestAHangingLoginDoesNotHoldUpOtherDevices(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly)
	slow, other := h.phone(), h.phone()
	device := h.link("slow", slow)
	h.link("b", other)
	hanging := h.fault(faults.Fault{Kind: faults.SilentLogin, Account: slow.Number()})
	h.detach("slow")
	h.strikes(hanging)
	h.detach("b")
	h.marks(func(marks []session.Detached) bool {
		if len(marks) == 1 && marks[0].Device == device.String() {
			if marks[0].Attempts > 0 {
				t.Error("the other device was unlinked after the attempt that hangs")
			}
			return true
		}
		return false
	})
}

func TestADeviceIsNotUnlinkedDuringATemporaryBan(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly)
	h.link("a", h.phone())
	h.fault(faults.Fault{Kind: faults.LoginFailure, Code: faults.CodeTemporaryBan, Expire: 2 * time.Hour})
	end := time.Now().Add(2 * time.Hour).Truncate(time.Second)
	h.detach("a")
	h.marks(func(marks []session.Detached) bool {
		if len(marks) != 1 || marks[0].Attempts == 0 {
			return false
		}
		if marks[0].Next.Before(end) {
			t.Errorf("the next attempt comes %s before the end of the ban", end.Sub(marks[0].Next))
		}
		return true
	})
}

func TestOneRefusalOfTheVersionHoldsUpAllDevicesUntilASessionIsAccepted(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, func(c *whatsapp.Config) { c.UnlinkPause = time.Hour })
	h.link("runs", h.phone())
	ids := []session.ID{"a", "b", "c", "d", "e", "f", "g", "h"}
	for _, id := range ids {
		h.link(id, h.phone())
	}
	feed, stop := h.server.Subscribe()
	defer stop()
	h.server.Versions().SetLeast(sandbox.Version{9, 9, 9})
	for _, id := range ids {
		h.detach(id)
	}
	until(t, feed, observe.EventLoginRefused)
	h.server.Versions().SetLeast(sandbox.Version{})
	h.marks(func(marks []session.Detached) bool {
		if len(marks) == 0 {
			return true
		}
		l := h.open("runs")
		l.expect(session.SocketUp)
		l.nothingMore()
		return false
	})
	refused := 1
	for {
		select {
		case event := <-feed:
			if event.Kind == observe.EventLoginRefused {
				refused++
			}
			continue
		default:
		}
		break
	}
	if refused > whatsapp.UnlinksAtOnce {
		t.Errorf("%d logins were refused", refused)
	}
}

func TestADeviceIsUnlinkedWithANewerVersionThoughNoSessionRuns(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, quickly)
	h.link("a", h.phone())
	h.server.Versions().SetLeast(shown(t, h.dialer, 3))
	h.detach("a")
	h.marks(none)
	if h.storedDevices() != 0 {
		t.Errorf("%d devices are stored", h.storedDevices())
	}
}

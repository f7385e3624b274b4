package app

import (
	"strings"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

func TestADisappearingTimerIsToldAndFollowed(t *testing.T) {
	h := newHouse(t)
	own := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	// sets makes a phone set the timer of its chat, and waits until the log tells of it.
	sets := func(phone *sandbox.Phone, to string, seconds uint32, told string) {
		t.Helper()
		if _, err := phone.SendMessage(apptest.Bounded(t), phones.Outgoing{To: to, Kind: phones.KindTimer, Expiration: seconds}); err != nil {
			t.Fatal(err)
		}
		apptest.Until(t, "the log tells of "+told, func() bool {
			return strings.Contains(string(h.v1("GET", "/1/events?after=0&limit=100&types=timer.changed", "").Is(200).Body), told)
		})
	}
	sets(bruno, own.Number(), 86_400, `"from_me":false,"seconds":86400`)
	first := h.Send(1, bruno.Number(), "hello").Is(200).Text("message_id")
	if m := arrived(t, bruno, first, phones.StatusRead); m.Expiration != 86_400 || m.TimerSetAt == 0 || m.Stays {
		t.Errorf("it carries %d set at %d; it stays: %t", m.Expiration, m.TimerSetAt, m.Stays)
	}
	h = h.reopen()
	h.ready(1)
	id := h.sent(`{"to":"` + bruno.LID().String() + `","text":"again"}`)
	if m := arrived(t, bruno, id, phones.StatusRead); m.Expiration != 86_400 || m.Stays {
		t.Errorf("after a restart it carries %d; it stays: %t", m.Expiration, m.Stays)
	}
	sets(own, bruno.Number(), 0, `"from_me":true,"seconds":0`)
	last := h.Send(1, bruno.Number(), "for good").Is(200).Text("message_id")
	if m := arrived(t, bruno, last, phones.StatusRead); m.Expiration != 0 || m.Stays {
		t.Errorf("switched off it carries %d; it stays: %t", m.Expiration, m.Stays)
	}
}

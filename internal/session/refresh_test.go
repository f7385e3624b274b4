package session_test

import (
	"testing"
	"time"

	"wasup/internal/session"
)

func TestARetiredCodeIsShownAgainWithItsRemainingTime(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	policy := session.DefaultPolicy()
	m := session.New(&policy, 1, session.Record{}, at)
	step := func(after time.Duration, in session.Input) session.QR {
		at = at.Add(after)
		if in.Kind.FromClient() {
			in.Incarnation, _ = m.Incarnation()
		}
		m, _ = m.Step(at, in)
		var s session.Status
		m.Fill(&s)
		return s.QR
	}
	refreshed := func(c ...string) session.Input { return session.Input{Kind: session.QRRefreshed, Codes: c} }

	if qr := step(0, session.Input{Kind: session.QRAsked}); qr.Code != "" {
		t.Fatalf("a code before WhatsApp issued one: %+v", qr)
	}
	if qr := step(0, refreshed("a1", "b1", "c1")); qr.Code != "" || m.State() != session.Initializing {
		t.Errorf("a code was shown that WhatsApp has not issued: %+v", qr)
	}
	first := step(0, codes("a", "b", "c"))
	again := step(10*time.Second, refreshed("a1", "b1", "c1"))
	if again.Code != "a1" || again.Seq != first.Seq+1 || !again.ExpiresAt.Equal(first.ExpiresAt) || !again.LastsTill.Equal(first.LastsTill) {
		t.Errorf("%+v became %+v", first, again)
	}
	second := step(50*time.Second, session.Input{Kind: session.QRExpired})
	if second.Code != "b1" {
		t.Errorf("the second code is %+v", second)
	}
	// The refs have moved on while the refresh was under way: the one on show now stays on show.
	if qr := step(time.Second, refreshed("a2", "b2", "c2")); qr.Code != "b2" || !qr.ExpiresAt.Equal(second.ExpiresAt) || qr.Seq != second.Seq+1 {
		t.Errorf("%+v became %+v", second, qr)
	}
	if qr := step(19*time.Second, session.Input{Kind: session.QRExpired}); qr.Code != "c2" {
		t.Errorf("the third code is %+v", qr)
	}
	// A phone has scanned the code: no code comes back.
	step(time.Second, session.Input{Kind: session.Scanned})
	if qr := step(0, refreshed("a3", "b3", "c3")); qr.Code != "" || m.State() != session.Reconnecting {
		t.Errorf("in %s the code %+v is on show", m.State(), qr)
	}
}

package whatsapp_test

import (
	"context"
	"testing"

	"wasup/internal/sandbox"
	"wasup/internal/session"
	"wasup/internal/testtools/parttest"
	"wasup/internal/whatsapp"
)

// A linked session's run is opened with the dialer and never closed: that is the dialer's affair when it stops.
func TestADialerAndItsRunsStartAndStopInAnyOrder(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.link("a", h.phone())
	parttest.Stress(t, func(t *testing.T) parttest.Part {
		d, err := whatsapp.New(whatsapp.Config{
			WebsocketURL: h.server.URL(), RootPublicKey: testAuthority.RootPublicKey(),
			DB: h.store.DB(), Read: h.store.ReadDB(), Commit: h.store.Commit, Devices: h.store.Sessions(), Journal: h.store.Events(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return parttest.Part{Stop: d.Stop, Start: func(ctx context.Context) error {
			if err := d.Start(ctx); err != nil {
				return err
			}
			_, err := d.Open(context.WithoutCancel(ctx), session.Run{Session: "a", Incarnation: 1, Post: func(session.Input) {}})
			return err
		}}
	})
}

func TestAStoppedDialerBeginsNothing(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.link("a", h.phone())
	if err := h.dialer.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	_, opened := h.begin(context.Background(), "a")
	_, _, refreshed := h.dialer.RefreshVersion(testContext(t), "a")
	for name, err := range map[string]error{
		"Start": h.dialer.Start(testContext(t)), "Open": opened, "Forget": h.dialer.Forget(testContext(t), "a"), "RefreshVersion": refreshed,
	} {
		if session.CodeOf(err) != session.CodeShuttingDown {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h.bound("a") == "" {
		t.Error("the session's device was forgotten")
	}
}

func TestADialerThatHasNotStartedOpensNothing(t *testing.T) {
	st := newStore(t)
	d, err := whatsapp.New(whatsapp.Config{
		WebsocketURL: "ws://127.0.0.1:1/ws/chat", RootPublicKey: testAuthority.RootPublicKey(), DB: st.DB(), Devices: st.Sessions(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = d.Open(t.Context(), session.Run{Session: "a", Post: func(session.Input) {}}); session.CodeOf(err) != session.CodeInternal {
		t.Error(err)
	}
}

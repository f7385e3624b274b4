package app

import (
	"context"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/internal/sandbox"
	"wasup/internal/session"
)

func TestAfterARestartEverySessionComesBackWithoutAQRAndABadOneDelaysNone(t *testing.T) {
	f := theFleet.use(t)
	cfg := f.config()
	cfg.Session.ConnectDeadline = time.Hour // the deadline must not end the silent login
	for _, fault := range []faults.Fault{
		{Kind: faults.LoginFailure, Code: 503, Account: f.phones[0].Number()},
		{Kind: faults.SilentLogin, Account: f.phones[1].Number()},
	} {
		if _, err := f.server.SetFault(fault); err != nil {
			t.Fatal(err)
		}
	}
	h := open(t, f.server, cfg, seams{})
	for client := int64(3); client <= fleetSize; client++ {
		h.ready(client)
	}
	h.comes(1, session.DisconnectedRecoverable, session.CauseSocketLost)
	h.Get("/status", 2).Is(200).With("state", "RECONNECTING", "is_recoverable", true)
	h.Get("/readyz", 1).Is(503).With("status", "not_ready", "reason", "restoring", "restored", fleetSize-2, "wanted", fleetSize)
	f.server.ClearFaults()
	f.server.DropTCP(faults.Select{})
	for client := int64(1); client <= fleetSize; client++ {
		h.ready(client)
	}
	h.Get("/readyz", 1).Is(200).With("status", "ready", "wanted", fleetSize)
	for _, status := range h.app.sessions.List() {
		if h.seen.count(status.ID, session.QRRequired) != 0 {
			t.Errorf("session %s showed a QR", status.ID)
		}
	}
	for i, phone := range f.phones {
		if n := len(phone.Devices()); n != 1 {
			t.Errorf("phone %d has %d devices", i+1, n)
		}
	}
}

func TestASessionSurvivesKillMinus9(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	h := open(t, server, cfg, fewPrekeys(t, cfg.Store.DSN))
	phone := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	h.close()
	for range 3 {
		events, end := server.Subscribe()
		dead, _ := apptest.ServeChild(t, cfg)
		killAfter(events, rand.IntN(4))
		end()
		dead.Kill()
	}
	h = open(t, server, cfg, seams{})
	h.ready(1)
	if h.seen.count("1", session.QRRequired) != 0 || len(phone.Devices()) != 1 {
		t.Fatal("the pairing was lost")
	}
	arrived(t, bruno, h.Send(1, bruno.Number(), "alive").Is(200).Text("message_id"), phones.StatusRead)
}

// killAfter returns after n events of the server and a random moment more.
func killAfter(events <-chan observe.Event, n int) {
	for range n {
		<-events
	}
	moment := time.NewTimer(rand.N(100 * time.Millisecond))
	defer moment.Stop()
	<-moment.C
}

func TestAKillDuringAPairingNeitherLosesAConfirmedOneNorMakesTwoDevices(t *testing.T) {
	for range 4 {
		server := apptest.NewSandbox(t, sandbox.Config{})
		cfg := apptest.Quick(server, apptest.NewDSN(t))
		phone, err := server.AddPhone(phones.Config{})
		if err != nil {
			t.Fatal(err)
		}
		dead, call := apptest.ServeChild(t, cfg)
		code := call.Get("/qr-code", 1).Is(200).Code()
		events, end := server.Subscribe()
		confirmed := make(chan bool, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), apptest.Patience)
			defer cancel()
			_, err := phone.Scan(ctx, code)
			confirmed <- err == nil
		}()
		after := rand.IntN(3)
		if after > 0 {
			killAfter(events, 1) // paired, disconnected
		}
		killAfter(events, 0)
		dead.Kill()
		end()
		linked := <-confirmed
		h := open(t, server, cfg, fewPrekeys(t, cfg.Store.DSN))
		if linked {
			h.ready(1)
			if h.seen.count("1", session.QRRequired) != 0 {
				t.Fatal("a confirmed pairing was lost")
			}
		} else if a := h.Get("/qr-code", 1); a.Status == http.StatusOK {
			if _, err := phone.Scan(apptest.Bounded(t), a.Code()); err != nil {
				t.Fatal(err)
			}
			h.ready(1)
		} else {
			a.Is(http.StatusConflict).With("current_state", "READY")
		}
		if n := len(phone.Devices()); n != 1 {
			t.Fatalf("the phone has %d devices; confirmed %t", n, linked)
		}
		h.close()
	}
}

package app

import (
	"errors"
	"regexp"
	"strconv"
	"testing"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/session"
)

// trouble is a linked, READY session in which the test is about to cause a fault.
type trouble struct {
	*house
	client int64
	linked *sandbox.Phone
}

func (x trouble) only() faults.Select { return faults.Select{Account: x.linked.Number()} }

func (x trouble) comes(state session.State, cause session.Cause) {
	x.t.Helper()
	x.house.comes(x.client, state, cause)
}

// refuse makes the next logins of the account fail, and cuts its connection.
func (x trouble) refuse(fault faults.Fault) {
	x.t.Helper()
	fault.Account = x.linked.Number()
	x.fault(fault)
	x.server.DropTCP(x.only())
}

// backByItself checks that the session becomes READY again without help, with the same device.
func (x trouble) backByItself() {
	x.t.Helper()
	x.ready(x.client)
	if devices := x.linked.Devices(); len(devices) != 1 {
		x.t.Fatalf("the phone has %d devices", len(devices))
	}
	x.Get("/qr-code", x.client).Is(409).With("error", "QR_NOT_REQUIRED", "current_state", "READY")
	if x.seen.count(session.NumericID(x.client), session.QRRequired) != 1 {
		x.t.Fatal("a QR was shown to somebody who is linked")
	}
}

// unlinked checks the answers of a session that lost its device, and that a request for a QR links it again.
func (x trouble) unlinked() {
	x.t.Helper()
	x.Get("/status", x.client).Is(200).With("state", "DISCONNECTED_LOGOUT", "connected", false, "needs_qr", true, "is_recoverable", false,
		"recommended_action", "User logged out - restart and scan QR", "qr_code_base64", nil)
	x.Send(x.client, "34600111222", "x").Is(409).With("code", "SESSION_NOT_READY", "message", "WhatsApp session not ready. Current state: DISCONNECTED_LOGOUT")
	x.server.ClearFaults()
	code := x.Get("/qr-code", x.client).Is(200).Code()
	if _, err := x.linked.Scan(apptest.Bounded(x.t), code); err != nil {
		x.t.Fatal(err)
	}
	x.ready(x.client)
}

func TestWhatBreaksALinkedSessionLeadsToItsStateCauseAndAnswer(t *testing.T) {
	h := newHouse(t)
	client := int64(0)
	for _, c := range []struct {
		name string
		is   func(x trouble)
	}{
		{"TCP is cut", func(x trouble) {
			x.server.DropTCP(x.only())
			x.comes(session.DisconnectedRecoverable, session.CauseSocketLost)
			x.comes(session.Reconnecting, session.CauseSocketLost)
			x.backByItself()
		}},
		{"the connection is closed in good order", func(x trouble) {
			x.server.CloseConnections(x.only())
			x.comes(session.DisconnectedRecoverable, session.CauseSocketLost)
			x.backByItself()
		}},
		{"the stream ends", func(x trouble) {
			x.server.EndStream(x.only())
			x.comes(session.DisconnectedRecoverable, session.CauseSocketLost)
			x.backByItself()
		}},
		{"stream error 503", func(x trouble) {
			x.server.StreamError(x.only(), 503, "", true)
			x.comes(session.DisconnectedRecoverable, session.CauseSocketLost)
			x.backByItself()
		}},
		{"stream error 515", func(x trouble) {
			x.server.StreamError(x.only(), 515, "", true)
			x.comes(session.Reconnecting, session.CauseLoginReconnect)
			x.backByItself()
		}},
		{"another connection replaces it", func(x trouble) {
			x.server.StreamError(x.only(), 0, "replaced", true)
			x.comes(session.DisconnectedLogout, session.CauseReplaced)
			x.Get("/status", x.client).Is(200).With("state", "DISCONNECTED_LOGOUT", "needs_qr", false)
			logins := x.server.Counters().Logins
			x.Get("/qr-code", x.client).Is(409).With("current_state", "READY") // a request for a QR starts the session again
			if again := x.server.Counters().Logins; again != logins+1 {
				t.Errorf("%d logins, want one", again-logins)
			}
		}},
		{"the device is removed on the phone", func(x trouble) {
			if err := x.linked.Unlink(apptest.Bounded(t), x.linked.Devices()[0].JID); err != nil {
				t.Fatal(err)
			}
			x.comes(session.DisconnectedLogout, session.CauseLoggedOut)
			x.unlinked()
		}},
		{"login refused with 401", func(x trouble) {
			x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 401})
			x.comes(session.DisconnectedLogout, session.CauseLoggedOut)
			x.unlinked()
		}},
		{"login refused with 403", func(x trouble) {
			x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 403})
			x.comes(session.DisconnectedLogout, session.CauseLoggedOut)
			x.unlinked()
		}},
		{"login refused with 402, a ban for an hour", func(x trouble) {
			x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 402, Expire: time.Hour, BanCode: 103})
			x.comes(session.DisconnectedBanned, session.CauseTemporaryBan)
			if left := time.Until(x.status(x.client).Until); left < 50*time.Minute || left > time.Hour {
				t.Errorf("the ban ends in %s", left)
			}
			x.banned()
		}},
		{"login refused with 402, a ban that passes", func(x trouble) {
			x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 402, Expire: time.Second, Count: 1})
			x.comes(session.DisconnectedBanned, session.CauseTemporaryBan)
			x.comes(session.Reconnecting, session.CauseTemporaryBan)
			x.backByItself()
		}},
		{"login refused with 406", func(x trouble) {
			x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 406})
			x.comes(session.DisconnectedBanned, session.CauseBanned)
			x.banned()
		}},
		{"login refused with 503", func(x trouble) {
			x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 503, Count: 2})
			x.comes(session.DisconnectedRecoverable, session.CauseSocketLost)
			x.comes(session.Reconnecting, session.CauseSocketLost)
			x.comes(session.DisconnectedRecoverable, session.CauseSocketLost)
			x.backByItself()
		}},
		{"login refused with 500", func(x trouble) {
			x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 500, Count: 1})
			x.comes(session.DisconnectedRecoverable, session.CauseSocketLost)
			x.backByItself()
		}},
	} {
		client++
		t.Run(c.name, func(t *testing.T) {
			h.t, h.TB = t, t
			defer h.server.ClearFaults()
			x := trouble{house: h, client: client, linked: h.phone(phones.ScriptRead)}
			h.pair(client, x.linked)
			c.is(x)
		})
	}
	h.t, h.TB = t, t
}

// banned checks the answers of a session that WhatsApp refuses.
func (x trouble) banned() {
	x.t.Helper()
	x.Get("/status", x.client).Is(200).With("state", "DISCONNECTED_BANNED", "connected", false, "needs_qr", false, "is_recoverable", false,
		"recommended_action", "Number banned - contact WhatsApp support")
	logins := x.server.Counters().LoginsRefused
	x.Get("/qr-code", x.client).Is(500).With("error", "INITIALIZATION_FAILED", "current_state", "DISCONNECTED_BANNED")
	x.Send(x.client, "34600111222", "x").Is(409).With("code", "SESSION_NOT_READY")
	if again := x.server.Counters().LoginsRefused; again != logins {
		x.t.Errorf("a banned number logged in %d times more", again-logins)
	}
}

func TestAServerThatRefusesTheWebSocketIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		fault faults.Fault
		cause session.Cause
	}{
		{faults.Fault{Kind: faults.HTTPStatus, Code: 503}, session.CauseServerUnavailable},
		{faults.Fault{Kind: faults.HTTPStatus, Code: 429}, session.CauseConnectRefused},
		{faults.Fault{Kind: faults.BadCertificate}, session.CauseUntrustedServer},
	} {
		h := newHouse(t)
		phone := h.linked(1)
		c.fault.Count = 2
		h.fault(c.fault)
		h.server.DropTCP(faults.Select{})
		h.comes(1, session.DisconnectedRecoverable, session.CauseSocketLost)
		h.comes(1, session.DisconnectedRecoverable, c.cause)
		h.comes(1, session.Reconnecting, c.cause)
		h.comes(1, session.DisconnectedRecoverable, c.cause)
		trouble{h, 1, phone}.backByItself()
	}
}

// shownVersion returns the revision of the client version that the app shows to WhatsApp.
func (h *house) shownVersion() uint32 {
	h.t.Helper()
	found := regexp.MustCompile(`wasup_client_version_info{version="2.3000.(\d+)"} 1`).FindSubmatch(h.Get("/metrics", 1).Body)
	if found == nil {
		h.t.Fatal("the version is not in the metrics")
	}
	n, err := strconv.ParseUint(string(found[1]), 10, 32)
	if err != nil {
		h.t.Fatal(err)
	}
	return uint32(n)
}

func TestARefusedVersionHoldsEverybodyBack(t *testing.T) {
	h := newHouse(t)
	x := trouble{h, 1, h.linked(1)}
	h.linked(2)
	// No newer version is offered, so every probe is refused, and the answers do not depend on who is the probe.
	h.server.Versions().SetLeast(sandbox.Version{2, 3000, h.shownVersion() + 1})
	h.server.Versions().SetWeb(sandbox.Version{2, 3000, h.shownVersion()})
	h.server.DropTCP(x.only())
	x.comes(session.Errored, session.CauseClientOutdated)
	h.Get("/status", 1).Is(200).With("state", "ERROR", "needs_qr", false, "is_recoverable", false, "recommended_action", "Technical error - check logs")
	for _, client := range []int64{1, 3} {
		a := h.Get("/qr-code", client).Is(500).With("error", "INITIALIZATION_FAILED", "current_state", "ERROR", "message", "Error al inicializar la sesión de WhatsApp")
		if a.Header.Get("Retry-After") == "" {
			t.Error("the answer does not say when to ask again")
		}
	}
	h.Get("/status", 2).Is(200).With("state", "READY")
	if alarm := regexp.MustCompile(`(?m)^wasup_client_outdated 1$`); !alarm.Match(h.Get("/metrics", 1).Body) {
		t.Error("the alarm is not raised")
	}
}

func TestARefusedVersionIsReplacedByTheNewestOne(t *testing.T) {
	h := newHouse(t)
	x := trouble{h, 1, h.linked(1)}
	newest := h.shownVersion() + 1
	h.server.Versions().SetLeast(sandbox.Version{2, 3000, newest})
	h.server.DropTCP(x.only())
	x.comes(session.Errored, session.CauseClientOutdated)
	x.backByItself()
	if got := h.shownVersion(); got != newest {
		t.Errorf("revision %d is shown, want %d", got, newest)
	}
}

func TestSilenceEndsInADeadline(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) { cfg.Session.ConnectDeadline = 8 * time.Second })
	x := trouble{h, 1, h.linked(1)}
	x.refuse(faults.Fault{Kind: faults.SilentLogin, Count: 1})
	x.comes(session.DisconnectedRecoverable, session.CauseConnectDeadline)
	x.backByItself()
}

func TestPingsWithoutAnswersEndTheConnection(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) { cfg.Session.KeepaliveStale = time.Second })
	x := trouble{h, 1, h.linked(1)}
	x.fault(faults.Fault{Kind: faults.NoPong})
	x.comes(session.DisconnectedRecoverable, session.CauseKeepAliveStale)
	h.server.ClearFaults()
	x.backByItself()
}

func TestAServerWithoutACodeIsATimeoutForTheCallerAndAFailureForTheSession(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) {
		cfg.QR.Wait = 300 * time.Millisecond
		cfg.Session.ConnectDeadline = 8 * time.Second
	})
	h.fault(faults.Fault{Kind: faults.WithholdQR, Count: 1})
	h.Get("/qr-code", 1).Is(504).With("error", "QR_TIMEOUT", "current_state", "INITIALIZING", "wait_time_ms", 300,
		"message", "Timeout esperando la generación del código QR. Intenta nuevamente.")
	h.Get("/qr", 1).Is(409).With("error", "QR not available", "state", "INITIALIZING", "can_send_messages", false)
	h.comes(1, session.DisconnectedRecoverable, session.CauseConnectDeadline)
	h.comes(1, session.QRRequired, session.CausePairing)
	h.Get("/qr-code", 1).Is(200)
}

func TestALateCodeIsWaitedFor(t *testing.T) {
	h := newHouse(t)
	h.fault(faults.Fault{Kind: faults.DelayQR, Delay: 700 * time.Millisecond, Count: 1})
	if h.code(1) != h.status(1).QR.Code {
		t.Fatal("another code")
	}
}

func TestAServerThatFailsTooOftenIsToldToWhoWaits(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) { cfg.Session.MaxAttempts = 3 })
	h.fault(faults.Fault{Kind: faults.HTTPStatus, Code: 503, Count: 3})
	h.Get("/qr-code", 1).Is(500).With("error", "INITIALIZATION_FAILED", "current_state", "ERROR")
	h.comes(1, session.Errored, session.CauseAttemptsExhausted)
	h.Get("/status", 1).Is(200).With("state", "ERROR", "reconnection_attempts", 3, "max_reconnection_attempts", 3)
	h.Get("/qr-code", 1).Is(200) // another request starts the session again
}

func TestASpoiledPairingWaitsForAPersonWhoAsksAgain(t *testing.T) {
	h := newHouse(t)
	for i, kind := range []faults.Kind{faults.BadPairHMAC, faults.BadPairSignature} {
		client := int64(i + 1)
		phone := h.phone(phones.ScriptRead)
		h.fault(faults.Fault{Kind: kind, Account: phone.Number(), Count: 1})
		if _, err := phone.Scan(apptest.Bounded(t), h.code(client)); !errors.Is(err, sandbox.ErrPairRefused) {
			t.Fatalf("%s: the scan ended with %v", kind, err)
		}
		h.comes(client, session.AuthFailure, session.CausePairFailed)
		h.Get("/status", client).Is(200).With("state", "AUTH_FAILURE", "needs_qr", true, "recommended_action", "Restart service and scan new QR")
		h.Get("/qr", client).Is(409).With("state", "AUTH_FAILURE")
		h.Send(client, "34600111222", "x").Is(409).With("message", "WhatsApp session not ready. Current state: AUTH_FAILURE")
		if devices := phone.Devices(); len(devices) != 0 {
			t.Fatalf("%s: the phone has a device all the same", kind)
		}
		h.pair(client, phone)
	}
}

func TestAPairingIsNotLostWhenTheServerNeverAsksForTheLogin(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) { cfg.Session.PairingDeadline = 5 * time.Second })
	phone := h.phone(phones.ScriptRead)
	h.fault(faults.Fault{Kind: faults.No515, Account: phone.Number(), Count: 1})
	if _, err := phone.Scan(apptest.Bounded(t), h.code(1)); err != nil {
		t.Fatal(err)
	}
	h.comes(1, session.Reconnecting, session.CausePairing)
	h.comes(1, session.DisconnectedRecoverable, session.CauseConnectDeadline)
	trouble{h, 1, phone}.backByItself()
}

func TestAPairingIsNotLostWhenTheServerClosesAtOnce(t *testing.T) {
	h := newHouse(t)
	phone := h.phone(phones.ScriptRead)
	h.fault(faults.Fault{Kind: faults.CloseAfter515, Account: phone.Number(), Count: 1})
	if _, err := phone.Scan(apptest.Bounded(t), h.code(1)); err != nil {
		t.Fatal(err)
	}
	trouble{h, 1, phone}.backByItself()
}

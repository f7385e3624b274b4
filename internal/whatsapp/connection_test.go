package whatsapp_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

func TestEveryRefusedLoginHasItsInput(t *testing.T) {
	for _, tc := range []struct {
		name   string
		code   int
		expire time.Duration
		want   session.InputKind
		keeps  bool // the credentials are kept
	}{
		{"401 logged out", 401, 0, session.LoggedOut, false},
		{"402 temporary ban", 402, time.Hour, session.TempBanned, true},
		{"403 locked", 403, 0, session.LoggedOut, false},
		{"405 outdated", 405, 0, session.ClientOutdated, true},
		{"406 banned", 406, 0, session.Banned, false},
		{"400 refused", 400, 0, session.ConnectRefused, true},
		{"409 refused", 409, 0, session.ConnectRefused, true},
		{"414 token", 414, 0, session.ConnectRefused, true},
		{"500 unavailable", 500, 0, session.SocketLost, true},
		{"503 unavailable", 503, 0, session.SocketLost, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// The server closes at once. The refusal must not be lost with the connection.
			h := newHouse(t, sandbox.Config{CloseDelay: -1})
			device := h.link("a", h.phone())
			h.fault(faults.Fault{Kind: faults.LoginFailure, Code: tc.code, Expire: tc.expire})
			before := time.Now()
			l := h.open("a")
			in := l.expect(tc.want)
			if in.Detail == "" || strings.Contains(in.Detail, device.User) {
				t.Errorf("detail %q", in.Detail)
			}
			if tc.expire > 0 && (in.Until.Before(before.Add(tc.expire)) || in.Until.After(time.Now().Add(tc.expire))) {
				t.Errorf("until %s", in.Until)
			}
			if tc.want == session.ConnectRefused && in.Code != tc.code {
				t.Errorf("code %d", in.Code)
			}
			if kept := h.bound("a") != ""; kept != tc.keeps {
				t.Errorf("bound %t, want %t", kept, tc.keeps)
			}
			l.nothingMore()
			if kept := h.storedDevices() == 1; kept != tc.keeps {
				t.Errorf("%d credentials stored, kept %t, want %t", h.storedDevices(), kept, tc.keeps)
			}
		})
	}
}

func TestAServerThatSaysNothingIsLeftToTheMachinesDeadline(t *testing.T) {
	for name, f := range map[string]faults.Fault{
		"login neither accepted nor refused": {Kind: faults.SilentLogin},
		"refused with 503, not closed":       {Kind: faults.LoginFailure, Code: 503, KeepOpen: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, sandbox.Config{})
			h.link("a", h.phone())
			feed, stop := h.server.Subscribe()
			defer stop()
			h.fault(f)
			l := h.open("a")
			until(t, feed, observe.EventFault)
			l.nothingMore()
		})
	}
	t.Run("pair-device never sent", func(t *testing.T) {
		h := newHouse(t, sandbox.Config{})
		feed, stop := h.server.Subscribe()
		defer stop()
		h.fault(faults.Fault{Kind: faults.WithholdQR})
		h.add("a")
		l := h.open("a")
		until(t, feed, observe.EventFault)
		l.nothingMore()
	})
}

func TestEveryEndOfALiveConnectionHasItsInput(t *testing.T) {
	everybody := faults.Select{}
	h := newHouse(t, sandbox.Config{CloseDelay: -1})
	feed, stop := h.server.Subscribe()
	t.Cleanup(stop)
	h.link("a", h.phone())
	until(t, feed, observe.EventDisconnected)
	for _, tc := range []struct {
		name  string
		end   func(s *sandbox.Server) int
		want  session.InputKind
		keeps bool
	}{
		{"reset", func(s *sandbox.Server) int { return s.DropTCP(everybody) }, session.SocketLost, true},
		{"closed", func(s *sandbox.Server) int { return s.CloseConnections(everybody) }, session.SocketLost, true},
		{"end of stream", func(s *sandbox.Server) int { return s.EndStream(everybody) }, session.SocketLost, true},
		{"515", func(s *sandbox.Server) int { return s.StreamError(everybody, 515, "", true) }, session.LoginReconnect, true},
		{"503", func(s *sandbox.Server) int { return s.StreamError(everybody, 503, "", true) }, session.SocketLost, true},
		{"500", func(s *sandbox.Server) int { return s.StreamError(everybody, 500, "", true) }, session.SocketLost, true},
		{"500, not closed", func(s *sandbox.Server) int { return s.StreamError(everybody, 500, "", false) }, session.SocketLost, true},
		{"401 without device_removed", func(s *sandbox.Server) int { return s.StreamError(everybody, 401, "", true) }, session.SocketLost, true},
		{"replaced", func(s *sandbox.Server) int { return s.StreamError(everybody, 0, "replaced", true) }, session.Replaced, true},
		{"outdated", func(s *sandbox.Server) int { return s.Failure(everybody, 405, 0, 0, true) }, session.ClientOutdated, true},
		{"device removed", func(s *sandbox.Server) int { return s.StreamError(everybody, 401, "device_removed", true) }, session.LoggedOut, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := h.open("a")
			l.expect(session.SocketUp)
			if n := tc.end(h.server); n != 1 {
				t.Fatalf("%d connections", n)
			}
			if in := l.expect(tc.want); in.Detail == "" {
				t.Error("no reason for operators")
			}
			if kept := h.bound("a") != ""; kept != tc.keeps {
				t.Errorf("bound %t, want %t", kept, tc.keeps)
			}
			l.nothingMore()
			until(t, feed, observe.EventDisconnected) // so that the next disconnect hits only the next connection
		})
	}
}

func TestASecondLoginReplacesTheFirst(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	first := h.ready("a", h.phone())
	second := h.open("a")
	second.expect(session.SocketUp)
	first.expect(session.Replaced)
	first.nothingMore()
	second.nothingMore()
}

func TestADeviceRemovedFromThePhonePairsAgain(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	phone := h.phone()
	device := h.link("a", phone)
	l := h.open("a")
	l.expect(session.SocketUp)
	// Unlink at once: whatsmeow is still processing what a new device gets from its phone, and reads the device meanwhile.
	if err := phone.Unlink(testContext(t), device); err != nil {
		t.Fatal(err)
	}
	l.expect(session.LoggedOut)
	var left int
	if err := h.store.DB().QueryRow(testContext(t), "SELECT count(*) FROM whatsmeow_device").Scan(&left); err != nil || left != 0 || h.bound("a") != "" {
		t.Errorf("%d devices are left, bound to %q, %v", left, h.bound("a"), err)
	}
	l.nothingMore()
	if again := h.link("a", phone); again == device {
		t.Errorf("linked as %s again", again)
	}
}

func TestUnansweredPingsEndTheRun(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, func(c *whatsapp.Config) { c.KeepAliveStale = time.Millisecond })
	l := h.ready("a", h.phone())
	h.fault(faults.Fault{Kind: faults.NoPong})
	l.expect(session.KeepAliveStale)
	l.nothingMore()
}

func TestARefusedUpgradeKeepsItsStatus(t *testing.T) {
	for _, status := range []int{403, 404, 429, 500, 503} {
		h := newHouse(t, sandbox.Config{})
		h.fault(faults.Fault{Kind: faults.HTTPStatus, Code: status})
		l, err := h.begin(context.Background(), "a")
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeConnectRefused || e.Status != status {
			t.Errorf("%d: %v", status, err)
		}
		if len(l.inputs) != 0 {
			t.Errorf("%d: %v was posted", status, l.inputs)
		}
	}
}

func TestAFailedConnectionSaysWhy(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	plain := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(plain.Config.Handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake
	secure.StartTLS()
	defer secure.Close()
	for _, tc := range []struct {
		name   string
		url    string
		code   session.Code
		reason string
	}{
		{"nobody listens", "ws://" + closed.Addr().String() + "/ws/chat", session.CodeConnectFailed, "connection refused"},
		{"no TLS", strings.Replace(plain.URL, "http:", "wss:", 1), session.CodeConnectFailed, "the server does not speak TLS"},
		{"a redirect", strings.Replace(plain.URL, "http:", "ws:", 1), session.CodeConnectRefused, "the server answered with HTTP 302 Found"},
		{"a certificate of its own", strings.Replace(secure.URL, "https:", "wss:", 1), session.CodeUntrusted, "the TLS certificate is not valid"},
		{"no such host", "ws://wasup.invalid/ws/chat", session.CodeConnectFailed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t, sandbox.Config{}, func(c *whatsapp.Config) { c.WebsocketURL = tc.url })
			_, err := h.begin(context.Background(), "a")
			var e *session.Error
			if !errors.As(err, &e) || e.Code != tc.code || (tc.reason != "" && e.Message != tc.reason) || e.Message == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAServerOfAnotherRootIsNotTrusted(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.fault(faults.Fault{Kind: faults.BadCertificate})
	_, err := h.begin(context.Background(), "a")
	var e *session.Error
	if !errors.As(err, &e) || e.Code != session.CodeUntrusted || e.Message != "certificate not signed by the configured root key" {
		t.Errorf("got %v", err)
	}
}

func TestAHandshakeWithoutAnAnswerIsBounded(t *testing.T) {
	h := newHouse(t, sandbox.Config{}, func(c *whatsapp.Config) { c.ConnectTimeout = 300 * time.Millisecond })
	h.fault(faults.Fault{Kind: faults.DelayHandshake, Delay: time.Hour})
	_, err := h.begin(context.Background(), "a")
	var e *session.Error
	if !errors.As(err, &e) || e.Message != "handshake timed out" {
		t.Fatalf("got %v", err)
	}
	// whatsmeow's own limit of 20 s gives another message.
	if strings.Contains(err.Error(), "timed out waiting for handshake response") {
		t.Error("it was whatsmeow's limit that ended the wait")
	}
}

func TestAServerThatHangsUpDuringTheHandshakeFailsItAtOnce(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.fault(faults.Fault{Kind: faults.DelayHandshake, Delay: time.Hour})
	feed, stop := h.server.Subscribe()
	defer stop()
	go func() {
		for event := range feed {
			if event.Kind == observe.EventFault {
				h.server.DropTCP(faults.Select{})
			}
		}
	}()
	_, err := h.begin(context.Background(), "a")
	var e *session.Error
	if !errors.As(err, &e) || e.Message != "the server closed the connection during the handshake" {
		t.Errorf("got %v", err)
	}
}

func TestALinkThatDiedInASleepEndsItsRun(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	dead, alive := h.ready("a", h.phone()), h.ready("b", h.phone())
	phone := h.server.Phones()[0]
	h.fault(faults.Fault{Kind: faults.HalfOpen, Account: phone.Number()})
	h.dialer.SuspectLinks()
	dead.expect(session.KeepAliveStale)
	alive.nothingMore()
	dead.nothingMore()
}

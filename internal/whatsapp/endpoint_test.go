package whatsapp

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.mau.fi/util/dbutil"

	"wasup/internal/session"
)

// noDevices is for configurations that are rejected before anybody asks for a device.
type noDevices struct{ Devices }

func TestTheEndpointIsConfiguredAndTheOriginStays(t *testing.T) {
	target, err := parseEndpoint("wss://chat.example:8443/other/path?x=1")
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://web.whatsapp.com/ws/chat", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://web.whatsapp.com")
	out := target.rewrite(req)
	if got := out.URL.String(); got != "https://chat.example:8443/other/path?x=1" {
		t.Errorf("goes to %s", got)
	}
	if out.Host != "chat.example:8443" || out.Header.Get("Origin") != "https://web.whatsapp.com" {
		t.Errorf("host %q, origin %q", out.Host, out.Header.Get("Origin"))
	}
	if req.URL.Host != "web.whatsapp.com" || req.Host != "web.whatsapp.com" {
		t.Error("the request that was given has changed")
	}
}

func TestTheDefaultEndpointIsWhatsApps(t *testing.T) {
	target, err := parseEndpoint("")
	if err != nil || target.target.String() != "https://web.whatsapp.com/ws/chat" {
		t.Fatalf("got %v, %v", target.target, err)
	}
}

func TestABadEndpointIsNamed(t *testing.T) {
	for _, raw := range []string{"http://127.0.0.1/ws", "ws://", "127.0.0.1:80", "ws://user:secret@host/ws", "ws://host/#x", "ws://a b/"} {
		_, err := New(Config{WebsocketURL: raw})
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != "WebsocketURL" {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if !strings.Contains(e.Message, "expected") || strings.Contains(e.Message, "secret") {
			t.Errorf("%q: %q", raw, e.Message)
		}
	}
}

func TestLoopbackEndpointsIgnoreTheEnvironmentsProxy(t *testing.T) {
	for raw, want := range map[string]bool{
		"ws://127.0.0.1:1/ws": true, "ws://[::1]:1/ws": true, "ws://localhost:1/ws": true, "ws://10.0.0.1/ws": false, "": false,
	} {
		target, err := parseEndpoint(raw)
		if err != nil {
			t.Fatal(err)
		}
		if transport := newDirect(target).transport; (transport.Proxy == nil) != want {
			t.Errorf("%q: proxy from the environment %t", raw, transport.Proxy != nil)
		}
	}
}

func TestMissingPartsOfTheConfigurationAreNamed(t *testing.T) {
	for _, tc := range []struct {
		field string
		cfg   Config
	}{
		{"DB", Config{}},
		{"Devices", Config{DB: &dbutil.Database{}}},
		{"KeepAliveStale", Config{DB: &dbutil.Database{}, Devices: noDevices{}, KeepAliveStale: -1}},
		{"ConnectTimeout", Config{DB: &dbutil.Database{}, Devices: noDevices{}, ConnectTimeout: -1}},
	} {
		_, err := New(tc.cfg)
		var e *session.Error
		if !errors.As(err, &e) || e.Field != tc.field {
			t.Errorf("%v, want field %s", err, tc.field)
		}
	}
}

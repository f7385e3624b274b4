package routes

import (
	"net/http"
	"testing"
)

func TestTheEndpointIsConfiguredAndTheOriginStays(t *testing.T) {
	target, err := ParseEndpoint("wss://chat.example:8443/other/path?x=1")
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://web.whatsapp.com/ws/chat", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://web.whatsapp.com")
	out := target.Rewrite(req)
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
	target, err := ParseEndpoint("")
	if err != nil || target.Target.String() != "https://web.whatsapp.com/ws/chat" {
		t.Fatalf("got %v, %v", target.Target, err)
	}
}

func TestLoopbackEndpointsIgnoreTheEnvironmentsProxy(t *testing.T) {
	for raw, want := range map[string]bool{
		"ws://127.0.0.1:1/ws": true, "ws://[::1]:1/ws": true, "ws://localhost:1/ws": true, "ws://10.0.0.1/ws": false, "": false,
	} {
		target, err := ParseEndpoint(raw)
		if err != nil {
			t.Fatal(err)
		}
		if transport := newDirect(target).Transport; (transport.Proxy == nil) != want {
			t.Errorf("%q: proxy from the environment %t", raw, transport.Proxy != nil)
		}
	}
}

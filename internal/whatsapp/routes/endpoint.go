package routes

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"go.mau.fi/whatsmeow/socket"
)

const (
	dialTimeout = 15 * time.Second // TCP, for all addresses of the host together
	tlsTimeout  = 10 * time.Second
)

// Endpoint is the address of the WebSocket. It replaces the one that is compiled into whatsmeow.
type Endpoint struct{ Target *url.URL }

// ParseEndpoint parses a ws or wss URL; "" means WhatsApp's own.
func ParseEndpoint(raw string) (Endpoint, error) {
	if raw == "" {
		raw = socket.URL
	}
	u, err := url.Parse(raw)
	if err != nil {
		return Endpoint{}, fmt.Errorf("WebsocketURL: not a URL: expected ws://host:port/path or wss://host/path")
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return Endpoint{}, fmt.Errorf("WebsocketURL: scheme %q: expected ws or wss", u.Scheme)
	}
	if u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return Endpoint{}, fmt.Errorf("WebsocketURL: expected a host and no user or fragment, as in ws://127.0.0.1:8080/ws/chat")
	}
	return Endpoint{Target: u}, nil
}

// Rewrite returns the request with the endpoint's URL. The headers stay, including Origin, which WhatsApp's server
// checks.
func (e Endpoint) Rewrite(req *http.Request) *http.Request {
	out := req.WithContext(req.Context()) // a copy: a RoundTripper may not change the request it was given
	target := *e.Target
	out.URL, out.Host = &target, target.Host
	return out
}

func (e Endpoint) loopback() bool {
	if e.Target.Hostname() == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(e.Target.Hostname())
	return err == nil && addr.IsLoopback()
}

// newDirect returns the route without a proxy of ours. All sessions without a proxy share it.
func newDirect(e Endpoint) *Route {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	life, end := context.WithCancel(context.Background())
	transport := newTransport(life, dialer.DialContext)
	if !e.loopback() {
		transport.Proxy = http.ProxyFromEnvironment
	}
	return &Route{Transport: transport, Media: mediaClient(transport, e), end: end}
}

// newTransport returns the transport of all clients with the same route. whatsmeow would clone a transport of 14 KB for
// each client. The transport uses no proxy by itself, so dial is the only way out. Dials end with life.
func newTransport(life context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true) // a WebSocket upgrade is HTTP/1.1
	return &http.Transport{
		// http.Transport continues a dial after its request is cancelled, for the benefit of other requests. Here there are
		// none.
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(life, cancel)()
			return dial(ctx, network, address)
		},
		TLSHandshakeTimeout:    tlsTimeout,
		Protocols:              &protocols,
		DisableKeepAlives:      true, // a refused upgrade must not leave an idle connection
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

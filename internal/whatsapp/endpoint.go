package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/socket"

	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/link"
)

const (
	dialTimeout = 15 * time.Second // TCP, for all addresses of the host together
	tlsTimeout  = 10 * time.Second
)

// endpoint is the address of the WebSocket. It replaces the one that is compiled into whatsmeow.
type endpoint struct{ target *url.URL }

// parseEndpoint parses a ws or wss URL; "" means WhatsApp's own.
func parseEndpoint(raw string) (endpoint, error) {
	if raw == "" {
		raw = socket.URL
	}
	u, err := url.Parse(raw)
	if err != nil {
		return endpoint{}, fmt.Errorf("WebsocketURL: not a URL: expected ws://host:port/path or wss://host/path")
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return endpoint{}, fmt.Errorf("WebsocketURL: scheme %q: expected ws or wss", u.Scheme)
	}
	if u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return endpoint{}, fmt.Errorf("WebsocketURL: expected a host and no user or fragment, as in ws://127.0.0.1:8080/ws/chat")
	}
	return endpoint{target: u}, nil
}

// rewrite returns the request with the endpoint's URL. The headers stay, including Origin, which WhatsApp's server
// checks.
func (e endpoint) rewrite(req *http.Request) *http.Request {
	out := req.WithContext(req.Context()) // a copy: a RoundTripper may not change the request it was given
	target := *e.target
	out.URL, out.Host = &target, target.Host
	return out
}

func (e endpoint) loopback() bool {
	if e.target.Hostname() == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(e.target.Hostname())
	return err == nil && addr.IsLoopback()
}

// newDirect returns the route without a proxy of ours. All sessions without a proxy share it.
func newDirect(e endpoint) *route {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	life, end := context.WithCancel(context.Background())
	transport := newTransport(life, dialer.DialContext)
	if !e.loopback() {
		transport.Proxy = http.ProxyFromEnvironment
	}
	return &route{transport: transport, media: mediaClient(transport, e), end: end}
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

// attempt is the RoundTripper of one client. It opens the client's one connection, and can be aborted until the
// handshake is done.
type attempt struct {
	endpoint  endpoint
	transport http.RoundTripper
	cancel    context.CancelFunc // cancels the context that the dial runs in
	onEnd     func()

	mu      sync.Mutex
	link    *link.Link
	aborted error
	done    bool
}

// RoundTrip opens the connection and wraps it into a link.
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := a.transport.RoundTrip(a.endpoint.rewrite(req))
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return resp, err
	}
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		_ = resp.Body.Close()
		return nil, errors.New("the transport's connection is not writable")
	}
	l := link.New(conn, a.onEnd)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.aborted != nil {
		_ = conn.Close()
		return nil, a.aborted
	}
	a.link = l
	resp.Body = l
	return resp, nil
}

func (a *attempt) httpClient() *http.Client {
	return &http.Client{Transport: a, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a redirect counts as a refusal: only the configured endpoint is allowed
	}}
}

// abort aborts the dial or the handshake. It does nothing after finish.
func (a *attempt) abort(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done || a.aborted != nil {
		return
	}
	a.aborted = cause
	if a.link == nil {
		a.cancel()
		return
	}
	_ = a.link.Close()
}

// finish ends the attempt. It adds to whatsmeow's error what whatsmeow does not know: that we aborted the attempt,
// perhaps just after it had succeeded, or that the server closed the connection without an answer.
func (a *attempt) finish(outcome error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	switch {
	case a.aborted != nil:
		return errors.Join(a.aborted, outcome)
	case outcome != nil && a.link != nil && a.link.HandshakeUnanswered():
		return errors.Join(codes.ErrHandshakeClosed, outcome)
	default:
		return outcome
	}
}

// current returns the connection, or nil if there is none yet.
func (a *attempt) current() *link.Link {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link
}

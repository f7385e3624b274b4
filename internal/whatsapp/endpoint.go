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

	"wasup/internal/whatsapp/link"
)

const (
	dialTimeout = 15 * time.Second // TCP, every address of the host taken together
	tlsTimeout  = 10 * time.Second
)

// endpoint is where the WebSocket goes instead of the address that whatsmeow has compiled in.
type endpoint struct{ target *url.URL }

// parseEndpoint accepts ws and wss URLs; "" is WhatsApp's own.
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

// rewrite points the request at the endpoint. The headers stay, Origin with them: WhatsApp's server looks at it.
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

// newDirect is the way without a proxy of ours, shared by all clients that have none.
func newDirect(e endpoint) *route {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	life, end := context.WithCancel(context.Background())
	transport := newTransport(life, dialer.DialContext)
	if !e.loopback() {
		transport.Proxy = http.ProxyFromEnvironment
	}
	return &route{transport: transport, media: mediaClient(transport, e), end: end}
}

// newTransport is the transport of all clients that take the same way: whatsmeow would clone one for each, at 14 KB. It
// knows no proxy but the one that dial knows, so that there is no second way. Dials end with life.
func newTransport(life context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true) // a WebSocket upgrade is HTTP/1.1
	return &http.Transport{
		// The transport lets a dial go on for somebody else when its request is cancelled; here nobody else comes.
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(life, cancel)()
			return dial(ctx, network, address)
		},
		TLSHandshakeTimeout:    tlsTimeout,
		Protocols:              &protocols,
		DisableKeepAlives:      true, // a refused upgrade leaves no idle connection behind
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// attempt is the RoundTripper of one client: it makes the one connection the client is used for, and can be broken off
// at any moment until it is done.
type attempt struct {
	endpoint  endpoint
	transport http.RoundTripper
	cancel    context.CancelFunc // of the context that the dial runs in
	onEnd     func()

	mu      sync.Mutex
	link    *link.Link
	aborted error
	done    bool
}

// RoundTrip makes the connection and puts the link around it.
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
		return http.ErrUseLastResponse // a redirect is a refusal: the endpoint is what was configured
	}}
}

// abort breaks the dial or the handshake off. It does nothing once the attempt is done.
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

// finish ends the attempt and adds to whatsmeow's outcome what whatsmeow cannot know: that we broke the attempt off,
// also where whatsmeow had just succeeded, or that the server went away without a word.
func (a *attempt) finish(outcome error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	switch {
	case a.aborted != nil:
		return errors.Join(a.aborted, outcome)
	case outcome != nil && a.link != nil && a.link.HandshakeUnanswered():
		return errors.Join(errHandshakeClosed, outcome)
	default:
		return outcome
	}
}

// current is the connection, or nil before there is one.
func (a *attempt) current() *link.Link {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link
}

package webhooks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"wasup/session"
)

// errBlocked is dialing an address that must not be reached.
var errBlocked = errors.New("the address is in a network that webhooks may not reach")

// guard refuses private, local and otherwise special networks.
type guard struct {
	private bool // they are allowed
	check   *ssrf.Guardian
}

func newGuard(private bool) guard {
	return guard{private, ssrf.New(ssrf.WithAnyPort(), ssrf.WithNetworks("tcp4", "tcp6"))}
}

// control stands between the resolver and the connection, so that a name that leads elsewhere on its second look-up gets
// nowhere either.
func (g guard) control(network, address string, _ syscall.RawConn) error {
	if g.private {
		return nil
	}
	if err := g.check.Safe(network, address, nil); err != nil {
		return fmt.Errorf("%w: %w", errBlocked, err)
	}
	return nil
}

// literal refuses a URL whose host is an address that control would refuse. A name is looked at when it is dialed.
func (g guard) literal(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || g.private {
		return nil
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil //nolint:nilerr // a name
	}
	if g.check.SafeAddr(ip.Unmap().WithZone("")) == nil {
		return nil
	}
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: "check webhook", Field: "url",
		Message: "url: this address is in a private or special network; expected a public one (webhooks.allow_private lifts this)",
	}
}

// newClient makes the client that reaches receivers. It follows no redirect and knows no proxy: either would take the
// request past the guard.
func newClient(g guard, perHost int, timeout time.Duration) (*http.Client, *http.Transport) {
	dialer := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second, Control: g.control}
	transport := &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: timeout,
		MaxIdleConns: 256, MaxIdleConnsPerHost: perHost, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client, transport
}

// Package egress says which addresses may be reached for strangers: public ones, unless the operator allows private, local
// and other special networks. It owns the rule and where it stands, between the resolver and the connection; what is sent
// there, and what redirects mean, is for who sends.
package egress

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// ErrBlocked is dialing an address that must not be reached.
var ErrBlocked = errors.New("the address is in a private or special network")

// Guard refuses private, local and otherwise special networks.
type Guard struct {
	private bool // they are allowed
	check   *ssrf.Guardian
}

// NewGuard makes a guard; with private it lets everything through.
func NewGuard(private bool) Guard {
	return Guard{private, ssrf.New(ssrf.WithAnyPort(), ssrf.WithNetworks("tcp4", "tcp6"))}
}

// Control is for net.Dialer. It sees the address that a name has led to, at the moment of the connection, so that neither a
// redirect nor a name that leads elsewhere on its second look-up gets past it. Errors: ErrBlocked.
func (g Guard) Control(network, address string, _ syscall.RawConn) error {
	if g.private {
		return nil
	}
	if err := g.check.Safe(network, address, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrBlocked, err)
	}
	return nil
}

// Refuses says whether a host is an address, written as such, that Control would refuse. A name is looked at when it is
// dialed.
func (g Guard) Refuses(host string) bool {
	ip, err := netip.ParseAddr(host)
	if g.private || err != nil {
		return false
	}
	return g.check.SafeAddr(ip.Unmap().WithZone("")) != nil
}

// Transport makes a transport that goes past the guard with every connection. It knows no proxy, that of the environment
// included: one would connect in its place. step bounds the connecting and the TLS handshake, each. What is compressed
// comes as it is.
func (g Guard) Transport(step time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: step, KeepAlive: 30 * time.Second, Control: g.Control}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: step,
		MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
}

// Package egress restricts connections to addresses that others have chosen, such as webhook URLs. Public addresses are
// allowed. Private, local and other special networks are allowed only if the operator says so. The package owns this
// rule and applies it between name resolution and connection. Requests and redirects are the caller's task.
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

// ErrBlocked is the error of dialing an address that is not allowed.
var ErrBlocked = errors.New("the address is in a private or special network")

// Guard refuses addresses in private, local and other special networks.
type Guard struct {
	private  bool // such networks are allowed
	loopback bool // of those, this machine is allowed
	check    *ssrf.Guardian
}

// NewGuard returns a guard. With private it allows every address.
func NewGuard(private bool) Guard {
	return Guard{private: private, check: ssrf.New(ssrf.WithAnyPort(), ssrf.WithNetworks("tcp4", "tcp6"))}
}

// WithLoopback returns a guard that also allows the addresses of this machine's loopback, if allowed is true.
func (g Guard) WithLoopback(allowed bool) Guard {
	g.loopback = allowed
	return g
}

// allows reports whether an address is allowed, whatever network it is in.
func (g Guard) allows(ip netip.Addr) bool { return g.private || g.loopback && ip.IsLoopback() }

// Control is the Control function of a net.Dialer. It checks the resolved address of each connection, so neither a
// redirect nor a name that resolves differently the second time can bypass it. Errors: ErrBlocked.
func (g Guard) Control(network, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); g.private || err == nil && g.allows(to.Addr().Unmap()) {
		return nil
	}
	if err := g.check.Safe(network, address, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrBlocked, err)
	}
	return nil
}

// Refuses reports whether host is an IP address that Control would refuse. For a name it returns false: Control checks
// the name's address when it is dialed.
func (g Guard) Refuses(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil || g.allows(ip.Unmap()) {
		return false
	}
	return g.check.SafeAddr(ip.Unmap().WithZone("")) != nil
}

// Transport returns an HTTP transport whose connections are all checked by the guard. It uses no proxy, not even that
// of the environment: the proxy would make the connection, unchecked. step is the timeout of connecting, and of the TLS
// handshake. Compressed bodies are not decompressed.
func (g Guard) Transport(step time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: step, KeepAlive: 30 * time.Second, Control: g.Control}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: step,
		MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
}

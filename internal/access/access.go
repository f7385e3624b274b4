// Package access decides whether a request may be answered, by the host that it names and by the page that sends it. A page
// of another origin, and a page whose name was made to resolve to this machine, are refused. It knows HTTP's headers but
// no server, serves nothing, and knows no keys: those come beside it.
package access

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Options describe a listener.
type Options struct {
	Listen  string   // its address, host:port
	Hosts   []string // further hosts that it answers to; ports are ignored
	Origins []string // of pages of other origins that may call it, such as https://app.example
}

// Policy is the rule of one listener. It never changes.
type Policy struct {
	local   map[string]bool // the hosts that every listener answers to, and the host of its address
	named   map[string]bool // Options.Hosts
	origins map[string]bool
}

// New makes a policy. Entries that are empty have no effect.
func New(o Options) *Policy {
	p := &Policy{
		local: map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true},
		named: make(map[string]bool), origins: make(map[string]bool),
	}
	if host, _ := split(o.Listen); host != "" {
		p.local[host] = true
	}
	for _, host := range o.Hosts {
		if name, _ := split(host); name != "" {
			p.named[name] = true
		}
	}
	for _, origin := range o.Origins {
		if host, port, ok := parse(origin); ok {
			p.origins[schemeOf(origin)+"://"+net.JoinHostPort(host, port)] = true
		}
	}
	return p
}

// Request is what a policy looks at.
type Request struct {
	Method    string
	Host      string // the Host header, or the host of an absolute request target
	Forwarded string // the host that a trusted proxy was asked for, "" if none says so

	// The values of headers that browsers send and that pages cannot change, "" if absent.
	Origin string
	Site   string // Sec-Fetch-Site
	Mode   string // Sec-Fetch-Mode
	Dest   string // Sec-Fetch-Dest

	Page    bool // the path is a page for people: other sites may link to it
	Monitor bool // the path is for probes, which call a machine by any of its addresses
}

// Verdict is what a policy says about a request.
type Verdict int

// The verdicts.
const (
	Allowed   Verdict = iota
	WrongHost         // the listener does not answer to this host
	OtherPage         // a page of another origin sent it
)

// Check says whether a request may be answered. Callers that are not browsers send no Origin and no Sec-Fetch headers, and
// are allowed.
func (p *Policy) Check(r *Request) Verdict {
	if !p.answersTo(r.Host) && !(r.Monitor && isAddress(r.Host)) {
		return WrongHost
	}
	if r.Forwarded != "" && !p.answersTo(r.Forwarded) {
		return WrongHost
	}
	if r.Page && (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Mode == "navigate" && r.Dest == "document" {
		return Allowed
	}
	own := r.Site == "same-origin" || r.Site == "none" || r.Site == "" && (r.Origin == "" || p.ownOrigin(r))
	if own || p.Listed(r.Origin) {
		return Allowed
	}
	return OtherPage
}

// Listed reports whether pages of the origin may call the listener from elsewhere.
func (p *Policy) Listed(origin string) bool {
	if len(p.origins) == 0 {
		return false
	}
	host, port, ok := parse(origin)
	return ok && p.origins[schemeOf(origin)+"://"+net.JoinHostPort(host, port)]
}

// HasOrigins reports whether any origin is listed. Answers then depend on the Origin header.
func (p *Policy) HasOrigins() bool { return len(p.origins) > 0 }

func (p *Policy) answersTo(host string) bool {
	name, _ := split(host)
	return p.local[name] || p.named[name]
}

// ownOrigin reports whether a page came from this listener. Its port must be that of the request: another port of the same
// host is another origin. A page of one of Options.Hosts is own whatever host the request names, because a proxy may have
// replaced that one.
func (p *Policy) ownOrigin(r *Request) bool {
	from, fromPort, ok := parse(r.Origin)
	if !ok {
		return false // also for "null", which hides the origin
	}
	for _, asked := range []string{r.Forwarded, r.Host} {
		if name, port := split(asked); name == from {
			return port == "" || port == fromPort // a proxy may have left the port out
		}
	}
	return p.named[from]
}

// isAddress reports whether a host is an IP address, or is missing. A page has one of these hosts only if it came from that
// very address: no name was made to resolve to it.
func isAddress(host string) bool {
	name, _ := split(host)
	_, err := netip.ParseAddr(name)
	return name == "" || err == nil
}

// split returns the host and the port of an authority, in one spelling of each host. The port is "" if there is none.
func split(authority string) (host, port string) {
	host, port, err := net.SplitHostPort(authority)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(authority, "["), "]"), ""
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().String(), port
	}
	return strings.TrimSuffix(strings.ToLower(host), "."), port
}

func schemeOf(origin string) string {
	scheme, _, _ := strings.Cut(origin, ":")
	return strings.ToLower(scheme)
}

// parse returns the host and the port of an origin.
func parse(origin string) (host, port string, ok bool) {
	from, err := url.Parse(origin)
	if err != nil || from.Host == "" {
		return "", "", false
	}
	host, port = split(from.Host)
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[from.Scheme]
	}
	return host, port, true
}

// Package routes knows the ways to WhatsApp's server: the configured endpoint, directly or through a session's proxy.
//
// It owns the transports, which all runs with the same route share, and the HTTP clients for media. It opens no connection
// by itself and knows no run.
package routes

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/tunnel"
)

// MaxPool is the largest Config.PoolSize.
const MaxPool = 1_000_000

// Config configures Routes. CheckTemplate has accepted Template and PoolSize.
type Config struct {
	Endpoint Endpoint
	// ProxyOf returns the URL of the session's own proxy with its credentials, or "" if it has none.
	ProxyOf  func(ctx context.Context, id session.ID) (string, error)
	Template string // URL of the proxy of sessions without one of their own, with {id} and {n}; "" is none
	PoolSize int    // how many values {n} has
}

// Routes returns the route of each session to the server: through its own proxy, through the proxy that the template
// gives, or directly if it has neither. A session with a proxy never takes another route.
type Routes struct {
	config Config
	direct *Route

	mu      sync.Mutex
	proxied map[string]*Route // routes in use, by the proxy's URL
	roots   *x509.CertPool    // root certificates for https proxies; nil means the system's
}

// New makes the routes to an endpoint.
func New(cfg Config) *Routes { return &Routes{config: cfg, direct: newDirect(cfg.Endpoint)} }

// Route is one route to the server. All runs with the same route share it. Its transport keeps no idle connections, so
// no connection to a proxy remains after its last run has ended.
type Route struct {
	Transport *http.Transport
	Media     *http.Client // uses the same transport: media and messages come from the same address
	through   string       // the proxy's URL; "" is the direct route
	users     int
	end       context.CancelFunc
}

// TrustProxies accepts https proxies with certificates of these roots; nil means the system's.
func (r *Routes) TrustProxies(roots *x509.CertPool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roots = roots
}

// ProxiesInUse returns how many proxies have a route that is not released.
func (r *Routes) ProxiesInUse() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.proxied)
}

// Close ends the dials of the direct route. The other routes end when they are released.
func (r *Routes) Close() { r.direct.end() }

// CheckTemplate checks the template with an example session. It returns the invalid field and a message, or "".
func CheckTemplate(template string, poolSize int) (field, message string) {
	switch {
	case poolSize < 0 || poolSize > MaxPool:
		return "ProxyPoolSize", fmt.Sprintf("expected 0 to %d", MaxPool)
	case template == "":
		return "", ""
	case strings.Contains(template, "{n}") && poolSize == 0:
		return "Proxy", "expected ProxyPoolSize to be set where {n} is used"
	}
	expanded := expand(template, "a", max(poolSize, 1))
	if strings.ContainsAny(expanded, "{}") {
		return "Proxy", "expected no placeholders but {id} and {n}"
	}
	var unusable *tunnel.Error
	if _, err := tunnel.New(expanded, nil, dialTimeout); errors.As(err, &unusable) {
		return "Proxy", unusable.Reason
	}
	return "", ""
}

// expand replaces the placeholders of a template. {n} is the session's number in the pool, from 0. It stays the same as
// long as the pool keeps its size.
func expand(template string, id session.ID, poolSize int) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id))
	n := strconv.FormatUint(hash.Sum64()%uint64(max(poolSize, 1)), 10)
	return strings.NewReplacer("{id}", string(id), "{n}", n).Replace(template)
}

// Of returns the session's current route. The caller must call Release afterwards.
func (r *Routes) Of(ctx context.Context, id session.ID) (*Route, error) {
	const op = "look up proxy"
	proxy, err := r.config.ProxyOf(ctx, id)
	if err != nil { // an error never means "no proxy"
		return nil, codes.StoreError(op, id, err)
	}
	return r.Through(id, proxy)
}

// Through returns the route of a session whose own proxy is known; "" means that it has none. The caller must call
// Release afterwards.
func (r *Routes) Through(id session.ID, proxy string) (*Route, error) {
	if proxy == "" && r.config.Template != "" {
		proxy = expand(r.config.Template, id, r.config.PoolSize)
	}
	if proxy == "" {
		return r.direct, nil
	}
	found, err := r.acquireProxy(proxy)
	if err != nil {
		return nil, codes.ConnectError(id, err)
	}
	return found, nil
}

func (r *Routes) acquireProxy(proxy string) (*Route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.proxied[proxy]; ok {
		known.users++
		return known, nil
	}
	way, err := tunnel.New(proxy, r.roots, dialTimeout)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	transport := newTransport(life, way.DialContext)
	fresh := &Route{
		Transport: transport, Media: mediaClient(transport, r.config.Endpoint),
		through: proxy, users: 1, end: end,
	}
	if r.proxied == nil {
		r.proxied = make(map[string]*Route)
	}
	r.proxied[proxy] = fresh
	return fresh, nil
}

// Release gives back a route of Of or Through. The last user of a proxy ends its dials.
func (r *Routes) Release(used *Route) {
	if used.through == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if used.users--; used.users > 0 {
		return
	}
	delete(r.proxied, used.through)
	used.end()
}

package whatsapp

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

// MaxProxyPool is the largest Config.ProxyPoolSize.
const MaxProxyPool = 1_000_000

// routes returns the route of each session to the server: through its own proxy, through the proxy that the template
// gives, or directly if it has neither. A session with a proxy never takes another route.
type routes struct {
	devices  Devices
	template string
	poolSize int
	endpoint endpoint
	direct   *route

	mu      sync.Mutex
	proxied map[string]*route // routes in use, by the proxy's URL
	roots   *x509.CertPool    // root certificates for https proxies; nil means the system's
}

// route is one route to the server. All runs with the same route share it. Its transport keeps no idle connections, so
// no connection to a proxy remains after its last run has ended.
type route struct {
	transport *http.Transport
	media     *http.Client // uses the same transport: media and messages come from the same address
	through   string       // the proxy's URL; "" is the direct route
	users     int
	end       context.CancelFunc
}

// checkTemplate checks the template with an example session. It returns the invalid field and a message, or "".
func checkTemplate(template string, poolSize int) (field, message string) {
	switch {
	case poolSize < 0 || poolSize > MaxProxyPool:
		return "ProxyPoolSize", fmt.Sprintf("expected 0 to %d", MaxProxyPool)
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

// of returns the session's current route. The caller must call releaseRoute afterwards.
func (r *routes) of(ctx context.Context, id session.ID) (*route, error) {
	const op = "look up proxy"
	proxy, err := r.devices.ProxyOf(ctx, id)
	if err != nil { // an error never means "no proxy"
		return nil, codes.StoreError(op, id, err)
	}
	return r.through(id, proxy)
}

// through returns the route of a session whose own proxy is known; "" means that it has none. The caller must call
// releaseRoute afterwards.
func (r *routes) through(id session.ID, proxy string) (*route, error) {
	if proxy == "" && r.template != "" {
		proxy = expand(r.template, id, r.poolSize)
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

func (r *routes) acquireProxy(proxy string) (*route, error) {
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
	fresh := &route{
		transport: transport, media: mediaClient(transport, r.endpoint),
		through: proxy, users: 1, end: end,
	}
	if r.proxied == nil {
		r.proxied = make(map[string]*route)
	}
	r.proxied[proxy] = fresh
	return fresh, nil
}

func (r *routes) releaseRoute(used *route) {
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

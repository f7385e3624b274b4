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
)

// MaxProxyPool is the largest Config.ProxyPoolSize.
const MaxProxyPool = 1_000_000

// routes knows the way each session takes to the server: through its own proxy, through the one that the template gives
// it, or, where there is neither, straight. A session with a proxy never takes another way.
type routes struct {
	devices  Devices
	template string
	poolSize int
	endpoint endpoint
	direct   *route

	mu      sync.Mutex
	proxied map[string]*route // those in use, by the proxy's URL
	roots   *x509.CertPool    // that sign the certificates of https proxies; nil is the system's
}

// route is one way to the server, shared by all runs that take it. Its transport keeps no idle connections, so that
// nothing of a proxy is left once its last run has ended.
type route struct {
	transport *http.Transport
	media     *http.Client // over the same transport: media and messages show the same address
	through   string       // the proxy's URL; "" is straight
	users     int
	end       context.CancelFunc
}

// checkTemplate tries the template on a session.
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
	var unusable *proxyError
	if _, err := newTunnel(expanded); errors.As(err, &unusable) {
		return "Proxy", unusable.reason
	}
	return "", ""
}

// expand fills a template in. {n} is a session's place in the pool, from 0: the same one at every start, as long as the
// pool keeps its size.
func expand(template string, id session.ID, poolSize int) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id))
	n := strconv.FormatUint(hash.Sum64()%uint64(max(poolSize, 1)), 10)
	return strings.NewReplacer("{id}", string(id), "{n}", n).Replace(template)
}

// of is the way that a session takes now. The caller gives it back with release.
func (r *routes) of(ctx context.Context, id session.ID) (*route, error) {
	const op = "look up proxy"
	proxy, err := r.devices.ProxyOf(ctx, id)
	if err != nil { // never taken for "none"
		return nil, storeError(op, id, err)
	}
	if proxy == "" && r.template != "" {
		proxy = expand(r.template, id, r.poolSize)
	}
	if proxy == "" {
		return r.direct, nil
	}
	found, err := r.takeProxy(proxy)
	if err != nil {
		return nil, connectError(id, err)
	}
	return found, nil
}

func (r *routes) takeProxy(proxy string) (*route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.proxied[proxy]; ok {
		known.users++
		return known, nil
	}
	way, err := newTunnel(proxy)
	if err != nil {
		return nil, err
	}
	way.roots = r.roots
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

package whatsapp

import (
	"crypto/x509"
	"net/http"

	"wasup/session"
)

// TrustProxies makes https proxies with these roots' certificates acceptable.
func (d *Dialer) TrustProxies(roots *x509.CertPool) {
	d.routes.mu.Lock()
	defer d.routes.mu.Unlock()
	d.routes.roots = roots
}

// ProxiesInUse counts the proxies that runs hold.
func (d *Dialer) ProxiesInUse() int {
	d.routes.mu.Lock()
	defer d.routes.mu.Unlock()
	return len(d.routes.proxied)
}

// MediaClient is what the run's media goes through.
func MediaClient(c session.Client) *http.Client { return c.(*Client).route.media }

// Expand is the template's proxy for a session.
func Expand(template string, id session.ID, poolSize int) string {
	return expand(template, id, poolSize)
}

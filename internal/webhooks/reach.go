package webhooks

import (
	"net/http"
	"net/url"
	"time"

	"wasup/internal/egress"
	"wasup/internal/session"
)

// checkHost refuses a URL whose host is an IP address that wasup may not reach. Names are checked when they are dialed.
func checkHost(g egress.Guard, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || !g.Refuses(u.Hostname()) {
		return nil //nolint:nilerr // Webhook.Check refuses an invalid URL
	}
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: "check webhook", Field: "url",
		Message: "url: this address is in a private or special network; expected a public one (webhooks.allow_private lifts this)",
	}
}

// newClient makes the HTTP client for requests to receivers. It follows no redirect, because a signed body is only for
// the registered URL.
func newClient(g egress.Guard, perHost int, timeout time.Duration) (*http.Client, *http.Transport) {
	transport := g.Transport(timeout)
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 256, perHost, time.Minute
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client, transport
}

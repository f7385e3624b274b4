package webhooks

import (
	"net/http"
	"net/url"
	"time"

	"wasup/internal/egress"
	"wasup/internal/session"
)

// literal refuses a URL whose host is an address that would be refused when it is dialed.
func literal(g egress.Guard, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || !g.Refuses(u.Hostname()) {
		return nil //nolint:nilerr // what is no URL is refused elsewhere
	}
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: "check webhook", Field: "url",
		Message: "url: this address is in a private or special network; expected a public one (webhooks.allow_private lifts this)",
	}
}

// newClient makes the client that reaches receivers. It follows no redirect: a signed body is for the address that was
// registered.
func newClient(g egress.Guard, perHost int, timeout time.Duration) (*http.Client, *http.Transport) {
	transport := g.Transport(timeout)
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 256, perHost, time.Minute
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client, transport
}

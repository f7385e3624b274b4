package whatsapp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/link"
	"wasup/internal/whatsapp/routes"
)

// attempt is the RoundTripper of one client. It opens the client's one connection, and can be aborted until the
// handshake is done.
type attempt struct {
	endpoint  routes.Endpoint
	transport http.RoundTripper
	cancel    context.CancelFunc // cancels the context that the dial runs in
	onEnd     func()

	mu      sync.Mutex
	link    *link.Link
	aborted error
	done    bool
}

// RoundTrip opens the connection and wraps it into a link.
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := a.transport.RoundTrip(a.endpoint.Rewrite(req))
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return resp, err
	}
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		_ = resp.Body.Close()
		return nil, errors.New("the transport's connection is not writable")
	}
	l := link.New(conn, a.onEnd)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.aborted != nil {
		_ = conn.Close()
		return nil, a.aborted
	}
	a.link = l
	resp.Body = l
	return resp, nil
}

func (a *attempt) httpClient() *http.Client {
	return &http.Client{Transport: a, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a redirect counts as a refusal: only the configured endpoint is allowed
	}}
}

// abort aborts the dial or the handshake. It does nothing after finish.
func (a *attempt) abort(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done || a.aborted != nil {
		return
	}
	a.aborted = cause
	if a.link == nil {
		a.cancel()
		return
	}
	_ = a.link.Close()
}

// finish ends the attempt. It adds to whatsmeow's error what whatsmeow does not know: that we aborted the attempt,
// perhaps just after it had succeeded, or that the server closed the connection without an answer.
func (a *attempt) finish(outcome error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	switch {
	case a.aborted != nil:
		return errors.Join(a.aborted, outcome)
	case outcome != nil && a.link != nil && a.link.HandshakeUnanswered():
		return errors.Join(codes.ErrHandshakeClosed, outcome)
	default:
		return outcome
	}
}

// current returns the connection, or nil if there is none yet.
func (a *attempt) current() *link.Link {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link
}

package routes

import (
	"errors"
	"net/http"
	"strings"
)

// mediaClient returns the HTTP client for files, over the same transport as messages. whatsmeow puts https:// before
// the host that the server names. But a server that is reached without TLS, such as a sandbox, serves its files without
// TLS on the same port. It follows redirects to WhatsApp's own hosts only.
func mediaClient(transport *http.Transport, e Endpoint) *http.Client {
	if e.Target.Scheme != "http" {
		return &http.Client{Transport: transport, CheckRedirect: checkMediaRedirect}
	}
	return &http.Client{Transport: plainMedia{transport, e.Target.Host}, CheckRedirect: checkMediaRedirect}
}

// mediaDomain is the domain of WhatsApp's media hosts, as whatsmeow and WhatsApp Web show them.
const mediaDomain = ".whatsapp.net"

const maxMediaRedirects = 3

var errMediaRedirect = errors.New("the media host redirects to a host that is not WhatsApp's, or too often")

// checkMediaRedirect refuses redirects that leave WhatsApp. Otherwise whoever controls an answer could make wasup call any
// address that this machine, or the session's proxy, can reach. No redirect of WhatsApp's media hosts is known.
func checkMediaRedirect(req *http.Request, via []*http.Request) error {
	own := req.URL.Host == via[0].URL.Host || req.URL.Port() == "" && strings.HasSuffix(strings.ToLower(req.URL.Hostname()), mediaDomain)
	if len(via) > maxMediaRedirects || !own || req.URL.Scheme != "https" || req.URL.User != nil {
		return errMediaRedirect
	}
	return nil
}

type plainMedia struct {
	transport *http.Transport
	host      string // host:port of the Endpoint
}

func (p plainMedia) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" || req.URL.Host != p.host {
		return p.transport.RoundTrip(req)
	}
	out := req.WithContext(req.Context()) // a copy: a RoundTripper may not change the request it was given
	target := *req.URL
	target.Scheme = "http"
	out.URL = &target
	return p.transport.RoundTrip(out)
}

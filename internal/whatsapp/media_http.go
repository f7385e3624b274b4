package whatsapp

import "net/http"

// mediaClient returns the HTTP client for files, over the same transport as messages. whatsmeow puts https:// before
// the host that the server names. But a server that is reached without TLS, such as a sandbox, serves its files without
// TLS on the same port.
func mediaClient(transport *http.Transport, e endpoint) *http.Client {
	if e.target.Scheme != "http" {
		return &http.Client{Transport: transport}
	}
	return &http.Client{Transport: plainMedia{transport, e.target.Host}}
}

type plainMedia struct {
	transport *http.Transport
	host      string // host:port of the endpoint
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

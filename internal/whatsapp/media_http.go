package whatsapp

import "net/http"

// mediaClient is how files go the same way as messages. whatsmeow puts https:// before whichever host the server names;
// a server that is reached without TLS, a sandbox, has its files without TLS on the same port.
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

package routes

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// The request of a download may be redirected within the media host, and nowhere else.
func TestMediaHostsRedirectToNobodyElse(t *testing.T) {
	t.Parallel()
	var called atomic.Int64
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer inner.Close()
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.WriteString(w, "the file")
	}))
	defer host.Close()
	target, err := url.Parse(host.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := mediaClient(transport, Endpoint{target})
	for _, method := range []string{http.MethodGet, http.MethodPost} { // downloads and uploads
		for to, allowed := range map[string]bool{
			"/elsewhere":           true,
			inner.URL + "/x":       false,
			"http://localhost:1/x": false,
			"https://" + strings.TrimPrefix(inner.URL, "http://") + "/x": false,
			"https://169.254.169.254/latest/meta-data/":                  false,
			"https://evil.example/x?.whatsapp.net":                       false,
			"https://user@" + target.Host + "/x":                         false,
			"https://mmg.whatsapp.net:8443/x":                            false,
			"/?to=/?to=/?to=/?to=/":                                      false,
			"file:///etc/passwd":                                         false,
		} {
			if strings.HasPrefix(to, "/?to=") { // each hop redirects to the next one
				to = "/?to=" + url.QueryEscape("/?to="+url.QueryEscape("/?to="+url.QueryEscape("/?to=/")))
			}
			request, err := http.NewRequestWithContext(t.Context(), method, "https://"+target.Host+"/?to="+url.QueryEscape(to), strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(request)
			if err == nil {
				_ = answer.Body.Close()
			}
			if allowed != (err == nil) || !allowed && !errors.Is(err, errMediaRedirect) {
				t.Errorf("%s redirected to %s: %v", method, to, err)
			}
		}
	}
	if called.Load() != 0 {
		t.Error("another server was called")
	}
	for to, want := range map[string]error{"https://media.cdn.whatsapp.net/x": nil, "https://evilwhatsapp.net/x": errMediaRedirect} {
		next, first := httptest.NewRequest(http.MethodGet, to, nil), httptest.NewRequest(http.MethodGet, "https://mmg.whatsapp.net/x", nil)
		if err := checkMediaRedirect(next, []*http.Request{first}); !errors.Is(err, want) {
			t.Errorf("%s: %v", to, err)
		}
	}
}

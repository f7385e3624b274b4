package docs_test

import (
	"strings"
	"testing"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/rest"
)

func TestThePageForPeopleLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{})
	for path, contentType := range map[string]string{
		"/docs": "text/html", "/docs/": "text/html", "/docs/docs.js": "text/javascript", "/docs/docs.css": "text/css",
		"/dashboard": "text/html", "/dashboard/dashboard.js": "text/javascript", "/dashboard/dashboard.css": "text/css",
		"/dashboard/page.js": "text/javascript", "/dashboard/log.js": "text/javascript", "/dashboard/messages.js": "text/javascript",
		"/dashboard/passkey.js": "text/javascript", "/dashboard/webhooks.js": "text/javascript",
	} {
		answer := r.Do(t, "GET", path, "")
		if answer.Status != 200 || answer.Header.Get("Content-Type") != contentType+"; charset=utf-8" {
			t.Errorf("%s: %d %s", path, answer.Status, answer.Header.Get("Content-Type"))
		}
		if policy := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if strings.Contains(answer.Body, "http:") || strings.Contains(answer.Body, "https:") || strings.Contains(answer.Body, "innerHTML") {
			t.Errorf("%s names another place, or writes HTML from data", path)
		}
		if strings.Contains(answer.Body, "<script>") || strings.Contains(answer.Body, "style=") {
			t.Errorf("%s has inline code, which its own policy refuses", path)
		}
	}
	for _, path := range []string{"/docs/nothing", "/dashboard/nothing"} {
		if answer := r.Do(t, "GET", path, ""); answer.Status != 404 || answer.Header.Get("Content-Type") != rest.ContentProblem {
			t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
		}
	}
}

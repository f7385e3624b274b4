package httpapi

import (
	"testing"
	"time"

	"wasup/httpapi/rest"
)

func TestThePathTableFindsWhatFiberFinds(t *testing.T) {
	s := &Server{host: &rest.Host{Now: time.Now}}
	s.mount(&Config{}, &Deps{})
	table := s.routes
	for path, want := range map[string]string{
		"/":                                      "/",
		"/status":                                "/status",
		"/STATUS/":                               "/status",
		"/status/x":                              "",
		"/qr":                                    "/qr",
		"/qr-code":                               "/qr-code",
		"/api/session-manager/sessions/":         "",
		"/api/session-manager/sessions/sender_1": "/api/session-manager/sessions/:instance",
		"/api/session-manager/sessions/a/qr":     "/api/session-manager/sessions/:instance/qr",
		"/api/session-manager/sessions//qr":      "",
		"/api/session-manager/sessions/a/qr/":    "/api/session-manager/sessions/:instance/qr",
		"/api/session-manager/sessions/a/b":      "",
		"":                                       "",
		"/v1/sessions":                           "/v1/sessions",
		"/v1/sessions/":                          "/v1/sessions",
		"/v1/sessions/:id":                       "/v1/sessions/:id",
		"/V1/sessions/51/qr":                     "/v1/sessions/:id/qr",
		"/v1/sessions//qr":                       "",
		"/v1/sessions/51/qr/x":                   "",
		"/v1":                                    "",
	} {
		got := ""
		if r := table.find(path); r != nil {
			got = r.path
		}
		if got != want {
			t.Errorf("%q is found as %q, expected %q", path, got, want)
		}
	}
}

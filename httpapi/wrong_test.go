package httpapi_test

import (
	"strings"
	"testing"

	"wasup/httpapi/apitest"
)

func TestWrongRoutesAndMethodsHaveAShape(t *testing.T) {
	apitest.RunRows(t, []apitest.Row{
		{What: "unknown route", Method: "GET", Path: "/nowhere", Status: 404, Want: "flagged_not_found"},
		{What: "unknown route below /api", Method: "GET", Path: "/api/nowhere", Status: 404, Want: "coded_not_found"},
		{What: "too deep below an instance", Method: "GET", Path: "/api/session-manager/sessions/sender_51/qr/x", Status: 404, Want: "coded_not_found"},
		{What: "POST /qr-code", Method: "POST", Path: "/qr-code", Status: 405, Want: "coded_method", Extra: "Allow: GET"},
		{What: "POST /QR-CODE/", Method: "POST", Path: "/QR-CODE/", Status: 405, Want: "coded_method", Extra: "Allow: GET"},
		{What: "GET /send", Method: "GET", Path: "/send", Status: 405, Want: "flagged_method", Extra: "Allow: POST"},
		{What: "OPTIONS /send", Method: "OPTIONS", Path: "/send", Status: 405, Want: "flagged_method", Extra: "Allow: POST"},
		{What: "a method that nobody knows", Method: "BREW", Path: "/status", Status: 405, Want: "flagged_method", Extra: "Allow: GET, HEAD"},
		{What: "GET on the hub's POST", Method: "GET", Path: "/api/session-manager/sessions/sender_51/qr", Status: 405, Want: "coded_method", Extra: "Allow: POST"},
		{What: "a large body to /qr-code", Method: "GET", Path: "/qr-code", Body: strings.Repeat("x", 5000), Status: 413, Want: "coded_body_too_large"},
		{What: "a large body to the hub", Method: "POST", Path: "/api/session-manager/sessions/sender_51/qr", Body: strings.Repeat("x", 5000), Status: 413, Want: "coded_body_too_large"},
		{What: "large headers", Method: "GET", Path: "/status", Header: []string{"X-Filler: " + strings.Repeat("x", 9000)}, Status: 431, Want: "flagged_headers_too_large"},
	})
}

func TestWrongV1RoutesAreProblems(t *testing.T) {
	apitest.RunRows(t, []apitest.Row{
		{What: "no route", Method: "GET", Path: "/v1/nothing", Status: 404, Want: "v1/no_route"},
		{What: "only the prefix", Method: "GET", Path: "/v1", Status: 404, Want: "v1/no_route"},
		{What: "PUT", Method: "PUT", Path: "/v1/sessions/shop", Status: 405, Want: "v1/method", Extra: "Allow: GET, HEAD, PATCH, DELETE"},
		{What: "an unknown method", Method: "BREW", Path: "/v1/sessions", Status: 405, Want: "v1/method", Extra: "Allow: POST, GET, HEAD"},
		{What: "a parameter that is none", Method: "GET", Path: "/v1/sessions/shop?verbose=1", Status: 400, Want: "v1/no_parameters", Behind: apitest.Behind(apitest.Full())},
		{What: "HTML", Method: "GET", Path: "/v1/sessions", Header: []string{"Accept: text/html"}, Status: 406, Want: "v1/not_html"},
	})
}

package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/rest"
	"wasup/internal/session"
)

// parameter matches a parameter in a path.
var parameter = regexp.MustCompile(`:\w+`)

// pathOf fills the parameters of a route's path.
func pathOf(row *rest.Route) string {
	path := strings.ReplaceAll(row.Path, ":instance", "sender_51")
	return parameter.ReplaceAllString(path, "51")
}

// untouched is a server whose sessions fail the test if anything is asked of them.
func untouched(t *testing.T, cfg httpapi.Config) *apitest.Rig {
	t.Helper()
	return apitest.NewRig(t, cfg, &apitest.Scripted{
		Asked: func(context.Context, session.ID) session.QRAnswer {
			t.Error("a session was started")
			return session.QRAnswer{Outcome: session.OutcomeTimeout}
		},
		Starting: func(context.Context, session.ID) (session.Status, bool, error) {
			t.Error("a session was started")
			return session.Status{}, false, nil
		},
	})
}

// asks sends one request on a new connection, with the given header lines and nothing else.
func asks(t *testing.T, r *apitest.Rig, method, target string, header ...string) apitest.Reply {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	lines := append([]string{method + " " + target + " HTTP/1.1", "Connection: close", apitest.Client51}, header...)
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return apitest.Reply{Status: response.StatusCode, Header: response.Header, Body: string(body)}
}

// hardened checks the headers of every answer.
func hardened(t *testing.T, what string, answer apitest.Reply) {
	t.Helper()
	if answer.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %d %v", what, answer.Status, answer.Header)
	}
}

// says checks that an error has the form of its route.
func says(t *testing.T, what string, row *rest.Route, answer apitest.Reply, status int, code string) {
	t.Helper()
	hardened(t, what, answer)
	form := map[bool]string{true: `"code":"` + code + `"`, false: strings.ToUpper(code)}[strings.HasPrefix(row.Path, "/v1")]
	if answer.Status != status || !strings.Contains(strings.ToLower(answer.Body), strings.ToLower(form)) {
		t.Errorf("%s: %d %s, expected %d with %s", what, answer.Status, answer.Body, status, form)
	}
}

// A page whose name was made to resolve to this machine is same-origin for its browser. Only its host gives it away.
func TestEveryRouteAnswersToItsOwnHostsOnly(t *testing.T) {
	t.Parallel()
	r := untouched(t, httpapi.Config{Hosts: []string{"wasup.example"}})
	for i := range r.Rows() {
		row := &r.Rows()[i]
		what, path := row.Method+" "+row.Path, pathOf(row)
		own := []string{"Sec-Fetch-Site: same-origin", "Origin: http://evil.example"}
		says(t, what, row, asks(t, r, row.Method, path, append(own, "Host: evil.example")...), 421, "wrong_host")
		says(t, what, row, asks(t, r, row.Method, path, append(own, "Host: evil.example", "X-Forwarded-Host: localhost")...), 421, "wrong_host")
		says(t, what, row, asks(t, r, row.Method, "http://evil.example"+path, append(own, "Host: localhost")...), 421, "wrong_host")
		address := asks(t, r, row.Method, path, "Host: 10.1.2.3:3001", "Sec-Fetch-Site: cross-site")
		if row.Monitor {
			says(t, what, row, address, 403, "cross_origin")
		} else {
			says(t, what, row, address, 421, "wrong_host")
		}
	}
	for _, path := range []string{"/nowhere", "/v1/nothing", "/api/nothing"} {
		if answer := asks(t, r, "GET", path, "Host: evil.example"); answer.Status != 421 {
			t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
		}
	}
	if answer := asks(t, r, "BREW", "/status", "Host: evil.example"); answer.Status != 421 {
		t.Errorf("an unknown method: %d %s", answer.Status, answer.Body)
	}
	for _, host := range []string{"localhost", "127.0.0.1:3001", "[::1]:3001", "wasup.example", "wasup.example:443"} {
		if answer := asks(t, r, "GET", "/", "Host: "+host); answer.Status != 200 {
			t.Errorf("%s: %d %s", host, answer.Status, answer.Body)
		}
	}
	if answer := asks(t, r, "GET", "/healthz", "Host: 10.1.2.3:3001"); answer.Status != 200 {
		t.Errorf("a probe of the pod's address: %d %s", answer.Status, answer.Body)
	}
}

func TestNoRouteAnswersAPageOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	r := untouched(t, httpapi.Config{})
	for i := range r.Rows() {
		row := &r.Rows()[i]
		methods := []string{row.Method}
		if row.Head() {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			path, what := pathOf(row), method+" "+row.Path
			for _, header := range [][]string{
				{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"},
				{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Origin: http://localhost:8080"},
				{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"},
				{"Origin: https://evil.example"},
				{"Origin: null"},
				{"Origin: https://app.example", "X-Forwarded-Host: app.example"}, // from a caller that is no trusted proxy
			} {
				answer := asks(t, r, method, path, append(header, "Host: localhost:3001")...)
				if method == http.MethodHead {
					hardened(t, what, answer)
					if answer.Status != 403 {
						t.Errorf("%s %v: %d", what, header, answer.Status)
					}
					continue
				}
				says(t, what, row, answer, 403, "cross_origin")
			}
			navigation := asks(t, r, method, path, "Host: localhost:3001", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
			if want := map[bool]int{true: 200, false: 403}[row.Page]; navigation.Status != want {
				t.Errorf("%s by a link: %d %s", what, navigation.Status, navigation.Body)
			}
		}
	}
}

func TestAHeadStartsNothing(t *testing.T) {
	t.Parallel()
	r := untouched(t, httpapi.Config{})
	for i := range r.Rows() {
		row := &r.Rows()[i]
		if row.Method != http.MethodGet {
			continue
		}
		answer := asks(t, r, http.MethodHead, pathOf(row), "Host: localhost")
		hardened(t, row.Path, answer)
		if row.Starts && (answer.Status != 405 || answer.Header.Get("Allow") == "" || strings.Contains(answer.Header.Get("Allow"), "HEAD")) {
			t.Errorf("HEAD %s: %d %v", row.Path, answer.Status, answer.Header)
		}
	}
	for _, path := range []string{"/QR-CODE/", "/v1/sessions/51/QR/"} {
		if answer := asks(t, r, http.MethodHead, path, "Host: localhost"); answer.Status != 405 {
			t.Errorf("HEAD %s: %d", path, answer.Status)
		}
	}
}

func TestOtherCallersGoOnAsBefore(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Full())
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	own := "Origin: " + r.Base
	for _, header := range [][]string{nil, {own}, {own, "Sec-Fetch-Site: same-origin"}, {"Sec-Fetch-Site: none"}, {"Sec-Fetch-Mode: cors"}} {
		if answer := r.Do(t, "POST", "/v1/sessions/shop/stop", "", header...); answer.Status != 200 {
			t.Errorf("%v: %d %s", header, answer.Status, answer.Body)
		}
	}
}

// The proxy listens on another port of this machine. Its pages are ours only if its word is believed.
func TestForwardedHostsAreBelievedFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proxies   []string
		forwarded string
		status    int
	}{
		{nil, "127.0.0.1:9443", 403},
		{[]string{"192.0.2.1"}, "127.0.0.1:9443", 403},
		{[]string{"127.0.0.1"}, "127.0.0.1:9443", 200},
		{[]string{"192.0.2.1", "127.0.0.0/8"}, "127.0.0.1:9443, 192.0.2.9", 200},
		{[]string{"127.0.0.1"}, "", 403},
		{[]string{"127.0.0.1"}, "evil.example", 421},
	} {
		f := apitest.Behind(apitest.Full())
		r := apitest.NewRig(t, httpapi.Config{TrustedProxies: c.proxies}, &f)
		answer := r.Do(t, "POST", "/v1/sessions/shop/stop", "", "Origin: http://127.0.0.1:9443", "X-Forwarded-Host: "+c.forwarded)
		if answer.Status != c.status {
			t.Errorf("%v, %q: %d %s", c.proxies, c.forwarded, answer.Status, answer.Body)
		}
	}
}

func TestListedOriginsMayCallFromElsewhere(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Full())
	r := apitest.NewRig(t, httpapi.Config{Origins: []string{"https://app.example"}}, &f)
	const app, site = "Origin: https://app.example", "Sec-Fetch-Site: cross-site"
	answer := r.Do(t, "POST", "/v1/sessions/shop/stop", "", app, site)
	if answer.Status != 200 || answer.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(answer.Header.Get("Access-Control-Expose-Headers"), "Retry-After") {
		t.Errorf("%d %v", answer.Status, answer.Header)
	}
	if answer := r.Do(t, "GET", "/v1/sessions/nobody", "", app, site); answer.Status != 404 || answer.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("an error cannot be read: %d %v", answer.Status, answer.Header)
	}
	for _, path := range []string{"/v1/sessions/shop/qr", "/qr-code", "/send"} {
		answer := asks(t, r, "OPTIONS", path, "Host: localhost", app, site, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type, x-cliente-id")
		hardened(t, path, answer)
		if answer.Status != 204 || answer.Body != "" || answer.Header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
			answer.Header.Get("Access-Control-Allow-Headers") != "content-type, x-cliente-id" || answer.Header.Get("Access-Control-Allow-Methods") == "" ||
			answer.Header.Get("Access-Control-Max-Age") != "600" || !strings.Contains(answer.Header.Get("Vary"), "Origin") {
			t.Errorf("preflight of %s: %d %v %s", path, answer.Status, answer.Header, answer.Body)
		}
	}
	evil := asks(t, r, "OPTIONS", "/send", "Host: localhost", "Origin: https://evil.example", "Access-Control-Request-Method: POST")
	if evil.Status != 403 || evil.Header.Get("Access-Control-Allow-Origin") != "" || !strings.Contains(evil.Header.Get("Vary"), "Origin") {
		t.Errorf("preflight of another origin: %d %v", evil.Status, evil.Header)
	}
	if answer := r.Do(t, "GET", "/v1/sessions/shop", ""); answer.Header.Get("Access-Control-Allow-Origin") != "" || answer.Header.Get("Vary") != "Origin" {
		t.Errorf("without an origin: %v", answer.Header)
	}
	if answer := asks(t, r, "OPTIONS", "/send", "Host: evil.example", app, "Access-Control-Request-Method: POST"); answer.Status != 421 {
		t.Errorf("a listed origin at a wrong host: %d", answer.Status)
	}
}

func TestAnswersBeforeRoutingAreHardenedToo(t *testing.T) {
	t.Parallel()
	r := untouched(t, httpapi.Config{})
	for what, header := range map[string]string{"headers that are too large": "X-Filler: " + strings.Repeat("x", 9000), "no HTTP": "Host"} {
		answer := asks(t, r, "GET", "/status", header)
		hardened(t, what, answer)
		if answer.Status < 400 {
			t.Errorf("%s: %d", what, answer.Status)
		}
	}
	if answer := asks(t, r, "GET", "/status", "Host: localhost", "Host: evil.example"); answer.Status != 400 {
		t.Errorf("two hosts: %d", answer.Status)
	}
	if answer := asks(t, r, "GET", "/nowhere", fmt.Sprintf("Host: %s", r.Addr())); answer.Status != 404 {
		t.Errorf("%d", answer.Status)
	} else {
		hardened(t, "no route", answer)
	}
}

package admin

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.uber.org/goleak"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
)

// authority signs every server here: whatsmeow trusts one key per process.
var authority = sandbox.NewAuthorityFromSeed([32]byte{7})

func TestMain(m *testing.M) {
	whatsmeow.WACertPubKey = authority.RootPublicKey()
	// whatsmeow's reader can leak when a frame arrives just after its consumer has
	// stopped. That is a bug of the client, not of the sandbox.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).readPump"),
		// The loop waits a minute for more history, connected or not.
		goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow.(*Client).handleHistorySyncNotificationLoop"))
}

// fixture is a sandbox with its admin API.
type fixture struct {
	t      *testing.T
	server *sandbox.Server
	url    string
	client *http.Client
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixtureWith(t, sandbox.Config{Authority: authority})
}

func newFixtureWith(t *testing.T, cfg sandbox.Config) *fixture {
	t.Helper()
	server, err := sandbox.New(cfg)
	must(t, err)
	must(t, server.Start())
	front := httptest.NewServer(New(server, nil))
	t.Cleanup(func() {
		// Close the sandbox first: it ends the event streams that the HTTP server waits for.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
		front.Close()
	})
	return &fixture{t, server, front.URL + Prefix, front.Client()}
}

// answer is the response to a request.
type answer struct {
	status int
	body   string
	header http.Header
}

// send makes a request. The body and its content type may be empty.
func (f *fixture) send(method, path, contentType, body string) answer {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	must(f.t, err)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := f.client.Do(request)
	must(f.t, err)
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	must(f.t, err)
	got := answer{response.StatusCode, strings.TrimSuffix(string(raw), "\n"), response.Header}
	readDocument(f.t).holds(f.t, method, path, got)
	return got
}

func (f *fixture) get(path string) answer { f.t.Helper(); return f.send("GET", path, "", "") }

func (f *fixture) post(path, body string) answer {
	f.t.Helper()
	return f.send("POST", path, "application/json", body)
}

// is checks the status and the literal body. A # in the expected body stands for
// any run of digits, such as a random id or a time.
func (a answer) is(t *testing.T, status int, body string) {
	t.Helper()
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(body), "#", "[0-9]+") + "$"
	if a.status != status || !regexp.MustCompile(pattern).MatchString(a.body) {
		t.Errorf("answered %d %s\nexpected %d %s", a.status, a.body, status, body)
	}
	if a.body != "" && a.header.Get("Content-Type") != "application/json" {
		t.Errorf("content type %q", a.header.Get("Content-Type"))
	}
}

func (f *fixture) addPhone(number, script string) *sandbox.Phone {
	f.t.Helper()
	phone, err := f.server.AddPhone(phones.Config{Number: number, Script: phones.Script(script)})
	must(f.t, err)
	return phone
}

func TestTheServerTellsWhatAClientNeeds(t *testing.T) {
	f := newFixture(t)
	got := f.get("/server")
	key := regexp.MustCompile(`^\{"websocket_url":"ws://127\.0\.0\.1:\d+/ws/chat","root_public_key":"([0-9a-f]{64})","version":"[^"]+"\}$`)
	if got.status != 200 || !key.MatchString(got.body) {
		t.Fatalf("answered %d %s", got.status, got.body)
	}
	if !strings.Contains(got.body, f.server.URL()) {
		t.Errorf("another address than %s: %s", f.server.URL(), got.body)
	}
}

func TestTheIndexListsRoutesThatExist(t *testing.T) {
	f := newFixture(t)
	index := f.get("/")
	paths := regexp.MustCompile(`"methods":\["([A-Z]+)"[^\]]*\],"path":"/sandbox/v1([^"]*)"`).FindAllStringSubmatch(index.body, -1)
	if index.status != 200 || len(paths) < 15 {
		t.Fatalf("answered %d %s", index.status, index.body)
	}
	for _, path := range paths {
		// A method that no route has shows that the path is routed.
		if got := f.send("TRACE", path[2], "", ""); got.status != 405 || !strings.Contains(got.header.Get("Allow"), path[1]) {
			t.Errorf("%s answers %d, Allow %q", path[2], got.status, got.header.Get("Allow"))
		}
	}
}

func TestAPhoneIsAddedListedChangedAndRemoved(t *testing.T) {
	f := newFixture(t)
	f.get("/phones").is(t, 200, `{"phones":[]}`)
	ana := `{"number":"4915112345678","name":"Ana","script":"echo","jid":"4915112345678@s.whatsapp.net","lid":"#@lid","online":true,"delay":"3s","devices":[]}`
	f.post("/phones", `{"number":"+4915112345678","name":"Ana","script":"echo"}`).is(t, 201, ana)
	f.get("/phones/4915112345678").is(t, 200, ana)
	f.get("/phones/+4915112345678").is(t, 200, ana)
	f.get("/phones").is(t, 200, `{"phones":[`+ana+`]}`)
	f.get("/phones/4915112345678/devices").is(t, 200, `{"devices":[]}`)
	f.get("/phones/4915112345678/messages").is(t, 200, `{"messages":[]}`)
	f.post("/phones", `{"number":"4915112345678"}`).is(t, 409, `{"error":{"code":"phone_exists","message":"there is a phone with this number","field":"number"}}`)
	f.send("PATCH", "/phones/4915112345678", "application/json", `{"script":"silent"}`).is(t, 200, strings.Replace(ana, "echo", "silent", 1))
	f.send("DELETE", "/phones/4915112345678", "", "").is(t, 204, "")
	f.get("/phones").is(t, 200, `{"phones":[]}`)
	f.post("/phones", `{}`).is(t, 201, `{"number":"#","name":"#","script":"read","jid":"#@s.whatsapp.net","lid":"#@lid","online":true,"delay":"3s","devices":[]}`)
}

func TestBadInputIsRefusedByName(t *testing.T) {
	f := newFixture(t)
	f.addPhone("4915112345678", "")
	const phone, message = "/phones/4915112345678", "/phones/4915112345678/messages"
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/phones", `{"number":"12"}`, 400, `"invalid","message":"expected 7 to 15 digits, the first not 0","field":"number"`},
		{"POST", "/phones", `{"name":"` + strings.Repeat("x", 101) + `"}`, 400, `"invalid","message":"expected at most 100 bytes","field":"name"`},
		{"POST", "/phones", `{"script":"dance"}`, 400, `"invalid","message":"expected read, echo, deliver, slow or silent","field":"script"`},
		{"POST", "/phones", `{"number":4915112345678}`, 400, `"invalid","message":"expected a string, got number","field":"number"`},
		{"POST", "/phones", `{"nmber":"4915112345678"}`, 400, `"unknown_field","message":"there is no such field","field":"nmber"`},
		{"POST", "/phones", `{"name":"x"} {}`, 400, `"bad_json","message":"expected one JSON object and nothing after it"`},
		{"POST", "/phones", `[]`, 400, `"bad_json","message":"expected a JSON object"`},
		{"POST", "/phones", `{"name":`, 400, `"bad_json","message":"expected a JSON object"`},
		{"POST", "/phones", ``, 400, `"bad_json","message":"expected a JSON object, got an empty body"`},
		{"POST", "/phones", `{"name":"` + strings.Repeat("x", maxJSON) + `"}`, 413, `"too_large","message":"expected at most 524288 bytes"`},
		{"GET", "/phones/34600111222", ``, 404, `"phone_not_found","message":"there is no such phone; POST /sandbox/v1/phones adds one","field":"number"`},
		{"DELETE", "/phones/34600111222", ``, 404, `"phone_not_found","message":"there is no such phone; POST /sandbox/v1/phones adds one","field":"number"`},
		{"GET", "/phones?page=2", ``, 400, `"unknown_field","message":"this route takes no parameters","field":"page"`},
		{"PATCH", phone, `{"script":""}`, 400, `"invalid","message":"expected name, script, delay, online, offline_for, about or aliases","field":"body"`},
		{"POST", message, `{"text":"hola"}`, 400, `"invalid","message":"expected a phone number or a JID","field":"to"`},
		{"POST", message, `{"to":"34600111222"}`, 400, `"invalid","message":"expected at least one character","field":"text"`},
		{"POST", message, `{"to":"34600111222","text":"hola"}`, 404, `"not_on_whatsapp","message":"expected the number or JID of a phone of this sandbox","field":"to"`},
		{"POST", message + "/3EB0AA/read", ``, 404, `"message_not_found","message":"the phone has no such message","field":"id"`},
		{"GET", message + "?after=3EB0AA", ``, 400, `"invalid","message":"expected the id of a message of this phone","field":"after"`},
		{"GET", message + "?wait=soon", ``, 400, `"invalid","message":"expected a duration from 0s to 2m0s, such as 10s","field":"wait"`},
		{"GET", message + "?wait=1h", ``, 400, `"invalid","message":"expected a duration from 0s to 2m0s, such as 10s","field":"wait"`},
		{"GET", message + "?wait=1s&wait=2s", ``, 400, `"invalid","message":"expected it once","field":"wait"`},
		{"GET", message + "?since=1", ``, 400, `"unknown_field","message":"expected one of after, wait","field":"since"`},
		{"GET", "/events?kind=logged-in", ``, 400, `"invalid","message":"expected one of ` + strings.Join(wordLists()["events"], ", ") + `","field":"kind"`},
		{"GET", "/events?kind=", ``, 400, `"invalid","message":"expected one of ` + strings.Join(wordLists()["events"], ", ") + `","field":"kind"`},
		{"GET", "/events?account=ana", ``, 400, `"invalid","message":"expected 7 to 15 digits, the first not 0","field":"account"`},
		{"GET", "/events?wait=-1s", ``, 400, `"invalid","message":"expected a duration from 0s to 2m0s, such as 10s","field":"wait"`},
		{"DELETE", phone + "/devices/ana", ``, 400, `"invalid","message":"expected the JID of a linked device, such as 4915112345678:1@s.whatsapp.net","field":"jid"`},
		{"DELETE", phone + "/devices/4915112345678:9@s.whatsapp.net", ``, 404, `"device_not_found","message":"the phone has no such linked device","field":"jid"`},
		{"POST", "/faults", `{"kind":"http_status","code":200}`, 400, `"invalid","message":"http_status needs a code from 400 to 599","field":"code"`},
		{"POST", "/faults", `{"kind":"delay_ack","delay":"long"}`, 400, `"invalid","message":"expected a duration such as 1.5s or 24h","field":"delay"`},
		{"POST", "/faults", `{"kind":"withhold_qr","account":"4915112345678"}`, 400, `"invalid","message":"withhold_qr strikes before the server knows who connects: leave account and device empty","field":"account"`},
		{"DELETE", "/faults/77", ``, 404, `"fault_not_found","message":"there is no such fault, or it has applied as many times as its count","field":"id"`},
		{"POST", "/actions/stream-error", `{}`, 400, `"invalid","message":"expected a code, a conflict or both","field":"code"`},
		{"POST", "/actions/stream-error", `{"code":7}`, 400, `"invalid","message":"expected a code from 100 to 999, such as 503 or 515; 401 with the conflict device_removed unlinks","field":"code"`},
		{"POST", "/actions/stream-error", `{"conflict":"<x>"}`, 400, `"invalid","message":"expected replaced, device_removed or another word of lower-case letters and underscores","field":"conflict"`},
		{"PUT", "/phones", ``, 405, `"method_not_allowed","message":"expected GET or POST"`},
		{"POST", "/events", ``, 405, `"method_not_allowed","message":"expected GET"`},
		{"GET", "/nowhere", ``, 404, `"not_found","message":"no such route; GET /sandbox/v1/ lists them"`},
	} {
		got := f.send(test.method, test.path, "application/json", test.body)
		if want := `{"error":{"code":` + test.want + `}}`; got.status != test.status || got.body != want {
			t.Errorf("%s %s %.60s answered %d %s\nexpected %d %s", test.method, test.path, test.body, got.status, got.body, test.status, want)
		}
	}
	f.send("POST", "/phones", "text/plain", `{}`).is(t, 415, `{"error":{"code":"unsupported_media_type","message":"expected Content-Type: application/json"}}`)
}

func TestAChangeOfAPhoneThatIsRefusedChangesNothing(t *testing.T) {
	f := newFixture(t)
	f.addPhone("4915112345678", "")
	const phone = "/phones/4915112345678"
	before := f.get(phone).body
	const good = `"name":"Ana","script":"slow","delay":"1m","online":false,"about":"at sea"`
	for field, bad := range map[string]string{
		"name":        `{"script":"slow","delay":"1m","online":false,"about":"at sea","name":"` + strings.Repeat("x", 101) + `"}`,
		"script":      `{"name":"Ana","delay":"1m","online":false,"about":"at sea","script":"dance"}`,
		"delay":       `{"name":"Ana","script":"slow","online":false,"about":"at sea","delay":"11m"}`,
		"about":       `{"name":"Ana","script":"slow","delay":"1m","online":false,"about":"` + strings.Repeat("x", 140) + `"}`,
		"offline_for": `{"name":"Ana","script":"slow","delay":"1m","about":"at sea","offline_for":"25h"}`,
	} {
		if got := f.send("PATCH", phone, "application/json", bad); got.status != 400 || !strings.Contains(got.body, `"field":"`+field+`"`) {
			t.Errorf("a bad %s: %d %s", field, got.status, got.body)
		}
		if after := f.get(phone).body; after != before {
			t.Errorf("a bad %s changed the phone:\n%s\n%s", field, before, after)
		}
	}
	f.send("PATCH", phone, "application/json", `{`+good+`}`).is(t, 200, `{"number":"4915112345678","name":"Ana","script":"slow","jid":"4915112345678@s.whatsapp.net","lid":"#@lid","online":false,"delay":"1m0s","about":"at sea","devices":[]}`)
	off := f.get(phone).body
	if got := f.send("PATCH", phone, "application/json", `{"name":"Bea","script":"echo"}`); got.status != 409 || f.get(phone).body != off {
		t.Errorf("renaming a phone that is off: %d %s, then %s", got.status, got.body, f.get(phone).body)
	}
}

func TestEveryRouteRefusesUnknownParameters(t *testing.T) {
	f := newFixture(t)
	for _, route := range (&api{}).routes() {
		for method, operation := range route.operations {
			expected := "this route takes no parameters"
			if len(operation.query) > 0 {
				expected = "expected one of " + strings.Join(slices.Sorted(slices.Values(operation.query)), ", ")
			}
			path := inBraces.ReplaceAllString(strings.TrimSuffix(route.path, "{$}"), "x")
			got := f.send(method, path+"?wiat=1s", "application/json", "{}")
			if want := `{"error":{"code":"unknown_field","message":"` + expected + `","field":"wiat"}}`; got.status != 400 || got.body != want {
				t.Errorf("%s %s answered %d %s\nexpected %s", method, path, got.status, got.body, want)
			}
		}
	}
}

func TestFaultsAreSetListedAndCleared(t *testing.T) {
	f := newFixture(t)
	const kinds = `"kinds":["http_status","delay_handshake","bad_certificate","withhold_qr","delay_qr","bad_pair_hmac","bad_pair_signature","retire_code",` +
		`"no_515","close_after_515","login_failure","silent_login","delay_ack","withhold_ack","refuse_ack","no_pong","media_upload","media_download","withhold_sender_key",` +
		`"withhold_sync_keys","unavailable","bad_ciphertext","withhold_devices","duplicate_ack","delay_iq","withhold_iq","refuse_iq","close_at_once","half_open","malformed_frame","odd_time"]`
	f.get("/faults").is(t, 200, `{"faults":[],`+kinds+`}`)
	ban := `{"id":"1","kind":"login_failure","account":"4915112345678","count":2,"code":402,"expire":"24h0m0s","ban_code":106,"applied":0}`
	f.post("/faults", `{"kind":"login_failure","account":"+4915112345678","count":2,"code":402,"expire":"24h","ban_code":106}`).is(t, 201, ban)
	slow := `{"id":"2","kind":"delay_ack","device":"4915112345678:1@s.whatsapp.net","count":0,"delay":"1.5s","applied":0}`
	f.post("/faults", `{"kind":"delay_ack","device":"4915112345678:1@s.whatsapp.net","delay":"1500ms"}`).is(t, 201, slow)
	open := `{"id":"3","kind":"login_failure","count":0,"code":503,"keep_open":true,"applied":0}`
	f.post("/faults", `{"kind":"login_failure","code":503,"keep_open":true}`).is(t, 201, open)
	f.get("/faults").is(t, 200, `{"faults":[`+ban+`,`+slow+`,`+open+`],`+kinds+`}`)
	f.send("DELETE", "/faults/2", "", "").is(t, 204, "")
	f.get("/faults").is(t, 200, `{"faults":[`+ban+`,`+open+`],`+kinds+`}`)
	f.send("DELETE", "/faults", "", "").is(t, 204, "")
	f.get("/faults").is(t, 200, `{"faults":[],`+kinds+`}`)
}

func TestAFaultOfTheAPIStrikes(t *testing.T) {
	f := newFixture(t)
	f.post("/faults", `{"kind":"http_status","code":503,"count":1}`)
	endpoint := strings.Replace(f.server.URL(), "ws://", "http://", 1)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endpoint, nil)
	must(t, err)
	response, err := f.client.Do(request)
	must(t, err)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the server answers %d", response.StatusCode)
	}
	if got := f.get("/counters"); got.status != 200 || !strings.Contains(got.body, `"faults":{"http_status":1}`) {
		t.Errorf("counters say %s", got.body)
	}
}

// Every route and the page are tried: by a page whose name was made to resolve to this machine, and by pages
// of other origins.
func TestNoForeignPageReachesTheSandbox(t *testing.T) {
	f := newFixture(t)
	type target struct{ method, path string }
	targets := []target{{"GET", "/"}, {"GET", "/nothing"}, {"BREW", Prefix + "/phones"}}
	for _, route := range (&api{}).routes() {
		for method := range route.operations {
			targets = append(targets, target{method, Prefix + route.path})
		}
	}
	base := strings.TrimSuffix(f.url, Prefix)
	refused := func(got answer, status int, code string) {
		t.Helper()
		if got.status != status || !strings.Contains(got.body, code) {
			t.Errorf("%d %s, expected %d %s", got.status, got.body, status, code)
		}
	}
	try := func(method, path, host string, header ...string) answer {
		request, err := http.NewRequestWithContext(t.Context(), method, base+strings.NewReplacer("{$}", "", "{", "", "}", "").Replace(path), strings.NewReader(`{}`))
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Host = host
		for i := 0; i+1 < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := f.client.Do(request)
		must(t, err)
		defer func() { _ = response.Body.Close() }()
		raw, err := io.ReadAll(response.Body)
		must(t, err)
		if response.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" || response.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %v", method, path, response.Header)
		}
		return answer{response.StatusCode, strings.TrimSpace(string(raw)), response.Header}
	}
	for _, at := range targets {
		refused(try(at.method, at.path, "evil.example", "Sec-Fetch-Site", "same-origin", "Origin", "http://evil.example"), 421, `"wrong_host"`)
		refused(try(at.method, at.path, "", "Origin", "https://example.com"), 403, `"cross_origin"`)
		refused(try(at.method, at.path, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"), 403, `"cross_origin"`)
	}
	if got := try("GET", "/", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); got.status != 200 {
		t.Errorf("a link to the page: %d", got.status)
	}
	f.get("/phones").is(t, 200, `{"phones":[]}`)
}

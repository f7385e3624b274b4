package httpapi

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasup/httpapi/qr/qrtest"
	"wasup/internal/session"
)

// update writes the literals of /v1 anew. They are the contract: look at what changed.
var update = flag.Bool("update", false, "write testdata/v1 anew")

func literal(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func status(id session.ID, state session.State) session.Status {
	return session.Status{ID: id, State: state, LastCause: session.CauseNone, MaxAttempts: 3}
}

func withCode(s session.Status, left time.Duration) session.Status {
	s.QR = session.QR{Code: qrtest.Code, Seq: 1, IssuedAt: testNow.Add(-time.Second), ExpiresAt: testNow.Add(left)}
	return s
}

func hubStatus(state session.State) session.Status {
	s := status("51", state)
	s.CreatedAt = time.Date(2026, 1, 2, 21, 0, 0, 0, time.FixedZone("ART", -3*3600))
	s.UpdatedAt = testNow.Add(time.Millisecond)
	return s
}

func outcome(o session.QROutcome, state session.State) func(context.Context, session.ID) session.QRAnswer {
	return func(context.Context, session.ID) session.QRAnswer {
		answer := session.QRAnswer{Outcome: o, State: state}
		if o == session.OutcomeQR {
			answer.QR = session.QR{Code: qrtest.Code, ExpiresAt: testNow.Add(time.Minute)}
		}
		return answer
	}
}

func failing(code session.Code) error {
	return &session.Error{Code: code, Op: "test", Err: os.ErrPermission}
}

// row is one line of the contract: a request, what lies behind it, and the literal answer.
type row struct {
	what   string
	method string
	path   string
	header []string
	body   string
	behind scripted
	status int
	want   string // file of testdata
	extra  string // "Name: value" that the answer must have
}

func (r row) check(t *testing.T) {
	t.Helper()
	rig := newRig(t, Config{BodyLimit: 4096, MaxAttempts: 7}, &r.behind)
	answer := rig.do(t, r.method, r.path, r.body, r.header...)
	if answer.status != r.status {
		t.Errorf("status %d, expected %d", answer.status, r.status)
	}
	if *update && strings.HasPrefix(r.path, "/v1") {
		if err := os.WriteFile(filepath.Join("testdata", r.want+".json"), []byte(qrtest.Readable(t, answer.body)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := qrtest.Readable(t, answer.body), literal(t, r.want); got != want {
		t.Errorf("body\n%s\nexpected\n%s", got, want)
	}
	if got := answer.header.Get("Content-Type"); got != r.contentType() {
		t.Errorf("content type %q", got)
	}
	if name, want, ok := strings.Cut(r.extra, ": "); ok && answer.header.Get(name) != want {
		t.Errorf("header %s: %q, expected %q", name, answer.header.Get(name), want)
	}
	if got := answer.header.Get("Server"); got != "" {
		t.Errorf("the server tells what it is: %q", got)
	}
}

func (r row) contentType() string {
	if strings.HasPrefix(r.path, "/v1") && r.status >= 400 {
		return contentProblem
	}
	return contentType
}

func runRows(t *testing.T, rows []row) {
	t.Helper()
	for i := range rows {
		r := &rows[i]
		t.Run(r.what, func(t *testing.T) {
			t.Parallel()
			r.check(t)
		})
	}
}

const client51 = "X-Cliente-Id: 51"

func TestHeaderFaultsHaveTheShapeOfTheirRoute(t *testing.T) {
	routes := []struct{ method, path, shape string }{
		{"GET", "/qr-code", "coded"},
		{"GET", "/status", "flagged"},
		{"GET", "/qr", "flagged"},
		{"POST", "/init", "flagged"},
		{"POST", "/send", "flagged"},
	}
	for _, r := range routes {
		runRows(t, []row{
			{what: r.path + " without header", method: r.method, path: r.path, status: 400, want: r.shape + "_missing_header"},
			{what: r.path + " with an empty header", method: r.method, path: r.path, header: []string{"X-Cliente-Id: "}, status: 400, want: r.shape + "_missing_header"},
			{what: r.path + " with a word", method: r.method, path: r.path, header: []string{"X-Cliente-Id: abc"}, status: 400, want: r.shape + "_invalid_header"},
			{what: r.path + " with 51abc", method: r.method, path: r.path, header: []string{"X-Cliente-Id: 51abc"}, status: 400, want: r.shape + "_invalid_header"},
			{what: r.path + " with zero", method: r.method, path: r.path, header: []string{"X-Cliente-Id: 0"}, status: 400, want: r.shape + "_invalid_header"},
			{what: r.path + " with two headers", method: r.method, path: r.path, header: []string{client51, "X-Cliente-Id: 52"}, status: 400, want: r.shape + "_invalid_header"},
		})
	}
}

func TestQRCodeAnswersEveryOutcome(t *testing.T) {
	rows := []row{
		{what: "a code", status: 200, want: "qr_code", behind: scripted{requestQR: outcome(session.OutcomeQR, session.QRRequired)}},
		{what: "ready", status: 409, want: "qr_code_ready", behind: scripted{requestQR: outcome(session.OutcomeReady, session.Ready)}},
		{what: "error", status: 500, want: "qr_code_error", behind: scripted{requestQR: outcome(session.OutcomeFailed, session.Errored)}},
		{what: "auth failure", status: 500, want: "qr_code_auth_failure", behind: scripted{requestQR: outcome(session.OutcomeFailed, session.AuthFailure)}},
		{what: "banned", status: 500, want: "qr_code_banned", behind: scripted{requestQR: outcome(session.OutcomeFailed, session.DisconnectedBanned)}},
		{what: "stopped meanwhile", status: 500, want: "qr_code_stopped", behind: scripted{requestQR: outcome(session.OutcomeStopped, session.NotInitialized)}},
		{what: "timeout", status: 504, want: "qr_code_timeout", behind: scripted{requestQR: outcome(session.OutcomeTimeout, session.Initializing)}},
		{what: "timeout of the request's own wait", path: "/qr-code?wait=1500ms", status: 504, want: "qr_code_timeout_own_wait", behind: scripted{requestQR: outcome(session.OutcomeTimeout, session.Reconnecting)}},
		{what: "too many waiters", status: 429, want: "coded_too_many", extra: "Retry-After: 2", behind: scripted{requestQR: outcome(session.OutcomeTooMany, session.Initializing)}},
		{what: "shutting down", status: 503, want: "coded_shutting_down", extra: "Retry-After: 5", behind: scripted{requestQR: outcome(session.OutcomeShuttingDown, session.Initializing)}},
		{what: "a bug", status: 500, want: "coded_internal", behind: scripted{requestQR: outcome(session.OutcomeError, session.Initializing)}},
		{what: "an outcome that nobody knows", status: 500, want: "coded_internal", behind: scripted{requestQR: outcome("surprise", session.Initializing)}},
		{what: "a promised code that is empty", status: 500, want: "coded_internal", behind: scripted{requestQR: func(context.Context, session.ID) session.QRAnswer {
			return session.QRAnswer{Outcome: session.OutcomeQR}
		}}},
	}
	for i := range rows {
		rows[i].method, rows[i].header = "GET", []string{client51}
		if rows[i].path == "" {
			rows[i].path = "/qr-code"
		}
	}
	for _, wait := range []string{"", "0s", "-5s", "10", "soon", "500us", "2m1s", "10s&wait=20s"} {
		rows = append(rows, row{what: "wait=" + wait, method: "GET", path: "/qr-code?wait=" + wait, header: []string{client51}, status: 400, want: "coded_bad_wait"})
	}
	runRows(t, rows)
}

func TestStatusTellsEveryState(t *testing.T) {
	one := func(s session.Status) scripted { return scripted{statuses: map[session.ID]session.Status{s.ID: s}} }
	rows := []row{
		{what: "a code waits", header: []string{client51}, status: 200, want: "status_qr_required", behind: one(withCode(status("51", session.QRRequired), time.Minute))},
		{what: "the code has expired", header: []string{client51}, status: 200, want: "status_qr_required_no_code", behind: one(withCode(status("51", session.QRRequired), 0))},
		{what: "unknown client", header: []string{"X-Cliente-Id: 99"}, status: 200, want: "status_unknown", behind: one(status("51", session.Ready))},
	}
	for _, state := range session.States() {
		s := session.Status{ID: "51", State: state, Failures: 2}
		rows = append(rows, row{what: string(state), header: []string{client51}, status: 200, want: "status_state_" + string(state), behind: one(s)})
	}
	for i := range rows {
		rows[i].method, rows[i].path = "GET", "/status"
	}
	runRows(t, rows)
}

func TestInitTellsWhatItStarted(t *testing.T) {
	starting := func(s session.Status, already bool, err error) scripted {
		return scripted{start: func(context.Context, session.ID) (session.Status, bool, error) { return s, already, err }}
	}
	stored := status("1", session.Reconnecting)
	stored.HasDevice = true
	rows := []row{
		{what: "first time", status: 200, want: "init_first", behind: starting(status("1", session.Initializing), false, nil)},
		{what: "credentials stored", status: 200, want: "init_stored", behind: starting(stored, false, nil)},
		{what: "already running", status: 200, want: "init_already", behind: starting(status("1", session.Ready), true, nil)},
		{what: "database down", status: 500, want: "init_failed", behind: starting(session.Status{}, false, failing(session.CodeStoreUnavailable))},
		{what: "a bug", status: 500, want: "init_bug", behind: starting(session.Status{}, false, os.ErrInvalid)},
		{what: "shutting down", status: 503, want: "flagged_shutting_down", extra: "Retry-After: 5", behind: starting(session.Status{}, false, failing(session.CodeShuttingDown))},
	}
	for i := range rows {
		rows[i].method, rows[i].path, rows[i].header = "POST", "/init", []string{"X-Cliente-Id: 1"}
	}
	runRows(t, rows)
}

func TestSendAnswersEveryOutcome(t *testing.T) {
	const body = `{"to":"5491100000000","message":"hola","cliente_id":9}`
	in := func(state session.State, err error) scripted {
		return scripted{
			statuses: map[session.ID]session.Status{"51": status("51", state)},
			send: func(context.Context, session.ID, session.Recipient, string, string) (string, error) {
				return "3EB0C767D097B7C7C030", err
			},
		}
	}
	ready := func(code session.Code) scripted { return in(session.Ready, failing(code)) }
	rows := []row{
		{what: "acknowledged", body: body, status: 200, want: "send", behind: in(session.Ready, nil)},
		{what: "the old client's address", body: `{"to":"5491100000000@c.us","message":"hola"}`, status: 200, want: "send", behind: in(session.Ready, nil)},
		{what: "not ready", body: body, status: 409, want: "send_not_ready", behind: in(session.QRRequired, nil)},
		{what: "no longer ready", body: body, header: []string{"Idempotency-Key: k1"}, status: 409, want: "send_not_ready", behind: in(session.QRRequired, failing(session.CodeNotReady))},
		{what: "sent before, with a key", body: body, header: []string{"Idempotency-Key: k1"}, status: 200, want: "send", behind: in(session.QRRequired, nil)},
		{what: "unknown client", body: body, status: 409, want: "send_unknown"},
		{what: "refused", body: body, status: 500, want: "send_refused", behind: ready(session.CodeSendFailed)},
		{what: "no ack", body: body, status: 500, want: "send_overdue", behind: ready(session.CodeAckOverdue)},
		{what: "out of time", body: body, status: 500, want: "send_overdue", behind: in(session.Ready, context.DeadlineExceeded)},
		{what: "key reused", body: body, status: 422, want: "send_reuse", behind: ready(session.CodeIdempotencyReuse)},
		{what: "queue full", body: body, status: 429, want: "send_queue_full", extra: "Retry-After: 2", behind: ready(session.CodeQueueFull)},
		{what: "store down", body: body, status: 503, want: "send_store", extra: "Retry-After: 5", behind: ready(session.CodeStoreUnavailable)},
		{what: "a bug", body: body, status: 500, want: "flagged_internal", behind: in(session.Ready, os.ErrInvalid)},
		{what: "compressed", body: body, header: []string{"Content-Encoding: gzip"}, status: 415, want: "send_encoding"},
		{what: "an address that is none", body: `{"to":"hello","message":"hola"}`, status: 400, want: "send_bad_to"},
		{what: "a number for a string", body: `{"to":5491100000000,"message":"hola"}`, status: 400, want: "send_wrong_type"},
		{what: "not UTF-8", body: "{\"to\":\"5491100000000\",\"message\":\"\xff\"}", status: 400, want: "send_utf8"},
		{what: "an empty key", body: body, header: []string{"Idempotency-Key: "}, status: 400, want: "send_bad_key"},
		{what: "a key with a space", body: body, header: []string{"Idempotency-Key: a b"}, status: 400, want: "send_bad_key"},
		{what: "two keys", body: body, header: []string{"Idempotency-Key: a", "Idempotency-Key: b"}, status: 400, want: "send_bad_key"},
		{what: "an endless key", body: body, header: []string{"Idempotency-Key: " + strings.Repeat("k", 256)}, status: 400, want: "send_bad_key"},
		{what: "too large", body: strings.Repeat("x", 5000), status: 413, want: "flagged_body_too_large"},
	}
	for _, broken := range []string{"", "{", "hola", "[]", "null", `"x"`, "{}", `{"to":"5491100000000"}`, `{"message":"hola"}`, `{"to":"","message":"hola"}`, `{"to":"5491100000000","message":""}`, `{"to":"1","message":"x"} trailing`} {
		rows = append(rows, row{what: "body " + broken, body: broken, status: 400, want: "send_missing"})
	}
	for i := range rows {
		rows[i].method, rows[i].path = "POST", "/send"
		rows[i].header = append(rows[i].header, client51)
	}
	runRows(t, rows)
}

func TestQRTellsTheCodeOfThisMoment(t *testing.T) {
	one := func(s session.Status) scripted { return scripted{statuses: map[session.ID]session.Status{"51": s}} }
	rows := []row{
		{what: "a fresh code", status: 200, want: "qr_now", behind: one(withCode(status("51", session.QRRequired), time.Minute))},
		{what: "the rest is rounded down", status: 200, want: "qr_now", behind: one(withCode(status("51", session.QRRequired), time.Minute+999*time.Millisecond))},
		{what: "the last moment", status: 200, want: "qr_last_second", behind: one(withCode(status("51", session.QRRequired), time.Millisecond))},
		{what: "expired", status: 409, want: "qr_absent_required", behind: one(withCode(status("51", session.QRRequired), 0))},
		{what: "ready", status: 409, want: "qr_absent_ready", behind: one(status("51", session.Ready))},
		{what: "unknown client", status: 409, want: "qr_absent_unknown"},
	}
	for i := range rows {
		rows[i].method, rows[i].path, rows[i].header = "GET", "/qr", []string{client51}
	}
	runRows(t, rows)
}

func TestHubSeesInstances(t *testing.T) {
	const path = "/api/session-manager/sessions/sender_51"
	one := func(s session.Status) scripted { return scripted{statuses: map[session.ID]session.Status{"51": s}} }
	connected := hubStatus(session.Ready)
	connected.HasDevice = true
	connected.Account = session.Account{JID: "5491100000000:12@s.whatsapp.net"}
	connected.ConnectedAt = time.Date(2026, 1, 4, 12, 30, 0, 0, time.UTC)
	banned := hubStatus(session.DisconnectedBanned)
	banned.ConnectedAt, banned.DisconnectAt = connected.ConnectedAt, connected.ConnectedAt.Add(time.Minute)
	banned.LastCause, banned.LastError = session.CauseBanned, "refused by WhatsApp"
	asking := func(o session.QROutcome, state session.State) scripted {
		f := one(hubStatus(state))
		f.requestQR = outcome(o, state)
		return f
	}
	rows := []row{
		{what: "a code waits", method: "GET", path: path, status: 200, want: "hub_generated", behind: one(withCode(hubStatus(session.QRRequired), time.Minute))},
		{what: "the code has expired", method: "GET", path: path, status: 200, want: "hub_expired", behind: one(withCode(hubStatus(session.QRRequired), 0))},
		{what: "connected", method: "GET", path: path, status: 200, want: "hub_connected", behind: one(connected)},
		{what: "banned", method: "GET", path: path, status: 200, want: "hub_error", behind: one(banned)},
		{what: "unknown", method: "GET", path: path, status: 404, want: "hub_not_found"},
		{what: "unknown, asked for a code", method: "POST", path: path + "/qr", status: 404, want: "hub_not_found"},
		{what: "asked for a code", method: "POST", path: path + "/qr", status: 200, want: "hub_qr", behind: asking(session.OutcomeQR, session.QRRequired)},
		{what: "asked while connected", method: "POST", path: path + "/qr", status: 409, want: "hub_already", behind: asking(session.OutcomeReady, session.Ready)},
		{what: "asked in vain", method: "POST", path: path + "/qr", status: 500, want: "hub_failed", behind: asking(session.OutcomeFailed, session.Errored)},
		{what: "asked for too long", method: "POST", path: path + "/qr", status: 500, want: "hub_failed", behind: asking(session.OutcomeTimeout, session.Errored)},
		{what: "asked and hit a bug", method: "POST", path: path + "/qr", status: 500, want: "hub_failed_bug", behind: asking(session.OutcomeError, session.Errored)},
		{what: "asked by too many", method: "POST", path: path + "/qr", status: 429, want: "coded_too_many", extra: "Retry-After: 2", behind: asking(session.OutcomeTooMany, session.Initializing)},
		{what: "asked while draining", method: "POST", path: path + "/qr", status: 503, want: "coded_shutting_down", behind: asking(session.OutcomeShuttingDown, session.Initializing)},
		{what: "asked with a bad wait", method: "POST", path: path + "/qr?wait=x", status: 400, want: "coded_bad_wait"},
	}
	for _, name := range []string{"51", "sender_", "sender_0", "sender_051", "sender_x", "sender_51x", "sender_-1", "receiver_51", "sender_9007199254740992", "sender_%2051"} {
		rows = append(rows, row{what: "instance " + name, method: "GET", path: "/api/session-manager/sessions/" + name, status: 404, want: "hub_not_found", behind: one(hubStatus(session.Ready))})
	}
	runRows(t, rows)
}

func TestProbesAnswer(t *testing.T) {
	health := func(err error) scripted { return scripted{healthy: func(context.Context) error { return err }} }
	ready := func(ok bool, restored int, reason string) scripted {
		return scripted{ready: func() (bool, int, int, string) { return ok, restored, 12, reason }}
	}
	runRows(t, []row{
		{what: "healthy", method: "GET", path: "/health", status: 200, want: "health", behind: health(nil)},
		{what: "database down", method: "GET", path: "/health", status: 503, want: "health_down", behind: health(failing(session.CodeStoreUnavailable))},
		{what: "a bug", method: "GET", path: "/health", status: 503, want: "health_bug", behind: health(os.ErrInvalid)},
		{what: "alive", method: "GET", path: "/healthz", status: 200, want: "healthz"},
		{what: "ready", method: "GET", path: "/readyz", status: 200, want: "readyz", behind: ready(true, 12, "")},
		{what: "restoring", method: "GET", path: "/readyz", status: 503, want: "readyz_not", behind: ready(false, 3, "restoring sessions")},
	})
}

func TestWrongRoutesAndMethodsHaveAShape(t *testing.T) {
	runRows(t, []row{
		{what: "unknown route", method: "GET", path: "/nowhere", status: 404, want: "flagged_not_found"},
		{what: "unknown route below /api", method: "GET", path: "/api/nowhere", status: 404, want: "coded_not_found"},
		{what: "too deep below an instance", method: "GET", path: "/api/session-manager/sessions/sender_51/qr/x", status: 404, want: "coded_not_found"},
		{what: "POST /qr-code", method: "POST", path: "/qr-code", status: 405, want: "coded_method", extra: "Allow: GET, HEAD"},
		{what: "POST /QR-CODE/", method: "POST", path: "/QR-CODE/", status: 405, want: "coded_method", extra: "Allow: GET, HEAD"},
		{what: "GET /send", method: "GET", path: "/send", status: 405, want: "flagged_method", extra: "Allow: POST"},
		{what: "OPTIONS /send", method: "OPTIONS", path: "/send", status: 405, want: "flagged_method", extra: "Allow: POST"},
		{what: "a method that nobody knows", method: "BREW", path: "/status", status: 405, want: "flagged_method", extra: "Allow: GET, HEAD"},
		{what: "GET on the hub's POST", method: "GET", path: "/api/session-manager/sessions/sender_51/qr", status: 405, want: "coded_method", extra: "Allow: POST"},
		{what: "a large body to /qr-code", method: "GET", path: "/qr-code", body: strings.Repeat("x", 5000), status: 413, want: "coded_body_too_large"},
		{what: "a large body to the hub", method: "POST", path: "/api/session-manager/sessions/sender_51/qr", body: strings.Repeat("x", 5000), status: 413, want: "coded_body_too_large"},
		{what: "large headers", method: "GET", path: "/status", header: []string{"X-Filler: " + strings.Repeat("x", 9000)}, status: 431, want: "flagged_headers_too_large"},
	})
}

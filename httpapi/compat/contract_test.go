package compat_test

import (
	"cmp"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/internal/message"
	"wasup/internal/session"
)

func hubStatus(state session.State) session.Status {
	s := apitest.Status("51", state)
	s.CreatedAt = time.Date(2026, 1, 2, 21, 0, 0, 0, time.FixedZone("ART", -3*3600))
	s.UpdatedAt = apitest.Now.Add(time.Millisecond)
	return s
}

func TestHeaderFaultsHaveTheShapeOfTheirRoute(t *testing.T) {
	routes := []struct{ method, path, shape string }{
		{"GET", "/qr-code", "coded"},
		{"GET", "/status", "flagged"},
		{"GET", "/qr", "flagged"},
		{"POST", "/init", "flagged"},
		{"POST", "/send", "flagged"},
	}
	for _, r := range routes {
		apitest.RunRows(t, []apitest.Row{
			{What: r.path + " without header", Method: r.method, Path: r.path, Status: 400, Want: r.shape + "_missing_header"},
			{What: r.path + " with an empty header", Method: r.method, Path: r.path, Header: []string{"X-Cliente-Id: "}, Status: 400, Want: r.shape + "_missing_header"},
			{What: r.path + " with a word", Method: r.method, Path: r.path, Header: []string{"X-Cliente-Id: abc"}, Status: 400, Want: r.shape + "_invalid_header"},
			{What: r.path + " with 51abc", Method: r.method, Path: r.path, Header: []string{"X-Cliente-Id: 51abc"}, Status: 400, Want: r.shape + "_invalid_header"},
			{What: r.path + " with zero", Method: r.method, Path: r.path, Header: []string{"X-Cliente-Id: 0"}, Status: 400, Want: r.shape + "_invalid_header"},
			{What: r.path + " with two headers", Method: r.method, Path: r.path, Header: []string{apitest.Client51, "X-Cliente-Id: 52"}, Status: 400, Want: r.shape + "_invalid_header"},
		})
	}
}

func TestQRCodeAnswersEveryOutcome(t *testing.T) {
	rows := []apitest.Row{
		{What: "a code", Status: 200, Want: "qr_code", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeQR, session.QRRequired)}},
		{What: "ready", Status: 409, Want: "qr_code_ready", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeReady, session.Ready)}},
		{What: "error", Status: 500, Want: "qr_code_error", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeFailed, session.Errored)}},
		{What: "auth failure", Status: 500, Want: "qr_code_auth_failure", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeFailed, session.AuthFailure)}},
		{What: "banned", Status: 500, Want: "qr_code_banned", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeFailed, session.DisconnectedBanned)}},
		{What: "stopped meanwhile", Status: 500, Want: "qr_code_stopped", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeStopped, session.NotInitialized)}},
		{What: "timeout", Status: 504, Want: "qr_code_timeout", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeTimeout, session.Initializing)}},
		{What: "timeout, with a reason", Status: 504, Want: "qr_code_timeout", Extra: "X-Last-Error: no such host", Behind: apitest.Scripted{Asked: func(context.Context, session.ID) session.QRAnswer {
			return session.QRAnswer{Outcome: session.OutcomeTimeout, State: session.Initializing, Reason: "no such host"}
		}}},
		{What: "timeout of the request's own wait", Path: "/qr-code?wait=1500ms", Status: 504, Want: "qr_code_timeout_own_wait", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeTimeout, session.Reconnecting)}},
		{What: "too many waiters", Status: 429, Want: "coded_too_many", Extra: "Retry-After: 2", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeTooMany, session.Initializing)}},
		{What: "shutting down", Status: 503, Want: "coded_shutting_down", Extra: "Retry-After: 5", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeShuttingDown, session.Initializing)}},
		{What: "a bug", Status: 500, Want: "coded_internal", Behind: apitest.Scripted{Asked: apitest.Outcome(session.OutcomeError, session.Initializing)}},
		{What: "an outcome that nobody knows", Status: 500, Want: "coded_internal", Behind: apitest.Scripted{Asked: apitest.Outcome("surprise", session.Initializing)}},
		{What: "a promised code that is empty", Status: 500, Want: "coded_internal", Behind: apitest.Scripted{Asked: func(context.Context, session.ID) session.QRAnswer {
			return session.QRAnswer{Outcome: session.OutcomeQR}
		}}},
	}
	for i := range rows {
		rows[i].Method, rows[i].Header = "GET", []string{apitest.Client51}
		if rows[i].Path == "" {
			rows[i].Path = "/qr-code"
		}
	}
	for _, wait := range []string{"", "0s", "-5s", "10", "soon", "500us", "2m1s", "10s&wait=20s"} {
		rows = append(rows, apitest.Row{What: "wait=" + wait, Method: "GET", Path: "/qr-code?wait=" + wait, Header: []string{apitest.Client51}, Status: 400, Want: "coded_bad_wait"})
	}
	apitest.RunRows(t, rows)
}

func TestStatusTellsEveryState(t *testing.T) {
	one := func(s session.Status) apitest.Scripted {
		return apitest.Scripted{Statuses: map[session.ID]session.Status{s.ID: s}}
	}
	rows := []apitest.Row{
		{What: "a code waits", Header: []string{apitest.Client51}, Status: 200, Want: "status_qr_required", Behind: one(apitest.WithCode(apitest.Status("51", session.QRRequired), time.Minute))},
		{What: "the code has expired", Header: []string{apitest.Client51}, Status: 200, Want: "status_qr_required_no_code", Behind: one(apitest.WithCode(apitest.Status("51", session.QRRequired), 0))},
		{What: "unknown client", Header: []string{"X-Cliente-Id: 99"}, Status: 200, Want: "status_unknown", Behind: one(apitest.Status("51", session.Ready))},
	}
	for _, state := range session.States() {
		s := session.Status{ID: "51", State: state, Failures: 2}
		rows = append(rows, apitest.Row{What: string(state), Header: []string{apitest.Client51}, Status: 200, Want: "status_state_" + string(state), Behind: one(s)})
	}
	for i := range rows {
		rows[i].Method, rows[i].Path = "GET", "/status"
	}
	apitest.RunRows(t, rows)
}

func TestInitTellsWhatItStarted(t *testing.T) {
	starting := func(s session.Status, already bool, err error) apitest.Scripted {
		return apitest.Scripted{Starting: func(context.Context, session.ID) (session.Status, bool, error) { return s, already, err }}
	}
	stored := apitest.Status("1", session.Reconnecting)
	stored.HasDevice = true
	rows := []apitest.Row{
		{What: "first time", Status: 200, Want: "init_first", Behind: starting(apitest.Status("1", session.Initializing), false, nil)},
		{What: "credentials stored", Status: 200, Want: "init_stored", Behind: starting(stored, false, nil)},
		{What: "already running", Status: 200, Want: "init_already", Behind: starting(apitest.Status("1", session.Ready), true, nil)},
		{What: "database down", Status: 500, Want: "init_failed", Behind: starting(session.Status{}, false, apitest.Failing(session.CodeStoreUnavailable))},
		{What: "a bug", Status: 500, Want: "init_bug", Behind: starting(session.Status{}, false, os.ErrInvalid)},
		{What: "shutting down", Status: 503, Want: "flagged_shutting_down", Extra: "Retry-After: 5", Behind: starting(session.Status{}, false, apitest.Failing(session.CodeShuttingDown))},
	}
	for i := range rows {
		rows[i].Method, rows[i].Path, rows[i].Header = "POST", "/init", []string{"X-Cliente-Id: 1"}
	}
	apitest.RunRows(t, rows)
}

func TestSendAnswersEveryOutcome(t *testing.T) {
	const body = `{"to":"5491100000000","message":"hola","cliente_id":9}`
	in := func(state session.State, err error) apitest.Scripted {
		return apitest.Scripted{
			Statuses: map[session.ID]session.Status{"51": apitest.Status("51", state)},
			Sending: func(context.Context, session.ID, message.Recipient, string, string) (string, error) {
				return "3EB0C767D097B7C7C030", err
			},
		}
	}
	ready := func(code session.Code) apitest.Scripted { return in(session.Ready, apitest.Failing(code)) }
	rows := []apitest.Row{
		{What: "acknowledged", Body: body, Status: 200, Want: "send", Behind: in(session.Ready, nil)},
		{What: "the old client's address", Body: `{"to":"5491100000000@c.us","message":"hola"}`, Status: 200, Want: "send", Behind: in(session.Ready, nil)},
		{What: "not ready", Body: body, Status: 409, Want: "send_not_ready", Behind: in(session.QRRequired, apitest.Failing(session.CodeNotReady))},
		{What: "no longer ready", Body: body, Header: []string{"Idempotency-Key: k1"}, Status: 409, Want: "send_not_ready", Behind: in(session.QRRequired, apitest.Failing(session.CodeNotReady))},
		{What: "sent before, with a key", Body: body, Header: []string{"Idempotency-Key: k1"}, Status: 200, Want: "send", Behind: in(session.QRRequired, nil)},
		{What: "unknown client", Body: body, Status: 409, Want: "send_unknown", Behind: apitest.Scripted{Sending: in(session.Ready, apitest.Failing(session.CodeNotReady)).Sending}},
		{What: "refused", Body: body, Status: 500, Want: "send_refused", Behind: ready(session.CodeSendFailed)},
		{What: "no ack", Body: body, Status: 500, Want: "send_overdue", Behind: ready(session.CodeAckOverdue)},
		{What: "perhaps sent", Body: body, Status: 500, Want: "send_outcome_unknown", Extra: "X-Message-Id: 3EB0C767D097B7C7C030", Behind: ready(session.CodeOutcomeUnknown)},
		{What: "a wait of its own", Body: body, Path: "/send?wait=5s", Status: 200, Want: "send", Behind: in(session.Ready, nil)},
		{What: "a wait that is none", Body: body, Path: "/send?wait=soon", Status: 400, Want: "flagged_bad_wait", Behind: in(session.Ready, nil)},
		{What: "out of time", Body: body, Status: 500, Want: "send_overdue", Behind: in(session.Ready, context.DeadlineExceeded)},
		{What: "key reused", Body: body, Status: 422, Want: "send_reuse", Behind: ready(session.CodeIdempotencyReuse)},
		{What: "queue full", Body: body, Status: 429, Want: "send_queue_full", Extra: "Retry-After: 2", Behind: ready(session.CodeQueueFull)},
		{What: "store down", Body: body, Status: 503, Want: "send_store", Extra: "Retry-After: 5", Behind: ready(session.CodeStoreUnavailable)},
		{What: "a bug", Body: body, Status: 500, Want: "flagged_internal", Behind: in(session.Ready, os.ErrInvalid)},
		{What: "compressed", Body: body, Header: []string{"Content-Encoding: gzip"}, Status: 415, Want: "send_encoding"},
		{What: "an address that is none", Body: `{"to":"hello","message":"hola"}`, Status: 400, Want: "send_bad_to"},
		{What: "a number for a string", Body: `{"to":5491100000000,"message":"hola"}`, Status: 400, Want: "send_wrong_type"},
		{What: "not UTF-8", Body: "{\"to\":\"5491100000000\",\"message\":\"\xff\"}", Status: 400, Want: "send_utf8"},
		{What: "an empty key", Body: body, Header: []string{"Idempotency-Key: "}, Status: 400, Want: "send_bad_key"},
		{What: "a key with a space", Body: body, Header: []string{"Idempotency-Key: a b"}, Status: 400, Want: "send_bad_key"},
		{What: "two keys", Body: body, Header: []string{"Idempotency-Key: a", "Idempotency-Key: b"}, Status: 400, Want: "send_bad_key"},
		{What: "an endless key", Body: body, Header: []string{"Idempotency-Key: " + strings.Repeat("k", 256)}, Status: 400, Want: "send_bad_key"},
		{What: "too large", Body: strings.Repeat("x", 5000), Status: 413, Want: "flagged_body_too_large"},
	}
	for _, broken := range []string{"", "{", "hola", "[]", "null", `"x"`, "{}", `{"to":"5491100000000"}`, `{"message":"hola"}`, `{"to":"","message":"hola"}`, `{"to":"5491100000000","message":""}`, `{"to":"1","message":"x"} trailing`} {
		rows = append(rows, apitest.Row{What: "body " + broken, Body: broken, Status: 400, Want: "send_missing"})
	}
	for i := range rows {
		rows[i].Method, rows[i].Path = "POST", cmp.Or(rows[i].Path, "/send")
		rows[i].Header = append(rows[i].Header, apitest.Client51)
	}
	apitest.RunRows(t, rows)
}

func TestQRTellsTheCodeOfThisMoment(t *testing.T) {
	one := func(s session.Status) apitest.Scripted {
		return apitest.Scripted{Statuses: map[session.ID]session.Status{"51": s}}
	}
	rows := []apitest.Row{
		{What: "a fresh code", Status: 200, Want: "qr_now", Behind: one(apitest.WithCode(apitest.Status("51", session.QRRequired), time.Minute))},
		{What: "the rest is rounded down", Status: 200, Want: "qr_now", Behind: one(apitest.WithCode(apitest.Status("51", session.QRRequired), time.Minute+999*time.Millisecond))},
		{What: "the last moment", Status: 200, Want: "qr_last_second", Behind: one(apitest.WithCode(apitest.Status("51", session.QRRequired), time.Millisecond))},
		{What: "expired", Status: 409, Want: "qr_absent_required", Behind: one(apitest.WithCode(apitest.Status("51", session.QRRequired), 0))},
		{What: "ready", Status: 409, Want: "qr_absent_ready", Behind: one(apitest.Status("51", session.Ready))},
		{What: "unknown client", Status: 409, Want: "qr_absent_unknown"},
	}
	for i := range rows {
		rows[i].Method, rows[i].Path, rows[i].Header = "GET", "/qr", []string{apitest.Client51}
	}
	apitest.RunRows(t, rows)
}

func TestHubSeesInstances(t *testing.T) {
	const path = "/api/session-manager/sessions/sender_51"
	one := func(s session.Status) apitest.Scripted {
		return apitest.Scripted{Statuses: map[session.ID]session.Status{"51": s}}
	}
	connected := hubStatus(session.Ready)
	connected.HasDevice = true
	connected.Account = session.Account{JID: "5491100000000:12@s.whatsapp.net"}
	connected.ConnectedAt = time.Date(2026, 1, 4, 12, 30, 0, 0, time.UTC)
	banned := hubStatus(session.DisconnectedBanned)
	banned.ConnectedAt, banned.DisconnectAt = connected.ConnectedAt, connected.ConnectedAt.Add(time.Minute)
	banned.LastCause, banned.LastError = session.CauseBanned, "refused by WhatsApp"
	asking := func(o session.QROutcome, state session.State) apitest.Scripted {
		f := one(hubStatus(state))
		f.Asked = apitest.Outcome(o, state)
		return f
	}
	rows := []apitest.Row{
		{What: "a code waits", Method: "GET", Path: path, Status: 200, Want: "hub_generated", Behind: one(apitest.WithCode(hubStatus(session.QRRequired), time.Minute))},
		{What: "the code has expired", Method: "GET", Path: path, Status: 200, Want: "hub_expired", Behind: one(apitest.WithCode(hubStatus(session.QRRequired), 0))},
		{What: "connected", Method: "GET", Path: path, Status: 200, Want: "hub_connected", Behind: one(connected)},
		{What: "banned", Method: "GET", Path: path, Status: 200, Want: "hub_error", Behind: one(banned)},
		{What: "unknown", Method: "GET", Path: path, Status: 404, Want: "hub_not_found"},
		{What: "unknown, asked for a code", Method: "POST", Path: path + "/qr", Status: 404, Want: "hub_not_found"},
		{What: "asked for a code", Method: "POST", Path: path + "/qr", Status: 200, Want: "hub_qr", Behind: asking(session.OutcomeQR, session.QRRequired)},
		{What: "asked while connected", Method: "POST", Path: path + "/qr", Status: 409, Want: "hub_already", Behind: asking(session.OutcomeReady, session.Ready)},
		{What: "asked in vain", Method: "POST", Path: path + "/qr", Status: 500, Want: "hub_failed", Behind: asking(session.OutcomeFailed, session.Errored)},
		{What: "asked for too long", Method: "POST", Path: path + "/qr", Status: 500, Want: "hub_failed", Behind: asking(session.OutcomeTimeout, session.Errored)},
		{What: "asked and hit a bug", Method: "POST", Path: path + "/qr", Status: 500, Want: "hub_failed_bug", Behind: asking(session.OutcomeError, session.Errored)},
		{What: "asked by too many", Method: "POST", Path: path + "/qr", Status: 429, Want: "coded_too_many", Extra: "Retry-After: 2", Behind: asking(session.OutcomeTooMany, session.Initializing)},
		{What: "asked while draining", Method: "POST", Path: path + "/qr", Status: 503, Want: "coded_shutting_down", Behind: asking(session.OutcomeShuttingDown, session.Initializing)},
		{What: "asked with a bad wait", Method: "POST", Path: path + "/qr?wait=x", Status: 400, Want: "coded_bad_wait"},
	}
	for _, name := range []string{"51", "sender_", "sender_0", "sender_051", "sender_x", "sender_51x", "sender_-1", "receiver_51", "sender_9007199254740992", "sender_%2051"} {
		rows = append(rows, apitest.Row{What: "instance " + name, Method: "GET", Path: "/api/session-manager/sessions/" + name, Status: 404, Want: "hub_not_found", Behind: one(hubStatus(session.Ready))})
	}
	apitest.RunRows(t, rows)
}

func TestProbesAnswer(t *testing.T) {
	health := func(err error) apitest.Scripted {
		return apitest.Scripted{Health: func(context.Context) error { return err }}
	}
	ready := func(ok bool, restored int, reason string) apitest.Scripted {
		return apitest.Scripted{Readiness: func() (bool, int, int, string) { return ok, restored, 12, reason }}
	}
	apitest.RunRows(t, []apitest.Row{
		{What: "healthy", Method: "GET", Path: "/health", Status: 200, Want: "health", Behind: health(nil)},
		{What: "database down", Method: "GET", Path: "/health", Status: 503, Want: "health_down", Behind: health(apitest.Failing(session.CodeStoreUnavailable))},
		{What: "a bug", Method: "GET", Path: "/health", Status: 503, Want: "health_bug", Behind: health(os.ErrInvalid)},
		{What: "alive", Method: "GET", Path: "/healthz", Status: 200, Want: "healthz"},
		{What: "ready", Method: "GET", Path: "/readyz", Status: 200, Want: "readyz", Behind: ready(true, 12, "")},
		{What: "restoring", Method: "GET", Path: "/readyz", Status: 503, Want: "readyz_not", Behind: ready(false, 3, "restoring sessions")},
	})
}

func TestReadingACodeOnTheCompatibilityRoutesKeepsThePairingAttended(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/qr", "/status", "/api/session-manager/sessions/sender_51"} {
		for state, want := range map[session.State]int{session.QRRequired: 1, session.Ready: 0} {
			s := apitest.Pairing("51")
			s.State = state
			f := apitest.Behind(s)
			r := apitest.NewRig(t, httpapi.Config{}, &f)
			r.Do(t, "GET", path, "", apitest.Client51)
			if watched := f.Watches.All(); len(watched) != want {
				t.Errorf("%s in %s: watched %v", path, state, watched)
			}
		}
	}
}

func TestWhatIsWrongWithATextIsSaidOfItsField(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("1", session.Ready, session.CauseConnected))
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for msg, want := range map[string]string{
		strings.Repeat("y", 70_000): `"message":"message: expected at most 65536 characters, got 70000"`,
		`\ud83d half`:               `"message":"body: expected JSON in UTF-8"`,
	} {
		answer := r.Do(t, "POST", "/send", `{"to":"5491155550101","message":"`+msg+`"}`, apitest.JSONBody, "X-Cliente-Id: 1")
		if answer.Status != 400 || !strings.Contains(answer.Body, want) {
			t.Errorf("%s expected: %d %s", want, answer.Status, answer.Body)
		}
	}
}

func TestADecimalReachesNobody(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("1", session.Ready, session.CauseConnected))
	f.Sending = func(_ context.Context, _ session.ID, to message.Recipient, _, _ string) (string, error) {
		t.Errorf("a message left for %s", to)
		return "A", nil
	}
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for _, to := range []string{`"34600111333.00"`, `"34600111333.05"`, `"34600111333,00"`, `"3.4600111333e10"`, `34600111333.00`, `3.46e10`, `34600111333`, `null`} {
		answer := r.Do(t, "POST", "/send", `{"to":`+to+`,"message":"hola"}`, apitest.JSONBody, "X-Cliente-Id: 1")
		if answer.Status != 400 {
			t.Errorf("%s: %d %s", to, answer.Status, answer.Body)
		}
	}
}

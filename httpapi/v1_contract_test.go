package httpapi

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"wasup/internal/session"
)

// full is a status in which every field says something.
func full() session.Status {
	at := func(minutes int) time.Time { return testNow.Add(time.Duration(minutes) * time.Minute) }
	return session.Status{
		ID: "shop", State: session.DisconnectedRecoverable, Cause: session.CauseSocketLost, Desired: session.DesiredRun, Since: at(-1),
		Incarnation: 7, Failures: 2, MaxAttempts: 10, RetryAt: at(1), Until: at(60), Restricted: at(90),
		LastError: "the socket was closed", LastCause: session.CauseSocketLost, Restarts: 3, HasDevice: true,
		Settings:  session.Settings{Name: "Shop", Metadata: map[string]string{"team": "a", "tier": "gold"}, Proxy: "socks5://ana:secret@proxy.example:1080"},
		Account:   session.Account{JID: "5491100000000:12@s.whatsapp.net", LID: "123456789:12@lid", PushName: "Ana"},
		CreatedAt: at(-1000), UpdatedAt: at(-1), ConnectedAt: at(-10), DisconnectAt: at(-1),
	}
}

func plain(id session.ID, state session.State, cause session.Cause) session.Status {
	return session.Status{ID: id, State: state, Cause: cause, Desired: session.DesiredRun, LastCause: session.CauseNone, CreatedAt: testNow, UpdatedAt: testNow, Since: testNow}
}

func pairing(id session.ID) session.Status {
	return withCode(plain(id, session.QRRequired, session.CausePairing), time.Minute)
}

func behind(all ...session.Status) scripted {
	f := scripted{statuses: make(map[session.ID]session.Status)}
	for _, s := range all {
		f.statuses[s.ID] = s
	}
	// Verbs and changes answer what they were asked to do, as far as a snapshot can.
	f.settle = func(_ context.Context, verb string, id session.ID, settings session.Settings) (session.Status, error) {
		status, known := f.statuses[id]
		switch verb {
		case "create", "create and start":
			if known {
				return status, &session.Error{Code: session.CodeExists, Op: verb, Session: id}
			}
			status = plain(id, session.NotInitialized, session.CauseNone)
			status.Desired, status.Settings = session.DesiredStop, settings
			if verb == "create and start" {
				status.State, status.Cause, status.Desired = session.Initializing, session.CauseStarting, session.DesiredRun
			}
		case "update":
			status.Settings = settings
		case "stop":
			status = plain(id, session.NotInitialized, session.CauseStopped)
			status.Desired = session.DesiredStop
		case "restart":
			status = plain(id, session.Initializing, session.CauseStarting)
		case "logout":
			status = plain(id, session.DisconnectedLogout, session.CauseLoggedOut)
			status.Desired = session.DesiredStop
		}
		return status, nil
	}
	f.start = func(_ context.Context, id session.ID) (session.Status, bool, error) {
		return plain(id, session.Initializing, session.CauseStarting), false, nil
	}
	return f
}

const jsonBody = "Content-Type: application/json"

func TestSessionsAreMadeReadChangedAndDeleted(t *testing.T) {
	post := func(what, body, want string, status int) row {
		return row{what: what, method: "POST", path: "/v1/sessions", body: body, header: []string{jsonBody}, status: status, want: want, behind: behind(full())}
	}
	patch := func(what, body, want string, status int) row {
		return row{what: what, method: "PATCH", path: "/v1/sessions/shop", body: body, header: []string{jsonBody}, status: status, want: want, behind: behind(full())}
	}
	created := post("created with everything", `{"id":"new","name":"Néw","metadata":{"team":"b"},"proxy":"http://u:p@h:1","start":true}`, "v1/created", 201)
	created.extra = "Location: /v1/sessions/new"
	runRows(t, []row{
		created,
		post("an id that is taken", `{"id":"shop"}`, "v1/exists", 409),
		post("everything wrong at once", `{"id":"Shop!","nam":"x","start":"yes","metadata":{"a":1}}`, "v1/bad_new", 400),
		post("a proxy that is none", `{"proxy":"ftp://ana:secret@h"}`, "v1/bad_proxy", 400),
		post("a key that is none", `{"metadata":{"a b":"c"}}`, "v1/bad_metadata", 400),
		post("no JSON", `{`, "v1/broken", 400),
		post("no object", `[]`, "v1/no_object", 400),
		post("a name twice", `{"name":"a","name":"b"}`, "v1/twice", 400),
		post("a name in another case", `{"Name":"a"}`, "v1/bad_case", 400),
		post("not UTF-8", "{\"name\":\"\xff\"}", "v1/not_utf8", 400),
		post("nested too deep", strings.Repeat("[", 40), "v1/too_deep", 400),
		post("too large", `{"name":"`+strings.Repeat("x", 5000)+`"}`, "v1/too_large", 413),
		{what: "another format", method: "POST", path: "/v1/sessions", body: "id=a", header: []string{"Content-Type: application/x-www-form-urlencoded"}, status: 415, want: "v1/media"},
		{what: "compressed", method: "POST", path: "/v1/sessions", body: "x", header: []string{jsonBody, "Content-Encoding: gzip"}, status: 415, want: "v1/encoding"},
		{what: "one with everything", method: "GET", path: "/v1/sessions/shop", status: 200, want: "v1/session", behind: behind(full())},
		{what: "one that waits for its scan", method: "GET", path: "/v1/sessions/p", status: 200, want: "v1/session_pairing", behind: behind(pairing("p"))},
		{what: "an unknown one", method: "GET", path: "/v1/sessions/nobody", status: 404, want: "v1/not_found"},
		{what: "an id that is none", method: "GET", path: "/v1/sessions/No", status: 400, want: "v1/bad_id"},
		{what: "its status", method: "GET", path: "/v1/sessions/shop/status", status: 200, want: "v1/status", behind: behind(full())},
		{what: "an unknown status", method: "GET", path: "/v1/sessions/nobody/status", status: 404, want: "v1/not_found"},
		patch("nothing", `{}`, "v1/session", 200),
		patch("the masked proxy written back", `{"name":"Other","proxy":"socks5://ana:xxxxx@proxy.example:1080"}`, "v1/patched_name", 200),
		patch("metadata merged", `{"metadata":{"team":null,"new":"1"}}`, "v1/patched_metadata", 200),
		patch("all removed", `{"name":null,"metadata":null,"proxy":null}`, "v1/patched_away", 200),
		patch("no body", ``, "v1/no_object", 400),
		patch("an unknown field", `{"state":"READY"}`, "v1/bad_patch", 400),
		{what: "patch of an unknown one", method: "PATCH", path: "/v1/sessions/nobody", body: `{}`, status: 404, want: "v1/not_found"},
	})
}

func TestTheProxyKeepsItsPasswordWhenTheMaskedOneComesBack(t *testing.T) {
	t.Parallel()
	f := behind(full())
	var got session.Settings
	settle := f.settle
	f.settle = func(ctx context.Context, verb string, id session.ID, settings session.Settings) (session.Status, error) {
		got = settings
		return settle(ctx, verb, id, settings)
	}
	r := newRig(t, Config{}, &f)
	answer := r.do(t, "PATCH", "/v1/sessions/shop", `{"proxy":"socks5://ana:xxxxx@proxy.example:1080","name":"x"}`)
	if answer.status != 200 || got.Proxy != full().Settings.Proxy || got.Name != "x" || strings.Contains(answer.body, "secret") {
		t.Errorf("%d %+v %s", answer.status, got, answer.body)
	}
}

func TestVerbsAnswerTheResultingStatus(t *testing.T) {
	var rows []row
	for _, verb := range []string{"start", "stop", "restart", "logout"} {
		for _, state := range session.States() {
			rows = append(rows, row{
				what: verb + " from " + string(state), method: "POST", path: "/v1/sessions/shop/" + verb, status: 200,
				want: "v1/" + verb, behind: behind(plain("shop", state, session.CauseNone)),
			})
		}
		draining := behind(full())
		draining.start = func(context.Context, session.ID) (session.Status, bool, error) {
			return session.Status{}, false, failing(session.CodeShuttingDown)
		}
		draining.settle = func(context.Context, string, session.ID, session.Settings) (session.Status, error) {
			return session.Status{}, failing(session.CodeShuttingDown)
		}
		rows = append(
			rows,
			row{what: verb + " of an unknown one", method: "POST", path: "/v1/sessions/nobody/" + verb, status: 404, want: "v1/not_found"},
			row{what: verb + " while draining", method: "POST", path: "/v1/sessions/shop/" + verb, status: 503, want: "v1/shutting_down", extra: "Retry-After: 5", behind: draining},
			row{what: "GET " + verb, method: "GET", path: "/v1/sessions/shop/" + verb, status: 405, want: "v1/method", extra: "Allow: POST"},
		)
	}
	runRows(t, rows)
}

func TestASessionIsDeletedOnceOrTwice(t *testing.T) {
	t.Parallel()
	f := behind(full())
	r := newRig(t, Config{}, &f)
	for _, id := range []string{"shop", "nobody"} {
		if answer := r.do(t, "DELETE", "/v1/sessions/"+id, ""); answer.status != 204 || answer.body != "" {
			t.Errorf("%d %s", answer.status, answer.body)
		}
	}
	f.settle = func(context.Context, string, session.ID, session.Settings) (session.Status, error) {
		return session.Status{}, &session.Error{Code: session.CodeStoreUnavailable, Err: os.ErrPermission}
	}
	r = newRig(t, Config{}, &f)
	if answer := r.do(t, "DELETE", "/v1/sessions/shop", ""); answer.status != 503 || answer.body != literal(t, "v1/store") {
		t.Errorf("%d %s", answer.status, answer.body)
	}
}

func TestAMadeUpIDIsAnIDAndNewEachTime(t *testing.T) {
	seen := make(map[session.ID]bool)
	for range 100 {
		id := madeUpID()
		if _, err := session.ParseID(string(id)); err != nil || seen[id] || len(id) != 16 {
			t.Fatalf("%q, %v", id, err)
		}
		seen[id] = true
	}
}

func TestACodeComesAsAnOutcomeAndNeverAsNothing(t *testing.T) {
	asked := func(o session.QROutcome, state session.State, cause session.Cause) scripted {
		f := behind(plain("shop", state, cause))
		f.requestQR = func(context.Context, session.ID) session.QRAnswer {
			answer := session.QRAnswer{Outcome: o, State: state, Cause: cause}
			if o == session.OutcomeQR {
				answer.QR = pairing("shop").QR
			}
			return answer
		}
		return f
	}
	empty := behind(full())
	empty.requestQR = func(context.Context, session.ID) session.QRAnswer {
		return session.QRAnswer{Outcome: session.OutcomeQR}
	}
	rows := []row{
		{what: "a code", status: 200, want: "v1/qr", behind: asked(session.OutcomeQR, session.QRRequired, session.CausePairing)},
		{what: "linked", status: 409, want: "v1/qr_ready", behind: asked(session.OutcomeReady, session.Ready, session.CauseConnected)},
		{what: "stopped", status: 409, want: "v1/qr_stopped", behind: asked(session.OutcomeStopped, session.NotInitialized, session.CauseStopped)},
		{what: "failed", status: 422, want: "v1/qr_failed", behind: asked(session.OutcomeFailed, session.DisconnectedBanned, session.CauseBanned)},
		{what: "timeout", status: 504, want: "v1/qr_timeout", behind: asked(session.OutcomeTimeout, session.Initializing, session.CauseStarting)},
		{what: "too many", status: 429, want: "v1/qr_too_many", extra: "Retry-After: 2", behind: asked(session.OutcomeTooMany, session.Initializing, session.CauseStarting)},
		{what: "draining", status: 503, want: "v1/qr_draining", extra: "Retry-After: 5", behind: asked(session.OutcomeShuttingDown, session.Initializing, session.CauseStarting)},
		{what: "a bug", status: 500, want: "v1/qr_bug", behind: asked(session.OutcomeError, session.Initializing, session.CauseStarting)},
		{what: "a surprise", status: 500, want: "v1/internal", behind: asked("surprise", session.Initializing, session.CauseStarting)},
		{what: "a promised code that is empty", status: 500, want: "v1/internal", behind: empty},
		{what: "unknown", status: 404, want: "v1/not_found", path: "/v1/sessions/nobody/qr"},
		{what: "a format that there is not", status: 406, want: "v1/qr_format", header: []string{"Accept: image/gif"}, behind: behind(full())},
	}
	for _, wait := range []string{"", "0s", "10", "2m1s"} {
		rows = append(rows, row{what: "wait=" + wait, status: 400, want: "v1/qr_bad_wait", path: "/v1/sessions/shop/qr?wait=" + wait, behind: behind(full())})
	}
	for i := range rows {
		rows[i].method = "GET"
		if rows[i].path == "" {
			rows[i].path = "/v1/sessions/shop/qr?wait=25s"
		}
	}
	runRows(t, rows)
}

func TestDevicesAreLinkedByCodeAndByPasskey(t *testing.T) {
	linking := func(status session.Status, err error) scripted {
		f := behind(status)
		f.link = func(_ context.Context, step string, _ session.ID, value string) (string, time.Time, error) {
			switch {
			case err != nil:
				return "", time.Time{}, err
			case step == "phone" && value != "5491155550101", step == "answer" && value != `{"id":"x","response":{}}`:
				return "", time.Time{}, &session.Error{Code: session.CodeInternal, Op: "unexpected " + value}
			}
			return "ABCD-2345", testNow.Add(time.Minute), nil
		}
		return f
	}
	asked := plain("shop", session.QRRequired, session.CausePasskey)
	asked.Passkey = &session.Passkey{Challenge: []byte(`{"challenge":"abc","timeout":60000}`)}
	answered := asked
	answered.Passkey = &session.Passkey{Challenge: asked.Passkey.Challenge, Code: "1234"}
	skipped := asked
	skipped.Passkey = &session.Passkey{Skip: true}
	code := "/v1/sessions/shop/pairing-code"
	rows := []row{
		{what: "a code", method: "POST", path: code, body: `{"phone":"+54 9 (11) 5555-0101"}`, status: 200, want: "v1/pairing_code", behind: linking(pairing("shop"), nil)},
		{what: "a code, for a number as a page has it", method: "POST", path: code, body: `{"phone":"tel:+54‑9‑11‑5555‑0101"}`, status: 200, want: "v1/pairing_code", behind: linking(pairing("shop"), nil)},
		{what: "linked already", method: "POST", path: code, body: `{"phone":"5491155550101"}`, status: 409, want: "v1/wrong_state", behind: linking(pairing("shop"), failing(session.CodeWrongState))},
		{what: "refused", method: "POST", path: code, body: `{"phone":"5491155550101"}`, status: 422, want: "v1/pairing_refused", behind: linking(pairing("shop"), failing(session.CodePairingRefused))},
		{what: "not in time", method: "POST", path: code, body: `{"phone":"5491155550101"}`, status: 504, want: "v1/timeout", behind: linking(pairing("shop"), failing(session.CodeTimeout))},
		{what: "no number", method: "POST", path: code, body: `{}`, status: 400, want: "v1/phone_missing", behind: linking(pairing("shop"), nil)},
		{what: "unknown", method: "POST", path: code, body: `{"phone":"5491155550101"}`, status: 404, want: "v1/not_found", behind: linking(pairing("other"), nil)},

		{what: "the challenge", method: "GET", path: "/v1/sessions/shop/passkey", status: 200, want: "v1/passkey_challenge", behind: linking(asked, nil)},
		{what: "the code to compare", method: "GET", path: "/v1/sessions/shop/passkey", status: 200, want: "v1/passkey_code", behind: linking(answered, nil)},
		{what: "nothing to compare", method: "GET", path: "/v1/sessions/shop/passkey", status: 200, want: "v1/passkey_skipped", behind: linking(skipped, nil)},
		{what: "nothing asked", method: "GET", path: "/v1/sessions/shop/passkey", status: 409, want: "v1/passkey_none", behind: linking(pairing("shop"), nil)},
		{what: "an answer", method: "POST", path: "/v1/sessions/shop/passkey/response", body: `{"id":"x","response":{}}`, status: 200, want: "v1/passkey_status", behind: linking(asked, nil)},
		{what: "an answer that is refused", method: "POST", path: "/v1/sessions/shop/passkey/response", body: `{"id":"x","response":{}}`, status: 422, want: "v1/pairing_refused", behind: linking(asked, failing(session.CodePairingRefused))},
		{what: "an answer that is none", method: "POST", path: "/v1/sessions/shop/passkey/response", body: `"x"`, status: 400, want: "v1/no_object", behind: linking(asked, nil)},
		{what: "confirmed", method: "POST", path: "/v1/sessions/shop/passkey/confirmation", status: 200, want: "v1/passkey_confirmed", behind: linking(answered, nil)},
		{what: "confirmed in vain", method: "POST", path: "/v1/sessions/shop/passkey/confirmation", status: 409, want: "v1/wrong_state", behind: linking(pairing("shop"), failing(session.CodeWrongState))},
	}
	for _, phone := range []string{"", "123", "0491155550101", "54911555501015678", "54x911", "+", "٥٤٩١١٥٥٥٥٠١"} {
		rows = append(rows, row{what: "the number " + phone, method: "POST", path: code, body: `{"phone":"` + phone + `"}`, status: 400, want: "v1/phone_bad", behind: linking(pairing("shop"), nil)})
	}
	runRows(t, rows)
}

func TestTheSupervisionTreeIsSeen(t *testing.T) {
	crashed := plain("a", session.Errored, session.CauseQuarantined)
	crashed.Restarts = 5
	tree := []SupervisionNode{
		{Status: crashed, InWindow: 6, LastCrash: &session.Crash{Where: "actor", Reason: "boom", Stack: "goroutine 1"}, LastCrashAt: testNow, Quarantined: true},
		{Status: plain("b", session.Ready, session.CauseConnected), Running: true},
	}
	seen := func() scripted {
		f := behind(tree[0].Status, tree[1].Status)
		f.tree = tree
		return f
	}
	runRows(t, []row{
		{what: "all", method: "GET", path: "/v1/supervision", status: 200, want: "v1/supervision", behind: seen()},
		{what: "the quarantined", method: "GET", path: "/v1/supervision?quarantined=true", status: 200, want: "v1/supervision_quarantined", behind: seen()},
		{what: "those that never crashed", method: "GET", path: "/v1/supervision?crashed=false", status: 200, want: "v1/supervision_sound", behind: seen()},
		{what: "a filter that is none", method: "GET", path: "/v1/supervision?crashed=maybe", status: 400, want: "v1/supervision_bad", behind: seen()},
		{what: "one with its stack", method: "GET", path: "/v1/supervision/a", status: 200, want: "v1/supervised", behind: seen()},
		{what: "an unknown one", method: "GET", path: "/v1/supervision/nobody", status: 404, want: "v1/not_found", behind: seen()},
		{what: "released", method: "POST", path: "/v1/supervision/a/release", status: 200, want: "v1/supervised", behind: seen()},
		{what: "released without need", method: "POST", path: "/v1/supervision/b/release", status: 200, want: "v1/supervised_b", behind: seen()},
		{what: "released while draining", method: "POST", path: "/v1/supervision/a/release", status: 503, want: "v1/shutting_down", behind: func() scripted {
			f := seen()
			f.settle = func(context.Context, string, session.ID, session.Settings) (session.Status, error) {
				return session.Status{}, failing(session.CodeShuttingDown)
			}
			return f
		}()},
	})
}

func TestWrongV1RoutesAreProblems(t *testing.T) {
	runRows(t, []row{
		{what: "no route", method: "GET", path: "/v1/nothing", status: 404, want: "v1/no_route"},
		{what: "only the prefix", method: "GET", path: "/v1", status: 404, want: "v1/no_route"},
		{what: "PUT", method: "PUT", path: "/v1/sessions/shop", status: 405, want: "v1/method", extra: "Allow: GET, HEAD, PATCH, DELETE"},
		{what: "an unknown method", method: "BREW", path: "/v1/sessions", status: 405, want: "v1/method", extra: "Allow: POST, GET, HEAD"},
		{what: "a parameter that is none", method: "GET", path: "/v1/sessions/shop?verbose=1", status: 400, want: "v1/no_parameters", behind: behind(full())},
		{what: "HTML", method: "GET", path: "/v1/sessions", header: []string{"Accept: text/html"}, status: 406, want: "v1/not_html"},
	})
}

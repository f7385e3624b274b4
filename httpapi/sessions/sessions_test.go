package sessions_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/internal/session"
)

func TestSessionsAreMadeReadChangedAndDeleted(t *testing.T) {
	post := func(what, body, want string, status int) apitest.Row {
		return apitest.Row{What: what, Method: "POST", Path: "/v1/sessions", Body: body, Header: []string{apitest.JSONBody}, Status: status, Want: want, Behind: apitest.Behind(apitest.Full())}
	}
	patch := func(what, body, want string, status int) apitest.Row {
		return apitest.Row{What: what, Method: "PATCH", Path: "/v1/sessions/shop", Body: body, Header: []string{apitest.JSONBody}, Status: status, Want: want, Behind: apitest.Behind(apitest.Full())}
	}
	created := post("created with everything", `{"id":"new","name":"Néw","metadata":{"team":"b"},"proxy":"http://u:p@h:1","start":true}`, "v1/created", 201)
	created.Extra = "Location: /v1/sessions/new"
	apitest.RunRows(t, []apitest.Row{
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
		{What: "another format", Method: "POST", Path: "/v1/sessions", Body: "id=a", Header: []string{"Content-Type: application/x-www-form-urlencoded"}, Status: 415, Want: "v1/media"},
		{What: "compressed", Method: "POST", Path: "/v1/sessions", Body: "x", Header: []string{apitest.JSONBody, "Content-Encoding: gzip"}, Status: 415, Want: "v1/encoding"},
		{What: "one with everything", Method: "GET", Path: "/v1/sessions/shop", Status: 200, Want: "v1/session", Behind: apitest.Behind(apitest.Full())},
		{What: "one that waits for its scan", Method: "GET", Path: "/v1/sessions/p", Status: 200, Want: "v1/session_pairing", Behind: apitest.Behind(apitest.Pairing("p"))},
		{What: "an unknown one", Method: "GET", Path: "/v1/sessions/nobody", Status: 404, Want: "v1/not_found"},
		{What: "an id that is none", Method: "GET", Path: "/v1/sessions/No", Status: 400, Want: "v1/bad_id"},
		{What: "its status", Method: "GET", Path: "/v1/sessions/shop/status", Status: 200, Want: "v1/status", Behind: apitest.Behind(apitest.Full())},
		{What: "an unknown status", Method: "GET", Path: "/v1/sessions/nobody/status", Status: 404, Want: "v1/not_found"},
		patch("nothing", `{}`, "v1/session", 200),
		patch("the masked proxy written back", `{"name":"Other","proxy":"socks5://ana:xxxxx@proxy.example:1080"}`, "v1/patched_name", 200),
		patch("metadata merged", `{"metadata":{"team":null,"new":"1"}}`, "v1/patched_metadata", 200),
		patch("all removed", `{"name":null,"metadata":null,"proxy":null}`, "v1/patched_away", 200),
		patch("no body", ``, "v1/no_object", 400),
		patch("an unknown field", `{"state":"READY"}`, "v1/bad_patch", 400),
		{What: "patch of an unknown one", Method: "PATCH", Path: "/v1/sessions/nobody", Body: `{}`, Status: 404, Want: "v1/not_found"},
	})
}

func TestTheProxyKeepsItsPasswordWhenTheMaskedOneComesBack(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Full())
	var got session.Settings
	settle := f.Settle
	f.Settle = func(ctx context.Context, verb string, id session.ID, settings session.Settings) (session.Status, error) {
		got = settings
		return settle(ctx, verb, id, settings)
	}
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	answer := r.Do(t, "PATCH", "/v1/sessions/shop", `{"proxy":"socks5://ana:xxxxx@proxy.example:1080","name":"x"}`)
	if answer.Status != 200 || got.Proxy != apitest.Full().Settings.Proxy || got.Name != "x" || strings.Contains(answer.Body, "secret") {
		t.Errorf("%d %+v %s", answer.Status, got, answer.Body)
	}
}

func TestVerbsAnswerTheResultingStatus(t *testing.T) {
	var rows []apitest.Row
	for _, verb := range []string{"start", "stop", "restart", "logout"} {
		for _, state := range session.States() {
			rows = append(rows, apitest.Row{
				What: verb + " from " + string(state), Method: "POST", Path: "/v1/sessions/shop/" + verb, Status: 200,
				Want: "v1/" + verb, Behind: apitest.Behind(apitest.Plain("shop", state, session.CauseNone)),
			})
		}
		draining := apitest.Behind(apitest.Full())
		draining.Starting = func(context.Context, session.ID) (session.Status, bool, error) {
			return session.Status{}, false, apitest.Failing(session.CodeShuttingDown)
		}
		draining.Settle = func(context.Context, string, session.ID, session.Settings) (session.Status, error) {
			return session.Status{}, apitest.Failing(session.CodeShuttingDown)
		}
		rows = append(
			rows,
			apitest.Row{What: verb + " of an unknown one", Method: "POST", Path: "/v1/sessions/nobody/" + verb, Status: 404, Want: "v1/not_found"},
			apitest.Row{What: verb + " while draining", Method: "POST", Path: "/v1/sessions/shop/" + verb, Status: 503, Want: "v1/shutting_down", Extra: "Retry-After: 5", Behind: draining},
			apitest.Row{What: "GET " + verb, Method: "GET", Path: "/v1/sessions/shop/" + verb, Status: 405, Want: "v1/method", Extra: "Allow: POST"},
		)
	}
	apitest.RunRows(t, rows)
}

func TestEveryAnswerSaysHowManyMessagesAreHeld(t *testing.T) {
	t.Parallel()
	held := apitest.Full()
	held.Held = 3
	f := apitest.Behind(held)
	f.Settle = func(context.Context, string, session.ID, session.Settings) (session.Status, error) {
		return apitest.Full(), nil // the answer of a session does not know it
	}
	f.Starting = func(context.Context, session.ID) (session.Status, bool, error) { return apitest.Full(), false, nil }
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for _, call := range []struct{ method, path, body string }{
		{"GET", "", ""},
		{"GET", "/status", ""},
		{"PATCH", "", `{"name":"Other"}`},
		{"POST", "/start", ""},
		{"POST", "/stop", ""},
		{"POST", "/restart", ""},
		{"POST", "/logout", ""},
	} {
		if answer := r.Do(t, call.method, "/v1/sessions/shop"+call.path, call.body, apitest.JSONBody); answer.Status != 200 || !strings.Contains(answer.Body, `"held_messages":3`) {
			t.Errorf("%s %s: %d %s", call.method, call.path, answer.Status, answer.Body)
		}
	}
}

func TestASessionIsDeletedOnceOrTwice(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Full())
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for _, id := range []string{"shop", "nobody"} {
		if answer := r.Do(t, "DELETE", "/v1/sessions/"+id, ""); answer.Status != 204 || answer.Body != "" {
			t.Errorf("%d %s", answer.Status, answer.Body)
		}
	}
	f.Settle = func(context.Context, string, session.ID, session.Settings) (session.Status, error) {
		return session.Status{}, &session.Error{Code: session.CodeStoreUnavailable, Err: os.ErrPermission}
	}
	r = apitest.NewRig(t, httpapi.Config{}, &f)
	if answer := r.Do(t, "DELETE", "/v1/sessions/shop", ""); answer.Status != 503 || answer.Body != apitest.Literal(t, "v1/store") {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
}

func TestTwoPatchesAtTheSameTimeDoNotUndoEachOther(t *testing.T) {
	t.Parallel()
	f := apitest.Behind()
	var mu sync.Mutex
	stored := apitest.Plain("a", session.Ready, session.CauseConnected)
	f.Reading = func() session.Status {
		mu.Lock()
		defer mu.Unlock()
		return stored
	}
	f.Settle = func(_ context.Context, _ string, _ session.ID, settings session.Settings) (session.Status, error) {
		mu.Lock()
		defer mu.Unlock()
		stored.Settings = settings
		return stored, nil
	}
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	const patches = 40
	var wg sync.WaitGroup
	for i := range patches {
		wg.Go(func() {
			if answer, err := r.Try("PATCH", "/v1/sessions/a", fmt.Sprintf(`{"metadata":{"k%d":"v"}}`, i)); err != nil || answer.Status != 200 {
				t.Errorf("%d %s %v", answer.Status, answer.Body, err)
			}
		})
	}
	wg.Wait()
	if len(stored.Settings.Metadata) != patches {
		t.Errorf("%d of %d patches are left", len(stored.Settings.Metadata), patches)
	}
}

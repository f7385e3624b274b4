package webhooks_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/webhooks"
	"wasup/httpapi/wire"
	"wasup/internal/events"
	hooks "wasup/internal/webhooks"
)

// hookRig is a server and a receiver whose answers the test chooses.
type hookRig struct {
	*apitest.Rig
	target *httptest.Server
	status atomic.Int64

	mu     sync.Mutex
	bodies []hooks.Body
}

func newHookRig(t *testing.T) *hookRig {
	t.Helper()
	f := apitest.Behind(apitest.Full())
	r := &hookRig{Rig: apitest.NewRig(t, httpapi.Config{}, &f)}
	r.Hooks.Open()
	r.status.Store(http.StatusNoContent)
	r.target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, _ := io.ReadAll(q.Body)
		var body hooks.Body
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.bodies = append(r.bodies, body)
		r.mu.Unlock()
		w.WriteHeader(int(r.status.Load()))
	}))
	t.Cleanup(r.target.Close)
	return r
}

func (r *hookRig) came() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

func (r *hookRig) happen(t *testing.T, n int) {
	t.Helper()
	for range n {
		if err := r.Hooks.Store.Events().Append(t.Context(), events.Event{Session: "shop", Type: events.TypeMessage, Data: []byte(`{"id":"3EB0"}`)}); err != nil {
			t.Fatal(err)
		}
	}
}

// call makes a request and decodes the JSON of the answer.
func (r *hookRig) call(t *testing.T, method, path, body string, status int, into any) apitest.Reply {
	t.Helper()
	var header []string
	if body != "" {
		header = append(header, apitest.JSONBody)
	}
	answer := r.Do(t, method, path, body, header...)
	if answer.Status != status {
		t.Fatalf("%s %s: %d %s", method, path, answer.Status, answer.Body)
	}
	if into != nil {
		reflect.ValueOf(into).Elem().SetZero() // a field that is absent now must not keep its earlier value
		if err := json.Unmarshal([]byte(answer.Body), into); err != nil {
			t.Fatal(err)
		}
	}
	return answer
}

func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(time.Minute), time.NewTicker(2*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestWebhooksAreMadeReadChangedAndDeleted(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	var made, read, changed webhooks.Webhook
	answer := r.call(t, "POST", "/v1/webhooks", `{"url":"`+r.target.URL+`/a","description":"all","headers":{"Authorization":"Bearer b"},"events":["*"]}`, 201, &made)
	at := "/v1/webhooks/" + made.ID
	if answer.Header.Get("Location") != at || hooks.CheckSecret(made.Secret) != nil || made.SessionID != "" || !made.Active ||
		len(made.Events) != 1 || made.Events[0] != "*" || made.Headers["Authorization"] != webhooks.ShownHeader {
		t.Fatalf("made %+v", made)
	}
	if raw := r.call(t, "GET", at, "", 200, &read).Body; strings.Contains(raw, "whsec_") || strings.Contains(raw, "Bearer") || read.Status == nil || read.Status.State != webhooks.Delivering {
		t.Fatalf("read %s", raw)
	}
	// Writing back the masked value keeps the header. Another header is added, and removed again below.
	r.call(t, "PATCH", at, `{"description":null,"events":["call","message.received"],"headers":{"Authorization":"********","X-A":"1"},"active":false}`, 200, &changed)
	if hook, err := r.Hooks.Get(made.ID); err != nil || hook.Headers["Authorization"] != "Bearer b" || hook.Headers["X-A"] != "1" || hook.Active || hook.Description != "" {
		t.Fatalf("stored %+v, %v", hook, err)
	}
	if r.call(t, "GET", at, "", 200, &read); read.Status.State != webhooks.Paused || len(read.Events) != 2 {
		t.Errorf("read %+v", read)
	}
	if r.call(t, "PATCH", at, `{"headers":null,"active":true}`, 200, nil); len(second(r.Hooks.Get(made.ID)).Headers) != 0 {
		t.Error("the headers stayed")
	}
	var rotated webhooks.Webhook
	if r.call(t, "POST", at+"/rotate-secret", "", 200, &rotated); rotated.Secret == made.Secret || rotated.OldSecret.IsZero() {
		t.Errorf("rotated to %+v", rotated)
	}
	given := "whsec_" + strings.Repeat("YWFh", 8)
	if r.call(t, "POST", at+"/rotate-secret", `{"secret":"`+given+`"}`, 200, &rotated); rotated.Secret != given {
		t.Errorf("rotated to %+v", rotated)
	}
	for range 2 {
		r.call(t, "DELETE", at, "", 204, nil)
	}
	r.call(t, "GET", at, "", 404, nil)
}

func second[T any](v T, _ error) T { return v }

func TestWebhooksOfASessionAreItsOwnAndThoseOfAll(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	var own, all webhooks.Webhook
	r.call(t, "POST", "/v1/sessions/shop/webhooks", `{"url":"`+r.target.URL+`"}`, 201, &own)
	r.call(t, "POST", "/v1/webhooks", `{"url":"`+r.target.URL+`"}`, 201, &all)
	if own.SessionID != "shop" {
		t.Errorf("made %+v", own)
	}
	var list webhooks.List
	if r.call(t, "GET", "/v1/sessions/shop/webhooks?limit=1", "", 200, &list); list.Total != 2 || len(list.Items) != 1 || list.NextCursor == "" {
		t.Fatalf("listed %+v", list)
	}
	first := list.Items[0].ID
	if r.call(t, "GET", "/v1/webhooks?cursor="+list.NextCursor, "", 200, &list); len(list.Items) != 1 || list.Items[0].ID == first || list.NextCursor != "" {
		t.Errorf("the second page is %+v", list)
	}
	r.call(t, "GET", "/v1/sessions/nobody/webhooks", "", 404, nil)
	r.call(t, "POST", "/v1/sessions/nobody/webhooks", `{"url":"https://a.example/"}`, 404, nil)
	r.call(t, "POST", "/v1/webhooks", `{"session_id":"nobody","url":"https://a.example/"}`, 404, nil)
}

func TestBadWebhooksAreRefusedByField(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	var made webhooks.Webhook
	r.call(t, "POST", "/v1/webhooks", `{"url":"`+r.target.URL+`"}`, 201, &made)
	at := "/v1/webhooks/" + made.ID
	for _, bad := range []struct{ method, path, body, field string }{
		{"POST", "/v1/webhooks", `{}`, "url"},
		{"POST", "/v1/webhooks", `{"url":"ftp://a.example"}`, "url"},
		{"POST", "/v1/webhooks", `{"url":"https://u:p@a.example"}`, "url"},
		{"POST", "/v1/webhooks", `{"url":"https://a.example","events":["message"]}`, "events[0]"},
		{"POST", "/v1/webhooks", `{"url":"https://a.example","events":["*","call"]}`, "events"},
		{"POST", "/v1/webhooks", `{"url":"https://a.example","events":["webhook.test"]}`, "events"},
		{"POST", "/v1/webhooks", `{"url":"https://a.example","events":[]}`, "events"},
		{"POST", "/v1/webhooks", `{"url":"https://a.example","from":"3"}`, "from"},
		{"POST", "/v1/webhooks", `{"url":"https://a.example","from":"yesterday"}`, "from"},
		{"POST", "/v1/webhooks", `{"url":"https://a.example","secret":"hush"}`, "secret"},
		{"POST", "/v1/webhooks", `{"url":"https://a.example","headers":{"Host":"b"}}`, "headers"},
		{"POST", "/v1/sessions/shop/webhooks", `{"url":"https://a.example","session_id":"other"}`, "session_id"},
		{"PATCH", at, `{"url":""}`, "url"},
		{"PATCH", at, `{"secret":"x"}`, "secret"},
		{"POST", at + "/replay", `{"seq":1}`, "session_id"},
		{"POST", at + "/replay", `{"session_id":"shop","seq":1,"since":"2026-01-04T00:00:00Z"}`, "since"},
		{"POST", at + "/replay", `{"since":"today"}`, "since"},
		{"GET", at + "/deliveries?cursor=x", "", "cursor"},
		{"GET", at + "/dead-letters?session_id=No", "", "session_id"},
	} {
		var p wire.Problem
		if r.call(t, bad.method, bad.path, bad.body, 400, &p); p.Field != bad.field || p.Code != "invalid_request" || p.Detail == "" {
			t.Errorf("%s %s %s: %+v", bad.method, bad.path, bad.body, p)
		}
	}
	for _, missing := range []struct{ method, path string }{
		{"GET", ""},
		{"PATCH", ""},
		{"POST", "/rotate-secret"},
		{"POST", "/test"},
		{"GET", "/deliveries"},
		{"GET", "/dead-letters"},
		{"POST", "/dead-letters/replay"},
		{"POST", "/dead-letters/discard"},
		{"POST", "/replay"},
	} {
		var p wire.Problem
		if r.call(t, missing.method, "/v1/webhooks/wh_nothing"+missing.path, `{}`, 404, &p); p.Code != "webhook_not_found" {
			t.Errorf("%s %s: %+v", missing.method, missing.path, p)
		}
	}
}

func TestWhatBecameOfEventsIsShown(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	var made webhooks.Webhook
	r.call(t, "POST", "/v1/webhooks", `{"url":"`+r.target.URL+`"}`, 201, &made)
	at := "/v1/webhooks/" + made.ID

	var tested webhooks.Attempt
	if r.call(t, "POST", at+"/test", "", 200, &tested); tested.Outcome != "delivered" || tested.Status != 204 || tested.Type != "webhook.test" {
		t.Errorf("tested %+v", tested)
	}
	r.status.Store(http.StatusTeapot)
	if r.call(t, "POST", at+"/test", "", 200, &tested); tested.Outcome != "refused" || tested.Status != 418 || tested.Error != "status 418" {
		t.Errorf("tested %+v", tested)
	}
	r.happen(t, 2)
	var dead webhooks.DeadLetters
	wait(t, "both are dead", func() bool {
		r.call(t, "GET", at+"/dead-letters", "", 200, &dead)
		return len(dead.Items) == 2
	})
	if d := dead.Items[0]; d.SessionID != "shop" || d.Seq != 1 || string(d.Data) != `{"id":"3EB0"}` || d.Status != 418 || d.Attempts < 2 {
		t.Errorf("the first is %+v", d)
	}
	var page webhooks.DeadLetters
	r.call(t, "GET", at+"/dead-letters?limit=1&session_id=shop", "", 200, &page)
	if r.call(t, "GET", at+"/dead-letters?cursor="+page.NextCursor, "", 200, &page); len(page.Items) != 1 || page.Items[0].Seq != 2 || page.NextCursor != "" {
		t.Errorf("the second page is %+v", page)
	}
	var read webhooks.Webhook
	if r.call(t, "GET", at, "", 200, &read); read.Status.Dead != 2 || read.Status.State != webhooks.Failing || read.Status.Last == nil || read.Status.Failing.IsZero() {
		t.Errorf("the status is %+v", read.Status)
	}
	var list webhooks.Attempts
	r.call(t, "GET", at+"/deliveries?limit=2", "", 200, &list)
	if len(list.Items) != 2 || list.Items[0].Number != list.Items[1].Number+1 || list.NextCursor == "" || list.Items[0].Outcome != "refused" {
		t.Errorf("attempts are %+v", list)
	}
	if r.call(t, "GET", at+"/deliveries?cursor="+list.NextCursor, "", 200, &list); len(list.Items) < 2 || list.NextCursor != "" {
		t.Errorf("the next are %+v", list)
	}

	r.status.Store(http.StatusNoContent)
	var n webhooks.Count
	if r.call(t, "POST", at+"/dead-letters/discard", `{"pos":1}`, 200, &n); n.Count != 1 {
		t.Errorf("discarded %d", n.Count)
	}
	if r.call(t, "POST", at+"/dead-letters/replay", `{"session_id":"shop"}`, 200, &n); n.Count != 1 {
		t.Errorf("requeued %d", n.Count)
	}
	wait(t, "none is dead", func() bool {
		r.call(t, "GET", at+"/dead-letters", "", 200, &dead)
		return len(dead.Items) == 0
	})
	wait(t, "all is noted", func() bool {
		r.call(t, "GET", at, "", 200, &read)
		return read.Status.Backlog == 0
	})
	before := r.came()
	var replayed webhooks.Replayed
	if r.call(t, "POST", at+"/replay", "", 200, &replayed); len(replayed.Sessions) != 1 || replayed.Sessions[0] != "shop" {
		t.Errorf("replayed %+v", replayed)
	}
	wait(t, "both came again and are noted", func() bool {
		r.call(t, "GET", at, "", 200, &read)
		return r.came() == before+2 && read.Status.Backlog == 0
	})
	if r.call(t, "POST", at+"/replay", `{"session_id":"shop","seq":2}`, 200, &replayed); len(replayed.Sessions) != 1 {
		t.Errorf("replayed %+v", replayed)
	}
	wait(t, "one came again", func() bool { return r.came() == before+3 })
}

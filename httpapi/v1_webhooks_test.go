package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/webhooks"
)

// hooked are real webhooks, on a database that is made when the first test asks for it.
type hooked struct {
	open func() *webhooks.Webhooks
	st   *store.Store
}

func hooksOf(t testing.TB) *hooked {
	h := &hooked{}
	h.open = sync.OnceValue(func() *webhooks.Webhooks { return h.start(t) })
	return h
}

func (h *hooked) start(t testing.TB) *webhooks.Webhooks {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st, err := store.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{})
	if err != nil {
		t.Error(err)
		return nil
	}
	log := events.NewLog(st.Events(), events.Options{})
	if _, err := st.Sessions().SetDesired(ctx, "shop", session.DesiredStop); err != nil {
		t.Error(err)
	}
	h.st = st
	w := webhooks.New(st.Webhooks(), log.Watch(), webhooks.Options{
		AllowPrivate: true, RetryMin: time.Millisecond, RetryMax: time.Millisecond, RetryFor: time.Millisecond,
	})
	if err := errors.Join(log.Start(ctx), w.Start(ctx)); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := errors.Join(w.Stop(ctx), log.Stop(ctx), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (h *hooked) Create(ctx context.Context, hook session.Webhook, from session.Origin) (session.Webhook, error) {
	return h.open().Create(ctx, hook, from)
}
func (h *hooked) Get(id string) (session.Webhook, error) { return h.open().Get(id) }
func (h *hooked) List() []session.Webhook                { return h.open().List() }
func (h *hooked) Update(ctx context.Context, id string, patch session.WebhookPatch) (session.Webhook, error) {
	return h.open().Update(ctx, id, patch)
}

func (h *hooked) Rotate(ctx context.Context, id, secret string) (session.Webhook, error) {
	return h.open().Rotate(ctx, id, secret)
}
func (h *hooked) Delete(ctx context.Context, id string) error { return h.open().Delete(ctx, id) }
func (h *hooked) Test(ctx context.Context, id string) (session.WebhookDelivery, error) {
	return h.open().Test(ctx, id)
}

func (h *hooked) Status(ctx context.Context, id string) (session.WebhookStatus, error) {
	return h.open().Status(ctx, id)
}

func (h *hooked) Deliveries(ctx context.Context, id string, before uint64, limit int) ([]session.WebhookDelivery, error) {
	return h.open().Deliveries(ctx, id, before, limit)
}

func (h *hooked) DeadLetters(ctx context.Context, id string, of session.ID, after uint64, limit int) ([]session.DeadLetter, error) {
	return h.open().DeadLetters(ctx, id, of, after, limit)
}

func (h *hooked) Requeue(ctx context.Context, id string, of session.ID, pos uint64) (int, error) {
	return h.open().Requeue(ctx, id, of, pos)
}

func (h *hooked) Discard(ctx context.Context, id string, of session.ID, pos uint64) (int, error) {
	return h.open().Discard(ctx, id, of, pos)
}

func (h *hooked) Replay(ctx context.Context, id string, replay session.Replay) ([]session.ID, error) {
	return h.open().Replay(ctx, id, replay)
}

// hookRig is a server with a receiver that answers what it is told to.
type hookRig struct {
	*rig
	hooks  *hooked
	target *httptest.Server
	status atomic.Int64

	mu     sync.Mutex
	bodies []session.WebhookBody
}

func newHookRig(t *testing.T) *hookRig {
	t.Helper()
	f := behind(full())
	r := &hookRig{rig: newRig(t, Config{}, &f)}
	r.hooks, _ = r.deps.Webhooks.(*hooked)
	r.hooks.open()
	r.status.Store(http.StatusNoContent)
	r.target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, _ := io.ReadAll(q.Body)
		var body session.WebhookBody
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
		if err := r.hooks.st.Events().Append(t.Context(), session.Event{Session: "shop", Type: session.EventMessage, Data: []byte(`{"id":"3EB0"}`)}); err != nil {
			t.Fatal(err)
		}
	}
}

// call asks for JSON and reads it.
func (r *hookRig) call(t *testing.T, method, path, body string, status int, into any) reply {
	t.Helper()
	var header []string
	if body != "" {
		header = append(header, jsonBody)
	}
	answer := r.do(t, method, path, body, header...)
	if answer.status != status {
		t.Fatalf("%s %s: %d %s", method, path, answer.status, answer.body)
	}
	if into != nil {
		reflect.ValueOf(into).Elem().SetZero() // what is absent is not what was there before
		if err := json.Unmarshal([]byte(answer.body), into); err != nil {
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
	var made, read, changed v1Webhook
	answer := r.call(t, "POST", "/v1/webhooks", `{"url":"`+r.target.URL+`/a","description":"all","headers":{"Authorization":"Bearer b"},"events":["*"]}`, 201, &made)
	at := "/v1/webhooks/" + made.ID
	if answer.header.Get("Location") != at || session.CheckSecret(made.Secret) != nil || made.SessionID != "" || !made.Active ||
		len(made.Events) != 1 || made.Events[0] != "*" || made.Headers["Authorization"] != shownHeader {
		t.Fatalf("made %+v", made)
	}
	if raw := r.call(t, "GET", at, "", 200, &read).body; strings.Contains(raw, "whsec_") || strings.Contains(raw, "Bearer") || read.Status == nil || read.Status.State != hookDelivering {
		t.Fatalf("read %s", raw)
	}
	// What was read and is written back keeps the header; another one comes and goes.
	r.call(t, "PATCH", at, `{"description":null,"events":["call","message.received"],"headers":{"Authorization":"********","X-A":"1"},"active":false}`, 200, &changed)
	if hook, err := r.hooks.Get(made.ID); err != nil || hook.Headers["Authorization"] != "Bearer b" || hook.Headers["X-A"] != "1" || hook.Active || hook.Description != "" {
		t.Fatalf("stored %+v, %v", hook, err)
	}
	if r.call(t, "GET", at, "", 200, &read); read.Status.State != hookPaused || len(read.Events) != 2 {
		t.Errorf("read %+v", read)
	}
	if r.call(t, "PATCH", at, `{"headers":null,"active":true}`, 200, nil); len(second(r.hooks.Get(made.ID)).Headers) != 0 {
		t.Error("the headers stayed")
	}
	var rotated v1Webhook
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
	var own, all v1Webhook
	r.call(t, "POST", "/v1/sessions/shop/webhooks", `{"url":"`+r.target.URL+`"}`, 201, &own)
	r.call(t, "POST", "/v1/webhooks", `{"url":"`+r.target.URL+`"}`, 201, &all)
	if own.SessionID != "shop" {
		t.Errorf("made %+v", own)
	}
	var list v1WebhookList
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
	var made v1Webhook
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
		var p v1Problem
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
		var p v1Problem
		if r.call(t, missing.method, "/v1/webhooks/wh_nothing"+missing.path, `{}`, 404, &p); p.Code != "webhook_not_found" {
			t.Errorf("%s %s: %+v", missing.method, missing.path, p)
		}
	}
}

func TestWhatBecameOfEventsIsShown(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	var made v1Webhook
	r.call(t, "POST", "/v1/webhooks", `{"url":"`+r.target.URL+`"}`, 201, &made)
	at := "/v1/webhooks/" + made.ID

	var tested v1WebhookDelivery
	if r.call(t, "POST", at+"/test", "", 200, &tested); tested.Outcome != "delivered" || tested.Status != 204 || tested.Type != "webhook.test" {
		t.Errorf("tested %+v", tested)
	}
	r.status.Store(http.StatusTeapot)
	if r.call(t, "POST", at+"/test", "", 200, &tested); tested.Outcome != "refused" || tested.Status != 418 || tested.Error != "status 418" {
		t.Errorf("tested %+v", tested)
	}
	r.happen(t, 2)
	var dead v1DeadLetters
	wait(t, "both are dead", func() bool {
		r.call(t, "GET", at+"/dead-letters", "", 200, &dead)
		return len(dead.Items) == 2
	})
	if d := dead.Items[0]; d.SessionID != "shop" || d.Seq != 1 || string(d.Data) != `{"id":"3EB0"}` || d.Status != 418 || d.Attempts < 2 {
		t.Errorf("the first is %+v", d)
	}
	var page v1DeadLetters
	r.call(t, "GET", at+"/dead-letters?limit=1&session_id=shop", "", 200, &page)
	if r.call(t, "GET", at+"/dead-letters?cursor="+page.NextCursor, "", 200, &page); len(page.Items) != 1 || page.Items[0].Seq != 2 || page.NextCursor != "" {
		t.Errorf("the second page is %+v", page)
	}
	var read v1Webhook
	if r.call(t, "GET", at, "", 200, &read); read.Status.Dead != 2 || read.Status.State != hookFailing || read.Status.Last == nil || read.Status.Failing.IsZero() {
		t.Errorf("the status is %+v", read.Status)
	}
	var list v1WebhookDeliveries
	r.call(t, "GET", at+"/deliveries?limit=2", "", 200, &list)
	if len(list.Items) != 2 || list.Items[0].Number != list.Items[1].Number+1 || list.NextCursor == "" || list.Items[0].Outcome != "refused" {
		t.Errorf("attempts are %+v", list)
	}
	if r.call(t, "GET", at+"/deliveries?cursor="+list.NextCursor, "", 200, &list); len(list.Items) < 2 || list.NextCursor != "" {
		t.Errorf("the next are %+v", list)
	}

	r.status.Store(http.StatusNoContent)
	var n v1Count
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
	var replayed v1Replayed
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

package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"wasup/configs"
	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/webhooks"
)

// recorder is a receiver of webhooks that verifies and records what it gets.
type recorder struct {
	*httptest.Server
	mu     sync.Mutex
	secret string
	all    []webhooks.Body
	ids    map[string]bool
	wrong  []string
	seen   int
}

func newRecorder(t testing.TB) *recorder {
	t.Helper()
	l := &recorder{ids: make(map[string]bool)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.WriteHeader(l.note(raw, r.Header))
	}))
	t.Cleanup(l.Close)
	return l
}

// note records a request. It refuses every fifth one, so that deliveries are repeated too.
func (l *recorder) note(raw []byte, header http.Header) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen++; l.seen%5 == 0 {
		return http.StatusInternalServerError
	}
	verifier, err := standardwebhooks.NewWebhook(l.secret)
	if err == nil {
		err = verifier.Verify(raw, header)
	}
	var body webhooks.Body
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil {
		l.wrong = append(l.wrong, err.Error())
		return http.StatusBadRequest
	}
	if id := header.Get("webhook-id"); !l.ids[id] {
		l.ids[id] = true
		l.all = append(l.all, body)
	}
	return http.StatusOK
}

func (l *recorder) snapshot() []webhooks.Body {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]webhooks.Body(nil), l.all...)
}

func hooksTried(cfg *configs.Config) {
	cfg.Webhooks.AllowPrivate = true
	cfg.Webhooks.RetryMin, cfg.Webhooks.RetryMax = 5*time.Millisecond, 50*time.Millisecond
}

// logOf returns the durable log, read through the API.
func logOf(c apptest.Caller, id string) (all []webhooks.Body) {
	c.TB.Helper()
	after := "0"
	for {
		var page struct {
			Items []struct {
				ID   string          `json:"id"`
				Seq  uint64          `json:"seq"`
				Type events.Type     `json:"type"`
				Data json.RawMessage `json:"data"`
			} `json:"items"`
			Next string `json:"next"`
			More bool   `json:"more"`
		}
		a := c.Get("/v1/sessions/"+id+"/events?limit=500&after="+after, 1).Is(200)
		if err := json.Unmarshal(a.Body, &page); err != nil {
			c.TB.Fatal(err)
		}
		for _, item := range page.Items {
			pos, err := strconv.ParseUint(item.ID, 10, 64)
			if err != nil {
				c.TB.Fatal(err)
			}
			all = append(all, webhooks.Body{Session: session.ID(id), Seq: item.Seq, Pos: pos, Type: item.Type, Data: item.Data})
		}
		if !page.More {
			return all
		}
		after = page.Next
	}
}

func told(list []webhooks.Body, id session.ID) string {
	var out strings.Builder
	for i := range list {
		if b := &list[i]; b.Session == id {
			fmt.Fprintf(&out, "%d %d %s\n", b.Seq, b.Pos, b.Type)
		}
	}
	return out.String()
}

func TestAWebhookIsToldEverythingAcrossKillMinus9(t *testing.T) {
	server, book := apptest.NewSandbox(t, sandbox.Config{}), newRecorder(t)
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	hooksTried(&cfg)
	h := open(t, server, cfg, fewPrekeys(t, cfg.Store.DSN))
	made := h.Post("/v1/webhooks", 1, `{"url":"`+book.URL+`"}`).Is(201)
	book.mu.Lock()
	book.secret = made.Text("secret")
	book.mu.Unlock()
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	h.close()
	for round := range 3 {
		if _, err := bruno.SendText(apptest.Bounded(t), ana.Number(), "while nobody listens"); err != nil {
			t.Fatal(err)
		}
		dead, call := apptest.ServeChild(t, cfg)
		apptest.Until(t, "the session is known", func() bool { return call.Get("/v1/sessions/1", 1).Status == http.StatusOK })
		call.Post("/v1/sessions/1/messages", 1, `{"to":"`+bruno.Number()+`","kind":"text","text":"round `+strconv.Itoa(round)+`"}`).Is(202)
		before := len(book.snapshot())
		apptest.Until(t, "something more is told", func() bool { return len(book.snapshot()) > before })
		dead.Kill()
	}
	h = open(t, server, cfg, seams{})
	h.ready(1)
	h.Post("/v1/sessions/1/messages?wait=server_ack&timeout=60s", 1, `{"to":"`+bruno.Number()+`","kind":"text","text":"the last"}`).Is(200)
	apptest.Until(t, "everything is told", func() bool {
		a := h.Get("/v1/webhooks/"+made.Text("id"), 1).Is(200)
		status, _ := a.Fields["status"].(map[string]any)
		return status["backlog"] == float64(0) && strings.Count(told(book.snapshot(), "1"), string(events.TypeMessage)) >= 3 && told(book.snapshot(), "1") == told(logOf(h.Caller, "1"), "1")
	})
	want := told(logOf(h.Caller, "1"), "1")
	if strings.Count(want, string(events.TypeMessage)) != 3 || !strings.Contains(want, string(events.TypeState)) || strings.Count(want, string(events.TypeStatus)) < 4 {
		t.Errorf("the log is only\n%s", want)
	}
	if len(book.wrong) > 0 {
		t.Errorf("%d requests were not right, the first: %s", len(book.wrong), book.wrong[0])
	}
	metrics := string(h.Get("/metrics", 1).Is(200).Body)
	if !strings.Contains(metrics, `wasup_webhook_attempts_total{outcome="delivered"}`) || !strings.Contains(metrics, `wasup_webhooks{state="delivering"}`) {
		t.Error("the metrics say nothing of webhooks")
	}
	if logs := h.log.String(); strings.Contains(logs, "whsec_") {
		t.Error("a secret is in the log")
	}
}

func TestAWebhookOfASessionGoesWithIt(t *testing.T) {
	h, book := newHouse(t, hooksTried), newRecorder(t)
	h.Post("/v1/sessions", 1, `{"id":"shop"}`).Is(201)
	own := h.Post("/v1/sessions/shop/webhooks", 1, `{"url":"`+book.URL+`/own"}`).Is(201)
	all := h.Post("/v1/webhooks", 1, `{"url":"`+book.URL+`","events":["session.removed"],"secret":"`+own.Text("secret")+`"}`).Is(201)
	book.mu.Lock()
	book.secret = all.Text("secret")
	book.mu.Unlock()
	h.Must(h.Try(t.Context(), http.MethodDelete, "/v1/sessions/shop", 1, "", nil)).Is(204)
	h.Get("/v1/webhooks/"+own.Text("id"), 1).Is(404)
	apptest.Until(t, "the deletion is told", func() bool {
		for _, b := range book.snapshot() {
			if b.Type == events.TypeRemoved && b.Session == "shop" {
				return true
			}
		}
		return false
	})
}

func TestAPrivateReceiverIsRefusedByDefault(t *testing.T) {
	h, book := newHouse(t), newRecorder(t)
	h.Post("/v1/webhooks", 1, `{"url":"`+book.URL+`"}`).Is(400).With("code", "invalid_request", "field", "url")
	_, port, _ := strings.Cut(strings.TrimPrefix(book.URL, "http://"), ":")
	made := h.Post("/v1/webhooks", 1, `{"url":"http://localhost:`+port+`"}`).Is(201) // a name is looked up when it is used
	h.Post("/v1/webhooks/"+made.Text("id")+"/test", 1, "").Is(200).With("outcome", "blocked")
	if book.seen != 0 {
		t.Error("a private receiver was reached")
	}
}

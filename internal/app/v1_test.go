package app

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"go.mau.fi/whatsmeow/types"
)

// seenLive has the fields of a live event that tests check.
type seenLive struct {
	Type      string `json:"type"`
	SessionID string `json:"session_id"`
	Data      struct {
		Session struct {
			Status struct {
				State   string `json:"state"`
				Passkey string `json:"passkey"`
			} `json:"status"`
		} `json:"session"`
		QR *struct {
			Code     string `json:"code"`
			Sequence int    `json:"sequence"`
		} `json:"qr"`
	} `json:"data"`
}

// following is an open event stream of one session.
type following struct {
	t     testing.TB
	lines *bufio.Scanner
}

func (h *house) follow(id string) *following {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), apptest.Patience)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.Base+"/v1/sessions/"+id+"/events", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	response, err := h.HTTP.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		cancel()
		_ = response.Body.Close()
	})
	return &following{t: h.t, lines: bufio.NewScanner(response.Body)}
}

// until reads events until one fits, and returns it.
func (f *following) until(what string, fits func(*seenLive) bool) *seenLive {
	f.t.Helper()
	for f.lines.Scan() {
		data, ok := strings.CutPrefix(f.lines.Text(), "data: ")
		if !ok {
			continue
		}
		var event seenLive
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			f.t.Fatal(err)
		}
		if fits(&event) {
			return &event
		}
	}
	f.t.Fatalf("%s: the stream ended: %v", what, f.lines.Err())
	return nil
}

func (f *following) state(state string) *seenLive {
	f.t.Helper()
	return f.until(state, func(e *seenLive) bool { return e.Type == "session.state" && e.Data.Session.Status.State == state })
}

func (h *house) v1(method, path, body string) apptest.Answer {
	h.t.Helper()
	return h.Must(h.Try(context.Background(), method, "/v1/sessions"+path, 1, body, nil))
}

func TestV1MakesLinksFollowsAndDeletesASession(t *testing.T) {
	h := newHouse(t)
	phone := h.phone(phones.ScriptRead)
	h.v1("POST", "", `{"id":"shop","name":"Shop","metadata":{"team":"a"}}`).Is(201).With("id", "shop", "name", "Shop")
	live := h.follow("shop")
	live.until("snapshot", func(e *seenLive) bool {
		return e.Type == "session.snapshot" && e.Data.Session.Status.State == "NOT_INITIALIZED"
	})

	asked := h.v1("GET", "/shop/qr?wait=1m", "").Is(200).With("outcome", "qr", "state", "QR_REQUIRED")
	qr := live.until("code", func(e *seenLive) bool { return e.Type == "session.qr" }).Data.QR
	if code := asked.Fields["qr"].(map[string]any)["code"]; code != qr.Code || qr.Sequence != 1 {
		t.Fatalf("asked: %v, told live: %+v", code, qr)
	}
	if _, err := phone.Scan(apptest.Bounded(t), qr.Code); err != nil {
		t.Fatal(err)
	}
	live.state("READY")
	h.v1("GET", "/shop/qr", "").Is(409).With("code", "already_linked", "outcome", "ready", "state", "READY")
	status := h.v1("GET", "/shop/status", "").Is(200).With("can_send", true, "has_credentials", true, "desired", "run", "cause", "connected")
	if account := status.Fields["account"].(map[string]any); account["phone"] != phone.Number() || account["lid"] == nil {
		t.Fatalf("account %v", account)
	}

	h.v1("POST", "/shop/stop", "").Is(200).With("state", "NOT_INITIALIZED", "desired", "stop", "has_credentials", true)
	h.v1("POST", "/shop/stop", "").Is(200).With("state", "NOT_INITIALIZED", "desired", "stop")
	live.state("NOT_INITIALIZED")
	h.v1("POST", "/shop/start", "").Is(200).With("desired", "run")
	live.state("READY")
	h.v1("POST", "/shop/restart", "").Is(200).With("desired", "run", "state", "RECONNECTING")
	live.state("READY")
	h.v1("PATCH", "/shop", `{"name":null,"metadata":{"team":"b"}}`).Is(200).With("name", nil)
	h.v1("GET", "?metadata.team=b&state=READY", "").Is(200).With("total", 1)
	tree := h.Must(h.Try(context.Background(), "GET", "/v1/supervision/shop", 1, "", nil)).Is(200)
	tree.With("running", true, "quarantined", false, "state", "READY", "restarts", 0)

	h.v1("DELETE", "/shop", "").Is(204)
	live.until("removed", func(e *seenLive) bool { return e.Type == "session.removed" && e.SessionID == "shop" })
	h.v1("GET", "/shop", "").Is(404).With("code", "not_found")
	h.v1("DELETE", "/shop", "").Is(204)
	if devices := phone.Devices(); len(devices) != 0 {
		t.Fatalf("the phone still has %d devices", len(devices))
	}
	h.v1("POST", "", `{"id":"shop"}`).Is(201).With("name", nil)
}

func TestV1LinksByPhoneNumberAndByPasskey(t *testing.T) {
	h := newHouse(t)
	phone := h.phone(phones.ScriptRead)
	phone.RequirePasskey(true)
	h.v1("POST", "", `{"id":"shop","start":true}`).Is(201)
	live := h.follow("shop")
	h.v1("GET", "/shop/passkey", "").Is(409).With("code", "wrong_state")
	code := h.v1("POST", "/shop/pairing-code", `{"phone":"+`+phone.Number()+`"}`).Is(200).Text("code")

	linked := make(chan error, 1)
	entering := apptest.Bounded(t)
	go func() {
		_, err := phone.EnterCode(entering, code)
		linked <- err
	}()
	due := func(step string) {
		live.until(step, func(e *seenLive) bool { return e.Data.Session.Status.Passkey == step })
	}
	due("response")
	challenge, err := json.Marshal(h.v1("GET", "/shop/passkey", "").Is(200).With("step", "response").Fields["challenge"])
	if err != nil {
		t.Fatal(err)
	}
	var request types.WebAuthnPublicKey
	if err := json.Unmarshal(challenge, &request); err != nil {
		t.Fatal(err)
	}
	assertion, err := phone.Passkey().Assert(&request)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := json.Marshal(assertion)
	if err != nil {
		t.Fatal(err)
	}
	h.v1("POST", "/shop/passkey/response", `{}`).Is(400).With("code", "invalid_request")
	h.v1("POST", "/shop/passkey/response", string(credential)).Is(200)
	due("confirmation")
	h.v1("GET", "/shop/passkey", "").Is(200).With("step", "confirmation", "comparison_skipped", true)
	h.v1("POST", "/shop/passkey/confirmation", "").Is(200)
	if err := <-linked; err != nil {
		t.Fatal(err)
	}
	live.state("READY")
	h.v1("GET", "/shop/passkey", "").Is(409)
}

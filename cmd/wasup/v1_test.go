package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/phones"
)

// seenLive is what a test looks at in a live event.
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
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+"/v1/sessions/"+id+"/events", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	response, err := h.http.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		cancel()
		_ = response.Body.Close()
	})
	return &following{t: h.t, lines: bufio.NewScanner(response.Body)}
}

// until reads on to the first event that fits.
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

func (h *house) v1(method, path, body string) answer {
	h.t.Helper()
	return h.must(h.try(context.Background(), method, "/v1/sessions"+path, 1, body, nil))
}

func TestV1MakesLinksFollowsAndDeletesASession(t *testing.T) {
	h := newHouse(t)
	phone := h.phone(phones.ScriptRead)
	h.v1("POST", "", `{"id":"shop","name":"Shop","metadata":{"team":"a"}}`).is(201).with("id", "shop", "name", "Shop")
	live := h.follow("shop")
	live.until("snapshot", func(e *seenLive) bool {
		return e.Type == "session.snapshot" && e.Data.Session.Status.State == "NOT_INITIALIZED"
	})

	asked := h.v1("GET", "/shop/qr?wait=1m", "").is(200).with("outcome", "qr", "state", "QR_REQUIRED")
	qr := live.until("code", func(e *seenLive) bool { return e.Type == "session.qr" }).Data.QR
	if code := asked.fields["qr"].(map[string]any)["code"]; code != qr.Code || qr.Sequence != 1 {
		t.Fatalf("asked: %v, told live: %+v", code, qr)
	}
	if _, err := phone.Scan(bounded(t), qr.Code); err != nil {
		t.Fatal(err)
	}
	live.state("READY")
	h.v1("GET", "/shop/qr", "").is(409).with("code", "already_linked", "outcome", "ready", "state", "READY")
	status := h.v1("GET", "/shop/status", "").is(200).with("can_send", true, "has_credentials", true, "desired", "run", "cause", "connected")
	if account := status.fields["account"].(map[string]any); account["phone"] != phone.Number() || account["lid"] == nil {
		t.Fatalf("account %v", account)
	}

	h.v1("POST", "/shop/stop", "").is(200).with("state", "NOT_INITIALIZED", "desired", "stop", "has_credentials", true)
	h.v1("POST", "/shop/stop", "").is(200).with("state", "NOT_INITIALIZED", "desired", "stop")
	live.state("NOT_INITIALIZED")
	h.v1("POST", "/shop/start", "").is(200).with("desired", "run")
	live.state("READY")
	h.v1("POST", "/shop/restart", "").is(200).with("desired", "run", "state", "RECONNECTING")
	live.state("READY")
	h.v1("PATCH", "/shop", `{"name":null,"metadata":{"team":"b"}}`).is(200).with("name", nil)
	h.v1("GET", "?metadata.team=b&state=READY", "").is(200).with("total", 1)
	tree := h.must(h.try(context.Background(), "GET", "/v1/supervision/shop", 1, "", nil)).is(200)
	tree.with("running", true, "quarantined", false, "state", "READY", "restarts", 0)

	h.v1("DELETE", "/shop", "").is(204)
	live.until("removed", func(e *seenLive) bool { return e.Type == "session.removed" && e.SessionID == "shop" })
	h.v1("GET", "/shop", "").is(404).with("code", "not_found")
	h.v1("DELETE", "/shop", "").is(204)
	if devices := phone.Devices(); len(devices) != 0 {
		t.Fatalf("the phone still has %d devices", len(devices))
	}
	h.v1("POST", "", `{"id":"shop"}`).is(201).with("name", nil)
}

func TestV1LinksByPhoneNumberAndByPasskey(t *testing.T) {
	h := newHouse(t)
	phone := h.phone(phones.ScriptRead)
	phone.RequirePasskey(true)
	h.v1("POST", "", `{"id":"shop","start":true}`).is(201)
	live := h.follow("shop")
	h.v1("GET", "/shop/passkey", "").is(409).with("code", "wrong_state")
	code := h.v1("POST", "/shop/pairing-code", `{"phone":"+`+phone.Number()+`"}`).is(200).text("code")

	linked := make(chan error, 1)
	entering := bounded(t)
	go func() {
		_, err := phone.EnterCode(entering, code)
		linked <- err
	}()
	due := func(step string) {
		live.until(step, func(e *seenLive) bool { return e.Data.Session.Status.Passkey == step })
	}
	due("response")
	challenge, err := json.Marshal(h.v1("GET", "/shop/passkey", "").is(200).with("step", "response").fields["challenge"])
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
	h.v1("POST", "/shop/passkey/response", `{}`).is(400).with("code", "invalid_request")
	h.v1("POST", "/shop/passkey/response", string(credential)).is(200)
	due("confirmation")
	h.v1("GET", "/shop/passkey", "").is(200).with("step", "confirmation", "comparison_skipped", true)
	h.v1("POST", "/shop/passkey/confirmation", "").is(200)
	if err := <-linked; err != nil {
		t.Fatal(err)
	}
	live.state("READY")
	h.v1("GET", "/shop/passkey", "").is(409)
}

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/phones"
)

// fills sets a field as pasting does: keys that are typed one by one take too long for what is pasted.
func (b *bridge) fills(selector, text string) {
	b.t.Helper()
	b.holds("fill "+selector, `{ const field = document.querySelector(args[0]); field.value = args[1] ?? ""; field.dispatchEvent(new Event("input", { bubbles: true })); return true; }`, selector, text)
}

func (b *bridge) linksByPasskey(t *testing.T) {
	phone := b.h.phone(phones.ScriptRead)
	phone.RequirePasskey(true)
	b.create("cauta", "Cauta")
	b.row("cauta", "QR_REQUIRED")
	b.writes("#by-number input", "+"+phone.Number())
	b.press("#by-number button", "Get a code")
	b.holds("a code is shown", `/^[A-Z0-9]{4}-[A-Z0-9]{4}$/.test(document.querySelector("#pairing-code").innerText)`)
	code, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("#pairing-code").innerText`))
	if err != nil {
		t.Fatal(err)
	}
	linked, entering := make(chan error, 1), bounded(t)
	go func() {
		_, err := phone.EnterCode(entering, code)
		linked <- err
	}()
	b.sees("#passkey", "with its passkey only")
	b.holds("what to run is said", `document.querySelector("#passkey-ask").value.includes(document.querySelector("#passkey-challenge").textContent)`)
	b.holds("browsers understand it", `PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(document.querySelector("#passkey-challenge").textContent)).challenge.byteLength > 0`)
	challenge, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("#passkey-challenge").textContent`))
	if err != nil {
		t.Fatal(err)
	}
	b.fills("#passkey [name=credential]", "undefined")
	b.press("#passkey button", "Answer")
	b.sees("#say.bad", "is no JSON")
	var request types.WebAuthnPublicKey
	if err := json.Unmarshal([]byte(challenge), &request); err != nil {
		t.Fatalf("the challenge on the page: %v", err)
	}
	assertion, err := phone.Passkey().Assert(&request)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := json.Marshal(assertion)
	if err != nil {
		t.Fatal(err)
	}
	b.fills("#passkey [name=credential]", string(credential))
	b.press("#passkey button", "Answer")
	b.press("#passkey-confirmation button", "Link it")
	if err := <-linked; err != nil {
		t.Fatal(err)
	}
	b.sees("#one-title", "Cauta")
	b.sees("#one-state", "READY")
	b.misses("#passkey", "passkey")
	b.h.v1("DELETE", "/cauta", "").is(204)
	b.sees("#summary", "2 of 2 sessions are READY")
}

// seesMessages looks at a message that failed, at one whose session rests, and at a webhook that does not answer.
func (b *bridge) seesMessages(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(refusing.Close)
	b.h.v1("POST", "/ventas/webhooks", `{"url":"`+refusing.URL+`","events":["message.status"],"description":"the CRM"}`).is(201)
	failed := b.h.v1("POST", "/ventas/messages?wait=server_ack&timeout=60s", `{"to":"34999999999","text":"not for the page"}`).is(422)
	if failed.text("code") != "not_on_whatsapp" {
		t.Fatalf("the message to nobody: %v", failed.fields)
	}
	b.press("#sessions button", "Ventas")
	b.sees("#message-list .wrong", "The recipient has no WhatsApp account.")
	b.sees("#message-list", "read")
	b.sees("#hook-list", "the CRM")
	b.sees("#hook-list", "418")
	b.h.v1("POST", "/ventas/stop", "").is(200)
	b.sees("#one-cause", "stopped")
	b.h.v1("POST", "/ventas/messages", `{"to":"`+b.bruno.Number()+`","text":"not for the page"}`).is(202)
	b.sees("#message-list", "queued") // that it was accepted is no event: the page looks by itself
	b.sees("#messages-why", "nobody has asked it to run")
	b.press("#message-list button", "Take back")
	b.sees("#message-list", "cancelled")
	b.misses("#messages-why", "READY")
	b.chooses("#messages-state", "failed")
	b.misses("#message-list", "cancelled")
	b.sees("#message-list", "not on whatsapp")
	b.chooses("#messages-state", "queued,sending")
	b.sees("#message-list", "None of these.")
	b.chooses("#messages-state", "")
	b.misses("body", "not for the page")
	b.h.v1("POST", "/ventas/start", "").is(200)
	b.sees("#one-state", "READY")
	late, err := b.h.server.AddPhone(phones.Config{Number: "34999999999"})
	if err != nil {
		t.Fatal(err)
	}
	b.press("#message-list button", "Try again")
	if _, err := late.WaitMessage(bounded(t), func(m phones.Message) bool { return m.Text == "not for the page" }); err != nil {
		t.Fatal(err)
	}
	b.misses("#message-list", "not on whatsapp")
	b.sees("#summary", "2 of 2 sessions are READY")
}

func (b *bridge) turnsPages(*testing.T) {
	const more = 120
	for i := range more {
		b.h.v1("POST", "", fmt.Sprintf(`{"id":"many-%03d"}`, i)).is(201)
	}
	b.fills("#filter [name=q]", "many")
	b.chooses("#filter [name=state]", "")
	b.fills("#filter [name=q]", "many") // a choice is told by another event than the filter hears
	b.sees("#where", "1 to 100 of 120")
	b.press("#pager button", "Next")
	b.sees("#where", "101 to 120 of 120")
	b.row("many-119", "NOT_INITIALIZED")
	b.misses("#sessions", "many-099")
	b.holds("there is no further page", `document.querySelector("#next").disabled && !document.querySelector("#previous").disabled`)
	b.fills("#filter [name=q]", "many-00")
	b.row("many-000", "NOT_INITIALIZED")
	b.misses("#pager", "of")
	b.fills("#filter [name=q]", "")
	b.holds("only what runs", `{ const state = document.querySelector("#filter [name=state]"); state.value = "unwell"; state.dispatchEvent(new Event("input", { bubbles: true })); return true; }`)
	b.sees("#sessions", "No session fits.")
	b.holds("only one cause", `{ const { state, cause } = document.querySelector("#filter").elements; state.value = ""; cause.value = "connected"; cause.dispatchEvent(new Event("input", { bubbles: true })); return cause.value === "connected"; }`)
	b.row("ventas", "READY")
	b.misses("#sessions", "many")
	for i := range more {
		b.h.v1("DELETE", fmt.Sprintf("/many-%03d", i), "").is(204)
	}
	b.sees("#summary", "2 of 2 sessions are READY")
}

// ticks sets a box that may move under the mouse while the page grows.
func (b *bridge) ticks(selector string, on bool) {
	b.t.Helper()
	b.holds("tick "+selector, `{ const box = document.querySelector(args[0]); const on = Boolean(args[1]); if (box.checked !== on) box.click(); return box.checked === on; }`, selector, on)
}

// seesThePast opens the page anew: what happened before is in the log.
func (b *bridge) seesThePast(*testing.T) {
	b.do("open it anew", chromedp.Navigate(b.h.base+"/dashboard"))
	b.sees("#link", "live")
	b.sees("#events", "many-119 session.removed")
	b.press("#sessions button", "Soporte")
	b.ticks("#events-one", true)
	b.sees("#events", "Soporte session.state READY, connected")
	b.misses("#events", "many")
	b.press("#sessions button", "Ventas")
	b.sees("#events", "Ventas message.status")
	b.misses("#events", "Soporte")
	b.ticks("#events-one", false)
	b.sees("#events", "many-119 session.removed")
}

package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"github.com/chromedp/chromedp"
	"go.mau.fi/whatsmeow/types"
)

// fills sets a field as pasting does. Typing a long text key by key would take too long.
func (b *bridge) fills(selector, text string) {
	b.T.Helper()
	b.Holds("fill "+selector, `{ const field = document.querySelector(args[0]); field.value = args[1] ?? ""; field.dispatchEvent(new Event("input", { bubbles: true })); return true; }`, selector, text)
}

func (b *bridge) linksByPasskey(t *testing.T) {
	phone := b.h.phone(phones.ScriptRead)
	phone.RequirePasskey(true)
	b.create("cauta", "Cauta")
	b.row("cauta", "QR_REQUIRED")
	b.Writes("#by-number input", "+"+phone.Number())
	b.Press("#by-number button", "Get a code")
	b.Holds("a code is shown", `/^[A-Z0-9]{4}-[A-Z0-9]{4}$/.test(document.querySelector("#pairing-code").innerText)`)
	code, err := chromedp.Run(b.Ctx, chromedp.Evaluate[string](`document.querySelector("#pairing-code").innerText`))
	if err != nil {
		t.Fatal(err)
	}
	linked, entering := make(chan error, 1), apptest.Bounded(t)
	go func() {
		_, err := phone.EnterCode(entering, code)
		linked <- err
	}()
	b.Sees("#passkey", "with its passkey only")
	b.Holds("what to run is said", `document.querySelector("#passkey-ask").value.includes(document.querySelector("#passkey-challenge").textContent)`)
	b.Holds("browsers understand it", `PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(document.querySelector("#passkey-challenge").textContent)).challenge.byteLength > 0`)
	challenge, err := chromedp.Run(b.Ctx, chromedp.Evaluate[string](`document.querySelector("#passkey-challenge").textContent`))
	if err != nil {
		t.Fatal(err)
	}
	b.fills("#passkey [name=credential]", "undefined")
	b.Press("#passkey button", "Answer")
	b.Sees("#say.bad", "is not JSON")
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
	b.Press("#passkey button", "Answer")
	b.Press("#passkey-confirmation button", "Link it")
	if err := <-linked; err != nil {
		t.Fatal(err)
	}
	b.Sees("#one-title", "Cauta")
	b.Sees("#one-state", "READY")
	b.Misses("#passkey", "passkey")
	b.h.v1("DELETE", "/cauta", "").Is(204)
	b.Sees("#summary", "2 of 2 sessions are READY")
}

// seesMessages checks a failed message, a message whose session is stopped, and a webhook that does not answer.
func (b *bridge) seesMessages(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(refusing.Close)
	b.h.v1("POST", "/ventas/webhooks", `{"url":"`+refusing.URL+`","events":["message.status"],"description":"the CRM"}`).Is(201)
	failed := b.h.v1("POST", "/ventas/messages?wait=server_ack&timeout=60s", `{"to":"34999999999","text":"not for the page"}`).Is(422)
	if failed.Text("code") != "not_on_whatsapp" {
		t.Fatalf("the message to nobody: %v", failed.Fields)
	}
	b.Press("#sessions button", "Ventas")
	b.Sees("#message-list .wrong", "The recipient has no WhatsApp account.")
	b.Sees("#message-list", "read")
	b.Sees("#hook-list", "the CRM")
	b.Sees("#hook-list", "418")
	b.h.v1("POST", "/ventas/stop", "").Is(200)
	b.Sees("#one-cause", "stopped")
	b.h.v1("POST", "/ventas/messages", `{"to":"`+b.bruno.Number()+`","text":"not for the page"}`).Is(202)
	b.Sees("#message-list", "queued") // accepting a message makes no event: the page polls
	b.Sees("#messages-why", "nobody has asked it to run")
	b.Press("#message-list button", "Take back")
	b.Sees("#message-list", "cancelled")
	b.Misses("#messages-why", "READY")
	b.Chooses("#messages-state", "failed")
	b.Misses("#message-list", "cancelled")
	b.Sees("#message-list", "not on whatsapp")
	b.Chooses("#messages-state", "queued,sending")
	b.Sees("#message-list", "No message in this state.")
	b.Chooses("#messages-state", "")
	b.Misses("body", "not for the page")
	b.h.v1("POST", "/ventas/start", "").Is(200)
	b.Sees("#one-state", "READY")
	late, err := b.h.server.AddPhone(phones.Config{Number: "34999999999"})
	if err != nil {
		t.Fatal(err)
	}
	b.Press("#message-list button", "Try again")
	if _, err := late.WaitMessage(apptest.Bounded(t), func(m phones.Message) bool { return m.Text == "not for the page" }); err != nil {
		t.Fatal(err)
	}
	b.Misses("#message-list", "not on whatsapp")
	b.Sees("#summary", "2 of 2 sessions are READY")
}

func (b *bridge) turnsPages(*testing.T) {
	const more = 120
	for i := range more {
		b.h.v1("POST", "", fmt.Sprintf(`{"id":"many-%03d"}`, i)).Is(201)
	}
	b.fills("#filter [name=q]", "many")
	b.Chooses("#filter [name=state]", "")
	b.fills("#filter [name=q]", "many") // the filter does not react to the event of a choice
	b.Sees("#where", "1 to 100 of 120")
	b.Press("#pager button", "Next")
	b.Sees("#where", "101 to 120 of 120")
	b.row("many-119", "NOT_INITIALIZED")
	b.Misses("#sessions", "many-099")
	b.Holds("there is no further page", `document.querySelector("#next").disabled && !document.querySelector("#previous").disabled`)
	b.fills("#filter [name=q]", "many-00")
	b.row("many-000", "NOT_INITIALIZED")
	b.Misses("#pager", "of")
	b.fills("#filter [name=q]", "")
	b.Holds("only what runs", `{ const state = document.querySelector("#filter [name=state]"); state.value = "problem"; state.dispatchEvent(new Event("input", { bubbles: true })); return true; }`)
	b.Sees("#sessions", "No session matches.")
	b.Holds("only one cause", `{ const { state, cause } = document.querySelector("#filter").elements; state.value = ""; cause.value = "connected"; cause.dispatchEvent(new Event("input", { bubbles: true })); return cause.value === "connected"; }`)
	b.row("ventas", "READY")
	b.Misses("#sessions", "many")
	for i := range more {
		b.h.v1("DELETE", fmt.Sprintf("/many-%03d", i), "").Is(204)
	}
	b.Sees("#summary", "2 of 2 sessions are READY")
}

// ticks sets a checkbox that may move under the mouse while the page grows.
func (b *bridge) ticks(selector string, on bool) {
	b.T.Helper()
	b.Holds("tick "+selector, `{ const box = document.querySelector(args[0]); const on = Boolean(args[1]); if (box.checked !== on) box.click(); return box.checked === on; }`, selector, on)
}

// seesThePast reloads the page and checks that the log shows the earlier events.
func (b *bridge) seesThePast(*testing.T) {
	b.Do("open it anew", chromedp.Navigate(b.h.Base+"/dashboard"))
	b.Sees("#link", "live")
	b.Sees("#events", "many-119 session.removed")
	b.Press("#sessions button", "Soporte")
	b.ticks("#events-one", true)
	b.Sees("#events", "Soporte session.state READY, connected")
	b.Misses("#events", "many")
	b.Press("#sessions button", "Ventas")
	b.Sees("#events", "Ventas message.status")
	b.Misses("#events", "Soporte")
	b.ticks("#events-one", false)
	b.Sees("#events", "many-119 session.removed")
}

// usesAPhone chooses a session on a narrow screen, where its panel lies below the list, and closes it again.
func (b *bridge) usesAPhone(*testing.T) {
	b.Do("a narrow screen", chromedp.EmulateViewport(400, 800))
	b.Do("open it anew", chromedp.Navigate(b.h.Base+"/dashboard"))
	b.Sees("#link", "live")
	for _, name := range []string{"Soporte", "Ventas"} {
		b.Press("#sessions button", name)
		b.Sees("#one-title", name)
		b.Holds("the session is what one sees", `{ const top = document.querySelector("#one").getBoundingClientRect().top; return top >= 0 && top < innerHeight / 4; }`)
		b.Holds("a screen reader is there, too", `document.activeElement.id === "one"`)
		b.Holds("nothing is cut off", `document.documentElement.scrollWidth <= innerWidth`)
	}
	b.Press("#one button", "✕")
	b.Misses("#one", "Ventas")
	b.Holds("one is back where one was", `document.activeElement.innerText === "Ventas" && document.activeElement.getBoundingClientRect().top >= 0`)
	b.pictureFor("dashboard-phone.png")
	b.Do("a wide screen", chromedp.EmulateViewport(1360, 860))
}

// sorts orders the list by its columns while one session is in trouble.
func (b *bridge) sorts() {
	b.T.Helper()
	first := func(name string) {
		b.T.Helper()
		b.Sees("#sessions tr:first-child", name)
	}
	first("Ventas") // what is wrong comes first
	b.Press("th button", "Session")
	first("Soporte")
	b.Press("th button", "Session")
	first("Ventas")
	b.Holds("the order is said", `document.querySelector("[data-sort=session]").closest("th").ariaSort === "descending"`)
	b.Press("#problems", "1 problem")
	first("Ventas")
	b.Misses("#sessions", "Soporte")
	b.Holds("the filter says so", `document.querySelector("#filter [name=state]").selectedOptions[0].innerText === "problems (1)"`)
	b.Holds("all states again", `{ const form = document.querySelector("#filter"); form.reset(); form.dispatchEvent(new Event("input")); return true; }`)
	b.Press("th button", "State")
	b.row("soporte", "READY")
}

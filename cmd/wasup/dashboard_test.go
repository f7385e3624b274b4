package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/admin"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// bridge is an operator's: the dashboard in a browser, the app behind it, and phones to link.
type bridge struct {
	*browser
	h          *house
	bad        *saboteur
	ana, bruno *sandbox.Phone
}

// TestAnOperatorRunsSessionsOnTheDashboard does on the page what an operator does in a day. The steps build upon each
// other.
func TestAnOperatorRunsSessionsOnTheDashboard(t *testing.T) {
	chromium(t)
	server := newSandbox(t, sandbox.Config{})
	bad := &saboteur{armed: make(map[session.ID]bomb)}
	cfg := quick(server, newDSN(t))
	cfg.Webhooks.AllowPrivate = true
	h := open(t, server, cfg, bad.seams())
	b := &bridge{browse(t, h.base+"/dashboard"), h, bad, h.phone(phones.ScriptRead), h.phone(phones.ScriptRead)}
	for _, step := range []struct {
		name string
		do   func(*bridge, *testing.T)
	}{
		{"there is nothing yet", (*bridge).findsNothing},
		{"a session is made, its QR appears and is scanned", (*bridge).linksByQR},
		{"a message is sent", (*bridge).sendsAMessage},
		{"the next one is linked by the phone's number", (*bridge).linksByNumber},
		{"an account that wants its passkey is linked", (*bridge).linksByPasskey},
		{"why a message is stuck is seen and mended", (*bridge).seesMessages},
		{"a session is stopped and started", (*bridge).stopsAndStarts},
		{"trouble shows with the next attempt", (*bridge).seesTrouble},
		{"a crash shows, and a quarantine is released", (*bridge).releases},
		{"sessions are found by name and state", (*bridge).finds},
		{"many sessions come in pages", (*bridge).turnsPages},
		{"what happened before is there", (*bridge).seesThePast},
		{"a name is never a piece of the page", (*bridge).getsMarkup},
		{"a session is logged out and deleted", (*bridge).logsOutAndDeletes},
		{"everything came from wasup itself", (*bridge).stayedHome},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			b.t, b.h.t, b.h.tb = t, t, t
			step.do(b, t)
		})
		if !ok {
			break
		}
	}
	b.t, b.h.t, b.h.tb = t, t, t
}

func (b *bridge) findsNothing(*testing.T) {
	b.sees("#link", "live")
	b.sees("#sessions", "No session yet.")
	b.sees("#summary", "no sessions")
	b.sees("#tree", "Nobody crashed")
}

// row waits until the row of a session shows a text.
func (b *bridge) row(id, text string) {
	b.t.Helper()
	b.sees(`#sessions tr[data-id="`+id+`"]`, text)
}

func (b *bridge) create(id, name string) {
	b.t.Helper()
	b.press("#new-open", "New session")
	b.writes("#create [name=id]", id)
	b.writes("#create [name=name]", name)
	b.press("#create button", "Create")
	b.sees("#one-title", name)
}

func (b *bridge) linksByQR(t *testing.T) {
	b.create("ventas", "Ventas")
	b.holds("its QR is drawn", `{ const code = document.querySelector("#code-picture"); return code.checkVisibility() && code.complete && code.naturalWidth > 100; }`)
	b.sees("#code", "s, then the next one comes by itself")
	b.row("ventas", "QR_REQUIRED")
	b.pictureFor("dashboard-qr.png")
	src, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("#code-picture").src`))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(admin.New(b.h.server, nil))
	defer front.Close()
	scanned, err := http.Post(front.URL+admin.Prefix+"/phones/"+b.ana.Number()+"/scan", "application/json", strings.NewReader(`{"png":"`+src+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = scanned.Body.Close() }()
	if scanned.StatusCode != http.StatusOK {
		t.Fatalf("the picture on the page was not scanned: %s", scanned.Status)
	}
	b.sees("#one-state", "READY")
	b.row("ventas", "+"+b.ana.Number())
	b.sees("#summary", "1 of 1 sessions are READY")
	b.sees("#facts", "it comes back without a code")
	b.misses("#linking", "Link a phone")
	b.sees("#events", "Ventas session.state READY, connected")
}

func (b *bridge) sendsAMessage(t *testing.T) {
	b.writes("#send [name=to]", "+"+b.bruno.Number())
	b.writes("#send [name=text]", "Buenos días")
	b.press("#send button", "Send")
	b.holds("it is followed", `/: (server ack|delivered|read)$/.test(document.querySelector("#sent").innerText)`)
	if _, err := b.bruno.WaitMessage(bounded(t), func(m phones.Message) bool { return m.Text == "Buenos días" }); err != nil {
		t.Fatal(err)
	}
	b.writes("#send [name=to]", "nobody")
	b.press("#send button", "Send")
	b.sees("#say.bad", "to")
	b.forgive("status of 4")
}

func (b *bridge) linksByNumber(t *testing.T) {
	b.create("soporte", "Soporte")
	b.row("soporte", "QR_REQUIRED")
	b.writes("#by-number input", "+"+b.bruno.Number())
	b.press("#by-number button", "Get a code")
	b.holds("a code is shown", `/^[A-Z0-9]{4}-[A-Z0-9]{4}$/.test(document.querySelector("#pairing-code").innerText)`)
	code, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("#pairing-code").innerText`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.bruno.EnterCode(bounded(t), code); err != nil {
		t.Fatal(err)
	}
	b.sees("#one-state", "READY")
	b.sees("#summary", "2 of 2 sessions are READY")
}

func (b *bridge) stopsAndStarts(*testing.T) {
	b.press("#one button", "Stop")
	b.sees("#one-cause", "stopped")
	b.sees("#facts", "stop")
	b.sees("#summary", "1 of 2 sessions are READY")
	b.press("#one button", "Start")
	b.sees("#one-state", "READY")
}

func (b *bridge) seesTrouble(t *testing.T) {
	if _, err := b.h.server.SetFault(faults.Fault{Kind: faults.HTTPStatus, Code: 503}); err != nil {
		t.Fatal(err)
	}
	b.h.server.DropTCP(faults.Select{Account: b.ana.Number()})
	b.press("#sessions button", "Ventas")
	b.sees("#one-title", "Ventas")
	b.sees("#facts", "Failed attempts")
	b.sees("#facts", "Last failure")
	b.holds("the next attempt is counted down", `document.querySelector('#sessions tr[data-id="ventas"] [data-until]') !== null`)
	b.h.server.ClearFaults()
	b.sees("#one-state", "READY")
}

func (b *bridge) releases(*testing.T) {
	b.bad.arm("ventas", "opening", b.h.cfg.Supervisor.Restarts+1)
	b.h.server.DropTCP(faults.Select{Account: b.ana.Number()})
	b.row("ventas", "quarantined")
	b.sees("#one-state", "ERROR")
	b.sees("#counts", "1 in quarantine")
	b.sees("#tree", "sabotage in the opening of ventas")
	b.sees("#crash-what", "sabotage in the opening of ventas")
	b.pictureFor("dashboard.png")
	b.press("#crash summary", "Stack")
	b.sees("#crash-stack", "panic_test.go")
	b.press("#crash button", "Release from quarantine")
	b.sees("#one-state", "READY")
	b.sees("#counts", "0 in quarantine")
	b.sees("#tree", "restarts") // it is remembered that it crashed
}

func (b *bridge) finds(*testing.T) {
	b.writes("#filter [name=q]", "sop")
	b.row("soporte", "READY")
	b.misses("#sessions", "Ventas")
	b.writes("#filter [name=q]", b.ana.Number()[:6])
	b.writes("#filter [name=q]", "nobody")
	b.sees("#sessions", "No session fits.")
	b.holds("show all again", `{ const q = document.querySelector("#filter [name=q]"); q.value = ""; q.dispatchEvent(new Event("input", { bubbles: true })); return true; }`)
	b.row("ventas", "READY")
	b.holds("choose a state", `{ const state = document.querySelector("#filter [name=state]"); state.value = "READY"; state.dispatchEvent(new Event("input", { bubbles: true })); return state.value === "READY"; }`)
	b.row("ventas", "READY")
}

func (b *bridge) getsMarkup(*testing.T) {
	b.h.v1("POST", "", `{"id":"sly","name":"<b class=\"planted\">sly</b><script>document.title=\"planted\"</script>"}`).is(201)
	b.holds("all states", `{ const state = document.querySelector("#filter [name=state]"); state.value = ""; state.dispatchEvent(new Event("input", { bubbles: true })); return true; }`)
	b.row("sly", `<b class="planted">sly</b>`)
	b.holds("markup stays text", `!document.querySelector(".planted") && document.title !== "planted"`)
}

func (b *bridge) logsOutAndDeletes(t *testing.T) {
	b.press("#sessions button", "Soporte")
	b.sees("#one-title", "Soporte")
	b.press("#one button", "Log out")
	b.sees("#sure", "needs a new code")
	b.press("#sure button", "Keep it")
	b.sees("#one-state", "READY")
	b.press("#one button", "Log out")
	b.press("#sure button", "Log out")
	b.sees("#facts", "Linked\nno")
	until(t, "the phone lists no device", func() bool { return len(b.bruno.Devices()) == 0 })
	b.press("#one button", "Delete")
	b.press("#sure button", "Delete")
	b.misses("#sessions", "Soporte")
	b.misses("#one", "Soporte")
}

func (b *bridge) stayedHome(*testing.T) {
	b.holds("nothing came from elsewhere", `performance.getEntriesByType("resource").every((e) => e.name.startsWith(location.origin + "/"))`)
}

// pictureFor keeps a picture of the page in the folder that WASUP_SCREENSHOTS names: docs/img is made so.
func (b *bridge) pictureFor(name string) {
	if folder := os.Getenv("WASUP_SCREENSHOTS"); folder != "" {
		b.holds("it is seen from its top", `{ scrollTo(0, 0); return scrollY === 0; }`)
		b.picture(filepath.Join(folder, name))
	}
}

package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"github.com/chromedp/chromedp"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/admin"
	"wasup/internal/session"
)

// bridge is what an operator has: the dashboard in a browser, the app behind it, and phones to link.
type bridge struct {
	*apptest.Browser
	h          *house
	bad        *saboteur
	ana, bruno *sandbox.Phone
}

// TestAnOperatorRunsSessionsOnTheDashboard does on the page what an operator does in a day. The steps build upon each
// other.
func TestAnOperatorRunsSessionsOnTheDashboard(t *testing.T) {
	apptest.Chromium(t)
	server := apptest.NewSandbox(t, sandbox.Config{})
	bad := &saboteur{armed: make(map[session.ID]bomb)}
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	cfg.Webhooks.AllowPrivate = true
	h := open(t, server, cfg, bad.seams())
	b := &bridge{apptest.Browse(t, h.Base+"/dashboard"), h, bad, h.phone(phones.ScriptRead), h.phone(phones.ScriptRead)}
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
		{"a narrow screen shows the session that was chosen", (*bridge).usesAPhone},
		{"a name is never a piece of the page", (*bridge).getsMarkup},
		{"a session is logged out and deleted", (*bridge).logsOutAndDeletes},
		{"everything came from wasup itself", (*bridge).stayedHome},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			b.T, b.h.t, b.h.TB = t, t, t
			step.do(b, t)
		})
		if !ok {
			break
		}
	}
	b.T, b.h.t, b.h.TB = t, t, t
}

func (b *bridge) findsNothing(*testing.T) {
	b.Sees("#link", "live")
	b.Sees("#sessions", "No session yet.")
	b.Sees("#summary", "no sessions")
	b.Sees("#tree", "Nobody crashed")
}

// row waits until the row of a session shows a text.
func (b *bridge) row(id, text string) {
	b.T.Helper()
	b.Sees(`#sessions tr[data-id="`+id+`"]`, text)
}

func (b *bridge) create(id, name string) {
	b.T.Helper()
	b.Press("#new-open", "New session")
	b.Writes("#create [name=id]", id)
	b.Writes("#create [name=name]", name)
	b.Press("#create button", "Create")
	b.Sees("#one-title", name)
}

func (b *bridge) linksByQR(t *testing.T) {
	b.create("ventas", "Ventas")
	b.Holds("its QR is drawn", `{ const code = document.querySelector("#code-picture"); return code.checkVisibility() && code.complete && code.naturalWidth > 100; }`)
	b.Sees("#code", "s, then the next code appears by itself")
	b.row("ventas", "QR_REQUIRED")
	b.pictureFor("dashboard-qr.png")
	src, err := chromedp.Run(b.Ctx, chromedp.Evaluate[string](`document.querySelector("#code-picture").src`))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(admin.New(b.h.server, nil))
	defer front.Close()
	scanned, err := http.Post(front.URL+admin.Prefix+"/phones/"+b.ana.Number()+"/scan?wait=2m", "application/json", strings.NewReader(`{"png":"`+src+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = scanned.Body.Close() }()
	if scanned.StatusCode != http.StatusOK {
		t.Fatalf("the picture on the page was not scanned: %s", scanned.Status)
	}
	b.Sees("#one-state", "READY")
	b.row("ventas", "+"+b.ana.Number())
	b.Sees("#summary", "1 of 1 sessions are READY")
	b.Sees("#facts", "it reconnects without a code")
	b.Misses("#linking", "Link a phone")
	b.Sees("#events", "Ventas session.state READY, connected")
}

func (b *bridge) sendsAMessage(t *testing.T) {
	b.Writes("#send [name=to]", "+"+b.bruno.Number())
	for n := range 5 {
		text := fmt.Sprintf("Buenos días, %d", n)
		b.Writes("#send [name=text]", text)
		b.Press("#send button", "Send")
		got, err := b.bruno.WaitMessage(apptest.Bounded(t), func(m phones.Message) bool { return m.Text == text })
		if err != nil {
			t.Fatal(err)
		}
		b.Holds("it is followed until it is read", `document.querySelector("#sent").innerText === args[0] + ": read"`, got.ID)
	}
	b.Writes("#send [name=to]", "nobody")
	b.Press("#send button", "Send")
	b.Sees("#say.bad", "to")
	b.Forgive("status of 4")
}

func (b *bridge) linksByNumber(t *testing.T) {
	b.create("soporte", "Soporte")
	b.row("soporte", "QR_REQUIRED")
	b.Writes("#by-number input", "+"+b.bruno.Number())
	b.Press("#by-number button", "Get a code")
	b.Holds("a code is shown", `/^[A-Z0-9]{4}-[A-Z0-9]{4}$/.test(document.querySelector("#pairing-code").innerText)`)
	code, err := chromedp.Run(b.Ctx, chromedp.Evaluate[string](`document.querySelector("#pairing-code").innerText`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.bruno.EnterCode(apptest.Bounded(t), code); err != nil {
		t.Fatal(err)
	}
	b.Sees("#one-state", "READY")
	b.Sees("#summary", "2 of 2 sessions are READY")
}

func (b *bridge) stopsAndStarts(*testing.T) {
	b.Press("#one button", "Stop")
	b.Sees("#one-cause", "stopped")
	b.Sees("#facts", "stop")
	b.Sees("#summary", "1 of 2 sessions are READY")
	b.Press("#one button", "Start")
	b.Sees("#one-state", "READY")
}

func (b *bridge) seesTrouble(t *testing.T) {
	if _, err := b.h.server.SetFault(faults.Fault{Kind: faults.HTTPStatus, Code: 503}); err != nil {
		t.Fatal(err)
	}
	b.h.server.DropTCP(faults.Select{Account: b.ana.Number()})
	b.Press("#sessions button", "Ventas")
	b.Sees("#one-title", "Ventas")
	b.Sees("#facts", "Failed attempts")
	b.Sees("#facts", "Last failure")
	b.sorts()
	b.Holds("the next attempt is counted down", `document.querySelector('#sessions tr[data-id="ventas"] [data-until]') !== null`)
	b.h.server.ClearFaults()
	b.Sees("#one-state", "READY")
}

func (b *bridge) releases(*testing.T) {
	b.bad.arm("ventas", "opening", b.h.cfg.Supervisor.Restarts+1)
	b.h.server.DropTCP(faults.Select{Account: b.ana.Number()})
	b.row("ventas", "quarantined")
	b.Sees("#one-state", "ERROR")
	b.Sees("#counts", "1 in quarantine")
	b.Sees("#tree", "sabotage in the opening of ventas")
	b.Sees("#crash-what", "sabotage in the opening of ventas")
	b.pictureFor("dashboard.png")
	b.Press("#crash summary", "Stack")
	b.Sees("#crash-stack", "panic_test.go")
	b.Press("#crash button", "Release from quarantine")
	b.Sees("#one-state", "READY")
	b.Sees("#counts", "0 in quarantine")
	b.Sees("#tree", "crashes") // the tree still shows its crashes
}

func (b *bridge) finds(*testing.T) {
	b.Writes("#filter [name=q]", "sop")
	b.row("soporte", "READY")
	b.Misses("#sessions", "Ventas")
	b.Writes("#filter [name=q]", b.ana.Number()[:6])
	b.Writes("#filter [name=q]", "nobody")
	b.Sees("#sessions", "No session matches.")
	b.Holds("show all again", `{ const q = document.querySelector("#filter [name=q]"); q.value = ""; q.dispatchEvent(new Event("input", { bubbles: true })); return true; }`)
	b.row("ventas", "READY")
	b.Holds("choose a state", `{ const state = document.querySelector("#filter [name=state]"); state.value = "READY"; state.dispatchEvent(new Event("input", { bubbles: true })); return state.value === "READY"; }`)
	b.row("ventas", "READY")
}

func (b *bridge) getsMarkup(*testing.T) {
	b.h.v1("POST", "", `{"id":"sly","name":"<b class=\"planted\">sly</b><script>document.title=\"planted\"</script>"}`).Is(201)
	b.Holds("all states", `{ const state = document.querySelector("#filter [name=state]"); state.value = ""; state.dispatchEvent(new Event("input", { bubbles: true })); return true; }`)
	b.row("sly", `<b class="planted">sly</b>`)
	b.Holds("markup stays text", `!document.querySelector(".planted") && document.title !== "planted"`)
}

func (b *bridge) logsOutAndDeletes(t *testing.T) {
	b.Press("#sessions button", "Soporte")
	b.Sees("#one-title", "Soporte")
	b.Press("#one button", "Log out")
	b.Sees("#sure", "needs a new code")
	b.Press("#sure button", "Keep it")
	b.Sees("#one-state", "READY")
	b.Press("#one button", "Log out")
	b.Press("#sure button", "Log out")
	b.Sees("#facts", "Linked\nno")
	apptest.Until(t, "the phone lists no device", func() bool { return len(b.bruno.Devices()) == 0 })
	b.Press("#one button", "Delete")
	b.Press("#sure button", "Delete")
	b.Misses("#sessions", "Soporte")
	b.Misses("#one", "Soporte")
}

func (b *bridge) stayedHome(*testing.T) {
	b.Holds("nothing came from elsewhere", `performance.getEntriesByType("resource").every((e) => e.name.startsWith(location.origin + "/"))`)
}

// pictureFor writes a screenshot of the page to the folder in WASUP_SCREENSHOTS. docs/img is made with it.
func (b *bridge) pictureFor(name string) {
	if folder := os.Getenv("WASUP_SCREENSHOTS"); folder != "" {
		b.Holds("it is seen from its top", `{ document.activeElement.blur(); scrollTo(0, 0); return scrollY === 0; }`)
		b.Picture(filepath.Join(folder, name))
	}
}

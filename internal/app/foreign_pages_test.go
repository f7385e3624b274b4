package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"wasup/internal/app/apptest"
	"wasup/internal/session"
)

// attack is what a page does to read, send and start. window.got becomes the list of what it could read.
const attack = `((base) => {
	window.got = undefined;
	const got = [], socket = base.replace("http", "ws");
	const reads = async (what, promise) => { try { if (await promise) got.push(what); } catch { /* refused */ } };
	const loads = (element, set) => new Promise((done) => {
		element.onload = element.onerror = () => done(element.naturalWidth > 0);
		set(element);
		document.body.append(element);
	});
	const sends = (path) => loads(document.createElement("iframe"), (frame) => {
		frame.name = "f" + Math.random();
		const form = document.createElement("form");
		form.method = "POST"; form.action = base + path; form.target = frame.name;
		document.body.append(form);
		setTimeout(() => form.submit());
	});
	const ok = (answer) => answer.ok && answer.text().then((text) => text.length > 0);
	const header = { headers: { "X-Cliente-Id": "54" } };
	(async () => {
		await reads("the sessions", fetch(base + "/v1/sessions").then(ok));
		await reads("a status", fetch(base + "/status", header).then(ok));
		await reads("the metrics", fetch(base + "/metrics").then(ok));
		await reads("the health", fetch(base + "/health").then(ok));
		await reads("a code", fetch(base + "/v1/sessions/shop/qr?wait=60s").then(ok));
		await reads("a code of the hub's client", fetch(base + "/qr-code?wait=60s", header).then(ok));
		await reads("a message's answer", fetch(base + "/send", { method: "POST", ...header, body: JSON.stringify({ to: "5491155550101", message: "x" }) }).then(ok));
		await reads("a forwarded host", fetch(base + "/v1/sessions", { headers: { "X-Forwarded-Host": "localhost" } }).then(ok));
		await reads("a picture", loads(new Image(), (e) => e.src = base + "/v1/sessions/shop/qr?format=png"));
		await reads("a script", loads(document.createElement("script"), (e) => e.src = base + "/dashboard/dashboard.js"));
		for (const method of ["GET", "HEAD", "POST"])
			for (const path of ["/v1/sessions/shop/qr?wait=1s", "/v1/sessions/shop/start", "/v1/sessions/54/qr?wait=1s"])
				await reads("an opaque answer", fetch(base + path, { method, mode: "no-cors" }).then(() => false));
		await sends("/api/session-manager/sessions/sender_54/qr");
		await sends("/v1/sessions/shop/start");
		navigator.sendBeacon(base + "/v1/sessions/shop/start");
		await reads("a socket", new Promise((done) => {
			const s = new WebSocket(socket + "/v1/events/ws");
			s.onopen = () => done(true); s.onerror = s.onclose = () => done(false);
		}));
		await reads("a stream", new Promise((done) => {
			const s = new EventSource(base + "/v1/events");
			s.onopen = () => { s.close(); done(true); }; s.onerror = () => { s.close(); done(false); };
		}));
		window.got = got.join(", ");
	})();
	return true;
})`

// TestForeignPagesReadNothingAndStartNothing shows wasup to a browser as a careless person does who has it running while
// they visit other sites: a page of another site, one of another server on this machine, and one whose name was made to
// resolve to this machine after it was loaded.
func TestForeignPagesReadNothingAndStartNothing(t *testing.T) {
	apptest.Chromium(t)
	h := newHouse(t)
	for _, id := range []string{"shop", "54"} {
		h.Post("/v1/sessions", 1, `{"id":"`+id+`","start":false}`).Is(201)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>another page</title><link rel=icon href=data:,><body>hola")
	}))
	defer other.Close()
	const evil = "evil.example"
	named := func(base string) string { return strings.Replace(base, "127.0.0.1", evil, 1) }
	b := apptest.BrowseWith(t, other.URL, evil)
	b.Forgive("") // every attempt is refused, and the console says so
	tries := func(from, base string) string {
		t.Helper()
		b.Do("open "+from, chromedp.Navigate(from))
		b.Holds("the attack begins", "document.body !== null && "+attack+"(args[0])", base)
		b.Holds("the attack is over", `typeof window.got === "string"`)
		got, err := chromedp.Run(b.Ctx, chromedp.Evaluate[string]("window.got"))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct{ what, from, base string }{
		{"another server on this machine", other.URL, h.Base},
		{"another site", named(other.URL), h.Base},
		{"a rebound name", named(h.Base) + "/health", named(h.Base)},
		{"a rebound name at another port", named(other.URL), named(h.Base)},
	} {
		if got := tries(c.from, c.base); got != "" {
			t.Errorf("a page of %s read %s", c.what, got)
		}
		for _, id := range []session.ID{"shop", "54"} {
			if status, _ := h.app.sessions.Status(id); status.Incarnation != 0 || status.State != session.NotInitialized {
				t.Errorf("a page of %s started %s: %s", c.what, id, status.State)
			}
		}
	}
	if n := h.server.Counters().ConnectionsTotal; n != 0 {
		t.Errorf("%d connections to WhatsApp", n)
	}
	// The same page from wasup itself succeeds. So the attack is one.
	if got := tries(h.Base+"/", h.Base); !strings.Contains(got, "the sessions") || !strings.Contains(got, "a code") || !strings.Contains(got, "a socket") {
		t.Errorf("a page of wasup itself read only %q", got)
	}
}

package whatsapp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"wasup/internal/sandbox"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

// shown returns the dialer's version with a revision that is higher by later.
func shown(t *testing.T, d *whatsapp.Dialer, later uint32) sandbox.Version {
	t.Helper()
	var v sandbox.Version
	for i, part := range strings.Split(d.Version(), ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || i > 2 {
			t.Fatalf("%q: %v", d.Version(), err)
		}
		v[i] = uint32(n)
	}
	v[2] += later
	return v
}

func TestAnOutdatedClientIsRefusedUntilItsVersionIsRefreshed(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	h.link("a", h.phone())
	h.add("new")
	least := shown(t, h.dialer, 3)
	h.server.Versions().SetLeast(least)
	for _, id := range []session.ID{"a", "new"} {
		l := h.open(id)
		l.expect(session.ClientOutdated)
		l.nothingMore()
	}
	version, changed, err := h.dialer.RefreshVersion(testContext(t), "a")
	if err != nil || !changed || version != least.String() || h.dialer.Version() != version {
		t.Fatalf("%s, changed %t, %v; want %s", version, changed, err, least)
	}
	l := h.open("a")
	l.expect(session.SocketUp)
	l.nothingMore()
	l = h.open("new")
	l.expect(session.QRIssued)
	l.nothingMore()
	for _, same := range []sandbox.Version{least, {2, 3000, 1}} { // an older version is ignored
		h.server.Versions().SetWeb(same)
		if version, changed, err = h.dialer.RefreshVersion(testContext(t), "a"); err != nil || changed || version != least.String() {
			t.Errorf("%s, changed %t, %v", version, changed, err)
		}
	}
	if h.bound("a") == "" {
		t.Error("the credentials are gone")
	}
}

func TestTheVersionIsLookedUpTheWayTheSessionConnects(t *testing.T) {
	h, m, wire := guarded(t, "socks5")
	h.setProxy("a", m.url(credentials))
	h.server.Versions().SetWeb(shown(t, h.dialer, 0))
	if _, _, err := h.dialer.RefreshVersion(testContext(t), "a"); err != nil {
		t.Fatal(err)
	}
	if got := m.tunnels(); len(got) != 1 || got[0] != wire.address {
		t.Errorf("tunnels to %v", got)
	}
	m.stop()
	_, changed, err := h.dialer.RefreshVersion(testContext(t), "a")
	if session.CodeOf(err) != session.CodeProxyFailed || changed {
		t.Errorf("got %v", err)
	}
	if n := h.dialer.ProxiesInUse(); n != 0 {
		t.Errorf("%d proxies are held", n)
	}
}

func TestAPageWithoutAVersionChangesNothing(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `"client_revision":4000000000,`)
	}))
	defer elsewhere.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"an error":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret page", http.StatusTooManyRequests) },
		"another page": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>secret page</html>") },
		"no number":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `"client_revision":x,`) },
		"a number too long": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `"client_revision":%s,`, strings.Repeat("9", 30))
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"a hang-up":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(spaces{}, 9<<20))
			_, _ = io.WriteString(w, `"client_revision":4000000000,`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(answer)
			defer web.Close()
			u, err := url.Parse(web.URL)
			if err != nil {
				t.Fatal(err)
			}
			h := newHouse(t, sandbox.Config{}, func(c *whatsapp.Config) { c.WebsocketURL = "ws://" + u.Host + "/ws/chat" })
			before := h.dialer.Version()
			version, changed, err := h.dialer.RefreshVersion(context.Background(), "a")
			var e *session.Error
			if !errors.As(err, &e) || e.Code != session.CodeConnectFailed || e.Message == "" || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
			if changed || version != before || h.dialer.Version() != before {
				t.Errorf("the version is %s, was %s", h.dialer.Version(), before)
			}
		})
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

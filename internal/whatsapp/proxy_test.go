package whatsapp_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
	"wasup/internal/whatsapp/routes"
)

var proxySchemes = []string{"http", "https", "socks5"}

// guarded returns a house whose server only the proxy can reach. A direct connection meets the tripwire.
func guarded(t *testing.T, scheme string, change ...func(*whatsapp.Config)) (*house, *middleman, *tripwire) {
	t.Helper()
	wire := newTripwire(t)
	h := newHouse(t, sandbox.Config{}, append(change, func(c *whatsapp.Config) { c.WebsocketURL = wire.websocketURL() })...)
	server, err := url.Parse(h.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	m := newMiddleman(t, scheme, "us er", "p@ss:w", server.Host)
	h.trust(m)
	return h, m, wire
}

const credentials = "us%20er:p%40ss%3Aw"

func (h *house) trust(m *middleman) {
	h.t.Helper()
	if m.tls == nil {
		return
	}
	certificate, err := x509.ParseCertificate(m.tls.Certificates[0].Certificate[0])
	if err != nil {
		h.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	h.dialer.TrustProxies(roots)
}

// setProxy gives a session its own proxy.
func (h *house) setProxy(id session.ID, proxy string) {
	h.t.Helper()
	h.add(id)
	if _, err := h.store.Sessions().SaveSettings(testContext(h.t), id, session.Settings{Proxy: proxy}); err != nil {
		h.t.Fatal(err)
	}
}

func wantProxyFailed(t *testing.T, err error, reason string) {
	t.Helper()
	var e *session.Error
	if !errors.As(err, &e) || e.Code != session.CodeProxyFailed || !strings.Contains(e.Message, reason) {
		t.Fatalf("got %v, want %s with %q", err, session.CodeProxyFailed, reason)
	}
	if strings.Contains(err.Error(), "p@ss") || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password: %v", err)
	}
	if in := session.InputFor(err, 1); in.Kind != session.ProxyFailed || in.Detail == "" {
		t.Errorf("the machine is told %+v", in)
	}
}

func TestASessionPairsAndSendsThroughItsProxy(t *testing.T) {
	for _, scheme := range proxySchemes {
		t.Run(scheme, func(t *testing.T) {
			h, m, wire := guarded(t, scheme)
			h.setProxy("a", m.url(credentials))
			friend := h.phone()
			l := h.ready("a", h.phone())
			if _, err := l.client.Send(testContext(t), text("3EB0000000000001", friend.Number()+"@s.whatsapp.net")); err != nil {
				t.Fatal(err)
			}
			if _, err := friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == "3EB0000000000001" }); err != nil {
				t.Fatal(err)
			}
			if got := m.tunnels(); len(got) != 2 || got[0] != wire.address || got[1] != wire.address {
				t.Errorf("tunnels to %v, want two to %s: the pairing's and the login's", got, wire.address)
			}
			l.nothingMore()
		})
	}
}

func TestAProxyResolvesTheServersName(t *testing.T) {
	for _, scheme := range proxySchemes {
		t.Run(scheme, func(t *testing.T) {
			h, m, _ := guarded(t, scheme, func(*whatsapp.Config) {})
			h.dialer = h.newDialer(func(c *whatsapp.Config) { c.WebsocketURL = "ws://chat.wasup.invalid/ws/chat" })
			h.trust(m)
			h.setProxy("a", m.url(credentials))
			l := h.open("a")
			l.expect(session.QRIssued)
			if got := m.tunnels(); len(got) != 1 || got[0] != "chat.wasup.invalid:80" {
				t.Errorf("tunnels to %v", got)
			}
			l.nothingMore()
		})
	}
}

func TestMediaTakesTheSameWayAndNoOther(t *testing.T) {
	for _, scheme := range proxySchemes {
		t.Run(scheme, func(t *testing.T) {
			h, m, wire := guarded(t, scheme)
			h.setProxy("a", m.url(credentials))
			l := h.open("a")
			l.expect(session.QRIssued)
			media := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "blob") }))
			defer media.Close()
			m.mu.Lock()
			m.target = strings.TrimPrefix(media.URL, "http://")
			m.mu.Unlock()
			get := func() (string, error) {
				req, err := http.NewRequestWithContext(testContext(t), http.MethodGet, "http://"+wire.address+"/blob", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := whatsapp.MediaClient(l.client).Do(req)
				if err != nil {
					return "", err
				}
				defer func() { _ = resp.Body.Close() }()
				body, err := io.ReadAll(resp.Body)
				return string(body), err
			}
			if body, err := get(); err != nil || body != "blob" {
				t.Fatalf("%q, %v", body, err)
			}
			m.stop()
			if body, err := get(); err == nil {
				t.Fatalf("%q came without the proxy", body)
			}
		})
	}
}

func TestAProxyThatRefusesTheCredentialsIsTheEndOfTheAttempt(t *testing.T) {
	for _, scheme := range proxySchemes {
		for _, wrong := range []string{"us%20er:secret", "else:p%40ss%3Aw", ""} {
			t.Run(scheme+" "+wrong, func(t *testing.T) {
				h, m, _ := guarded(t, scheme)
				h.setProxy("a", m.url(wrong))
				_, err := h.begin(context.Background(), "a")
				wantProxyFailed(t, err, "refused the credentials")
				if m.refusals() == 0 || len(m.tunnels()) > 0 {
					t.Errorf("%d refusals, tunnels %v", m.refusals(), m.tunnels())
				}
				if n := h.dialer.ProxiesInUse(); n != 0 {
					t.Errorf("%d proxies are held", n)
				}
			})
		}
	}
}

func TestASessionWhoseProxyDiesComesBackThroughItOnly(t *testing.T) {
	for _, scheme := range proxySchemes {
		t.Run(scheme, func(t *testing.T) {
			h, m, _ := guarded(t, scheme)
			h.setProxy("a", m.url(credentials))
			l := h.ready("a", h.phone())
			m.stop()
			l.expect(session.SocketLost)
			l.client.Close()
			for range 3 {
				_, err := h.begin(context.Background(), "a")
				wantProxyFailed(t, err, "connection refused")
			}
			m.start()
			before := len(m.tunnels())
			l = h.open("a")
			l.expect(session.SocketUp)
			if got := len(m.tunnels()) - before; got != 1 {
				t.Errorf("%d tunnels for one login", got)
			}
			l.nothingMore()
		})
	}
}

func TestAProxyThatCannotBeUsedSaysWhyAndNothingConnects(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("ALL_PROXY", "http://127.0.0.1:1")
	silent := func(m *middleman) { m.mu.Lock(); m.mute = true; m.mu.Unlock() }
	for _, tc := range []struct {
		name, scheme string
		spoil        func(m *middleman)
		url          func(m *middleman) string
		reason       string
	}{
		{"a status of its own", "http", func(m *middleman) { m.mu.Lock(); m.status = "503 Busy"; m.mu.Unlock() }, nil, "HTTP 503"},
		{"not a proxy's protocol", "socks5", nil, func(m *middleman) string { return "http://" + credentials + "@" + m.address }, "does not speak the protocol"},
		{"no TLS", "http", nil, func(m *middleman) string { return "https://" + credentials + "@" + m.address }, "does not speak the protocol"},
		{"no such host", "http", nil, func(*middleman) string { return "http://proxy.wasup.invalid:3128" }, "could not be resolved"},
		{"port out of range", "http", nil, func(*middleman) string { return "socks5://user:secret@127.0.0.1:70000" }, "port from 1 to 65535"},
		{"another scheme", "http", nil, func(*middleman) string { return "ftp://user:secret@127.0.0.1:21" }, "http, https or socks5"},
		{"not a URL", "http", nil, func(*middleman) string { return "http://user:secret@ho st" }, "expected a URL"},
		{"a path", "http", nil, func(m *middleman) string { return m.url(credentials) + "/secret" }, "expected a URL"},
		{"a user without a name", "socks5", nil, func(m *middleman) string { return m.url(":secret") }, "expected a user name"},
		{"silence", "http", silent, nil, ""},
		{"silence", "socks5", silent, nil, ""},
	} {
		t.Run(tc.name+" "+tc.scheme, func(t *testing.T) {
			h, m, _ := guarded(t, tc.scheme)
			proxy := m.url(credentials)
			if tc.url != nil {
				proxy = tc.url(m)
			}
			if tc.spoil != nil {
				tc.spoil(m)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			devices := fixedProxy{h.store.Sessions(), proxy, nil}
			change := func(c *whatsapp.Config) { c.Devices, c.WebsocketURL = devices, newTripwire(t).websocketURL() }
			if tc.name == "silence" { // the wait ends with the run
				h.dialer = h.newDialer(change)
				done := make(chan error, 1)
				h.add("a")
				go func() {
					_, err := h.begin(ctx, "a")
					done <- err
				}()
				eventually(t, "the proxy has a connection", func() bool {
					m.mu.Lock()
					defer m.mu.Unlock()
					return len(m.conns) == 1
				})
				cancel()
				if err := <-done; err == nil {
					t.Fatal("opened")
				}
				eventually(t, "nobody waits for the proxy", func() bool {
					m.mu.Lock()
					defer m.mu.Unlock()
					return len(m.conns) == 0
				})
				return
			}
			h.dialer = h.newDialer(change)
			_, err := h.begin(ctx, "a")
			wantProxyFailed(t, err, tc.reason)
		})
	}
}

// fixedProxy gives every session the same proxy, without the checks of the store.
type fixedProxy struct {
	whatsapp.Devices
	proxy string
	err   error
}

func (f fixedProxy) ProxyOf(context.Context, session.ID) (string, error) { return f.proxy, f.err }

func TestADatabaseThatDoesNotNameTheProxyConnectsNothing(t *testing.T) {
	wire := newTripwire(t)
	h := newHouse(t, sandbox.Config{})
	failing := &session.Error{Code: session.CodeStoreUnavailable, Op: "look up proxy"}
	h.dialer = h.newDialer(func(c *whatsapp.Config) {
		c.WebsocketURL, c.Devices = wire.websocketURL(), fixedProxy{h.store.Sessions(), "", failing}
	})
	_, err := h.begin(context.Background(), "a")
	if session.CodeOf(err) != session.CodeStoreUnavailable {
		t.Fatalf("got %v", err)
	}
}

func TestAProxyWithAnUnknownCertificateIsNotTrusted(t *testing.T) {
	h, m, _ := guarded(t, "https")
	h.dialer.TrustProxies(x509.NewCertPool())
	h.setProxy("a", m.url(credentials))
	_, err := h.begin(context.Background(), "a")
	wantProxyFailed(t, err, "TLS certificate of the proxy")
}

func TestRunsShareTheirProxysTransportAndTheLastOneReleasesIt(t *testing.T) {
	h, m, _ := guarded(t, "socks5")
	ids := []session.ID{"a", "b", "c"}
	var lives []*life
	for _, id := range ids {
		h.setProxy(id, m.url(credentials))
		l := h.open(id)
		l.expect(session.QRIssued)
		lives = append(lives, l)
	}
	if n := h.dialer.ProxiesInUse(); n != 1 {
		t.Errorf("%d transports for one proxy", n)
	}
	if whatsapp.MediaClient(lives[0].client) != whatsapp.MediaClient(lives[2].client) {
		t.Error("two runs of one proxy have clients of their own")
	}
	for i, l := range lives {
		if n := h.dialer.ProxiesInUse(); n != 1 {
			t.Errorf("%d proxies in use with %d runs left", n, len(lives)-i)
		}
		l.nothingMore()
	}
	if n := h.dialer.ProxiesInUse(); n != 0 {
		t.Errorf("%d proxies are held by nobody", n)
	}
}

func TestSessionsWithoutAProxyTakeTheirPlaceInThePool(t *testing.T) {
	wire := newTripwire(t)
	h := newHouse(t, sandbox.Config{})
	server := strings.TrimSuffix(strings.TrimPrefix(h.server.URL(), "ws://"), "/ws/chat")
	pool := newMiddleman(t, "socks5", "user-a", "pw", server)
	own := newMiddleman(t, "http", "mine", "pw", server)
	h.dialer = h.newDialer(func(c *whatsapp.Config) {
		c.WebsocketURL = wire.websocketURL()
		c.Proxy = "socks5://user-{id}:pw@" + pool.address
	})
	h.add("a")
	l := h.open("a")
	l.expect(session.QRIssued)
	l.nothingMore()
	h.add("b") // the pool's proxy does not know user-b
	_, err := h.begin(context.Background(), "b")
	wantProxyFailed(t, err, "refused the credentials")
	h.setProxy("b", own.url("mine:pw"))
	l = h.open("b")
	l.expect(session.QRIssued)
	l.nothingMore()
	if len(pool.tunnels()) != 1 || len(own.tunnels()) != 1 {
		t.Errorf("the pool made %v, the session's own proxy %v", pool.tunnels(), own.tunnels())
	}
}

func TestATemplateThatCannotBeUsedIsNamed(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	for _, tc := range []struct {
		template string
		size     int
		field    string
	}{
		{"socks5://proxy-{n}.example:1080", 0, "Proxy"},
		{"socks5://proxy-{m}.example:1080", 5, "Proxy"},
		{"proxy.example:1080", 0, "Proxy"},
		{"ftp://user:secret@proxy.example", 0, "Proxy"},
		{"", -1, "ProxyPoolSize"},
		{"", routes.MaxPool + 1, "ProxyPoolSize"},
	} {
		_, err := whatsapp.New(whatsapp.Config{
			DB: h.store.DB(), Devices: h.store.Sessions(), WebsocketURL: h.server.URL(), RootPublicKey: testAuthority.RootPublicKey(),
			Proxy: tc.template, ProxyPoolSize: tc.size,
		})
		var e *session.Error
		if !errors.As(err, &e) || e.Field != tc.field || !strings.Contains(e.Message, "expected") || strings.Contains(e.Message, "secret") {
			t.Errorf("%q, %d: %v", tc.template, tc.size, err)
		}
	}
}

package egress_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wasup/internal/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSpecialNetworksAreNotReached(t *testing.T) {
	g, open := egress.NewGuard(false), egress.NewGuard(true)
	for _, address := range []string{
		"127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%lo", "fc00::1", "fd00:ec2::254", "ff02::1",
		"::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
	} {
		if !g.Refuses(address) || open.Refuses(address) {
			t.Errorf("%s: refused %v, and where it is allowed %v", address, g.Refuses(address), open.Refuses(address))
		}
		for _, network := range []string{"tcp4", "tcp6"} {
			if err := g.Control(network, "["+address+"]:443", nil); !errors.Is(err, egress.ErrBlocked) {
				t.Errorf("%s over %s: %v", address, network, err)
			}
		}
	}
	for _, host := range []string{"1.1.1.1", "2606:4700:4700::1111", "hooks.example", "localhost", "2130706433", "0x7f.1"} {
		if g.Refuses(host) {
			t.Errorf("%s is refused before it is dialed", host)
		}
	}
	for network, address := range map[string]string{"tcp4": "1.1.1.1:8443", "tcp6": "[2606:4700:4700::1111]:80"} {
		if err := g.Control(network, address, nil); err != nil {
			t.Errorf("a public address: %v", err)
		}
	}
	if err := g.Control("udp4", "1.1.1.1:53", nil); !errors.Is(err, egress.ErrBlocked) {
		t.Errorf("another network: %v", err)
	}
}

// The guard stops a name, a redirect, an unusual spelling of an address, and a proxy of the environment.
func TestNothingLeadsPastTheGuard(t *testing.T) {
	reached := make(chan string, 10)
	secret := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.Host }))
	defer secret.Close()
	t.Setenv("HTTP_PROXY", secret.URL)
	t.Setenv("http_proxy", secret.URL)
	at, err := url.Parse(secret.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := egress.NewGuard(false).Transport(time.Minute)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "10.0.0.1"} {
		answer, err := client.Get("http://" + host + ":" + at.Port() + "/")
		if err == nil {
			_ = answer.Body.Close()
		}
		if !errors.Is(err, egress.ErrBlocked) {
			t.Errorf("%s: %v", host, err)
		}
	}
	select {
	case host := <-reached:
		t.Errorf("a request for %s reached what it must not reach", host)
	default:
	}

	open := egress.NewGuard(true).Transport(time.Minute)
	defer open.CloseIdleConnections()
	answer, err := (&http.Client{Transport: open}).Get(secret.URL)
	if err != nil {
		t.Fatalf("where it is allowed: %v", err)
	}
	_ = answer.Body.Close()
	if host := <-reached; host != at.Host {
		t.Errorf("%s was reached", host)
	}
}

func TestLoopbackCanBeAllowedAlone(t *testing.T) {
	t.Parallel()
	guard := egress.NewGuard(false).WithLoopback(true)
	for host, allowed := range map[string]bool{
		"127.0.0.1": true, "127.9.8.7": true, "::1": true, "::ffff:127.0.0.1": true,
		"10.1.2.3": false, "192.168.0.1": false, "169.254.169.254": false, "0.0.0.0": false, "::": false, "fe80::1": false, "fd00::1": false, "100.64.0.1": false,
	} {
		network := "tcp4"
		if strings.Contains(host, ":") {
			network = "tcp6"
		}
		err := guard.Control(network, net.JoinHostPort(host, "80"), nil)
		if (err == nil) != allowed || guard.Refuses(host) == allowed || err != nil && !errors.Is(err, egress.ErrBlocked) {
			t.Errorf("%s: %v", host, err)
		}
		if egress.NewGuard(false).WithLoopback(false).Control(network, net.JoinHostPort(host, "80"), nil) == nil {
			t.Errorf("%s is allowed without it", host)
		}
	}
}

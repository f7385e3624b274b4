package sandbox_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
)

// overTLS redirects a client to the TLS endpoint of its server. The client still uses WhatsApp's host name.
func (d *device) overTLS(ca []byte) {
	d.t.Helper()
	address, err := url.Parse(d.server.SecureURL())
	if err != nil {
		d.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address.Host)
		},
	}
	d.t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	d.cli.SetWebsocketHTTPClient(client)
	d.cli.SetPreLoginHTTPClient(client)
}

func TestAClientConnectsByTLS(t *testing.T) {
	server := newServer(t, sandbox.Config{TLS: true})
	phone := newPhone(t, server, "")
	client := newDevice(t, server)
	client.overTLS(server.CAPEM())

	client.pair(phone)

	// A reset reaches the client with TLS as well.
	from := client.mark()
	if dropped := server.DropTCP(faults.Select{Account: phone.Number()}); dropped != 1 {
		t.Fatalf("%d connections dropped", dropped)
	}
	wait[*events.Connected](client, from, nil)
}

func TestAClientThatDoesNotTrustTheCARefusesTheServer(t *testing.T) {
	server, other := newServer(t, sandbox.Config{TLS: true}), newServer(t, sandbox.Config{TLS: true})
	client := newDevice(t, server)
	client.overTLS(other.CAPEM())
	if err := client.cli.Connect(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("connected with %v", err)
	}
}

func TestWithoutTLSThereIsNoSecureEndpoint(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	if server.SecureURL() != "" || server.CAPEM() != nil {
		t.Fatalf("%q, %q", server.SecureURL(), server.CAPEM())
	}
	if _, err := sandbox.New(sandbox.Config{TLS: true, TLSListen: "nowhere"}); err == nil || !strings.Contains(err.Error(), "TLSListen") {
		t.Fatalf("bad address: %v", err)
	}
}

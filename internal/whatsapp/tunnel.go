package whatsapp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/proxy"
)

// proxyTimeout bounds what a proxy takes from our first byte to a connection to the server.
const proxyTimeout = 15 * time.Second

// maxProxyAnswer bounds the header of a proxy's answer to CONNECT.
const maxProxyAnswer = 64 << 10

// proxyError is a failure of the way to the server rather than of the server. reason names no address and no secret.
type proxyError struct {
	reason string
	err    error
}

func (e *proxyError) Error() string {
	if e.err == nil {
		return "proxy: " + e.reason
	}
	return "proxy: " + e.reason + ": " + e.err.Error()
}

func (e *proxyError) Unwrap() error { return e.err }

// tunnel makes connections through one proxy. It passes the server's name on as it is, so that the proxy resolves it.
type tunnel struct {
	proxy   *url.URL
	address string // of the proxy, host:port
	roots   *x509.CertPool
	forward *net.Dialer
}

// newTunnel accepts http, https and socks5 URLs with or without credentials. The error repeats nothing of the URL: it
// may hold a password.
func newTunnel(raw string) (*tunnel, error) {
	const expected = "expected a URL such as socks5://user:password@host:1080 with the scheme http, https or socks5"
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return nil, &proxyError{reason: expected}
	}
	ports := map[string]string{"http": "80", "https": "443", "socks5": "1080"}
	port, known := ports[u.Scheme]
	if !known {
		return nil, &proxyError{reason: expected}
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, &proxyError{reason: "expected a port from 1 to 65535"}
	}
	if u.Scheme == "socks5" && u.User != nil {
		// RFC 1929 counts both in one byte.
		password, _ := u.User.Password()
		if name := u.User.Username(); name == "" || len(name) > 255 || len(password) > 255 {
			return nil, &proxyError{reason: "expected a user name of 1 to 255 bytes and a password of at most 255"}
		}
	}
	return &tunnel{
		proxy: u, address: net.JoinHostPort(u.Hostname(), port),
		forward: &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second},
	}, nil
}

// DialContext gives a connection to address through the proxy. Every error is a *proxyError: there is no other way.
func (t *tunnel) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, proxyTimeout)
	defer cancel()
	dial := t.connect
	if t.proxy.Scheme == "socks5" {
		dial = t.socks
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, &proxyError{reason: proxyReason(err), err: err}
	}
	return conn, nil
}

func (t *tunnel) socks(ctx context.Context, network, address string) (net.Conn, error) {
	var auth *proxy.Auth
	if user := t.proxy.User; user != nil {
		password, _ := user.Password()
		auth = &proxy.Auth{User: user.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", t.address, auth, t.forward)
	if err != nil {
		return nil, err
	}
	through, ok := dialer.(proxy.ContextDialer)
	if !ok {
		return nil, errors.New("the SOCKS dialer cannot be interrupted")
	}
	return through.DialContext(ctx, network, address)
}

// connect asks an HTTP proxy for a tunnel (RFC 9110, section 9.3.6), for ws:// as for wss://: only a tunnel carries a
// WebSocket whatever the proxy knows of them.
func (t *tunnel) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.forward.DialContext(ctx, network, t.address)
	if err != nil {
		return nil, err
	}
	if t.proxy.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: t.proxy.Hostname(), RootCAs: t.roots, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = secure
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	rest, err := t.ask(conn, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	if len(rest) > 0 {
		return &begun{Conn: conn, rest: rest}, nil
	}
	return conn, nil
}

// ask gives what the server sent in one piece with the proxy's answer.
func (t *tunnel) ask(conn net.Conn, address string) (rest []byte, err error) {
	question := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if user := t.proxy.User; user != nil {
		password, _ := user.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		question += "Proxy-Authorization: Basic " + credentials + "\r\n"
	}
	if _, err = io.WriteString(conn, question+"\r\n"); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(io.LimitReader(conn, maxProxyAnswer))
	answer, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // closing would read it; a tunnel has none, a refused connection is closed whole
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoProxy, err)
	}
	if answer.StatusCode/100 != 2 {
		return nil, refusedTunnel(answer.StatusCode)
	}
	rest, _ = reader.Peek(reader.Buffered())
	return bytes.Clone(rest), nil
}

// begun is a connection of which something was read already.
type begun struct {
	net.Conn
	rest []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.rest)
	if b.rest = b.rest[n:]; len(b.rest) == 0 {
		b.rest = nil
	}
	return n, nil
}

var errNoProxy = errors.New("not an HTTP proxy's answer")

// refusedTunnel is the status of a proxy that gave no tunnel.
type refusedTunnel int

func (s refusedTunnel) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", int(s), http.StatusText(int(s))))
}

func proxyReason(err error) string {
	var (
		status refusedTunnel
		dns    *net.DNSError
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	// The SOCKS library has no error values; these are the words of its internal package and of RFC 1928.
	text := err.Error()
	switch {
	case errors.As(err, &status) && status == http.StatusProxyAuthRequired,
		strings.Contains(text, "username/password authentication failed"),
		strings.Contains(text, "no acceptable authentication methods"):
		return "the proxy refused the credentials"
	case errors.As(err, &status):
		return "the proxy gave no connection: " + status.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "the proxy did not answer in time"
	case errors.As(err, &dns):
		return "the name of the proxy could not be resolved"
	case errors.As(err, &verify):
		return "the TLS certificate of the proxy is not valid"
	case errors.As(err, &record):
		return "the proxy does not speak TLS"
	case strings.Contains(text, "unknown error "): // how the SOCKS library begins a refusal with its reply's name
		return "the proxy gave no connection to the server"
	case errors.Is(err, errNoProxy), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(text, "unexpected protocol version"):
		return "the proxy closed the connection or does not speak the protocol"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the proxy cannot be reached: connection refused"
	default:
		return "the proxy cannot be reached"
	}
}

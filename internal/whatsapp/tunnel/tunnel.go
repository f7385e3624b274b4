// Package tunnel connects through a proxy: http, https or socks5.
//
// It owns how proxies are asked for a connection, and why one gives none. It knows neither sessions nor WhatsApp.
package tunnel

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

// proxyTimeout bounds the time from our first byte to the proxy until the connection to the server exists.
const proxyTimeout = 15 * time.Second

// maxProxyAnswer bounds the header of a proxy's answer to CONNECT.
const maxProxyAnswer = 64 << 10

// Error is a failure of the proxy, not of the server. Reason contains no address and no secret.
type Error struct {
	Reason string
	Err    error // may be nil
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return "proxy: " + e.Reason
	}
	return "proxy: " + e.Reason + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Tunnel makes connections through one proxy. It passes on the server's host name unresolved; the proxy resolves it.
type Tunnel struct {
	proxy   *url.URL
	address string // the proxy's host:port
	roots   *x509.CertPool
	forward *net.Dialer
}

// New parses an http, https or socks5 URL with or without credentials. Its error contains nothing of the URL,
// which may hold a password. roots are those of https proxies; nil: the
// machine's. timeout is for the dial to the proxy.
func New(raw string, roots *x509.CertPool, timeout time.Duration) (*Tunnel, error) {
	const expected = "expected a URL such as socks5://user:password@host:1080 with the scheme http, https or socks5"
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return nil, &Error{Reason: expected}
	}
	ports := map[string]string{"http": "80", "https": "443", "socks5": "1080"}
	port, known := ports[u.Scheme]
	if !known {
		return nil, &Error{Reason: expected}
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, &Error{Reason: "expected a port from 1 to 65535"}
	}
	if u.Scheme == "socks5" && u.User != nil {
		// RFC 1929 stores each length in one byte.
		password, _ := u.User.Password()
		if name := u.User.Username(); name == "" || len(name) > 255 || len(password) > 255 {
			return nil, &Error{Reason: "expected a user name of 1 to 255 bytes and a password of at most 255"}
		}
	}
	return &Tunnel{
		proxy: u, address: net.JoinHostPort(u.Hostname(), port), roots: roots,
		forward: &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second},
	}, nil
}

// DialContext connects to address through the proxy. Every error is a *Error: there is no other route.
func (t *Tunnel) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, proxyTimeout)
	defer cancel()
	dial := t.dialHTTP
	if t.proxy.Scheme == "socks5" {
		dial = t.dialSOCKS
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, &Error{Reason: proxyReason(err), Err: err}
	}
	return conn, nil
}

func (t *Tunnel) dialSOCKS(ctx context.Context, network, address string) (net.Conn, error) {
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

// dialHTTP requests a tunnel from an HTTP proxy (RFC 9110, section 9.3.6), also for ws://: a tunnel carries a WebSocket
// even if the proxy does not support WebSockets.
func (t *Tunnel) dialHTTP(ctx context.Context, network, address string) (net.Conn, error) {
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
	rest, err := t.requestTunnel(conn, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	if len(rest) > 0 {
		return &bufferedConn{Conn: conn, rest: rest}, nil
	}
	return conn, nil
}

// requestTunnel sends the CONNECT request. It returns bytes of the server that arrived together with the proxy's
// answer.
func (t *Tunnel) requestTunnel(conn net.Conn, address string) (rest []byte, err error) {
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if user := t.proxy.User; user != nil {
		password, _ := user.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		request += "Proxy-Authorization: Basic " + credentials + "\r\n"
	}
	if _, err = io.WriteString(conn, request+"\r\n"); err != nil {
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

// bufferedConn is a connection with bytes that were already read.
type bufferedConn struct {
	net.Conn
	rest []byte
}

func (b *bufferedConn) Read(p []byte) (int, error) {
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

// refusedTunnel is the HTTP status of a proxy that refused a tunnel.
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
	// The SOCKS library exports no error values. These texts are from its internal package and from RFC 1928.
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
	case strings.Contains(text, "unknown error "): // the SOCKS library's prefix of a refusal
		return "the proxy gave no connection to the server"
	case errors.Is(err, errNoProxy), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(text, "unexpected protocol version"):
		return "the proxy closed the connection or does not speak the protocol"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the proxy cannot be reached: connection refused"
	default:
		return "the proxy cannot be reached"
	}
}

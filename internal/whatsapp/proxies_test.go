package whatsapp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
)

// middleman is a proxy of one of the three kinds. It connects every request to target. So a test can give the client an
// address at which a direct connection would be noticed.
type middleman struct {
	t              testing.TB
	scheme         string
	user, password string // "": no credentials needed
	target         string // host:port; "": the requested address
	address        string
	tls            *tls.Config

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]struct{}
	asked    []string // the requested addresses
	refused  int      // clients refused for their credentials
	mute     bool     // accepts connections but never answers
	status   string   // an HTTP proxy answers this status instead of opening a tunnel
	work     sync.WaitGroup
}

func newMiddleman(t testing.TB, scheme, user, password, target string) *middleman {
	t.Helper()
	m := &middleman{t: t, scheme: scheme, user: user, password: password, target: target, conns: map[net.Conn]struct{}{}, address: "127.0.0.1:0"}
	if scheme == "https" {
		server := httptest.NewUnstartedServer(nil)
		server.StartTLS()
		m.tls = server.TLS.Clone()
		m.tls.NextProtos = nil
		server.Close()
	}
	m.start()
	t.Cleanup(m.stop)
	return m
}

// url returns the proxy's URL with the credentials.
func (m *middleman) url(credentials string) string {
	if credentials != "" {
		credentials += "@"
	}
	return m.scheme + "://" + credentials + m.address
}

func (m *middleman) start() {
	m.t.Helper()
	listener, err := net.Listen("tcp", m.address)
	if err != nil {
		m.t.Fatal(err)
	}
	m.address = listener.Addr().String()
	if m.tls != nil {
		listener = tls.NewListener(listener, m.tls)
	}
	m.mu.Lock()
	m.listener = listener
	m.mu.Unlock()
	m.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			m.work.Go(func() { m.serve(conn) })
		}
	})
}

// stop closes the listener and every tunnel.
func (m *middleman) stop() {
	m.mu.Lock()
	_ = m.listener.Close()
	for conn := range m.conns {
		_ = conn.Close()
	}
	m.mu.Unlock()
	m.work.Wait()
}

func (m *middleman) tunnels() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.asked...)
}

func (m *middleman) hold(conn net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns[conn] = struct{}{}
}

func (m *middleman) serve(conn net.Conn) {
	m.hold(conn)
	defer func() {
		m.mu.Lock()
		delete(m.conns, conn)
		m.mu.Unlock()
		_ = conn.Close()
	}()
	m.mu.Lock()
	mute := m.mute
	m.mu.Unlock()
	if mute {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	reader := bufio.NewReader(conn)
	ask, accept := m.askHTTP, "HTTP/1.1 200 Connection established\r\n\r\n"
	if m.scheme == "socks5" {
		ask, accept = m.askSOCKS, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	}
	address, ok := ask(conn, reader)
	if !ok {
		return
	}
	m.mu.Lock()
	m.asked = append(m.asked, address)
	m.mu.Unlock()
	if m.target != "" {
		address = m.target
	}
	onward, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return
	}
	m.hold(onward)
	defer func() {
		m.mu.Lock()
		delete(m.conns, onward)
		m.mu.Unlock()
		_ = onward.Close()
	}()
	if _, err = io.WriteString(conn, accept); err != nil {
		return
	}
	m.work.Go(func() {
		_, _ = io.Copy(onward, reader)
		_ = onward.Close()
	})
	_, _ = io.Copy(conn, onward)
}

func (m *middleman) refuse() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused++
}

func (m *middleman) refusals() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused
}

func (m *middleman) askHTTP(conn net.Conn, reader *bufio.Reader) (string, bool) {
	req, err := http.ReadRequest(reader)
	if err != nil {
		return "", false
	}
	if req.Method != http.MethodConnect {
		m.t.Errorf("the proxy was asked to %s", req.Method)
		return "", false
	}
	want := ""
	if m.user != "" {
		want = "Basic " + base64.StdEncoding.EncodeToString([]byte(m.user+":"+m.password))
	}
	m.mu.Lock()
	status := m.status
	m.mu.Unlock()
	switch {
	case status != "":
	case req.Header.Get("Proxy-Authorization") != want:
		m.refuse()
		status = "407 Proxy Authentication Required"
	default:
		return req.Host, true
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Length: 5\r\n\r\nsorry")
	return "", false
}

// askSOCKS implements RFC 1928 with the user name and password of RFC 1929.
func (m *middleman) askSOCKS(conn net.Conn, reader *bufio.Reader) (string, bool) {
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(reader, b); err != nil {
			return make([]byte, n)
		}
		return b
	}
	methods := read(int(read(2)[1]))
	method := byte(0)
	if m.user != "" {
		method = 2
	}
	offered := false
	for _, o := range methods {
		offered = offered || o == method
	}
	if !offered {
		m.refuse()
		_, _ = conn.Write([]byte{5, 0xff})
		return "", false
	}
	_, _ = conn.Write([]byte{5, method})
	if method == 2 {
		user := string(read(int(read(2)[1])))
		password := string(read(int(read(1)[0])))
		if user != m.user || password != m.password {
			m.refuse()
			_, _ = conn.Write([]byte{1, 1})
			return "", false
		}
		_, _ = conn.Write([]byte{1, 0})
	}
	host := ""
	switch read(4)[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	case 4:
		host = net.IP(read(16)).String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(read(2))))), host != ""
}

// tripwire listens at the address of a direct connection and counts the clients that ignore their proxy.
type tripwire struct {
	address string
	mu      sync.Mutex
	came    int
}

func newTripwire(t testing.TB) *tripwire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &tripwire{address: listener.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			w.came++
			w.mu.Unlock()
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		if n := w.count(); n > 0 {
			t.Errorf("%d connections were made without the proxy", n)
		}
	})
	return w
}

func (w *tripwire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.came
}

func (w *tripwire) websocketURL() string { return "ws://" + w.address + "/ws/chat" }

// eventually waits for a condition that no event announces.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

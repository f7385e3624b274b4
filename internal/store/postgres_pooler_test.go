package store_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"testing"

	"wasup/internal/session"
	"wasup/internal/store/pgtest"
)

// pooler runs a proxy of a server that tells its clients other process ids, as connection poolers do. It returns the
// proxy's address.
func pooler(t *testing.T, server string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			relay(client, server)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-served
	})
	return listener.Addr().String()
}

// relay forwards one connection until it ends.
func relay(client net.Conn, server string) {
	defer func() { _ = client.Close() }()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(upstream, client)
		_ = upstream.Close()
	}()
	renumber(client, upstream)
	_ = client.Close()
	<-sent
}

// renumber forwards the server's messages, each with a letter, a length and a body. It changes the process id in
// BackendKeyData (https://www.postgresql.org/docs/15/protocol-message-formats.html).
func renumber(to io.Writer, from io.Reader) {
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		if head[0] == 'K' {
			binary.BigEndian.PutUint32(body, binary.BigEndian.Uint32(body)+1)
		}
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
}

func TestAPoolerBetweenIsNoticed(t *testing.T) {
	dsn := pgtest.DSN(t)
	var server string
	altered(t, dsn, func(u *url.URL) { server = u.Host })
	between := pooler(t, server)
	wantRefused(t, altered(t, dsn, func(u *url.URL) { u.Host = between }), session.CodeStoreUnavailable, "pooler", "server itself")
}

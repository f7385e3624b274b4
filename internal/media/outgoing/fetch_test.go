package outgoing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"wasup/internal/media/outgoing"
	"wasup/internal/message"
	"wasup/internal/session"
)

func private(o *outgoing.Options) { o.AllowPrivate = true }

// serve is a server on this machine, which only a folder that may reach private networks can reach.
func serve(t *testing.T, do http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(do)
	t.Cleanup(server.Close)
	return server
}

func TestAFileIsFetchedFromItsAddress(t *testing.T) {
	folder, _ := newFolder(t, private)
	data := encoded(t, "image/png", picture(50, 40))
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/pictures/cat.png?token=secret", http.StatusFound)
		case "/named":
			w.Header().Set("Content-Disposition", `attachment; filename="../dog.png"`)
			fallthrough
		default:
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write(data)
		}
	})
	for path, want := range map[string]string{"/moved": "cat.png", "/named": "dog.png", "/": ""} {
		known, err := folder.Fetch(t.Context(), server.URL+path, message.FileHint{})
		if err != nil {
			t.Fatal(err)
		}
		if known.Name != want || known.Mime != "image/png" || known.Width != 50 || !bytes.Equal(read(t, folder, known.File), data) {
			t.Errorf("%s: %+v", path, known)
		}
	}
	known, err := folder.Fetch(t.Context(), server.URL+"/named", message.FileHint{Name: "mine.png"})
	if err != nil || known.Name != "mine.png" {
		t.Errorf("%+v, %v", known, err)
	}
}

func TestPrivateNetworksAreNotReached(t *testing.T) {
	folder, dir := newFolder(t)
	reached := false
	server := serve(t, func(http.ResponseWriter, *http.Request) { reached = true })
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "10.0.0.1", "172.16.0.1", "192.168.1.1",
		"169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "100.64.0.1", "224.0.0.1", "[ff02::1]", "192.0.2.1", "198.18.0.1", "255.255.255.255",
		"[64:ff9b::7f00:1]", "[2002:7f00:1::]", "2130706433", "0x7f000001", "0177.0.0.1",
	} {
		_, err := folder.Fetch(t.Context(), "http://"+host+":"+port+"/", message.FileHint{})
		// Go treats unusual spellings of an IP address as host names, which do not resolve.
		if code := session.CodeOf(err); code != session.CodeFetchRefused && (code != session.CodeFetchFailed || strings.ContainsAny(host, "[:")) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if reached {
		t.Error("this machine was reached")
	}
	if left := inside(t, dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestABadAddressIsNamed(t *testing.T) {
	folder, _ := newFolder(t, private)
	for _, address := range []string{"", "x", "/etc/passwd", "file:///etc/passwd", "ftp://example.com/a", "http://", "http://user:password@example.com/", "http://[::1", "gopher://example.com"} {
		_, err := folder.Fetch(t.Context(), address, message.FileHint{})
		var e *session.Error
		if !errors.As(err, &e) || e.Code != session.CodeInvalidRequest || e.Field != "media.url" {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// nobody returns an address that refuses connections until the test ends: the local end of an open connection. Another
// process could reuse the port of a closed listener.
func nobody(t *testing.T) string {
	t.Helper()
	server := serve(t, http.NotFound)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String()
}

func TestAFetchThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	folder, dir := newFolder(t, private, func(o *outgoing.Options) { o.MaxSize = 1000 })
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/login":
			http.Redirect(w, r, strings.Replace("http://user:secret@HOST/", "HOST", r.Host, 1), http.StatusFound)
		case "/announced":
			w.Header().Set("Content-Length", "1001")
			_, _ = w.Write(someBytes(1001))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(someBytes(500)); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		case "/cut":
			w.Header().Set("Content-Length", "900")
			_, _ = w.Write(someBytes(100))
		default:
			http.NotFound(w, r)
		}
	})
	for path, test := range map[string]struct {
		code session.Code
		says string
	}{
		"/loop":      {session.CodeFetchFailed, "redirects more than 5 times"},
		"/file":      {session.CodeFetchFailed, "redirects"},
		"/login":     {session.CodeFetchFailed, "redirects"},
		"/announced": {session.CodeMediaTooLarge, "larger"},
		"/endless":   {session.CodeMediaTooLarge, "larger"},
		"/cut":       {session.CodeFetchFailed, ""},
		"/missing":   {session.CodeFetchFailed, "HTTP 404"},
	} {
		_, err := folder.Fetch(t.Context(), server.URL+path+"?token=secret", message.FileHint{})
		var e *session.Error
		if !errors.As(err, &e) || e.Code != test.code || !strings.Contains(e.Message, test.says) {
			t.Errorf("%s: %v", path, err)
		}
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: the error repeats the address: %v", path, err)
		}
	}
	_, err := folder.Fetch(t.Context(), "http://"+nobody(t), message.FileHint{})
	wantCode(t, err, session.CodeFetchFailed)
	if left := inside(t, dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestAFetchIsBounded(t *testing.T) {
	began := make(chan struct{}, 1)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(100))
		_, _ = w.Write(someBytes(10))
		w.(http.Flusher).Flush()
		if r.URL.Path == "/told" {
			began <- struct{}{}
		}
		<-r.Context().Done()
	})
	short, _ := newFolder(t, private, func(o *outgoing.Options) { o.FetchTimeout = 100 * time.Millisecond })
	// The time limit may pass before the request reaches the server.
	_, err := short.Fetch(t.Context(), server.URL, message.FileHint{})
	wantCode(t, err, session.CodeFetchFailed)
	long, dir := newFolder(t, private)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-began
		leave()
	}()
	_, err = long.Fetch(ctx, server.URL+"/told", message.FileHint{})
	wantCode(t, err, session.CodeTimeout)
	if left := inside(t, dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

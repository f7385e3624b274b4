package httpapi

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// raw sends bytes on a connection of their own and reads one answer.
func (r *rig) raw(t *testing.T, request string, cut bool) reply {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if cut {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Close {
		response.Header.Set("Connection", "close")
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

func TestABodyInPiecesIsHeldToTheSameLimits(t *testing.T) {
	t.Parallel()
	f := behind(full())
	r := newRig(t, Config{BodyLimit: 100}, &f)
	const head = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	pieces := "Transfer-Encoding: chunked\r\n\r\n"
	long := strings.Repeat("x", 101)
	for what, test := range map[string]struct {
		request string
		cut     bool
		status  int
	}{
		"pieces":                     {head + pieces + "8\r\n{\"id\":\"n\r\n3\r\new\"\r\n1\r\n}\r\n0\r\n\r\n", false, 201},
		"too many pieces":            {head + pieces + "65\r\n" + long + "\r\n", false, 413},
		"a piece that is cut":        {head + pieces + "8\r\n{\"id", true, 400},
		"a size that is none":        {head + pieces + "zz\r\n", false, 400},
		"a body that is cut":         {head + "Content-Length: 50\r\n\r\n{\"id", true, 400},
		"too large, by its own word": {head + "Content-Length: 100000\r\n\r\n" + strings.Repeat(" ", 10_000), false, 413},
		"as large as is allowed":     {head + "Content-Length: 100\r\n\r\n" + `{"id":"new"` + strings.Repeat(" ", 88) + "}", false, 201},
	} {
		if answer := r.raw(t, test.request, test.cut); answer.status != test.status {
			t.Errorf("%s: %d %s", what, answer.status, answer.body)
		}
	}
}

func TestTheRestOfARefusedBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{BodyLimit: 10}, &scripted{})
	const hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	answer := r.raw(t, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n"+strings.Repeat(" ", 32)+"\r\n"+hidden, true)
	requests, _ := r.observer.snapshot()
	if answer.status != 413 || answer.header.Get("Connection") != "close" || len(requests) != 1 {
		t.Errorf("%d, Connection %q, %d requests", answer.status, answer.header.Get("Connection"), len(requests))
	}
}

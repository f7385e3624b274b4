package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/internal/session"
)

// dialed is a connection of its own.
type dialed struct {
	net.Conn
	read *bufio.Reader
}

func dial(t *testing.T, r *apitest.Rig) *dialed {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &dialed{c, bufio.NewReader(c)}
}

func (d *dialed) ask(t *testing.T, path string) {
	t.Helper()
	if _, err := fmt.Fprintf(d, "GET %s HTTP/1.1\r\nHost: localhost\r\nX-Cliente-Id: 51\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
}

func (d *dialed) answer(t *testing.T) (int, http.Header, string) {
	t.Helper()
	response, err := http.ReadResponse(d.read, nil)
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
	return response.StatusCode, response.Header, string(body)
}

func (d *dialed) get(t *testing.T, path string) int {
	t.Helper()
	d.ask(t, path)
	status, _, _ := d.answer(t)
	return status
}

// ends waits until the server has closed the connection without a word.
func (d *dialed) ends(t *testing.T) {
	t.Helper()
	if _, err := d.read.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is open: %v", err)
	}
}

func TestIdleConnectionsMakeRoomForNewOnes(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{Connections: 3}, &apitest.Scripted{})
	first, second, third := dial(t, r), dial(t, r), dial(t, r)
	for _, d := range []*dialed{first, second, third, first} { // the second one is now idle for the longest time
		if status := d.get(t, "/healthz"); status != 200 {
			t.Fatal(status)
		}
	}
	fourth := dial(t, r)
	if status := fourth.get(t, "/healthz"); status != 200 {
		t.Errorf("the fourth connection got %d", status)
	}
	second.ends(t)
	for _, d := range []*dialed{first, third, fourth} {
		if status := d.get(t, "/healthz"); status != 200 {
			t.Errorf("a connection got %d", status)
		}
	}
	if got := r.Connections(); got != (httpapi.Connections{Open: 3, Max: 3, Evicted: 1}) {
		t.Errorf("%+v", got)
	}
}

// Connections that never send anything are idle too.
func TestSilentConnectionsLockNobodyOut(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{Connections: 10}, &apitest.Scripted{})
	var silent []*dialed
	for range 200 {
		silent = append(silent, dial(t, r))
	}
	if status := dial(t, r).get(t, "/healthz"); status != 200 {
		t.Errorf("a new connection got %d", status)
	}
	silent[0].ends(t)
	if got := r.Connections(); got.Open > 10 || got.Evicted != 191 || got.Refused != 0 {
		t.Errorf("%+v", got)
	}
}

func TestBusyConnectionsAreNotClosedForNewOnes(t *testing.T) {
	t.Parallel()
	began, proceed := make(chan struct{}), make(chan struct{})
	r := apitest.NewRig(t, httpapi.Config{Connections: 2}, &apitest.Scripted{Asked: func(_ context.Context, _ session.ID) session.QRAnswer {
		began <- struct{}{}
		<-proceed
		return session.QRAnswer{Outcome: session.OutcomeReady, State: session.Ready}
	}})
	release := sync.OnceFunc(func() { close(proceed) })
	defer release()
	busy := []*dialed{dial(t, r), dial(t, r)}
	for _, d := range busy {
		d.ask(t, "/qr-code")
		<-began
	}
	for range 100 { // more than are refused at the same time
		d := dial(t, r)
		d.ask(t, "/healthz") // its request is not read, and must not destroy the answer
		status, header, body := d.answer(t)
		if status != 503 || body != apitest.Literal(t, "flagged_too_many_connections") || header.Get("Retry-After") != "2" || header.Get("Connection") != "close" {
			t.Fatalf("%d %v %s", status, header, body)
		}
		d.ends(t)
	}
	release()
	for _, d := range busy {
		if status, _, _ := d.answer(t); status != 409 {
			t.Errorf("a waiter got %d", status)
		}
	}
	if status := dial(t, r).get(t, "/healthz"); status != 200 {
		t.Errorf("once they are idle, a new connection got %d", status)
	}
	if got := r.Connections(); got.Refused != 100 || got.Evicted != 1 {
		t.Errorf("%+v", got)
	}
}

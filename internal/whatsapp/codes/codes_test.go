package codes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/socket"

	"wasup/internal/session"
)

type sqliteError int

func (e sqliteError) Error() string { return "SELECT secret FROM t" }
func (e sqliteError) Code() int     { return int(e) }

type postgresError string

func (e postgresError) Error() string    { return "SELECT secret FROM t" }
func (e postgresError) SQLState() string { return string(e) }

// personal matches what a caller may not read.
var personal = regexp.MustCompile(`[0-9]{5,}|ABCD`)

func TestDatabaseErrorsKeepTheirKind(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want session.Code
	}{
		{sqliteError(5), session.CodeStoreLocked},
		{sqliteError(261), session.CodeStoreLocked}, // SQLITE_BUSY_RECOVERY
		{sqliteError(6), session.CodeStoreLocked},
		{sqliteError(13), session.CodeStoreFull},
		{sqliteError(11), session.CodeStoreUnavailable}, // SQLITE_CORRUPT
		{postgresError("53100"), session.CodeStoreFull},
		{postgresError("57P01"), session.CodeStoreUnavailable},
		{errors.New("sql: database is closed"), session.CodeStoreUnavailable},
		{&session.Error{Code: session.CodeStoreFull}, session.CodeStoreFull},
		{&session.Error{Code: session.CodeNotFound}, session.CodeNotFound},
	} {
		err := StoreError("load device", "a", fmt.Errorf("wrapped: %w", tc.err))
		if got := session.CodeOf(err); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.err, got, tc.want)
		}
		var e *session.Error
		if !errors.As(err, &e) || e.Session != "a" || !errors.Is(err, tc.err) {
			t.Errorf("%v lost its session or its cause", err)
		}
		if public := e.Public(); public == "" || public == tc.err.Error() {
			t.Errorf("the caller reads %q", public)
		}
	}
}

func TestSendFailuresHaveTheirCode(t *testing.T) {
	for _, tc := range []struct {
		err    error
		want   session.Code
		status int
	}{
		{fmt.Errorf("%w 463", whatsmeow.ErrServerReturnedError), session.CodeRestricted, 463},
		{fmt.Errorf("%w 479", whatsmeow.ErrServerReturnedError), session.CodeSendFailed, 479},
		{fmt.Errorf("failed to get device list: %w", whatsmeow.ErrIQRateOverLimit), session.CodeSendFailed, 429},
		{&whatsmeow.DisconnectedError{Action: "message send"}, session.CodeDisconnected, 0},
		{whatsmeow.ErrNotConnected, session.CodeDisconnected, 0},
		{fmt.Errorf("failed to send message node: %w", socket.ErrSocketClosed), session.CodeDisconnected, 0},
		{whatsmeow.ErrNotLoggedIn, session.CodeDisconnected, 0},
		{context.DeadlineExceeded, session.CodeAckOverdue, 0},
		{context.Canceled, session.CodeAckOverdue, 0},
		{whatsmeow.ErrMessageTimedOut, session.CodeAckOverdue, 0},
		{whatsmeow.ErrIQTimedOut, session.CodeAckOverdue, 0},
		{ErrNoDevices, session.CodeNotOnWhatsApp, 0},
		{errors.New("no LID found for 5491100000000@s.whatsapp.net from server"), session.CodeNotOnWhatsApp, 0},
		{fmt.Errorf("failed to add message to retry store: %w", sqliteError(13)), session.CodeStoreFull, 0},
		{
			fmt.Errorf("failed to send message node: %w", &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}),
			session.CodeDisconnected, 0,
		},
		{fmt.Errorf("failed to write frame: %w", io.EOF), session.CodeDisconnected, 0},
		{errors.New("anything"), session.CodeInternal, 0}, // not WhatsApp's answer, so the message is tried again
	} {
		got := RequestError("send", "a", tc.err)
		if got.Code != tc.want || got.Status != tc.status {
			t.Errorf("%v: %s %d, want %s %d", tc.err, got.Code, got.Status, tc.want, tc.status)
		}
		if personal.MatchString(got.Public()) {
			t.Errorf("%v: the caller reads %q", tc.err, got.Public())
		}
	}
}

func TestAnErrorOfWhatsmeowNamesNobody(t *testing.T) {
	cause := fmt.Errorf("no LID found for %s from server", "5491100000000@s.whatsapp.net")
	err := RequestError("send", "", cause)
	if session.CodeOf(err) != session.CodeNotOnWhatsApp || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if text := err.Error(); strings.Contains(text, "5491100000000") || !strings.Contains(text, "no LID found") {
		t.Errorf("it would be logged as %q", text)
	}
}

func TestConnectFailuresSayWhyInOneLine(t *testing.T) {
	handshake := func(text string) error { return fmt.Errorf("noise handshake failed: %s", text) }
	dial := func(err error) error { return fmt.Errorf("%w: %w", socket.ErrDialFailed, err) }
	for _, tc := range []struct {
		err  error
		want string
	}{
		{dial(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), "connection refused"},
		{dial(&net.DNSError{Name: "secret.example", IsNotFound: true}), "no such host"},
		{dial(syscall.EHOSTUNREACH), "no route to the host"},
		{handshake("failed to verify server cert: failed to verify intermediate cert signature"), "certificate not signed by the configured root key"},
		{handshake("failed to verify server cert: leaf cert certificate expired"), "the server's certificate is not valid"},
		{handshake("timed out waiting for handshake response"), "handshake timed out"},
		{errors.Join(ErrConnectTimeout, handshake("failed to unmarshal")), "handshake timed out"},
		{errors.Join(ErrConnectTimeout, dial(context.Canceled)), "connecting timed out"},
		{errors.Join(ErrHandshakeClosed, handshake("failed to unmarshal")), "the server closed the connection during the handshake"},
		{errors.Join(ErrRunEnded, dial(context.Canceled)), "the run was ended while it connected"},
		{errors.New("http://user:password@host/"), "the connection failed"},
	} {
		err := ConnectError("a", tc.err)
		var e *session.Error
		code := session.CodeConnectFailed
		if strings.Contains(tc.want, "certificate") {
			code = session.CodeUntrusted
		}
		if !errors.As(err, &e) || e.Code != code || e.Message != tc.want {
			t.Errorf("%v: %v, want %q", tc.err, err, tc.want)
		}
	}
}

func TestAnHTTPRefusalKeepsItsStatus(t *testing.T) {
	status := socket.ErrWithStatusCode{StatusCode: 503}
	var e *session.Error
	if err := ConnectError("a", fmt.Errorf("%w: %w", socket.ErrDialFailed, wrapped{status})); !errors.As(err, &e) ||
		e.Code != session.CodeConnectRefused || e.Status != 503 {
		t.Fatalf("got %+v", e)
	}
}

// wrapped adds an Error method to socket.ErrWithStatusCode, whose embedded error is not exported.
type wrapped struct{ status socket.ErrWithStatusCode }

func (wrapped) Error() string   { return "status" }
func (w wrapped) Unwrap() error { return w.status }

package apitest

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/qr/qrtest"
	"wasup/httpapi/rest"
	"wasup/internal/session"
)

// update rewrites the literals of /v1. They are the contract, so check what changed.
var update = flag.Bool("update", false, "write testdata/v1 anew")

// Literal is a body of the contract.
func Literal(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(testdata(), name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Status makes a session for tests of the compatibility routes.
func Status(id session.ID, state session.State) session.Status {
	return session.Status{ID: id, State: state, Past: session.Past{LastCause: session.CauseNone}, MaxAttempts: 3}
}

// WithCode gives a session a code that can be scanned.
func WithCode(s session.Status, left time.Duration) session.Status {
	s.QR = session.QR{Code: qrtest.Code, Seq: 1, IssuedAt: Now.Add(-time.Second), ExpiresAt: Now.Add(left)}
	return s
}

// Outcome makes a RequestQR that returns an outcome at once.
func Outcome(o session.QROutcome, state session.State) func(context.Context, session.ID) session.QRAnswer {
	return func(context.Context, session.ID) session.QRAnswer {
		answer := session.QRAnswer{Outcome: o, State: state}
		if o == session.OutcomeQR {
			answer.QR = session.QR{Code: qrtest.Code, ExpiresAt: Now.Add(time.Minute)}
		}
		return answer
	}
}

// Failing makes an error with a code and a cause that answers must not show.
func Failing(code session.Code) error {
	return &session.Error{Code: code, Op: "test", Err: os.ErrPermission}
}

// Row is one line of the contract: a request, the scripted dependencies, and the literal answer.
type Row struct {
	What   string
	Method string
	Path   string
	Header []string
	Body   string
	Behind Scripted
	Status int
	Want   string // a file of testdata
	Extra  string // a header "Name: value" that the answer must have
}

func (r Row) check(t *testing.T) {
	t.Helper()
	rig := NewRig(t, httpapi.Config{BodyLimit: 4096, MaxAttempts: 7}, &r.Behind)
	answer := rig.Do(t, r.Method, r.Path, r.Body, r.Header...)
	if answer.Status != r.Status {
		t.Errorf("status %d, expected %d", answer.Status, r.Status)
	}
	if *update && strings.HasPrefix(r.Path, "/v1") {
		if err := os.WriteFile(filepath.Join(testdata(), r.Want+".json"), []byte(qrtest.Readable(t, answer.Body)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := qrtest.Readable(t, answer.Body), Literal(t, r.Want); got != want {
		t.Errorf("body\n%s\nexpected\n%s", got, want)
	}
	if got := answer.Header.Get("Content-Type"); got != r.contentType() {
		t.Errorf("content type %q", got)
	}
	if name, want, ok := strings.Cut(r.Extra, ": "); ok && answer.Header.Get(name) != want {
		t.Errorf("header %s: %q, expected %q", name, answer.Header.Get(name), want)
	}
	if got := answer.Header.Get("Server"); got != "" {
		t.Errorf("the server tells what it is: %q", got)
	}
}

func (r Row) contentType() string {
	if strings.HasPrefix(r.Path, "/v1") && r.Status >= 400 {
		return rest.ContentProblem
	}
	return ContentType
}

// RunRows checks rows, each with its own server.
func RunRows(t *testing.T, rows []Row) {
	t.Helper()
	for i := range rows {
		r := &rows[i]
		t.Run(r.What, func(t *testing.T) {
			t.Parallel()
			r.check(t)
		})
	}
}

// Client51 is the header of client 51.
const Client51 = "X-Cliente-Id: 51"

// ContentType is the Content-Type of JSON that the Node service sent.
const ContentType = "application/json; charset=utf-8"

// testdata is the folder of the literals, which all packages below httpapi share.
func testdata() string {
	if _, err := os.Stat("testdata/v1"); err == nil {
		return "testdata"
	}
	return "../testdata"
}

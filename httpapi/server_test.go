package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/qr"
	"wasup/httpapi/qr/qrtest"
	"wasup/internal/message"
	"wasup/internal/session"
)

func TestATakenPortIsOneClearError(t *testing.T) {
	t.Parallel()
	first := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{})
	second, err := httpapi.New(httpapi.Config{Listen: first.Addr()}, first.Deps)
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start(t.Context())
	want := "listen on " + first.Addr() + ": the port is taken by another process: address already in use"
	if err == nil || err.Error() != want || second.Addr() != "" {
		t.Errorf("%q, %v; expected %s", second.Addr(), err, want)
	}
	if err := second.Stop(context.Background()); err != nil {
		t.Errorf("stop of a server that never listened: %v", err)
	}
	if err := second.Start(t.Context()); session.CodeOf(err) != session.CodeShuttingDown || second.Addr() != "" {
		t.Errorf("a server that was stopped listens on %q: %v", second.Addr(), err)
	}
}

// waiting makes a RequestQR that ends with its context, as the real one does. It signals when it has begun.
func waiting(began chan<- struct{}) func(context.Context, session.ID) session.QRAnswer {
	return func(ctx context.Context, _ session.ID) session.QRAnswer {
		began <- struct{}{}
		<-ctx.Done()
		return session.QRAnswer{Outcome: session.OutcomeTimeout, State: session.Initializing}
	}
}

func TestTheWaitEndsAtTheDeadlineOfTheRequest(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 1)
	r := apitest.NewRig(t, httpapi.Config{QRWait: time.Hour}, &apitest.Scripted{Asked: waiting(began)})
	answer := r.Do(t, "GET", "/qr-code?wait=20ms", "", apitest.Client51)
	want := strings.Replace(apitest.Literal(t, "qr_code_timeout"), "30000", "20", 1)
	if answer.Status != 504 || answer.Body != want {
		t.Errorf("%d %s, expected 504 %s", answer.Status, answer.Body, want)
	}
	if _, outcomes := r.Observer.Snapshot(); len(outcomes) != 1 || outcomes[0] != session.OutcomeTimeout {
		t.Errorf("observed %v", outcomes)
	}
}

func TestAShutdownAnswersThoseWhoWait(t *testing.T) {
	t.Parallel()
	const waiters = 50
	began := make(chan struct{}, waiters)
	r := apitest.NewRig(t, httpapi.Config{QRWait: time.Hour}, &apitest.Scripted{Asked: waiting(began)})
	answers := make([]apitest.Reply, waiters)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = r.Try("GET", "/qr-code", "", apitest.Client51); err != nil {
				t.Error(err)
			}
		})
	}
	for range waiters {
		<-began
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	wg.Wait()
	for _, answer := range answers {
		if answer.Status != 503 || answer.Body != apitest.Literal(t, "coded_shutting_down") || answer.Header.Get("Retry-After") == "" {
			t.Fatalf("a waiter got %d %s", answer.Status, answer.Body)
		}
	}
	if err := r.Stop(ctx); err != nil {
		t.Errorf("second shutdown: %v", err)
	}
	if _, err := r.Try("GET", "/healthz", ""); err == nil {
		t.Error("the server answers after its shutdown")
	}
	select {
	case err := <-r.Failed():
		t.Errorf("a shutdown is reported as a failure: %v", err)
	default:
	}
}

func TestAShutdownLetsASendFinish(t *testing.T) {
	t.Parallel()
	began, proceed := make(chan struct{}), make(chan struct{})
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{
		Statuses: map[session.ID]session.Status{"51": apitest.Status("51", session.Ready)},
		Sending: func(ctx context.Context, _ session.ID, _ message.Recipient, _, _ string) (string, error) {
			close(began)
			select {
			case <-proceed:
				return "3EB0C767D097B7C7C030", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		},
	})
	answered := make(chan apitest.Reply, 1)
	go func() {
		answer, _ := r.Try("POST", "/send", `{"to":"5491100000000","message":"hola"}`, apitest.Client51)
		answered <- answer
	}()
	<-began
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		stopped <- r.Stop(ctx)
	}()
	<-r.Life().Waits().Done() // the drain has begun
	close(proceed)
	if answer := <-answered; answer.Status != 200 || answer.Body != apitest.Literal(t, "send") {
		t.Errorf("the send got %d %s", answer.Status, answer.Body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// endless makes a Sending that ends with its context, as one does that WhatsApp never answers. It signals when it has begun.
func endless(began chan<- struct{}) func(context.Context, session.ID, message.Recipient, string, string) (string, error) {
	return func(ctx context.Context, id session.ID, _ message.Recipient, _, _ string) (string, error) {
		close(began)
		<-ctx.Done()
		return "3EB0C767D097B7C7C030", &session.Error{Code: session.CodeOutcomeUnknown, Op: "send", Session: id, Err: ctx.Err()}
	}
}

// open sends the beginning of a request on a new connection.
func open(t *testing.T, r *apitest.Rig, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestAShutdownAnswersTheRequestsThatItCancels(t *testing.T) {
	t.Parallel()
	const send = "POST /send HTTP/1.1\nHost: localhost\n" + apitest.Client51 + "\nContent-Type: application/json\nContent-Length: 40\n\n" +
		`{"to":"5491100000000","message":"hello"}`
	for name, beside := range map[string]string{ // the beginning of a request that never ends
		"alone":                              "",
		"beside an upload that does not end": "POST /v1/media HTTP/1.1\nHost: localhost\nContent-Length: 40\n\nhalf",
		"beside a header that does not end":  "GET /healthz HTTP/1.1\nHost: loc",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := make(chan struct{})
			f := apitest.Behind(apitest.Full())
			f.Statuses["51"] = apitest.Status("51", session.Ready)
			f.Sending = endless(began)
			r := apitest.NewRig(t, httpapi.Config{}, &f)
			var stuck io.Reader = strings.NewReader("")
			if beside != "" {
				stuck = open(t, r, beside)
			}
			conn := open(t, r, send)
			<-began
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
			defer cancel()
			stopped := make(chan error, 1)
			go func() { stopped <- r.Stop(ctx) }()
			incoming := bufio.NewReader(conn)
			answer, err := http.ReadResponse(incoming, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusInternalServerError || answer.Header.Get("X-Message-Id") != "3EB0C767D097B7C7C030" || !answer.Close {
				t.Errorf("%d %v %s, %v", answer.StatusCode, answer.Header, body, err)
			}
			for what, from := range map[string]io.Reader{"the caller's": incoming, "the other": stuck} {
				if more, err := io.ReadAll(from); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s connection is still open: %q", what, more)
				}
			}
			if err := <-stopped; errors.Is(err, context.DeadlineExceeded) != (beside != "") {
				t.Errorf("the stop says %v", err)
			}
		})
	}
}

func TestAShutdownIsBounded(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	cancelled := make(chan struct{})
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{Starting: func(ctx context.Context, _ session.ID) (session.Status, bool, error) {
		close(began)
		<-ctx.Done()
		close(cancelled)
		return session.Status{}, false, ctx.Err()
	}})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = r.Try("POST", "/init", "", apitest.Client51) // the answer may arrive or not
	}()
	<-began
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Stop(ctx); err == nil {
		t.Error("a shutdown that ran out of time says nothing")
	}
	<-cancelled
	<-gone
}

func TestRequestsOnOldConnectionsAreRefusedWhileDraining(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{Readiness: func() (bool, int, int, string) { return true, 12, 12, "" }})
	// This only sets the flag. The listener stays open, like a connection that was accepted before the shutdown.
	r.Life().Drain()
	if answer := r.Do(t, "GET", "/status", "", apitest.Client51); answer.Status != 503 || answer.Body != apitest.Literal(t, "flagged_shutting_down") {
		t.Errorf("/status: %d %s", answer.Status, answer.Body)
	}
	if answer := r.Do(t, "GET", "/qr-code", "", apitest.Client51); answer.Status != 503 || answer.Body != apitest.Literal(t, "coded_shutting_down") {
		t.Errorf("/qr-code: %d %s", answer.Status, answer.Body)
	}
	if answer := r.Do(t, "GET", "/readyz", ""); answer.Status != 503 || answer.Body != `{"status":"not_ready","reason":"draining","restored":12,"wanted":12}` {
		t.Errorf("/readyz: %d %s", answer.Status, answer.Body)
	}
	if answer := r.Do(t, "GET", "/healthz", ""); answer.Status != 200 {
		t.Errorf("/healthz: %d %s", answer.Status, answer.Body)
	}
}

func TestAPanicIsOneAnswerAndOneLogRecord(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{
		Asked:    func(context.Context, session.ID) session.QRAnswer { panic("secret detail") },
		Starting: func(context.Context, session.ID) (session.Status, bool, error) { panic("secret detail") },
	})
	for range 3 {
		if answer := r.Do(t, "GET", "/qr-code", "", apitest.Client51); answer.Status != 500 || answer.Body != apitest.Literal(t, "coded_internal") {
			t.Errorf("/qr-code: %d %s", answer.Status, answer.Body)
		}
	}
	if answer := r.Do(t, "POST", "/init", "", apitest.Client51); answer.Status != 500 || answer.Body != apitest.Literal(t, "flagged_internal") {
		t.Errorf("/init: %d %s", answer.Status, answer.Body)
	}
	logs := r.Logs.String()
	if n := strings.Count(logs, "a handler panicked"); n != 4 {
		t.Errorf("%d records for 4 panics:\n%s", n, logs)
	}
	if n := strings.Count(logs, "\n"); n != 4 || !strings.Contains(logs, "secret detail") || !strings.Contains(logs, "server_test.go") {
		t.Errorf("%d lines, expected 4 with reason and stack:\n%s", n, logs)
	}
}

func TestCausesStayInTheLog(t *testing.T) {
	t.Parallel()
	cause := fmt.Errorf("SQL logic error: /var/lib/wasup.db")
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{
		Statuses: map[session.ID]session.Status{"51": apitest.Status("51", session.Ready)},
		Sending: func(context.Context, session.ID, message.Recipient, string, string) (string, error) {
			return "", &session.Error{Code: session.CodeStoreUnavailable, Op: "begin", Err: cause}
		},
	})
	answer := r.Do(t, "POST", "/send", `{"to":"5491100000000","message":"hola"}`, apitest.Client51)
	if strings.Contains(answer.Body, "SQL") || answer.Status != 503 {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
	if logs := r.Logs.String(); !strings.Contains(logs, "SQL logic error") || strings.Contains(logs, "5491100000000") || strings.Contains(logs, "hola") {
		t.Errorf("log:\n%s", logs)
	}
}

func TestAnOversizedUploadIsAnsweredEvenWhileItIsSent(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{BodyLimit: 1 << 10}, &apitest.Scripted{})
	body := strings.Repeat("x", 8<<20)
	for _, header := range [][]string{{apitest.Client51}, {apitest.Client51, "Expect: 100-continue"}} {
		answer := r.Do(t, "POST", "/send", body, header...)
		if answer.Status != 413 || answer.Body != apitest.Literal(t, "flagged_body_too_large") {
			t.Errorf("%d %s", answer.Status, answer.Body)
		}
	}
	// Now without a Content-Length.
	request, err := http.NewRequest(http.MethodPost, r.Base+"/send", io.MultiReader(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	response, err := r.Client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if content, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusRequestEntityTooLarge || string(content) != apitest.Literal(t, "flagged_body_too_large") {
		t.Errorf("chunked: %d %s %v", response.StatusCode, content, err)
	}
}

func TestWhatIsNotHTTPClosesThatConnectionOnly(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{})
	for _, garbage := range []string{"\x16\x03\x01\x02\x00\r\n\r\n", "GET\r\n\r\n", "POST /send HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "GET /status HTTP/1.1\r\nX-Cliente-Id 51\r\n\r\n"} {
		c, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, garbage); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%q: %v", garbage, err)
		} else {
			content, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode < 400 || response.StatusCode >= 500 || !strings.HasPrefix(string(content), `{"error":true,"code":"`) {
				t.Errorf("%q: %d %s", garbage, response.StatusCode, content)
			}
		}
		_ = c.Close()
	}
	if answer := r.Do(t, "GET", "/healthz", ""); answer.Status != 200 {
		t.Errorf("afterwards: %d", answer.Status)
	}
}

func TestAHundredWaitersOfASessionAreAnsweredByOneDrawing(t *testing.T) {
	t.Parallel()
	const waiters = 100
	began := make(chan struct{}, waiters)
	issued := make(chan struct{})
	var mu sync.Mutex
	drawn := 0
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{
		Asked: func(ctx context.Context, _ session.ID) session.QRAnswer {
			began <- struct{}{}
			<-issued
			return apitest.Outcome(session.OutcomeQR, session.QRRequired)(ctx, "")
		},
		Drawing: func(code string) (string, error) {
			mu.Lock()
			drawn++
			mu.Unlock()
			return qr.DataURL(code)
		},
	})
	bodies := make([]string, waiters)
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() {
			answer, err := r.Try("GET", "/qr-code", "", apitest.Client51)
			if err != nil || answer.Status != 200 {
				t.Errorf("%d, %v", answer.Status, err)
			}
			bodies[i] = answer.Body
		})
	}
	for range waiters {
		<-began
	}
	close(issued)
	wg.Wait()
	if drawn != 1 {
		t.Errorf("drawn %d times", drawn)
	}
	for _, body := range bodies {
		if body != bodies[0] {
			t.Fatal("waiters got different answers")
		}
	}
	if got := qrtest.Readable(t, bodies[0]); got != apitest.Literal(t, "qr_code") {
		t.Errorf("body %s", got)
	}
}

func TestWhatAHandlerKeepsIsNotOverwrittenByLaterRequests(t *testing.T) {
	t.Parallel()
	type kept struct{ id, to, body, key string }
	var mu sync.Mutex
	var all []kept
	statuses := make(map[session.ID]session.Status)
	const callers, rounds = 8, 50
	for i := range callers * rounds {
		id := session.NumericID(int64(1000 + i))
		statuses[id] = apitest.Status(id, session.Ready)
	}
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{
		Statuses: statuses,
		Sending: func(_ context.Context, id session.ID, to message.Recipient, body, key string) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, kept{string(id), string(to), body, key})
			return key, nil
		},
	})
	if !r.Immutable() {
		t.Error("Fiber runs without Immutable")
	}
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				n := 1000 + caller*rounds + round
				answer, err := r.Try(
					"POST", "/send", fmt.Sprintf(`{"to":"54911%08d","message":"text %d"}`, n, n),
					fmt.Sprintf("X-Cliente-Id: %d", n), fmt.Sprintf("Idempotency-Key: key-%d", n),
				)
				if want := fmt.Sprintf(`{"ok":true,"message_id":"key-%d"}`, n); err != nil || answer.Body != want {
					t.Errorf("%s %v, expected %s", answer.Body, err, want)
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	for _, k := range all {
		seen[k.id] = true
		if k.to != fmt.Sprintf("54911%08s@s.whatsapp.net", k.id) || k.body != "text "+k.id || k.key != "key-"+k.id {
			t.Fatalf("kept values were mixed up: %+v", k)
		}
	}
	if len(seen) != callers*rounds {
		t.Errorf("%d of %d ids are intact", len(seen), callers*rounds)
	}
}

func TestEveryAnswerIsObservedWithABoundedRoute(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{BodyLimit: 1 << 10}, &apitest.Scripted{})
	r.Do(t, "GET", "/healthz", "")
	r.Do(t, "GET", "/api/session-manager/sessions/sender_7", "")
	r.Do(t, "GET", "/nowhere/7", "")
	r.Do(t, "BREW", "/status", "")
	r.Do(t, "POST", "/send", strings.Repeat("x", 2000))
	got, _ := r.Observer.Snapshot()
	want := []apitest.Observed{
		{Route: "/healthz", Method: "GET", Code: 200},
		{Route: "/api/session-manager/sessions/:instance", Method: "GET", Code: 404},
		{Route: "unmatched", Method: "GET", Code: 404},
		{Route: "/status", Method: "OTHER", Code: 405},
		{Route: "/send", Method: "POST", Code: 413},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("observed\n%v\nexpected\n%v", got, want)
	}
}

func TestTheIndexAndTheMetricsAreServed(t *testing.T) {
	t.Parallel()
	r := apitest.NewRig(t, httpapi.Config{}, &apitest.Scripted{})
	index := r.Do(t, "GET", "/", "")
	if index.Status != 200 || !strings.HasPrefix(index.Body, `{"service":"wasup","version":"1.2.3","routes":[{"method":"GET","path":"/","what":"this index"},`) {
		t.Errorf("%d %s", index.Status, index.Body)
	}
	for _, row := range r.Rows() {
		if !strings.Contains(index.Body, `"path":"`+row.Path+`"`) {
			t.Errorf("the index lacks %s", row.Path)
		}
	}
	if answer := r.Do(t, "GET", "/metrics", ""); answer.Status != 200 || answer.Body != "wasup_up 1\n" {
		t.Errorf("/metrics: %d %s", answer.Status, answer.Body)
	}
	if answer := r.Do(t, "HEAD", "/healthz", ""); answer.Status != 200 || answer.Body != "" {
		t.Errorf("HEAD: %d %q", answer.Status, answer.Body)
	}
	if answer := r.Do(t, "GET", "/healthz", "", "Origin: https://elsewhere.example"); answer.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another origin is let in")
	}
}

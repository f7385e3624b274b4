package messages_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/internal/message"
	"wasup/internal/session"
)

// keeping is an outbox with one delivered message. If refusal is not nil, it refuses all verbs with it.
func keeping(refusal error) apitest.Scripted {
	f := apitest.Behind(apitest.Plain("shop", session.Ready, session.CauseConnected))
	f.About = func(verb string, id session.ID, messageID string) (message.Message, error) {
		switch {
		case refusal != nil:
			return message.Message{}, refusal
		case id != "shop" || messageID != testMessageID:
			return message.Message{}, &session.Error{Code: session.CodeUnknownMessage, Op: verb, Session: id}
		}
		m := delivered()
		switch verb {
		case "cancel":
			m = stored(message.Request{Session: id, To: m.To, Content: message.TextOf("hola")}, message.Cancelled)
		case "requeue":
			m = stored(message.Request{Session: id, To: m.To, Content: message.TextOf("hola")}, message.Queued)
			m.Failure = message.Failure{Code: session.CodeAckOverdue}
		}
		return m, nil
	}
	return f
}

func TestAMessageIsReadCancelledAndRequeued(t *testing.T) {
	path := "/v1/sessions/shop/messages/" + testMessageID
	apitest.RunRows(t, []apitest.Row{
		{What: "one with everything", Method: "GET", Path: path, Status: 200, Want: "v1/message", Behind: keeping(nil)},
		{What: "an unknown one", Method: "GET", Path: "/v1/sessions/shop/messages/3EB0", Status: 404, Want: "v1/message_not_found", Behind: keeping(nil)},
		{What: "of an unknown session", Method: "GET", Path: "/v1/sessions/nobody/messages/3EB0", Status: 404, Want: "v1/not_found", Behind: keeping(nil)},
		{What: "cancelled", Method: "POST", Path: path + "/cancel", Status: 200, Want: "v1/message_cancel", Behind: keeping(nil)},
		{What: "cancelled too late", Method: "POST", Path: path + "/cancel", Status: 409, Want: "v1/wrong_state", Behind: keeping(apitest.Failing(session.CodeWrongState))},
		{What: "requeued", Method: "POST", Path: path + "/requeue", Status: 200, Want: "v1/message_requeue", Behind: keeping(nil)},
		{What: "requeued in vain", Method: "POST", Path: path + "/requeue", Status: 409, Want: "v1/wrong_state", Behind: keeping(apitest.Failing(session.CodeWrongState))},
		{What: "GET cancel", Method: "GET", Path: path + "/cancel", Status: 405, Want: "v1/method", Extra: "Allow: POST", Behind: keeping(nil)},
		{What: "PUT", Method: "PUT", Path: path, Status: 405, Want: "v1/method", Extra: "Allow: GET, HEAD", Behind: keeping(nil)},
	})
}

func TestMessagesAreListedByPageAndState(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("shop", session.Ready, session.CauseConnected))
	var asked message.Filter
	f.Pages = func(filter message.Filter) ([]message.Message, string, error) {
		asked = filter
		if filter.Cursor == "broken" {
			return nil, "", &session.Error{Code: session.CodeInvalidRequest, Field: "cursor", Message: "cursor: expected the next_cursor of an earlier answer"}
		}
		return []message.Message{delivered()}, "next", nil
	}
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for query, want := range map[string]message.Filter{
		"":                                  {Limit: 50},
		"limit=7&cursor=abc":                {Limit: 7, Cursor: "abc"},
		"state=queued":                      {Limit: 50, States: []message.State{message.Queued}},
		"state=failed,cancelled,server_ack": {Limit: 50, States: []message.State{message.Failed, message.Cancelled, message.ServerAck}},
	} {
		answer := r.Do(t, "GET", "/v1/sessions/shop/messages?"+query, "")
		if answer.Status != 200 || !reflect.DeepEqual(asked, want) || !strings.Contains(answer.Body, `"next_cursor":"next"`) || !strings.HasPrefix(answer.Body, `{"items":[{"id":"`+testMessageID) {
			t.Errorf("%s: %d %+v %s", query, answer.Status, asked, answer.Body)
		}
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=501": "limit", "state=": "state", "state=sent": "state", "state=queued,": "state", "status=queued": "status", "cursor=broken": "cursor",
	} {
		answer := r.Do(t, "GET", "/v1/sessions/shop/messages?"+query, "")
		if answer.Status != 400 || !strings.Contains(answer.Body, `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", query, answer.Status, answer.Body)
		}
	}
	if answer := r.Do(t, "GET", "/v1/sessions/nobody/messages", ""); answer.Status != 404 {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
	f.Pages = func(message.Filter) ([]message.Message, string, error) { return nil, "", nil }
	if answer := r.Do(t, "GET", "/v1/sessions/shop/messages", ""); answer.Body != `{"items":[]}`+"\n" {
		t.Errorf("%s", answer.Body)
	}
}

func TestAWaitIsBoundedByTheRequestAndByAShutdown(t *testing.T) {
	t.Parallel()
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	waiting := make(chan time.Duration, 1)
	f.Waiting = func(ctx context.Context, id session.ID, _ string, until message.State) (message.Message, error) {
		deadline, _ := ctx.Deadline()
		waiting <- time.Until(deadline)
		<-ctx.Done()
		if until != message.Delivered {
			return message.Message{}, fmt.Errorf("waited for %s", until)
		}
		return stored(message.Request{Session: id, To: "5491155550101@s.whatsapp.net", Content: message.TextOf("hola")}, message.Sending), nil
	}
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	answer := r.Do(t, "POST", "/v1/sessions/shop/messages?wait=delivered&timeout=1ms", toAna, apitest.JSONBody)
	if left := <-waiting; answer.Status != 202 || !strings.Contains(answer.Body, `"state":"sending"`) || left > time.Second {
		t.Errorf("%d %s, with %s left", answer.Status, answer.Body, left)
	}
	answers := make(chan apitest.Reply, 1)
	go func() {
		answer, _ := r.Try("POST", "/v1/sessions/shop/messages?wait=delivered&timeout=60s", toAna, apitest.JSONBody)
		answers <- answer
	}()
	if left := <-waiting; left < 30*time.Second {
		t.Errorf("%s left", left)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Error(err)
	}
	if answer := <-answers; answer.Status != 202 || !strings.Contains(answer.Body, `"state":"sending"`) {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
}

func TestAFileIsUploadedOnceForManyMessages(t *testing.T) {
	t.Parallel()
	r, got := taking(t)
	big := strings.Repeat("0123456789abcdef", 8192)
	inForm, contentType := form(t, [2]string{"file", big})
	for _, upload := range []struct{ body, header, query string }{
		{big, "Content-Type: application/pdf", "?name=invoice.pdf"},
		{big, "Content-Type: application/octet-stream", ""},
		{big, "", ""},
		{inForm, contentType, ""},
	} {
		var header []string
		if upload.header != "" {
			header = append(header, upload.header)
		}
		answer := r.Do(t, "POST", "/v1/media"+upload.query, upload.body, header...)
		if answer.Status != 201 || !strings.Contains(answer.Body, `"size":131072,"sha256":"`) || !strings.Contains(answer.Body, `"expires_at":"2026-01-05T12:33:56Z"`) {
			t.Errorf("%s: %d %s", upload.header, answer.Status, answer.Body)
		}
	}
	for range 2 {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"upload":"UPLOAD"}}`, apitest.JSONBody)
		if answer.Status != 202 {
			t.Errorf("%d %s", answer.Status, answer.Body)
		}
	}
	first, second := (*got)[0].Content.Media, (*got)[1].Content.Media
	if first.File == second.File || first.File == "UPLOAD" || second.File == "UPLOAD" {
		t.Errorf("messages share a file: %+v, %+v", first, second)
	}
	for _, body := range []string{`{"to":"5491155550101","kind":"sticker","text":"x","media":{"upload":"UPLOAD"}}`, `{"to":"5491155550101","kind":"audio","text":"x","media":{"upload":"UPLOAD"}}`} {
		if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, apitest.JSONBody); answer.Status != 400 {
			t.Errorf("%d %s", answer.Status, answer.Body)
		}
	}
	kept := len(r.Sessions.Folder.Names())
	none, noneType := form(t)
	other, otherType := form(t, [2]string{"x", "y"})
	two, twoType := form(t, [2]string{"file", "x"}, [2]string{"file", "y"})
	for _, c := range []struct {
		what, body, header string
		status             int
	}{
		{"nothing", "", "", 400},
		{"a form without a file", none, noneType, 400},
		{"a form with something else", other, otherType, 400},
		{"a form with two", two, twoType, 400},
		{"a form that is none", "x", "Content-Type: multipart/form-data; boundary=y", 400},
		{"compressed", "x", "Content-Encoding: gzip", 415},
	} {
		var header []string
		if c.header != "" {
			header = []string{c.header}
		}
		if answer := r.Do(t, "POST", "/v1/media", c.body, header...); answer.Status != c.status {
			t.Errorf("%s: %d %s", c.what, answer.Status, answer.Body)
		}
	}
	if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"upload":"nothing"}}`, apitest.JSONBody); answer.Status != 410 {
		t.Errorf("an upload that is gone: %d %s", answer.Status, answer.Body)
	}
	if now := len(r.Sessions.Folder.Names()); now != kept {
		t.Errorf("%d files are kept, expected %d", now, kept)
	}
}

func TestFilesThatNoMessageTakesAreRemoved(t *testing.T) {
	t.Parallel()
	body := `{"to":"5491155550101","media":{"base64":"QUJD"}}`
	for what, test := range map[string]struct {
		behind apitest.Scripted
		kept   int
	}{
		"refused":                            {refusing(apitest.Failing(session.CodeIdempotencyReuse)), 0},
		"sent before":                        {answered(message.ServerAck), 0},
		"failed before":                      {answered(message.Failed), 0},
		"taken":                              {sending("", apitest.Plain("shop", session.Ready, session.CauseConnected)), 1},
		"perhaps taken: nobody can tell now": {refusing(apitest.Failing(session.CodeStoreUnavailable)), 1},
	} {
		r := apitest.NewRig(t, httpapi.Config{}, &test.behind)
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, apitest.JSONBody)
		if kept := r.Sessions.Folder.Names(); len(kept) != test.kept {
			t.Errorf("%s: %d %s, kept %v", what, answer.Status, answer.Body, kept)
		}
	}
}

func TestAnUploadOutlivesTheMessagesThatDoNotTakeIt(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]apitest.Scripted{
		"refused": refusing(apitest.Failing(session.CodeQueueFull)), "sent before": answered(message.ServerAck),
	} {
		f.Folder = &apitest.Folder{Bytes: map[string][]byte{"UPLOAD": []byte("uploaded")}}
		r := apitest.NewRig(t, httpapi.Config{}, &f)
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"upload":"UPLOAD"}}`, apitest.JSONBody)
		if kept := r.Sessions.Folder.Names(); len(kept) != 1 {
			t.Errorf("%s: %d %s, kept %v", what, answer.Status, answer.Body, kept)
		}
	}
}

func TestAFileThatCannotBeKeptIsRefusedAndTheAnswerArrives(t *testing.T) {
	t.Parallel()
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	f.Folder = &apitest.Folder{Bytes: make(map[string][]byte), Limit: 1000}
	f.Fetching = func(address string) (string, error) {
		return "", &session.Error{Code: session.CodeFetchRefused, Op: "fetch"}
	}
	r := apitest.NewRig(t, httpapi.Config{BodyLimit: 4096}, &f)
	big := strings.Repeat("QUJD", 1<<20)
	inForm, contentType := form(t, [2]string{"to", "5491155550101"}, [2]string{"file", big})
	for _, c := range []struct {
		path, body, header string
		status             int
		code               string
	}{
		{"/v1/media", big, "Content-Type: image/png", 413, "media_too_large"},
		{"/v1/sessions/shop/messages", inForm, contentType, 413, "media_too_large"},
		{"/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"base64":"` + big + `"}}`, apitest.JSONBody, 413, "media_too_large"},
		{"/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"url":"http://169.254.169.254/"}}`, apitest.JSONBody, 422, "fetch_refused"},
		{"/v1/sessions/nobody/messages", `{"to":"5491155550101","media":{"base64":"` + big + `"}}`, apitest.JSONBody, 404, "not_found"},
		{"/v1/sessions/shop/messages?wait=x", inForm, contentType, 400, "invalid_request"},
	} {
		answer := r.Do(t, "POST", c.path, c.body, c.header)
		if answer.Status != c.status || !strings.Contains(answer.Body, `"code":"`+c.code+`"`) {
			t.Errorf("%s: %d %s", c.path, answer.Status, answer.Body)
		}
	}
	f.Folder.Broken = apitest.Failing(session.CodeStoreFull)
	if answer := r.Do(t, "POST", "/v1/media", "x"); answer.Status != 507 {
		t.Errorf("a full disk: %d %s", answer.Status, answer.Body)
	}
	if kept := r.Sessions.Folder.Names(); len(kept) > 0 {
		t.Errorf("kept %v", kept)
	}
}

func TestAnUploadThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	head := "POST /v1/media HTTP/1.1\r\nHost: localhost\r\n"
	for what, request := range map[string]string{
		"before its length":  head + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 50_000),
		"in a piece":         head + "Transfer-Encoding: chunked\r\n\r\n8\r\n1234",
		"between the pieces": head + "Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n",
	} {
		if answer := r.Raw(t, request, true); answer.Status != 400 || !strings.Contains(answer.Body, `"field":"body"`) {
			t.Errorf("%s: %d %s", what, answer.Status, answer.Body)
		}
	}
	if kept := r.Sessions.Folder.Names(); len(kept) > 0 {
		t.Errorf("kept %v", kept)
	}
}

func TestAConnectionGoesOnAfterAnUpload(t *testing.T) {
	t.Parallel()
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for range 3 {
		request, err := http.NewRequest(http.MethodPost, r.Base+"/v1/media", io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000))))
		if err != nil {
			t.Fatal(err)
		}
		response, err := r.Client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusCreated || response.Close {
			t.Errorf("%d, closed %t", response.StatusCode, response.Close)
		}
	}
}

func TestARepeatedRequestIsAnsweredWithoutItsFile(t *testing.T) {
	t.Parallel()
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	prints := make(map[string]int)
	f.Knowing = func(request message.Request) (message.Message, bool, error) {
		if request.Content.Media != nil || request.Key != "k" || request.Fingerprint == "" {
			t.Errorf("asked about %+v", request)
		}
		prints[request.Fingerprint]++
		return stored(request, message.ServerAck), true, nil
	}
	f.Enqueuing = func(context.Context, message.Request) (message.Message, bool, error) {
		return message.Message{}, false, apitest.Failing(session.CodeInternal)
	}
	f.Fetching = func(string) (string, error) { return "", apitest.Failing(session.CodeFetchFailed) }
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for _, body := range []string{
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/1"},"mentions":["5491155550102"]}`,
		`{"mentions":["5491155550102"],"media":{"url":"https://a.example/1"},"kind":"image","to":"+54 9 11 5555-0101@c.us","expires_in":60}`,
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/2"},"mentions":["5491155550102"]}`,
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/1"},"mentions":["5491155550103"]}`,
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/1"},"mentions":[{"lid":"987654321@lid"}]}`,
		`{"to":"5491155550101","media":{"upload":"gone"}}`,
	} {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, apitest.JSONBody, "Idempotency-Key: k")
		if answer.Status != 200 || answer.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: %d %s", body, answer.Status, answer.Body)
		}
	}
	if len(prints) != 5 {
		t.Errorf("%d requests were told apart, expected 5: %v", len(prints), prints)
	}
	if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"url":"https://a.example/1"}}`, apitest.JSONBody); answer.Status != 502 {
		t.Errorf("without a key: %d %s", answer.Status, answer.Body)
	}
}

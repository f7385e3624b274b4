package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/internal/session"
)

// keeping is an outbox that has one message, delivered, and refuses verbs as asked.
func keeping(refusal error) scripted {
	f := behind(plain("shop", session.Ready, session.CauseConnected))
	f.message = func(verb string, id session.ID, messageID string) (session.Message, error) {
		switch {
		case refusal != nil:
			return session.Message{}, refusal
		case id != "shop" || messageID != testMessageID:
			return session.Message{}, &session.Error{Code: session.CodeUnknownMessage, Op: verb, Session: id}
		}
		m := delivered()
		switch verb {
		case "cancel":
			m = stored(session.MessageRequest{Session: id, To: m.To, Content: session.TextOf("hola")}, session.MessageCancelled)
		case "requeue":
			m = stored(session.MessageRequest{Session: id, To: m.To, Content: session.TextOf("hola")}, session.MessageQueued)
			m.Failure = session.MessageFailure{Code: session.CodeAckOverdue}
		}
		return m, nil
	}
	return f
}

func TestAMessageIsReadCancelledAndRequeued(t *testing.T) {
	path := "/v1/sessions/shop/messages/" + testMessageID
	runRows(t, []row{
		{what: "one with everything", method: "GET", path: path, status: 200, want: "v1/message", behind: keeping(nil)},
		{what: "an unknown one", method: "GET", path: "/v1/sessions/shop/messages/3EB0", status: 404, want: "v1/message_not_found", behind: keeping(nil)},
		{what: "of an unknown session", method: "GET", path: "/v1/sessions/nobody/messages/3EB0", status: 404, want: "v1/not_found", behind: keeping(nil)},
		{what: "cancelled", method: "POST", path: path + "/cancel", status: 200, want: "v1/message_cancel", behind: keeping(nil)},
		{what: "cancelled too late", method: "POST", path: path + "/cancel", status: 409, want: "v1/wrong_state", behind: keeping(failing(session.CodeWrongState))},
		{what: "requeued", method: "POST", path: path + "/requeue", status: 200, want: "v1/message_requeue", behind: keeping(nil)},
		{what: "requeued in vain", method: "POST", path: path + "/requeue", status: 409, want: "v1/wrong_state", behind: keeping(failing(session.CodeWrongState))},
		{what: "GET cancel", method: "GET", path: path + "/cancel", status: 405, want: "v1/method", extra: "Allow: POST", behind: keeping(nil)},
		{what: "PUT", method: "PUT", path: path, status: 405, want: "v1/method", extra: "Allow: GET, HEAD", behind: keeping(nil)},
	})
}

func TestMessagesAreListedByPageAndState(t *testing.T) {
	t.Parallel()
	f := behind(plain("shop", session.Ready, session.CauseConnected))
	var asked session.MessageFilter
	f.page = func(filter session.MessageFilter) ([]session.Message, string, error) {
		asked = filter
		if filter.Cursor == "broken" {
			return nil, "", &session.Error{Code: session.CodeInvalidRequest, Field: "cursor", Message: "cursor: expected the next_cursor of an earlier answer"}
		}
		return []session.Message{delivered()}, "next", nil
	}
	r := newRig(t, Config{}, &f)
	for query, want := range map[string]session.MessageFilter{
		"":                                  {Limit: 50},
		"limit=7&cursor=abc":                {Limit: 7, Cursor: "abc"},
		"state=queued":                      {Limit: 50, States: []session.MessageState{session.MessageQueued}},
		"state=failed,cancelled,server_ack": {Limit: 50, States: []session.MessageState{session.MessageFailed, session.MessageCancelled, session.MessageServerAck}},
	} {
		answer := r.do(t, "GET", "/v1/sessions/shop/messages?"+query, "")
		if answer.status != 200 || !reflect.DeepEqual(asked, want) || !strings.Contains(answer.body, `"next_cursor":"next"`) || !strings.HasPrefix(answer.body, `{"items":[{"id":"`+testMessageID) {
			t.Errorf("%s: %d %+v %s", query, answer.status, asked, answer.body)
		}
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=501": "limit", "state=": "state", "state=sent": "state", "state=queued,": "state", "status=queued": "status", "cursor=broken": "cursor",
	} {
		answer := r.do(t, "GET", "/v1/sessions/shop/messages?"+query, "")
		if answer.status != 400 || !strings.Contains(answer.body, `"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", query, answer.status, answer.body)
		}
	}
	if answer := r.do(t, "GET", "/v1/sessions/nobody/messages", ""); answer.status != 404 {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	f.page = func(session.MessageFilter) ([]session.Message, string, error) { return nil, "", nil }
	if answer := r.do(t, "GET", "/v1/sessions/shop/messages", ""); answer.body != `{"items":[]}` {
		t.Errorf("%s", answer.body)
	}
}

func TestAWaitIsBoundedByTheRequestAndByAShutdown(t *testing.T) {
	t.Parallel()
	f := sending("", plain("shop", session.Ready, session.CauseConnected))
	waiting := make(chan time.Duration, 1)
	f.wait = func(ctx context.Context, id session.ID, _ string, until session.MessageState) (session.Message, error) {
		deadline, _ := ctx.Deadline()
		waiting <- time.Until(deadline)
		<-ctx.Done()
		if until != session.MessageDelivered {
			return session.Message{}, fmt.Errorf("waited for %s", until)
		}
		return stored(session.MessageRequest{Session: id, To: "5491155550101@s.whatsapp.net", Content: session.TextOf("hola")}, session.MessageSending), nil
	}
	r := newRig(t, Config{}, &f)
	answer := r.do(t, "POST", "/v1/sessions/shop/messages?wait=delivered&timeout=1ms", toAna, jsonBody)
	if left := <-waiting; answer.status != 202 || !strings.Contains(answer.body, `"state":"sending"`) || left > time.Second {
		t.Errorf("%d %s, with %s left", answer.status, answer.body, left)
	}
	answers := make(chan reply, 1)
	go func() {
		answer, _ := r.try("POST", "/v1/sessions/shop/messages?wait=delivered&timeout=60s", toAna, jsonBody)
		answers <- answer
	}()
	if left := <-waiting; left < 30*time.Second {
		t.Errorf("%s left", left)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if answer := <-answers; answer.status != 202 || !strings.Contains(answer.body, `"state":"sending"`) {
		t.Errorf("%d %s", answer.status, answer.body)
	}
}

func TestChatsAreToldAndContactsAsked(t *testing.T) {
	type told struct {
		what  string
		id    session.ID
		value any
	}
	var mu sync.Mutex
	var got []told
	talking := func(refusal error) scripted {
		f := behind(plain("shop", session.Ready, session.CauseConnected))
		f.chat = func(what string, id session.ID, value any) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, told{what, id, value})
			return refusal
		}
		f.check = func(phones []string) ([]session.Contact, error) {
			var all []session.Contact
			for i, phone := range phones {
				c := session.Contact{Query: phone, OnWhatsApp: i%2 == 0}
				if c.OnWhatsApp {
					c.Address, c.Business = session.Address{PN: phone + "@s.whatsapp.net", LID: "987654321@lid"}, "Shop"
				}
				all = append(all, c)
			}
			return all, refusal
		}
		return f
	}
	chat, group := "/v1/sessions/shop/chats/5491155550101", "/v1/sessions/shop/chats/120363041234567890%40g.us"
	rows := []row{
		{what: "contacts", path: "/v1/sessions/shop/contacts/check", body: `{"phones":["+54 9 11 5555-0101","5491155550102"]}`, status: 200, want: "v1/contacts", behind: talking(nil)},
		{what: "contacts too often", path: "/v1/sessions/shop/contacts/check", body: `{"phones":["5491155550101"]}`, status: 429, extra: "Retry-After: 2", want: "v1/rate_limited", behind: talking(failing(session.CodeRateLimited))},
		{what: "no contacts", path: "/v1/sessions/shop/contacts/check", body: `{"phones":[]}`, status: 400, want: "v1/contacts_none", behind: talking(nil)},
		{what: "a contact that is no number", path: "/v1/sessions/shop/contacts/check", body: `{"phones":["5491155550101","bob"]}`, status: 400, want: "v1/contacts_bad", behind: talking(nil)},
		{what: "a contact that is a LID", path: "/v1/sessions/shop/contacts/check", body: `{"phones":["5491155550101","987654321@lid"]}`, status: 400, want: "v1/contacts_bad", behind: talking(nil)},
		{what: "not ready", path: chat + "/read", body: `{"ids":["A"]}`, status: 409, want: "v1/not_ready", behind: talking(failing(session.CodeNotReady))},
		{what: "presence of an unknown session", path: "/v1/sessions/nobody/chats/5491155550101/presence", body: `{"state":"typing"}`, status: 404, want: "v1/not_found", behind: talking(nil)},
		{what: "no chat", path: "/v1/sessions/shop/chats/bob/read", body: `{"ids":["A"]}`, status: 400, want: "v1/chat_bad", behind: talking(nil)},
		{what: "no ids", path: chat + "/read", body: `{"ids":[]}`, status: 400, want: "v1/read_none", behind: talking(nil)},
		{what: "an id that is none", path: chat + "/read", body: `{"ids":["A",""]}`, status: 400, want: "v1/read_bad", behind: talking(nil)},
		{what: "nobody in a group", path: group + "/read", body: `{"ids":["A"]}`, status: 400, want: "v1/read_sender", behind: talking(nil)},
		{what: "another state", path: chat + "/presence", body: `{"state":"online"}`, status: 400, want: "v1/presence_bad", behind: talking(nil)},
	}
	for i := range rows {
		rows[i].method, rows[i].header = "POST", []string{jsonBody}
	}
	t.Run("rows", func(t *testing.T) { runRows(t, rows) })
	got = nil
	f := talking(nil)
	r := newRig(t, Config{}, &f)
	for path, body := range map[string]string{
		chat + "/read":      `{"ids":["A","B"],"played":true}`,
		group + "/read":     `{"ids":["C"],"sender":{"lid":"987654321@lid"}}`,
		chat + "/presence":  `{"state":"recording"}`,
		group + "/presence": `{"state":"paused"}`,
	} {
		if answer := r.do(t, "POST", path, body, jsonBody); answer.status != 204 || answer.body != "" {
			t.Errorf("%s: %d %s", path, answer.status, answer.body)
		}
	}
	for _, want := range []told{
		{"read", "shop", session.ReadMark{Chat: "5491155550101@s.whatsapp.net", IDs: []string{"A", "B"}, Played: true, At: testNow}},
		{"read", "shop", session.ReadMark{Chat: "120363041234567890@g.us", Sender: session.Address{LID: "987654321@lid"}, IDs: []string{"C"}, At: testNow}},
		{"recording", "shop", session.Recipient("5491155550101@s.whatsapp.net")},
		{"paused", "shop", session.Recipient("120363041234567890@g.us")},
	} {
		found := false
		for _, each := range got {
			found = found || reflect.DeepEqual(each, want)
		}
		if !found {
			t.Errorf("%+v was not told; told was %+v", want, got)
		}
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
		answer := r.do(t, "POST", "/v1/media"+upload.query, upload.body, header...)
		if answer.status != 201 || !strings.Contains(answer.body, `"size":131072,"sha256":"`) || !strings.Contains(answer.body, `"expires_at":"2026-01-05T12:33:56Z"`) {
			t.Errorf("%s: %d %s", upload.header, answer.status, answer.body)
		}
	}
	for range 2 {
		answer := r.do(t, "POST", "/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"upload":"UPLOAD"}}`, jsonBody)
		if answer.status != 202 {
			t.Errorf("%d %s", answer.status, answer.body)
		}
	}
	first, second := (*got)[0].Content.Media, (*got)[1].Content.Media
	if first.File == second.File || first.File == "UPLOAD" || second.File == "UPLOAD" {
		t.Errorf("messages share a file: %+v, %+v", first, second)
	}
	for _, body := range []string{`{"to":"5491155550101","kind":"sticker","text":"x","media":{"upload":"UPLOAD"}}`, `{"to":"5491155550101","kind":"audio","text":"x","media":{"upload":"UPLOAD"}}`} {
		if answer := r.do(t, "POST", "/v1/sessions/shop/messages", body, jsonBody); answer.status != 400 {
			t.Errorf("%d %s", answer.status, answer.body)
		}
	}
	kept := len(r.sessions.files.names())
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
		if answer := r.do(t, "POST", "/v1/media", c.body, header...); answer.status != c.status {
			t.Errorf("%s: %d %s", c.what, answer.status, answer.body)
		}
	}
	if answer := r.do(t, "POST", "/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"upload":"nothing"}}`, jsonBody); answer.status != 410 {
		t.Errorf("an upload that is gone: %d %s", answer.status, answer.body)
	}
	if now := len(r.sessions.files.names()); now != kept {
		t.Errorf("%d files are kept, expected %d", now, kept)
	}
}

func TestFilesThatNoMessageTakesAreRemoved(t *testing.T) {
	t.Parallel()
	body := `{"to":"5491155550101","media":{"base64":"QUJD"}}`
	for what, test := range map[string]struct {
		behind scripted
		kept   int
	}{
		"refused":                            {refusing(failing(session.CodeIdempotencyReuse)), 0},
		"sent before":                        {answered(session.MessageServerAck), 0},
		"failed before":                      {answered(session.MessageFailed), 0},
		"taken":                              {sending("", plain("shop", session.Ready, session.CauseConnected)), 1},
		"perhaps taken: nobody can tell now": {refusing(failing(session.CodeStoreUnavailable)), 1},
	} {
		r := newRig(t, Config{}, &test.behind)
		answer := r.do(t, "POST", "/v1/sessions/shop/messages", body, jsonBody)
		if kept := r.sessions.files.names(); len(kept) != test.kept {
			t.Errorf("%s: %d %s, kept %v", what, answer.status, answer.body, kept)
		}
	}
}

func TestAnUploadOutlivesTheMessagesThatDoNotTakeIt(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]scripted{
		"refused": refusing(failing(session.CodeQueueFull)), "sent before": answered(session.MessageServerAck),
	} {
		f.files = &folder{bytes: map[string][]byte{"UPLOAD": []byte("uploaded")}}
		r := newRig(t, Config{}, &f)
		answer := r.do(t, "POST", "/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"upload":"UPLOAD"}}`, jsonBody)
		if kept := r.sessions.files.names(); len(kept) != 1 {
			t.Errorf("%s: %d %s, kept %v", what, answer.status, answer.body, kept)
		}
	}
}

func TestAFileThatCannotBeKeptIsRefusedAndTheAnswerArrives(t *testing.T) {
	t.Parallel()
	f := sending("", plain("shop", session.Ready, session.CauseConnected))
	f.files = &folder{bytes: make(map[string][]byte), limit: 1000}
	f.fetch = func(address string) (string, error) {
		return "", &session.Error{Code: session.CodeFetchRefused, Op: "fetch"}
	}
	r := newRig(t, Config{BodyLimit: 4096}, &f)
	big := strings.Repeat("QUJD", 1<<20)
	inForm, contentType := form(t, [2]string{"to", "5491155550101"}, [2]string{"file", big})
	for _, c := range []struct {
		path, body, header string
		status             int
		code               string
	}{
		{"/v1/media", big, "Content-Type: image/png", 413, "media_too_large"},
		{"/v1/sessions/shop/messages", inForm, contentType, 413, "media_too_large"},
		{"/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"base64":"` + big + `"}}`, jsonBody, 413, "media_too_large"},
		{"/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"url":"http://169.254.169.254/"}}`, jsonBody, 422, "fetch_refused"},
		{"/v1/sessions/nobody/messages", `{"to":"5491155550101","media":{"base64":"` + big + `"}}`, jsonBody, 404, "not_found"},
		{"/v1/sessions/shop/messages?wait=x", inForm, contentType, 400, "invalid_request"},
	} {
		answer := r.do(t, "POST", c.path, c.body, c.header)
		if answer.status != c.status || !strings.Contains(answer.body, `"code":"`+c.code+`"`) {
			t.Errorf("%s: %d %s", c.path, answer.status, answer.body)
		}
	}
	f.files.broken = failing(session.CodeStoreFull)
	if answer := r.do(t, "POST", "/v1/media", "x"); answer.status != 507 {
		t.Errorf("a full disk: %d %s", answer.status, answer.body)
	}
	if kept := r.sessions.files.names(); len(kept) > 0 {
		t.Errorf("kept %v", kept)
	}
}

func TestAnUploadThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	f := sending("", plain("shop", session.Ready, session.CauseConnected))
	r := newRig(t, Config{}, &f)
	head := "POST /v1/media HTTP/1.1\r\nHost: x\r\n"
	for what, request := range map[string]string{
		"before its length":  head + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 50_000),
		"in a piece":         head + "Transfer-Encoding: chunked\r\n\r\n8\r\n1234",
		"between the pieces": head + "Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n",
	} {
		if answer := r.raw(t, request, true); answer.status != 400 || !strings.Contains(answer.body, `"field":"body"`) {
			t.Errorf("%s: %d %s", what, answer.status, answer.body)
		}
	}
	if kept := r.sessions.files.names(); len(kept) > 0 {
		t.Errorf("kept %v", kept)
	}
}

func TestAConnectionGoesOnAfterAnUpload(t *testing.T) {
	t.Parallel()
	f := sending("", plain("shop", session.Ready, session.CauseConnected))
	r := newRig(t, Config{}, &f)
	for range 3 {
		request, err := http.NewRequest(http.MethodPost, r.base+"/v1/media", io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000))))
		if err != nil {
			t.Fatal(err)
		}
		response, err := r.client.Do(request)
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
	f := sending("", plain("shop", session.Ready, session.CauseConnected))
	prints := make(map[string]int)
	f.known = func(request session.MessageRequest) (session.Message, bool, error) {
		if request.Content.Media != nil || request.Key != "k" || request.Fingerprint == "" {
			t.Errorf("asked about %+v", request)
		}
		prints[request.Fingerprint]++
		return stored(request, session.MessageServerAck), true, nil
	}
	f.enqueue = func(context.Context, session.MessageRequest) (session.Message, bool, error) {
		return session.Message{}, false, failing(session.CodeInternal)
	}
	f.fetch = func(string) (string, error) { return "", failing(session.CodeFetchFailed) }
	r := newRig(t, Config{}, &f)
	for _, body := range []string{
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/1"},"mentions":["5491155550102"]}`,
		`{"mentions":["5491155550102"],"media":{"url":"https://a.example/1"},"kind":"image","to":"+54 9 11 5555-0101@c.us","expires_in":60}`,
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/2"},"mentions":["5491155550102"]}`,
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/1"},"mentions":["5491155550103"]}`,
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/1"},"mentions":[{"lid":"987654321@lid"}]}`,
		`{"to":"5491155550101","media":{"upload":"gone"}}`,
	} {
		answer := r.do(t, "POST", "/v1/sessions/shop/messages", body, jsonBody, "Idempotency-Key: k")
		if answer.status != 200 || answer.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: %d %s", body, answer.status, answer.body)
		}
	}
	if len(prints) != 5 {
		t.Errorf("%d requests were told apart, expected 5: %v", len(prints), prints)
	}
	if answer := r.do(t, "POST", "/v1/sessions/shop/messages", `{"to":"5491155550101","media":{"url":"https://a.example/1"}}`, jsonBody); answer.status != 502 {
		t.Errorf("without a key: %d %s", answer.status, answer.body)
	}
}

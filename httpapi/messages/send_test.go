package messages_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"reflect"
	"strings"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	"wasup/httpapi/messages"
	"wasup/httpapi/wire"
	"wasup/internal/message"
	"wasup/internal/session"
)

const testMessageID = "3EB0C767D097B7C7C030"

// stored returns the message that the outbox would return for a request.
func stored(request message.Request, state message.State) message.Message {
	m := message.Message{
		Session: request.Session, ID: testMessageID, Key: request.Key, To: request.To, Content: request.Content, State: state,
		SendAt: request.SendAt, ExpiresAt: request.ExpiresAt, CreatedAt: apitest.Now, UpdatedAt: apitest.Now,
	}
	if state != message.Queued {
		m.Attempts = 1
	}
	if state.Reached(message.ServerAck) && state != message.Failed && state != message.Cancelled {
		m.AckedAt = apitest.Now.Add(time.Second)
	}
	return m
}

// delivered returns a message in which every field has a value.
func delivered() message.Message {
	m := stored(message.Request{
		Session: "shop", To: "5491155550101@s.whatsapp.net", Key: "order-1", Content: message.TextOf("hola"),
		SendAt: apitest.Now.Add(time.Minute), ExpiresAt: apitest.Now.Add(time.Hour),
	}, message.Played)
	m.DeliveredAt, m.ReadAt, m.PlayedAt = apitest.Now.Add(2*time.Second), apitest.Now.Add(3*time.Second), apitest.Now.Add(4*time.Second)
	m.Receipts = []message.Receipt{
		{Recipient: message.Address{PN: "5491155550101@s.whatsapp.net", LID: "987654321@lid"}, DeliveredAt: m.DeliveredAt, ReadAt: m.ReadAt, PlayedAt: m.PlayedAt},
		{Recipient: message.Address{LID: "987654321@lid"}, Device: 12, DeliveredAt: m.DeliveredAt},
	}
	return m
}

// sending is apitest.Behind(sessions) with an outbox that accepts a message. Waiting for the message returns it in
// state.
func sending(state message.State, sessions ...session.Status) apitest.Scripted {
	f := apitest.Behind(sessions...)
	f.Enqueuing = func(_ context.Context, request message.Request) (message.Message, bool, error) {
		return stored(request, message.Queued), false, nil
	}
	f.Waiting = func(_ context.Context, id session.ID, _ string, _ message.State) (message.Message, error) {
		return stored(message.Request{Session: id, To: "5491155550101@s.whatsapp.net", Content: message.TextOf("hola")}, state), nil
	}
	return f
}

func refusing(err error) apitest.Scripted {
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	f.Enqueuing = func(context.Context, message.Request) (message.Message, bool, error) {
		return message.Message{}, false, err
	}
	return f
}

// answered is an outbox that has the message already, in this state.
func answered(state message.State) apitest.Scripted {
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	f.Enqueuing = func(_ context.Context, request message.Request) (message.Message, bool, error) {
		m := stored(request, state)
		if state == message.Failed {
			m.Failure = message.Failure{Code: session.CodeNotOnWhatsApp}
		}
		return m, true, nil
	}
	return f
}

const toAna = `{"to":"+54 9 11 5555-0101","text":"hola"}`

func TestAMessageIsAcceptedAndSaysHowFarItIs(t *testing.T) {
	ready := apitest.Plain("shop", session.Ready, session.CauseConnected)
	away := apitest.Plain("shop", session.DisconnectedLogout, session.CauseLoggedOut)
	failed := sending("", ready)
	failed.Waiting = func(_ context.Context, id session.ID, _ string, _ message.State) (message.Message, error) {
		m := stored(message.Request{Session: id, To: "5491155550101@s.whatsapp.net", Content: message.TextOf("hola")}, message.Failed)
		m.Failure = message.Failure{Code: session.CodeRestricted, Status: 463, Message: "WhatsApp restricts the account."}
		m.CanRequeue = true
		return m, nil
	}
	path := "/v1/sessions/shop/messages"
	rows := []apitest.Row{
		{What: "accepted", Status: 202, Want: "v1/message_queued", Behind: sending("", ready)},
		{What: "accepted for a session that is logged out", Status: 202, Want: "v1/message_queued_away", Behind: sending("", away)},
		{What: "waited for nothing", Path: path + "?wait=none", Status: 202, Want: "v1/message_queued", Behind: sending("", ready)},
		{What: "acknowledged", Path: path + "?wait=server_ack", Status: 200, Want: "v1/message_acked", Behind: sending(message.ServerAck, ready)},
		{What: "read, which is further than was waited for", Path: path + "?wait=delivered&timeout=1s", Status: 200, Want: "v1/message_read", Behind: sending(message.Read, ready)},
		{What: "acknowledged, not delivered in time", Path: path + "?wait=delivered", Status: 202, Want: "v1/message_acked", Behind: sending(message.ServerAck, ready)},
		{What: "not acknowledged in time", Path: path + "?wait=server_ack", Status: 202, Want: "v1/message_sending", Behind: sending(message.Sending, ready)},
		{What: "preferred to wait", Header: []string{"Prefer: foo, wait=5"}, Extra: "Preference-Applied: wait=5", Status: 200, Want: "v1/message_acked", Behind: sending(message.ServerAck, ready)},
		{What: "preferred to wait too long", Header: []string{"Prefer: wait=500"}, Extra: "Preference-Applied: wait=60", Status: 200, Want: "v1/message_acked", Behind: sending(message.ServerAck, ready)},
		{What: "preferred not to wait", Header: []string{"Prefer: respond-async"}, Extra: "Preference-Applied: respond-async", Status: 202, Want: "v1/message_queued", Behind: sending("", ready)},
		{What: "failed while waited for", Path: path + "?wait=server_ack", Status: 409, Want: "v1/message_failed", Extra: "Location: " + path + "/" + testMessageID, Behind: failed},
		{What: "cancelled while waited for", Path: path + "?wait=server_ack", Status: 409, Want: "v1/message_cancelled", Behind: sending(message.Cancelled, ready)},
		{What: "sent before", Header: []string{"Idempotency-Key: order-1"}, Extra: "Idempotency-Replayed: true", Status: 200, Want: "v1/message_replayed", Behind: answered(message.ServerAck)},
		{What: "queued before", Header: []string{"Idempotency-Key: order-1"}, Extra: "Idempotency-Replayed: true", Status: 202, Want: "v1/message_requeued_before", Behind: answered(message.Queued)},
		{What: "failed before", Header: []string{"Idempotency-Key: order-1"}, Extra: "Idempotency-Replayed: true", Status: 422, Want: "v1/message_failed_before", Behind: answered(message.Failed)},
		{What: "another body under the key", Header: []string{"Idempotency-Key: order-1"}, Status: 422, Want: "v1/message_reuse", Behind: refusing(apitest.Failing(session.CodeIdempotencyReuse))},
		{What: "too many", Status: 429, Extra: "Retry-After: 2", Want: "v1/message_queue_full", Behind: refusing(apitest.Failing(session.CodeQueueFull))},
		{What: "the disk is full", Status: 507, Extra: "Retry-After: 5", Want: "v1/store_full", Behind: refusing(apitest.Failing(session.CodeStoreFull))},
		{What: "the database is locked", Status: 503, Extra: "Retry-After: 5", Want: "v1/store_locked", Behind: refusing(apitest.Failing(session.CodeStoreLocked))},
		{What: "draining", Status: 503, Extra: "Retry-After: 5", Want: "v1/shutting_down", Behind: refusing(apitest.Failing(session.CodeShuttingDown))},
		{What: "a bug", Status: 500, Want: "v1/internal", Behind: refusing(context.Canceled)},
		{What: "an unknown session", Path: "/v1/sessions/nobody/messages", Status: 404, Want: "v1/not_found"},
		{What: "an empty key", Header: []string{"Idempotency-Key: "}, Status: 400, Want: "v1/message_bad_key", Behind: sending("", ready)},
		{What: "two keys", Header: []string{"Idempotency-Key: a", "Idempotency-Key: b"}, Status: 400, Want: "v1/message_bad_key", Behind: sending("", ready)},
		{What: "waiting for what there is not", Path: path + "?wait=forever", Status: 400, Want: "v1/message_bad_wait", Behind: sending("", ready)},
		{What: "a timeout without a wait", Path: path + "?timeout=5s", Status: 400, Want: "v1/message_timeout_alone", Behind: sending("", ready)},
		{What: "a timeout that is too long", Path: path + "?wait=delivered&timeout=61s", Status: 400, Want: "v1/message_bad_timeout", Behind: sending("", ready)},
		{What: "another format", Header: []string{"Content-Type: text/plain"}, Status: 415, Want: "v1/message_media_type", Behind: sending("", ready)},
		{What: "compressed", Header: []string{apitest.JSONBody, "Content-Encoding: gzip"}, Status: 415, Want: "v1/encoding", Behind: sending("", ready)},
	}
	for i := range rows {
		r := &rows[i]
		r.Method, r.Body = "POST", toAna
		if r.Path == "" {
			r.Path = path
		}
		if r.Status < 300 && r.Extra == "" {
			r.Extra = "Location: " + path + "/" + testMessageID
		}
	}
	apitest.RunRows(t, rows)
}

func TestAMessageThatCannotBeSentIsRefusedByItsField(t *testing.T) {
	t.Parallel()
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	f.Enqueuing = func(context.Context, message.Request) (message.Message, bool, error) {
		return message.Message{}, false, &session.Error{Code: session.CodeInternal, Op: "it was taken"}
	}
	f.Fetching = func(string) (string, error) { return "bytes", nil }
	r := apitest.NewRig(t, httpapi.Config{BodyLimit: 4096}, &f)
	for body, field := range map[string]string{
		``:                                  "body",
		`[]`:                                "body",
		`{`:                                 "body",
		"{\"to\":\"\xff\"}":                 "body",
		`{"to":"1","to":"2"}`:               "to",
		`{}`:                                "to",
		`{"to":"bob"}`:                      "to",
		`{"to":"bob@example.com"}`:          "to",
		`{"to":5491155550101}`:              "to",
		`{"to":"5491155550101"}`:            "text",
		`{"to":"5491155550101","text":""}`:  "text",
		`{"to":"5491155550101","text":1}`:   "text",
		`{"to":"5491155550101","txt":"x"}`:  "txt",
		`{"to":"5491155550101","Text":"x"}`: "Text",
		`{"to":"5491155550101","kind":"fax","text":"x"}`:                                                            "kind",
		`{"to":"5491155550101","kind":"poll_vote","text":"x"}`:                                                      "kind",
		`{"to":"5491155550101","kind":"location","text":"x"}`:                                                       "text",
		`{"to":"5491155550101","kind":"location"}`:                                                                  "location",
		`{"to":"5491155550101","location":{"latitude":1}}`:                                                          "location.longitude",
		`{"to":"5491155550101","location":{"latitude":91,"longitude":0}}`:                                           "location.latitude",
		`{"to":"5491155550101","text":"x","poll":{"question":"q","options":["a","b"]}}`:                             "text",
		`{"to":"5491155550101","poll":{"question":"q","options":["a"]}}`:                                            "poll.options",
		`{"to":"5491155550101","poll":{"question":"q","options":["a","b","c","a"]}}`:                                "poll.options[3]",
		`{"to":"5491155550101","poll":{"question":"q","options":["a","b",3]}}`:                                      "poll.options[2]",
		`{"to":"5491155550101","poll":{"question":"q","options":["a","b"],"more":1}}`:                               "poll.more",
		`{"to":"5491155550101","contacts":[{"name":"Ana","vcard":"x"}]}`:                                            "contacts[0].vcard",
		`{"to":"5491155550101","text":"x","mentions":["5491155550102","bob"]}`:                                      "mentions[1]",
		`{"to":"5491155550101","text":"x","mentions":[{"lid":"1@s.whatsapp.net"}]}`:                                 "mentions[0].lid",
		`{"to":"5491155550101","text":"x","mentions":[{"id":"1"}]}`:                                                 "mentions[0].id",
		`{"to":"5491155550101","text":"x","quote":{"sender":"5491155550102"}}`:                                      "quote.id",
		`{"to":"120363041234567890@g.us","text":"x","quote":{"id":"A"}}`:                                            "quote.sender",
		`{"to":"5491155550101","text":"x","preview":{"url":"https://a.example/"}}`:                                  "preview.url",
		`{"to":"5491155550101","text":"https://a.example/","preview":{"url":"https://a.example/","thumbnail":"!"}}`: "preview.thumbnail",
		`{"to":"5491155550101","kind":"reaction","reaction":"ok","target":{"id":"A"}}`:                              "reaction",
		`{"to":"5491155550101","kind":"revoke"}`:                                                                    "target",
		`{"to":"5491155550101","kind":"image"}`:                                                                     "media",
		`{"to":"5491155550101","media":{}}`:                                                                         "media",
		`{"to":"5491155550101","media":{"url":"https://a.example/","base64":"QUJD"}}`:                               "media",
		`{"to":"5491155550101","media":{"url":"https://a.example/","upload":"f1"}}`:                                 "media",
		`{"to":"5491155550101","media":{"url":"ftp://a.example/"}}`:                                                 "media.url",
		`{"to":"5491155550101","media":{"url":"a.jpg"}}`:                                                            "media.url",
		`{"to":"5491155550101","media":{"base64":"%%%"}}`:                                                           "media.base64",
		`{"to":"5491155550101","media":{"base64":7}}`:                                                               "media.base64",
		`{"to":"5491155550101","media":{"url":"https://a.example/","name":"../x"}}`:                                 "media.name",
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/","waveform":"QUJD"}}`:              "media.waveform",
		`{"to":"5491155550101","kind":"voice","media":{"url":"https://a.example/","waveform":"QUJD"}}`:              "media.waveform",
		`{"to":"5491155550101","media":{"url":"https://a.example/","file":"x"}}`:                                    "media.file",
		`{"to":"5491155550101","text":"x","media":{"base64":"QUJD","mime":"audio/mpeg"}}`:                           "text",
		`{"to":"5491155550101","media":{"url":"https://a.example/","width":5}}`:                                     "media.width",
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/","width":5}}`:                      "media.height",
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/","seconds":5}}`:                    "media.seconds",
		`{"to":"5491155550101","kind":"image","media":{"url":"https://a.example/","animated":true}}`:                "media.animated",
		`{"to":"5491155550101","kind":"voice","media":{"url":"https://a.example/","thumbnail":"/9j/AQ=="}}`:         "media.thumbnail",
		`{"to":"5491155550101","kind":"image","media":{"base64":"QUJD","mime":"image/png"}}`:                        "media.mime",
		`{"to":"5491155550101","kind":"image","media":{"base64":"aW1hZ2Uvc3ZnK3htbHxh"}}`:                           "media.mime",
		`{"to":"5491155550101","kind":"document","media":{"base64":"QUJD","mime":"a/b\r\nX: y"}}`:                   "media.mime",
		`{"to":"5491155550101","kind":"document","media":{"base64":"QUJD","name":"a\nb"}}`:                          "media.name",
		`{"to":"5491155550101","media":{"url":"http://a.example:99999/"}}`:                                          "media.url",
		`{"to":"5491155550101","media":{"url":"http://a.example:0/"}}`:                                              "media.url",
		`{"to":"5491155550101","contacts":[]}`:                                                                      "contacts",
		`{"to":"5491155550101","location":{"latitude":1,"longitude":1,"url":"javascript:x"}}`:                       "location.url",
		`{"to":"5491155550101","text":"\ud800"}`:                                                                    "body",
		`{"to":"5491155550101","text":"\ude00\ud83d"}`:                                                              "body",
		`{"to":"5491155550101","location":{"latitude":1e999,"longitude":1}}`:                                        "body",
		`{"to":{"status":"120363041234567890@g.us"},"text":"x"}`:                                                    "to.status",
		`{"to":{"channel":"x@newsletter"},"text":"x"}`:                                                              "to.channel",
		`{"to":"15@broadcast","text":"x"}`:                                                                          "to",
		`{"to":{"status":"status@broadcast"},"text":"x","quote":{"id":"A"}}`:                                        "quote.sender",
		`{"to":"3725123456-1500000000","text":"x"}`:                                                                 "to",
		`{"to":{"name":"Ana"},"text":"x"}`:                                                                          "to.name",
		`{"to":{},"text":"x"}`:                                                                                      "to",
		`{"to":5491155550101,"text":"x"}`:                                                                           "to",
		`{"to":"","text":"x"}`:                                                                                      "to",
		`{"to":"5491155550101","text":"x","mentions":[{"group":"120363041234567890@g.us"}]}`:                        "mentions[0]",
		`{"to":"5491155550101","text":"x","quote":{"id":"A","sender":{"pn":"bob"}}}`:                                "quote.sender.pn",
		`{"to":"34600111333.00","text":"x"}`:                                                                        "to",
		`{"to":"34600111333,00","text":"x"}`:                                                                        "to",
		`{"to":{"pn":"34600111333.05"},"text":"x"}`:                                                                 "to.pn",
		`{"to":3.46e10,"text":"x"}`:                                                                                 "to",
		`{"to":"5491155550101","text":"x","mentions":["34600111333.000"]}`:                                          "mentions[0]",
		`{"to":"0600111222","text":"x"}`:                                                                            "to",
		`{"to":"5491155550101","text":"x","send_at":"tomorrow"}`:                                                    "send_at",
		`{"to":"5491155550101","text":"x","send_at":"2136-01-04T12:33:56Z"}`:                                        "send_at",
		`{"to":"5491155550101","text":"x","expires_in":0}`:                                                          "expires_in",
		`{"to":"5491155550101","text":"x","expires_in":"10m"}`:                                                      "expires_in",
		`{"to":"5491155550101","text":"x","expires_in":99999999}`:                                                   "expires_in",
	} {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, apitest.JSONBody)
		var p wire.Problem
		if err := json.Unmarshal([]byte(answer.Body), &p); err != nil || answer.Status != 400 || p.Field != field {
			t.Errorf("%s\nfield %q expected: %d %s", body, field, answer.Status, answer.Body)
		}
	}
	for body, field := range map[string]string{
		`{"to":{"status":"status@broadcast"},"text":"x"}`:                                                                         "to",
		`{"to":{"group":"status@broadcast"},"text":"x"}`:                                                                          "to",
		`{"to":{"channel":"120363041234567890@newsletter"},"text":"x"}`:                                                           "to",
		`{"to":{"list":"1500000000@broadcast"},"reaction":"👍","target":{"id":"A"}}`:                                               "to",
		`{"to":{"other":"123456789@bot"},"text":"x"}`:                                                                             "to.other",
		`{"to":"5491155550101","text":"x","quote":{"id":"A","chat":{"group":"120363041234567890@g.us"}}}`:                         "quote.chat",
		`{"to":{"status":"status@broadcast"},"kind":"revoke","target":{"id":"A","sender":{"pn":"5491155550101@s.whatsapp.net"}}}`: "to",
	} {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, apitest.JSONBody)
		var p wire.Problem
		if err := json.Unmarshal([]byte(answer.Body), &p); err != nil || answer.Status != 422 || p.Code != "unsupported_chat" || p.Field != field {
			t.Errorf("%s\nfield %q expected: %d %s", body, field, answer.Status, answer.Body)
		}
	}
	if left := f.Folder.Names(); len(left) > 0 {
		t.Errorf("files of refused messages were kept: %v", left)
	}
	if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", `{"to":"5491155550101","text":"`+strings.Repeat("x", 5000)+`"}`, apitest.JSONBody); answer.Status != 413 {
		t.Errorf("too large: %d %s", answer.Status, answer.Body)
	}
}

// taking records the messages that the outbox was asked to send.
func taking(t *testing.T) (*apitest.Rig, *[]message.Request) {
	t.Helper()
	f := sending("", apitest.Plain("shop", session.Ready, session.CauseConnected))
	var got []message.Request
	f.Enqueuing = func(_ context.Context, request message.Request) (message.Message, bool, error) {
		got = append(got, request)
		return stored(request, message.Queued), false, nil
	}
	f.Fetching = func(address string) (string, error) {
		kinds := map[string]string{"jpg": "image/jpeg", "mp4": "video/mp4", "mp3": "audio/mpeg", "ogg": message.MimeVoice, "webp": "image/webp", "txt": "text/plain"}
		return kinds[address[strings.LastIndex(address, ".")+1:]] + "|fetched", nil
	}
	f.Folder = &apitest.Folder{Bytes: map[string][]byte{"UPLOAD": []byte("video/mp4|uploaded"), "VOICE": []byte(message.MimeVoice + "|uploaded"), "TEXT": []byte("text/plain|uploaded")}}
	return apitest.NewRig(t, httpapi.Config{BodyLimit: 4096}, &f), &got
}

func TestEveryKindOfTheDocumentIsTaken(t *testing.T) {
	t.Parallel()
	r, got := taking(t)
	kinds := make(map[message.Kind]bool)
	for _, e := range messages.Examples() {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", e.Body, apitest.JSONBody)
		if answer.Status != 202 {
			t.Errorf("%s: %d %s", e.Name, answer.Status, answer.Body)
			continue
		}
		last := (*got)[len(*got)-1]
		kinds[last.Content.Kind] = true
		var asked struct{ Kind message.Kind }
		if err := json.Unmarshal([]byte(e.Body), &asked); err != nil || (asked.Kind != "" && asked.Kind != last.Content.Kind) {
			t.Errorf("%s: %v, kind %s", e.Name, err, last.Content.Kind)
		}
		if strings.Contains(answer.Body, `"file"`) {
			t.Errorf("%s: the answer tells where the file is kept: %s", e.Name, answer.Body)
		}
		var shown struct{ Content message.Content }
		if err := json.Unmarshal([]byte(answer.Body), &shown); err != nil {
			t.Fatal(err)
		}
		if last.Content.Media != nil {
			last.Content.Media.File = ""
		}
		if !reflect.DeepEqual(shown.Content, last.Content) {
			t.Errorf("%s: the answer shows\n%+v\nand the outbox has\n%+v", e.Name, shown.Content, last.Content)
		}
	}
	for _, kind := range message.SendableKinds() {
		if !kinds[kind] {
			t.Errorf("there is no example of %s", kind)
		}
	}
}

func TestAnAddressOfAnEventCanBeGivenBack(t *testing.T) {
	t.Parallel()
	r, got := taking(t)
	for body, want := range map[string]message.Recipient{
		`{"to":{"lid":"987654321@lid","pn":"5491155550103@s.whatsapp.net"},"text":"x"}`:          "987654321@lid",
		`{"to":{"pn":"5491155550103@s.whatsapp.net"},"text":"x"}`:                                "5491155550103@s.whatsapp.net",
		`{"to":{"group":"120363041234567890@g.us"},"text":"x"}`:                                  "120363041234567890@g.us",
		`{"to":"5491155550103.0:12@s.whatsapp.net","text":"x"}`:                                  "5491155550103@s.whatsapp.net",
		"\xef\xbb\xbf" + `{"to":"5491155550103","text":"x"}`:                                     "5491155550103@s.whatsapp.net",
		"\xef\xbb\xbf" + `{"to":"5491155550103","kind":"document","media":{"base64":"QUJD"}}`:    "5491155550103@s.whatsapp.net",
		`{"to":{"pn":"5491155550103@s.whatsapp.net"},"media":{"url":"https://a.example/a.txt"}}`: "5491155550103@s.whatsapp.net",
	} {
		if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, apitest.JSONBody); answer.Status != 202 {
			t.Fatalf("%s: %d %s", body, answer.Status, answer.Body)
		}
		if last := (*got)[len(*got)-1]; last.To != want {
			t.Errorf("%s goes to %s, want %s", body, last.To, want)
		}
	}
	people := `{"to":{"group":"120363041234567890@g.us"},"text":"@5491155550103","mentions":["5491155550103.0:12@s.whatsapp.net",{"lid":"987654321:3@lid","pn":"5491155550104:3@s.whatsapp.net"}],` +
		`"quote":{"id":"A","sender":{"lid":"987654321.1:3@lid"}}}`
	if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", people, apitest.JSONBody); answer.Status != 202 {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	last := (*got)[len(*got)-1].Content
	mentions := []message.Address{{PN: "5491155550103@s.whatsapp.net"}, {LID: "987654321@lid", PN: "5491155550104@s.whatsapp.net"}}
	if !reflect.DeepEqual(last.Mentions, mentions) || last.Quote.Sender != (message.Address{LID: "987654321@lid"}) {
		t.Errorf("mentions %+v, quote %+v", last.Mentions, last.Quote)
	}
	for _, part := range []string{`{"lid":"987654321@lid","pn":"5491155550103@s.whatsapp.net"}`, "987654321@lid"} {
		body, contentType := form(t, [2]string{"to", part}, [2]string{"message", "\xef\xbb\xbf" + `{"text":"x"}`})
		if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, contentType); answer.Status != 202 || (*got)[len(*got)-1].To != "987654321@lid" {
			t.Errorf("%s as a part: %d %s", part, answer.Status, answer.Body)
		}
	}
}

func TestEveryFieldReachesTheOutbox(t *testing.T) {
	t.Parallel()
	r, got := taking(t)
	jpeg := base64.StdEncoding.EncodeToString([]byte{0xff, 0xd8, 0xff, 1})
	waveform := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{50}, 64))
	for body, want := range map[string]message.Request{
		`{"to":"120363041234567890@g.us","text":"@5491155550102 https://a.example/","mentions":["+54 9 11 5555 0102",{"lid":"987654321@lid","pn":"5491155550103@s.whatsapp.net"}],` +
			`"quote":{"id":"A","sender":"987654321@lid","text":"q","kind":"image"},"preview":{"url":"https://a.example/","title":"T","description":"D","thumbnail":"` + jpeg + `"},` +
			`"send_at":"2026-01-04T13:00:00Z","expires_in":7200}`: {
			To: "120363041234567890@g.us", SendAt: time.Date(2026, 1, 4, 13, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 1, 4, 15, 0, 0, 0, time.UTC),
			Content: message.Content{
				Kind: message.KindText, Text: "@5491155550102 https://a.example/",
				Mentions: []message.Address{{PN: "5491155550102@s.whatsapp.net"}, {LID: "987654321@lid", PN: "5491155550103@s.whatsapp.net"}},
				Quote:    &message.Ref{ID: "A", Sender: message.Address{LID: "987654321@lid"}, Text: "q", Kind: message.KindImage},
				Preview:  &message.Preview{URL: "https://a.example/", Title: "T", Description: "D", Thumbnail: []byte{0xff, 0xd8, 0xff, 1}},
			},
		},
		`{"to":"987654321@lid","kind":"voice","media":{"upload":"VOICE","mime":"audio/ogg","seconds":3,"waveform":"` + waveform + `","view_once":true}}`: {
			To: "987654321@lid", Content: message.Content{Kind: message.KindVoice, Media: &message.Media{
				File: "*", Mime: message.MimeVoice, Size: int64(len(message.MimeVoice) + 9), SHA256: "*", Seconds: 3, Waveform: bytes.Repeat([]byte{50}, 64), ViewOnce: true,
			}},
		},
		`{"to":"987654321@lid","kind":"image","text":"c","media":{"base64":"aW1hZ2UvanBlZ3xh","mime":"image/png","width":3,"height":4,"name":"a.jpg","thumbnail":"` + jpeg + `"}}`: {
			To: "987654321@lid", Content: message.Content{Kind: message.KindImage, Text: "c", Media: &message.Media{
				File: "*", Mime: "image/jpeg", Size: 12, SHA256: "*", Width: 3, Height: 4, Thumbnail: []byte{0xff, 0xd8, 0xff, 1},
			}},
		},
		`{"to":"987654321@lid","media":{"url":"https://a.example/x.txt"},"text":"c"}`: {
			To: "987654321@lid", Content: message.Content{Kind: message.KindDocument, Text: "c", Media: &message.Media{
				File: "*", Mime: "text/plain", Size: 18, SHA256: "*",
			}},
		},
		`{"to":"987654321@lid","kind":"document","media":{"url":"https://a.example/x.jpg","mime":"image/x-raw"}}`: {
			To: "987654321@lid", Content: message.Content{Kind: message.KindDocument, Media: &message.Media{
				File: "*", Mime: "image/x-raw", Name: "file.jpg", Size: 18, SHA256: "*",
			}},
		},
		`{"to":"987654321@lid","media":{"url":"https://a.example/x.jpg","mime":"text/csv"}}`: {
			To: "987654321@lid", Content: message.Content{Kind: message.KindImage, Media: &message.Media{
				File: "*", Mime: "image/jpeg", Size: 18, SHA256: "*",
			}},
		},
		`{"to":"987654321@lid","media":{"base64":"aW1hZ2Uvc3ZnK3htbHxh","name":"a.svg","mime":"image/png"}}`: {
			To: "987654321@lid", Content: message.Content{Kind: message.KindDocument, Media: &message.Media{
				File: "*", Mime: "image/png", Name: "a.svg", Size: 15, SHA256: "*",
			}},
		},
		`{"to":"0054 9 11 5555 0101","text":"\ud83d\ude00 \\ud800"}`: {To: "5491155550101@s.whatsapp.net", Content: message.TextOf("😀 \\ud800")},
		`{"to":"987654321@lid","media":{"upload":"TEXT","mime":"text/csv","name":"a.csv"}}`: {
			To: "987654321@lid", Content: message.Content{Kind: message.KindDocument, Media: &message.Media{
				File: "*", Mime: "text/csv", Name: "a.csv", Size: 19, SHA256: "*",
			}},
		},
		`{"to":"987654321@lid","kind":"reaction","target":{"id":"A","from_me":true}}`: {
			To: "987654321@lid", Content: message.Content{Kind: message.KindReaction, Target: &message.Ref{ID: "A", FromMe: true}},
		},
		`{"to":"987654321@lid","text":"late","send_at":"2020-01-01T00:00:00Z"}`: {To: "987654321@lid", Content: message.TextOf("late")},
	} {
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, apitest.JSONBody, "Idempotency-Key: k")
		if answer.Status != 202 {
			t.Errorf("%s: %d %s", body, answer.Status, answer.Body)
			continue
		}
		last := (*got)[len(*got)-1]
		want.Session, want.Key = "shop", "k"
		if elsewhere := strings.Contains(body, `"media":{"url"`) || strings.Contains(body, `"upload"`); (last.Fingerprint != "") != elsewhere {
			t.Errorf("%s: fingerprint %q", body, last.Fingerprint)
		}
		last.Fingerprint = ""
		if m := last.Content.Media; m != nil {
			if m.File == "" || len(m.SHA256) != 64 {
				t.Errorf("media %+v", m)
			}
			m.File, m.SHA256 = "*", "*"
		}
		if !reflect.DeepEqual(last, want) {
			t.Errorf("%s\n%+v %+v\nexpected\n%+v %+v", body, last, last.Content.Media, want, want.Content.Media)
		}
	}
}

// form makes a multipart body. The part file has the file's name and type.
func form(t *testing.T, parts ...[2]string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q", part[0])}}
		if part[0] == "file" {
			header = textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="C:\\a\\invoice.pdf"`}, "Content-Type": {"application/pdf"}}
		}
		out, err := w.CreatePart(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(part[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

func TestAFileComesAsAPartOfAForm(t *testing.T) {
	t.Parallel()
	r, got := taking(t)
	big := strings.Repeat("0123456789abcdef", 4096)
	for _, parts := range [][][2]string{
		{{"to", "+54 9 11 5555-0101"}, {"text", "the invoice"}, {"file", big}},
		{{"file", big}, {"message", `{"to":"5491155550101","text":"the invoice"}`}},
		{{"message", `{"text":"the invoice","media":{"name":"invoice.pdf"}}`}, {"file", big}, {"to", "5491155550101@c.us"}, {"kind", "document"}, {"expires_in", "+060"}},
	} {
		body, contentType := form(t, parts...)
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, contentType)
		if answer.Status != 202 {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
		last := (*got)[len(*got)-1]
		m := last.Content.Media
		if last.To != "5491155550101@s.whatsapp.net" || last.Content.Kind != message.KindDocument || last.Content.Text != "the invoice" ||
			m.Mime != "application/pdf" || m.Name != "invoice.pdf" || string(r.Sessions.Folder.Bytes[m.File]) != big {
			t.Errorf("%+v %+v", last, m)
		}
	}
	kept := len(r.Sessions.Folder.Names())
	for field, parts := range map[string][][2]string{
		"to":           {{"file", "x"}},
		"text":         {{"to", "5491155550101"}, {"text", "\xff"}},
		"caption":      {{"to", "5491155550101"}, {"caption", "x"}, {"file", "x"}},
		"file":         {{"file", "x"}, {"file", "y"}},
		"message":      {{"message", "[1]"}},
		"body":         {{"", "x"}},
		"media":        {{"file", "x"}, {"message", `{"to":"5491155550101","media":{"url":"https://a.example/"}}`}},
		"expires_in":   {{"to", "5491155550101"}, {"text", "x"}, {"expires_in", "soon"}},
		"media.base64": {{"message", `{"to":"5491155550101","media":{"base64":"QUJD"}}`}},
	} {
		body, contentType := form(t, parts...)
		answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, contentType)
		var p wire.Problem
		if err := json.Unmarshal([]byte(answer.Body), &p); err != nil || answer.Status != 400 || p.Field != field {
			t.Errorf("field %s expected: %d %s", field, answer.Status, answer.Body)
		}
	}
	body, contentType := form(t, [2]string{"to", "5491155550101"}, [2]string{"text", strings.Repeat("x", 5000)})
	if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", body, contentType); answer.Status != 413 {
		t.Errorf("too much text: %d %s", answer.Status, answer.Body)
	}
	if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", "no form", "Content-Type: multipart/form-data; boundary=x"); answer.Status != 400 {
		t.Errorf("no form: %d %s", answer.Status, answer.Body)
	}
	if answer := r.Do(t, "POST", "/v1/sessions/shop/messages", "no form", "Content-Type: multipart/form-data"); answer.Status != 415 {
		t.Errorf("no boundary: %d %s", answer.Status, answer.Body)
	}
	if now := len(r.Sessions.Folder.Names()); now != kept {
		t.Errorf("%d files are kept, expected %d: %v", now, kept, r.Sessions.Folder.Names())
	}
}

func TestThePartOfAFileIsReadHoweverItsNameIsWritten(t *testing.T) {
	t.Parallel()
	r, got := taking(t)
	for written, want := range map[string]string{
		`form-data; name="file"; filename=Factura Enero.pdf`:                              "Factura Enero.pdf",
		`form-data; filename=Factura Enero.pdf; name=file`:                                "Factura Enero.pdf",
		`form-data; name="file"; filename==?UTF-8?Q?Facturaci=C3=B3n_Enero.pdf?=`:         "Facturación Enero.pdf",
		`form-data; name="file"; filename==?UTF-8?B?RmFjdHVyYWNpw7NuLnBkZg==?=`:           "Facturación.pdf",
		`form-data; name="file"; filename="=?UTF-8?B?RmFjdHVyYWNpw7NuLnBkZg==?="`:         "Facturación.pdf",
		"form-data; name=file; filename=Facturaci\xf3n Enero.pdf":                         "Facturación Enero.pdf",
		`form-data; name="file"; filename="a.pdf"; filename*=UTF-8''Facturaci%C3%B3n.pdf`: "Facturación.pdf",
	} {
		for path, status := range map[string]int{"/v1/sessions/shop/messages": 202, "/v1/media": 201} {
			body := "--x\r\nContent-Disposition: " + written + "\r\nContent-Type: application/pdf; name=Factura Enero.pdf\r\n\r\nbytes\r\n"
			if status == 202 {
				body += "--x\r\nContent-Disposition: form-data; name=to; note=who gets it\r\n\r\n5491155550101\r\n"
			}
			answer := r.Do(t, "POST", path, body+"--x--\r\n", "Content-Type: multipart/form-data; boundary=x")
			if answer.Status != status || !strings.Contains(answer.Body, `"application/pdf"`) {
				t.Errorf("%s to %s: %d %s", written, path, answer.Status, answer.Body)
				continue
			}
			if status == 202 {
				if m := (*got)[len(*got)-1].Content.Media; m.Name != want {
					t.Errorf("%s is %q, want %q", written, m.Name, want)
				}
			}
		}
	}
}

package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	httpevents "wasup/httpapi/events"
	"wasup/httpapi/qr/qrtest"
	"wasup/httpapi/wire"
	"wasup/internal/events"
	"wasup/internal/session"
)

// talking is an open WebSocket.
type talking struct {
	t    testing.TB
	conn *websocket.Conn
	ctx  context.Context
}

func dial(t testing.TB, r *apitest.Rig, path string, header http.Header) (*talking, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	conn, answer, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(r.Base, "http")+path, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		cancel()
		return nil, answer, err
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() {
		_ = conn.CloseNow()
		cancel()
	})
	return &talking{t: t, conn: conn, ctx: ctx}, answer, nil
}

func talk(t testing.TB, r *apitest.Rig, path string) *talking {
	t.Helper()
	w, _, err := dial(t, r, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *talking) expect(event string) seen {
	w.t.Helper()
	_, text, err := w.conn.Read(w.ctx)
	if err != nil {
		w.t.Fatalf("expected %s: %v", event, err)
	}
	if event == "resync" {
		return seen{}
	}
	out := seenIn(w.t, string(text))
	if string(out.Type) != event {
		w.t.Fatalf("%s, expected %s", text, event)
	}
	return out
}

func TestASocketTellsWhatAStreamTells(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Pairing("a"), apitest.Plain("b", session.Ready, session.CauseConnected))
	f.Buffer = events.Options{Buffer: 2, Page: 2}
	r := apitest.NewRig(t, httpapi.Config{Heartbeat: time.Millisecond}, &f)
	w := talk(t, r, "/v1/events/ws?image=png")
	if first := w.expect("session.snapshot"); first.SessionID != "a" || qrtest.Readable(t, first.QR.Image) != "<PNG of CODE>" {
		t.Errorf("%+v", first)
	}
	if second := w.expect("session.snapshot"); second.SessionID != "b" || second.QR != nil {
		t.Errorf("%+v", second)
	}
	if now := w.expect("present"); now.ID != "0" {
		t.Errorf("%+v", now)
	}
	r.Publish(t, apitest.Pairing("a"))
	w.expect("session.state")
	if event := w.expect("session.qr"); event.QR == nil || event.QR.Code != qrtest.Code || qrtest.Readable(t, event.QR.Image) != "<PNG of CODE>" || event.ID != "2" {
		t.Errorf("%+v", event)
	}
	r.Append(t, events.Event{Session: "b", Type: events.TypeCall, Data: json.RawMessage(`{"id":"c1"}`)})
	if event := w.expect("call"); event.SessionID != "b" || string(event.Data) != `{"id":"c1"}` || event.Seq != 1 {
		t.Errorf("%+v", event)
	}
	r.Remove(t, "a")
	w.expect("session.removed")
	// A caller that reconnects gets the events that it missed, and no snapshots.
	back := talk(t, r, "/v1/events/ws?after=0&types=call,session.removed")
	back.expect("call")
	back.expect("session.removed")
	one := talk(t, r, "/v1/sessions/b/events/ws?after=1")
	if event := one.expect("call"); event.ID != "3" {
		t.Errorf("%+v", event)
	}
	lost := talk(t, r, "/v1/sessions/b/events/ws?after=77")
	lost.expect("resync")
	lost.expect("session.snapshot")
	lost.expect("present")
}

func TestASocketThatLeavesIsForgottenAndAShutdownEndsTheOthers(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("a", session.Ready, session.CauseConnected))
	r := apitest.NewRig(t, httpapi.Config{Heartbeat: time.Millisecond}, &f)
	gone, stays := talk(t, r, "/v1/events/ws"), talk(t, r, "/v1/sessions/a/events/ws")
	for _, w := range []*talking{gone, stays} {
		w.expect("session.snapshot")
		w.expect("present")
	}
	if err := gone.conn.CloseNow(); err != nil {
		t.Fatal(err)
	}
	until(t, "the reader is gone", func() { r.Do(t, "GET", "/healthz", "") }, func() bool { return r.Events(t).Readers() == 1 })
	ended := make(chan error, 1)
	go func() {
		_, _, err := stays.conn.Read(stays.ctx)
		ended <- err
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-ended; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the socket ended with %v", err)
	}
	if r.Events(t).Readers() != 0 {
		t.Errorf("%d readers are left", r.Events(t).Readers())
	}
}

func TestASlowSocketLosesNothing(t *testing.T) {
	t.Parallel()
	f := apitest.Behind()
	f.Buffer = events.Options{Buffer: 4}
	r := apitest.NewRig(t, httpapi.Config{Heartbeat: time.Hour}, &f)
	w := talk(t, r, "/v1/events/ws")
	w.conn.SetReadLimit(1 << 20)
	w.expect("present")
	const n = 150 // more than the buffers of the connection hold
	big := events.Event{Session: "a", Type: events.TypeMessage, Data: json.RawMessage(`{"text":"` + strings.Repeat("x", 100_000) + `"}`)}
	for range n {
		r.Append(t, big)
	}
	for i := range n {
		if event := w.expect("message.received"); event.Seq != uint64(i+1) || len(event.Data) != len(big.Data) {
			t.Fatalf("event %d is number %d with %d bytes", i+1, event.Seq, len(event.Data))
		}
	}
}

func TestALargeEventArrivesWhole(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]events.Options{"from memory": {}, "from the table": {Buffer: 1}} {
		t.Run(name, func(t *testing.T) {
			f := apitest.Behind()
			f.Buffer = options
			r := apitest.NewRig(t, httpapi.Config{}, &f)
			var want []string
			for i, size := range []int{10, 128 << 10, 300_000, 1, 1_500_000, 5} {
				data := fmt.Sprintf(`{"text":%q}`, strings.Repeat(string(rune('a'+i)), size))
				want = append(want, data)
				r.Append(t, events.Event{Session: "a", Type: events.TypeMessage, Data: json.RawMessage(data)})
			}
			l, w := listen(t, r, "/v1/events?after=0"), talk(t, r, "/v1/events/ws?after=0")
			l.must() // the delay of a reconnect
			w.conn.SetReadLimit(4 << 20)
			for i := range want {
				for of, data := range map[string]json.RawMessage{"stream": l.expect("message.received").Data, "socket": w.expect("message.received").Data} {
					if string(data) != want[i] {
						t.Errorf("event %d of the %s has %d bytes: %.30s…, want %d", i+1, of, len(data), data, len(want[i]))
					}
				}
			}
		})
	}
}

func TestOnlyAProperHandshakeOfOurOwnPagesBecomesASocket(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("a", session.Ready, session.CauseConnected))
	r := apitest.NewRig(t, httpapi.Config{Streams: 1}, &f)
	upgrade := []string{"Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}
	with := func(index int, line string) []string {
		header := append([]string(nil), upgrade...)
		if index < len(header) {
			header[index] = line
			return header
		}
		return append(header, line)
	}
	for name, test := range map[string]struct {
		path   string
		header []string
		want   string
	}{
		"a plain request":      {"/v1/events/ws", nil, "426 upgrade_required"},
		"another protocol":     {"/v1/events/ws", with(1, "Upgrade: h2c"), "426 upgrade_required"},
		"another version":      {"/v1/events/ws", with(2, "Sec-WebSocket-Version: 8"), "400 invalid_request"},
		"a short key":          {"/v1/events/ws", with(3, "Sec-WebSocket-Key: AAAA"), "400 invalid_request"},
		"another origin":       {"/v1/events/ws", with(9, "Origin: https://evil.example"), "403 cross_origin"},
		"another site":         {"/v1/events/ws", with(9, "Sec-Fetch-Site: cross-site"), "403 cross_origin"},
		"an unknown session":   {"/v1/sessions/nobody/events/ws", upgrade, "404 not_found"},
		"a bad position":       {"/v1/events/ws?after=x", upgrade, "400 invalid_request"},
		"an unknown type":      {"/v1/events/ws?types=call,nothing", upgrade, "400 invalid_request"},
		"an unknown parameter": {"/v1/events/ws?limit=1", upgrade, "400 invalid_request"},
		"a method it has not":  {"/v1/events/ws", append([]string{"POST"}, upgrade...), "405 method_not_allowed"},
	} {
		method, header := "GET", test.header
		if len(header) > 0 && header[0] == "POST" {
			method, header = "POST", header[1:]
		}
		answer := r.Do(t, method, test.path, "", header...)
		var p wire.Problem
		if err := json.Unmarshal([]byte(answer.Body), &p); err != nil || fmt.Sprint(p.Status, " ", p.Code) != test.want || answer.Status != p.Status {
			t.Errorf("%s: %d %s, expected %s", name, answer.Status, answer.Body, test.want)
		}
	}
	w := talk(t, r, "/v1/events/ws")
	w.expect("session.snapshot")
	w.expect("present")
	_, answer, err := dial(t, r, "/v1/events/ws", nil)
	if err == nil || answer == nil || answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one too many: %v, %v", answer, err)
	}
	if answer != nil {
		_ = answer.Body.Close()
	}
	same, answer, err := dial(t, r, "/v1/sessions/a/events/ws", http.Header{"Origin": {"http://" + r.Addr()}})
	if err == nil || answer == nil || answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("our own page is refused for its origin: %v, %v, %v", same, answer, err)
	}
	if answer != nil {
		_ = answer.Body.Close()
	}
	// What a caller sends is ignored, but a large message ends the connection.
	for _, says := range []string{"hello", strings.Repeat("x", 2000)} {
		if err := w.conn.Write(w.ctx, websocket.MessageText, []byte(says)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := w.conn.Read(w.ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("a caller who talks much is ended with %v", err)
	}
	until(t, "the place is free", func() { r.Do(t, "GET", "/healthz", "") }, func() bool { return admits(t, r) })
}

func TestThePastIsReadInPages(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("a", session.Ready, session.CauseConnected), apitest.Plain("b", session.Ready, session.CauseConnected))
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	for i := range 7 {
		kind := []events.Type{events.TypeMessage, events.TypeCall}[i%2]
		r.Append(t, events.Event{Session: []session.ID{"a", "b", "b"}[i%3], Type: kind, Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))})
	}
	page := func(path string, header ...string) httpevents.EventPage {
		t.Helper()
		answer := r.Do(t, "GET", path, "", header...)
		var out httpevents.EventPage
		if err := json.Unmarshal([]byte(answer.Body), &out); err != nil || answer.Status != 200 {
			t.Fatalf("%s: %d %s", path, answer.Status, answer.Body)
		}
		return out
	}
	told := func(p httpevents.EventPage) string {
		out := ""
		for _, event := range p.Items {
			out += fmt.Sprintf("%s:%s/%d ", event.ID, event.SessionID, event.Seq)
		}
		return fmt.Sprintf("%s| %s %t %t", out, p.Next, p.More, p.Missed)
	}
	for path, want := range map[string]string{
		"/v1/events?limit=3":                                "1:a/1 2:b/1 3:b/2 | 3 true false",
		"/v1/events?limit=3&after=3":                        "4:a/2 5:b/3 6:b/4 | 6 true false",
		"/v1/events?limit=3&after=6":                        "7:a/3 | 7 false false",
		"/v1/events?limit=3&after=7":                        "| 7 false false",
		"/v1/events?limit=3&after=8":                        "| 7 false true",
		"/v1/events?limit=100&types=call":                   "2:b/1 4:a/2 6:b/4 | 7 false false",
		"/v1/sessions/a/events?limit=10":                    "1:a/1 4:a/2 7:a/3 | 7 false false",
		"/v1/sessions/b/events?limit=2&after=2":             "3:b/2 5:b/3 | 5 true false",
		"/v1/sessions/b/events?limit=9&types=group.changed": "| 7 false false",
	} {
		if got := told(page(path)); got != want {
			t.Errorf("%s: %s, expected %s", path, got, want)
		}
	}
	if got := told(page("/v1/sessions/a/events", "Accept: application/json")); got != "1:a/1 4:a/2 7:a/3 | 7 false false" {
		t.Errorf("without a limit: %s", got)
	}
	if got := page("/v1/events?limit=1").Items[0]; string(got.Data) != `{"n":0}` || got.Type != "message.received" || got.At.IsZero() {
		t.Errorf("%+v", got)
	}
	keep := events.NewRetention(r.Events(t), events.Keep{Count: 3}, nil)
	keep.Run(t.Context())
	if got := told(page("/v1/events?limit=2&after=2")); got != "5:b/3 6:b/4 | 6 true true" {
		t.Errorf("after retention: %s", got)
	}
	for path, want := range map[string]int{"/v1/events?limit=0": 400, "/v1/events?limit=501": 400, "/v1/events?limit=1&types=": 400, "/v1/sessions/c/events?limit=1": 404} {
		if answer := r.Do(t, "GET", path, ""); answer.Status != want {
			t.Errorf("%s: %d %s", path, answer.Status, answer.Body)
		}
	}
}

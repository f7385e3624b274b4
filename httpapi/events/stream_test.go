package events_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"wasup/httpapi"
	"wasup/httpapi/apitest"
	httpevents "wasup/httpapi/events"
	"wasup/httpapi/qr/qrtest"
	"wasup/httpapi/rest"
	"wasup/httpapi/wire"
	"wasup/internal/events"
	"wasup/internal/session"
)

// listening is an open event stream.
type listening struct {
	t      testing.TB
	answer *http.Response
	lines  *bufio.Reader
	cancel context.CancelFunc
}

// sent is one block of a stream.
type sent struct {
	id, event, data, comment, retry string
}

func listen(t testing.TB, r *apitest.Rig, path string, header ...string) *listening {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
	}
	answer, err := r.Client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	l := &listening{t: t, answer: answer, lines: bufio.NewReader(answer.Body), cancel: cancel}
	t.Cleanup(l.close)
	return l
}

func (l *listening) close() {
	l.cancel()
	_ = l.answer.Body.Close()
}

// next reads the next block. It returns io.EOF when the stream has ended normally.
func (l *listening) next() (sent, error) {
	var out sent
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			return out, err
		}
		if line == "\n" {
			return out, nil
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		for field, into := range map[string]*string{"id": &out.id, "event": &out.event, "data": &out.data, "": &out.comment, "retry": &out.retry} {
			if name == field {
				*into = value
			}
		}
	}
}

func (l *listening) must() sent {
	l.t.Helper()
	block, err := l.next()
	if err != nil {
		l.t.Fatal(err)
	}
	return block
}

// expect reads an event, which must have this kind, checks it against the document and returns it.
func (l *listening) expect(event string) seen {
	l.t.Helper()
	block := l.must()
	if block.event != event {
		l.t.Fatalf("event %+v, expected %s", block, event)
	}
	out := seenIn(l.t, block.data)
	if out.ID != block.id || string(out.Type) != event {
		l.t.Fatalf("%+v in %+v", out, block)
	}
	return out
}

// seen is an event with the decoded state of its session.
type seen struct {
	httpevents.Event
	httpevents.EventState
}

// seenIn decodes an event and checks it against the document.
func seenIn(t testing.TB, text string) seen {
	t.Helper()
	apitest.Fits(t, httpevents.Event{}, text)
	var out seen
	if err := json.Unmarshal([]byte(text), &out.Event); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(out.Type), "session.") {
		return out
	}
	if err := json.Unmarshal(out.Data, &out.EventState); err != nil {
		t.Fatal(err)
	}
	apitest.Fits(t, httpevents.EventState{}, string(out.Data))
	return out
}

func ended(t testing.TB, l *listening) {
	t.Helper()
	for {
		if _, err := l.next(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("the stream broke off: %v", err)
		}
	}
}

func TestAStreamBeginsWithThePresentAndGoesOnLive(t *testing.T) {
	t.Parallel()
	ready := apitest.Plain("b", session.Ready, session.CauseConnected)
	f := apitest.Behind(apitest.Pairing("a"), ready)
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	l := listen(t, r, "/v1/events")
	if block := l.must(); block.retry != "3000" {
		t.Errorf("begins with %+v", block)
	}
	first := l.expect("session.snapshot")
	if first.SessionID != "a" || first.QR == nil || first.QR.Code != qrtest.Code || first.Session.Status.State != "QR_REQUIRED" || first.QR.Image != "" {
		t.Errorf("%+v", first)
	}
	if second := l.expect("session.snapshot"); second.SessionID != "b" || second.QR != nil || second.Session.Status.State != "READY" {
		t.Errorf("%+v", second)
	}
	from := l.must()
	if from.id == "" || from.data != "" {
		t.Errorf("after the snapshots comes %+v", from)
	}
	r.Publish(t, apitest.Pairing("a"))
	if event := l.expect("session.state"); event.SessionID != "a" || event.QR != nil || event.ID == from.id || event.Seq != 1 {
		t.Errorf("%+v", event)
	}
	if event := l.expect("session.qr"); event.QR == nil || event.QR.Code != qrtest.Code || event.QR.Sequence != 1 || !event.QR.ExpiresAt.Equal(apitest.Now.Add(time.Minute)) {
		t.Errorf("%+v", event)
	}
	r.Remove(t, "a")
	if event := l.expect("session.removed"); event.SessionID != "a" || event.Session != nil {
		t.Errorf("%+v", event)
	}
	if watched := f.Watches.All(); len(watched) > 0 {
		t.Errorf("who watches everything keeps pairings attended: %v", watched)
	}
}

func TestFollowingOneSessionKeepsItsPairingAttended(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Pairing("a"), apitest.Pairing("b"))
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	l := listen(t, r, "/v1/sessions/a/events?image=png")
	l.must()
	if event := l.expect("session.snapshot"); event.SessionID != "a" || qrtest.Readable(t, event.QR.Image) != "<PNG of CODE>" {
		t.Errorf("%+v", event)
	}
	l.must()
	if watched := f.Watches.All(); len(watched) != 1 || watched[0] != "a" {
		t.Errorf("watched %v", watched)
	}
	r.Publish(t, apitest.Pairing("b"))
	r.Publish(t, apitest.Pairing("a"))
	if event := l.expect("session.state"); event.SessionID != "a" {
		t.Errorf("%+v", event)
	}
	l.expect("session.qr")
	if watched := f.Watches.All(); len(watched) != 2 {
		t.Errorf("watched %v", watched)
	}
}

func TestAStreamGoesOnWhereItWasLeft(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("a", session.Ready, session.CauseConnected))
	f.Buffer = events.Options{Buffer: 4, Page: 3} // most events are read from the database
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	l := listen(t, r, "/v1/events")
	l.must()
	l.expect("session.snapshot")
	l.must()
	states := session.States()
	var ids []string
	for _, state := range states {
		r.Publish(t, apitest.Plain("a", state, session.CauseNone))
		ids = append(ids, l.expect("session.state").ID)
	}
	for from := range states {
		for _, way := range []func(id string) *listening{
			func(id string) *listening { return listen(t, r, "/v1/events?after="+id) },
			func(id string) *listening {
				return listen(t, r, "/v1/sessions/a/events?after=1", "Last-Event-ID: "+id)
			},
		} {
			back := way(ids[from])
			back.must()
			for _, state := range states[from+1:] {
				if event := back.expect("session.state"); event.Session.Status.State != wire.State(state) {
					t.Errorf("%+v, expected %s", event, state)
				}
			}
			back.close()
		}
	}
	last := ids[len(ids)-1]
	keep := events.NewRetention(r.Events(t), events.Keep{Count: 2}, nil)
	keep.Run(t.Context())
	for _, unknown := range []string{ids[0], "123456789"} {
		lost := listen(t, r, "/v1/events", "Last-Event-ID: "+unknown)
		lost.must()
		if block := lost.must(); block.event != "resync" || block.id != "" {
			t.Errorf("%+v", block)
		}
		lost.expect("session.snapshot")
		if block := lost.must(); block.id != last {
			t.Errorf("the present is that after %q, not %s", block.id, last)
		}
	}
}

func TestASilentStreamBeats(t *testing.T) {
	t.Parallel()
	f := apitest.Behind()
	r := apitest.NewRig(t, httpapi.Config{Heartbeat: time.Millisecond}, &f)
	l := listen(t, r, "/v1/events")
	l.must()
	l.must()
	for range 3 {
		if block := l.must(); block.comment != "heartbeat" {
			t.Errorf("%+v", block)
		}
	}
}

func TestAShutdownEndsStreamsInOrder(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("a", session.Ready, session.CauseConnected))
	r := apitest.NewRig(t, httpapi.Config{Heartbeat: time.Hour}, &f)
	var all []*listening
	for range 20 {
		l := listen(t, r, "/v1/events")
		l.must()
		all = append(all, l)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	for _, l := range all {
		ended(t, l)
	}
	if r.Events(t).Readers() != 0 {
		t.Errorf("%d readers are left", r.Events(t).Readers())
	}
}

// admits opens one more stream, closes it, and reports whether it was accepted.
func admits(t testing.TB, r *apitest.Rig) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Base+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.Client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// until polls until holds returns true, and calls tick between two polls.
func until(t testing.TB, what string, tick func(), holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		tick()
	}
}

func TestACallerWhoHasLeftIsNoticed(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("a", session.Ready, session.CauseConnected))
	r := apitest.NewRig(t, httpapi.Config{Heartbeat: time.Millisecond, Streams: 1}, &f)
	l := listen(t, r, "/v1/events")
	l.must()
	l.close()
	until(t, "the reader is gone", func() { r.Do(t, "GET", "/healthz", "") }, func() bool { return r.Events(t).Readers() == 0 })
	until(t, "its place is free", func() { r.Do(t, "GET", "/healthz", "") }, func() bool { return admits(t, r) })
}

func TestAReaderWhoStandsStillLosesNothingAndTheOthersDoNotWait(t *testing.T) {
	t.Parallel()
	f := apitest.Behind()
	f.Buffer = events.Options{Buffer: 4}
	r := apitest.NewRig(t, httpapi.Config{Heartbeat: time.Hour}, &f)
	quick, slow := listen(t, r, "/v1/events"), listen(t, r, "/v1/events")
	for _, l := range []*listening{quick, slow} {
		l.must()
		l.must()
	}
	big := events.Event{Session: "a", Type: events.TypeMessage, Data: json.RawMessage(`{"text":"` + strings.Repeat("x", 100_000) + `"}`)}
	const n = 150 // more than the buffers of the connection hold
	for i := range n {
		r.Append(t, big)
		if block := quick.must(); block.id != strconv.Itoa(i+1) || len(block.data) < len(big.Data) {
			t.Fatalf("the quick reader has %s with %d bytes", block.id, len(block.data))
		}
	}
	for i := range n {
		if block := slow.must(); block.id != strconv.Itoa(i+1) || len(block.data) < len(big.Data) {
			t.Fatalf("the slow reader has %s with %d bytes", block.id, len(block.data))
		}
	}
}

func TestStreamsAreBoundedAndTheirParametersAreChecked(t *testing.T) {
	t.Parallel()
	f := apitest.Behind(apitest.Plain("a", session.Ready, session.CauseConnected))
	r := apitest.NewRig(t, httpapi.Config{Streams: 1, Heartbeat: time.Millisecond}, &f)
	l := listen(t, r, "/v1/sessions/a/events")
	l.must()
	for path, want := range map[string]string{
		"/v1/events":                   "429 too_many_streams",
		"/v1/sessions/nobody/events":   "404 not_found",
		"/v1/events?after=x":           "400 invalid_request",
		"/v1/events?image=gif":         "400 invalid_request",
		"/v1/events?session=a":         "400 invalid_request",
		"/v1/sessions/a/events?wait=1": "400 invalid_request",
	} {
		answer := r.Do(t, "GET", path, "")
		var p wire.Problem
		if err := json.Unmarshal([]byte(answer.Body), &p); err != nil || fmt.Sprint(p.Status, " ", p.Code) != want || answer.Status != p.Status {
			t.Errorf("%s: %d %s, expected %s", path, answer.Status, answer.Body, want)
		}
	}
	if answer := r.Do(t, "GET", "/v1/events", "", "Last-Event-ID: x"); answer.Status != 400 {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
	if answer := r.Do(t, "HEAD", "/v1/events", ""); answer.Status != 200 || answer.Header.Get("Content-Type") != rest.ContentEvents {
		t.Errorf("HEAD: %d %v", answer.Status, answer.Header)
	}
	l.close()
	until(t, "nobody else has a place", func() { r.Do(t, "GET", "/healthz", "") }, func() bool { return admits(t, r) })
	until(t, "the place is free", func() { r.Do(t, "GET", "/healthz", "") }, func() bool { return r.Events(t).Readers() == 0 })
	l = listen(t, r, "/v1/sessions/a/events")
	l.must()
	if err := r.Events(t).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended(t, l)
	if answer := r.Do(t, "GET", "/v1/events", ""); answer.Status != 503 {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
}

func TestManySessionsComeAsManySnapshots(t *testing.T) {
	t.Parallel()
	f := apitest.Behind()
	const sessions = 500
	for i := range sessions {
		id := session.NumericID(int64(i + 1))
		f.Statuses[id] = apitest.Plain(id, session.Ready, session.CauseConnected)
	}
	r := apitest.NewRig(t, httpapi.Config{}, &f)
	l := listen(t, r, "/v1/events")
	l.must()
	for range sessions {
		l.expect("session.snapshot")
	}
	if block := l.must(); block.id == "" {
		t.Errorf("%+v", block)
	}
}

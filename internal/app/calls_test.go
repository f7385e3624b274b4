package app

import (
	"bufio"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
)

// streamed follows the live events of a session and returns the data of those of one type.
func streamed(t *testing.T, c apptest.Caller, id string, of events.Type) <-chan string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Base+"/v1/sessions/"+id+"/events?types="+string(of), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the stream answered %d", answer.StatusCode)
	}
	heard := make(chan string, 100)
	go func() {
		defer close(heard)
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			if data, is := strings.CutPrefix(lines.Text(), "data: "); is && strings.Contains(data, `"`+string(of)+`"`) {
				heard <- data
			}
		}
	}()
	return heard
}

func TestACallIsInTheLogTheStreamAndTheWebhook(t *testing.T) {
	book := newRecorder(t)
	h := newHouse(t, hooksTried)
	made := h.Post("/v1/webhooks", 1, `{"url":"`+book.URL+`","events":["call"]}`).Is(201)
	book.mu.Lock()
	book.secret = made.Text("secret")
	book.mu.Unlock()
	own := h.linked(1)
	bruno := h.phone(phones.ScriptSilent)
	heard := streamed(t, h.Caller, "1", events.TypeCall)
	ctx := apptest.Bounded(t)
	call := func(ring time.Duration) string {
		id, err := bruno.PlaceCall(ctx, phones.CallConfig{To: own.Number(), Video: true, Ring: ring})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	taken := call(0)
	if err := own.AcceptCall(ctx, taken); err != nil {
		t.Fatal(err)
	}
	missed := call(time.Millisecond)
	want := []events.CallData{
		{ID: taken, State: "ringing", Video: new(true)},
		{ID: taken, State: "accepted"},
		{ID: missed, State: "ringing", Video: new(true)},
		{ID: missed, State: "ended", Reason: "timeout"},
	}
	check := func(where string, raw json.RawMessage, want events.CallData) {
		t.Helper()
		var data events.CallData
		if err := json.Unmarshal(raw, &data); err != nil {
			t.Fatalf("%s: %s: %v", where, raw, err)
		}
		from := message.Address{LID: bruno.LID().String(), PN: bruno.JID().String()}
		if data.From != from || data.At.IsZero() {
			t.Errorf("%s: %s", where, raw)
		}
		data.From, data.At = message.Address{}, time.Time{}
		if !reflect.DeepEqual(data, want) {
			t.Errorf("%s: %+v, want %+v", where, data, want)
		}
	}
	for i, entry := range h.Logged(t, "1", events.TypeCall, len(want)) {
		check("log", entry.Data, want[i])
	}
	apptest.Until(t, "the webhook was told", func() bool { return len(book.snapshot()) >= len(want) })
	for i, body := range book.snapshot() {
		check("webhook", body.Data, want[i])
	}
	for i := range want {
		select {
		case line, ok := <-heard:
			var event struct {
				Data json.RawMessage `json:"data"`
			}
			if err := json.Unmarshal([]byte(line), &event); err != nil || !ok {
				t.Fatalf("the stream gave %q, %v", line, err)
			}
			check("stream", event.Data, want[i])
		case <-ctx.Done():
			t.Fatalf("the stream told %d calls", i)
		}
	}
	if logs := h.log.String(); strings.Contains(logs, bruno.Number()) || strings.Contains(logs, bruno.LID().User) {
		t.Error("who called is in the log of the program")
	}
}

func TestWhatCannotBeReadComesAgainAndWhatNobodyKnowsIsNamed(t *testing.T) {
	h := newHouse(t)
	own := h.linked(1)
	bruno := h.phone(phones.ScriptSilent)
	ctx := apptest.Bounded(t)
	if _, err := h.server.SetFault(faults.Fault{Kind: faults.BadCiphertext, Account: own.Number(), Count: 1}); err != nil {
		t.Fatal(err)
	}
	id, err := bruno.SendText(ctx, own.Number(), "hola")
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := bruno.SendMessage(ctx, phones.Outgoing{
		To: own.Number(), Kind: phones.KindRaw,
		Raw: protowire.AppendVarint(protowire.AppendTag(nil, 9999, protowire.VarintType), 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	var broken events.MessageData
	if err := json.Unmarshal(h.Logged(t, "1", events.TypeUndecryptable, 1)[0].Data, &broken); err != nil || broken.ID != id || broken.Content != nil {
		t.Errorf("%+v, %v", broken, err)
	}
	said := map[string]message.Content{}
	for _, entry := range h.Logged(t, "1", events.TypeMessage, 2) {
		var data events.MessageData
		if err := json.Unmarshal(entry.Data, &data); err != nil || data.Content == nil {
			t.Fatalf("%s, %v", entry.Data, err)
		}
		said[data.ID] = *data.Content
	}
	if said[id].Text != "hola" || said[unknown].Kind != message.KindUnknown || said[unknown].Unknown != "field 9999" {
		t.Errorf("logged %+v", said)
	}
}

package app

import (
	"encoding/json"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox/phones"
)

// TestAReplyToASentMessageHasItsWords: once WhatsApp has a message, wasup keeps its kind only.
func TestAReplyToASentMessageHasItsWords(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	for i, c := range []struct{ said, words string }{
		{`"text":"Order 1042 is ready"`, "Order 1042 is ready"},
		{`"media":{"base64":"JVBERi0xLjQK","name":"invoice.pdf"},"text":"The invoice"`, "The invoice"},
		{`"location":{"latitude":1,"longitude":2,"name":"Obelisco"}`, "Obelisco"},
		{`"poll":{"question":"When?","options":["today","tomorrow"]}`, "When?"},
	} {
		id := h.sent(`{"to":"` + bruno.Number() + `",` + c.said + `}`)
		arrived(t, bruno, id, phones.StatusRead)
		if _, err := bruno.SendMessage(apptest.Bounded(t), phones.Outgoing{To: ana.Number(), Text: "thanks", Quote: id}); err != nil {
			t.Fatal(err)
		}
		event := h.Logged(t, "1", events.TypeMessage, i+1)[i]
		var data events.MessageData
		if err := json.Unmarshal(event.Data, &data); err != nil || data.Content == nil || data.Content.Quote == nil {
			t.Fatalf("%s: %v", event.Data, err)
		}
		q := data.Content.Quote
		if q.ID != id || !q.FromMe || q.Text != c.words || q.Kind == "" || q.Claimed != (q.Kind != message.KindPoll) {
			t.Errorf("%s is quoted as %+v", c.said, q)
		}
	}
}

package app

import (
	"encoding/json"
	"strings"
	"testing"

	"wasup/internal/app/apptest"
	"wasup/internal/events"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
)

func TestQueuedMessagesStayBehindWhenAnotherPhoneIsLinked(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	carla := h.phone(phones.ScriptRead)
	h.v1("POST", "/1/logout", "").Is(200)
	first := h.queue(carla, "for Ana 1")
	second := h.queue(carla, "for Ana 2")
	third := h.queue(carla, "for Ana 3")
	bruno := h.phone(phones.ScriptRead)
	h.pair(1, bruno)
	for _, id := range []string{first, second, third} {
		h.comesTo(id, "held").With("can_requeue", true)
	}
	mine := h.queue(carla, "from Bruno")
	arrived(t, carla, mine, phones.StatusRead)
	wantReceived(t, carla, []string{"from Bruno"})

	var told events.AccountChangedData
	logged := h.Logged(t, "1", events.TypeAccountChanged, 1)
	if err := json.Unmarshal(logged[0].Data, &told); err != nil {
		t.Fatal(err)
	}
	if told.Held != 3 || told.Previous.Phone != ana.Number() || told.Account.Phone != bruno.Number() || told.Account.LID == "" {
		t.Errorf("the event says %+v", told)
	}
	h.v1("GET", "/1/status", "").Is(200).With("held_messages", 3)
	if metrics := string(h.Get("/metrics", 1).Is(200).Body); !strings.Contains(metrics, "\nwasup_outbox_held_messages 3\n") {
		t.Error("the held messages are not in the metrics")
	}

	h = h.reopen()
	h.ready(1)
	h.comesTo(first, "held")
	h.v1("GET", "/1/status", "").Is(200).With("held_messages", 3)
	h.v1("POST", "/1/messages/"+second+"/cancel", "").Is(200).With("state", "cancelled")
	h.v1("POST", "/1/messages/"+third+"/requeue", "").Is(200)
	arrived(t, carla, third, phones.StatusRead)
	h.v1("POST", "/1/held/requeue", "").Is(200).With("messages", 1)
	arrived(t, carla, first, phones.StatusRead)
	h.v1("POST", "/1/held/requeue", "").Is(200).With("messages", 0)
	h.v1("POST", "/1/held/cancel", "").Is(200).With("messages", 0)
	h.v1("POST", "/1/messages/"+second+"/requeue", "").Is(409).With("code", "wrong_state")
	h.v1("POST", "/2/held/requeue", "").Is(404)
	wantReceived(t, carla, []string{"from Bruno", "for Ana 3", "for Ana 1"})

	// The same phone goes on, also after it was unlinked.
	if err := bruno.Unlink(apptest.Bounded(t), bruno.Devices()[0].JID); err != nil {
		t.Fatal(err)
	}
	apptest.Until(t, "it is unlinked", func() bool { return h.status(1).State.NeedsQR() })
	again := h.queue(carla, "from Bruno again")
	h.pair(1, bruno)
	arrived(t, carla, again, phones.StatusRead)
	if n := len(h.Logged(t, "1", events.TypeAccountChanged, 1)); n != 1 {
		t.Errorf("%d changes of the account are logged", n)
	}
}

func TestWhatIsQueuedBeforeAnyPhoneIsLinkedLeavesFromTheFirst(t *testing.T) {
	h := newHouse(t)
	carla := h.phone(phones.ScriptRead)
	h.v1("POST", "", `{"id":"1"}`).Is(201)
	early := h.queue(carla, "early")
	h.pair(1, h.phone(phones.ScriptRead))
	arrived(t, carla, early, phones.StatusRead)
}

// A hub repeats what it was not told the outcome of. That is no decision to send it from another account.
func TestARepeatedRequestNeverMovesAMessageToAnotherAccount(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	carla := h.silentContact()
	earlier := h.sent(posted(h.phone(phones.ScriptRead), "before"))
	h.fault(faults.Fault{Kind: faults.WithholdAck, Account: ana.Number()})
	body := `{"to":"` + carla.Number() + `","message":"pay 100"}`
	h.Post("/send?wait=3s", 1, body, "Idempotency-Key", "k").Is(500)
	h.server.ClearFaults()
	if err := ana.Unlink(apptest.Bounded(t), ana.Devices()[0].JID); err != nil {
		t.Fatal(err)
	}
	apptest.Until(t, "unlinked", func() bool { return h.status(1).State.NeedsQR() })
	bruno := h.phone(phones.ScriptRead)
	h.pair(1, bruno)
	h.Post("/send?wait=3s", 1, body, "Idempotency-Key", "k").Is(500)
	h.sent(posted(carla, "after it"))
	for _, m := range carla.Messages() {
		if m.Text == "pay 100" && m.From.User == bruno.Number() {
			t.Error("it came from the other account as well")
		}
	}
	// Bruno's phone has nothing of Ana's to change.
	h.message("", `{"to":"`+carla.Number()+`","kind":"edit","text":"changed","target":{"id":"`+earlier+`","from_me":true}}`).Is(400).With("field", "target.id")
}

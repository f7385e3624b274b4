package app

import (
	"context"
	"net/http"
	"testing"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/session"
)

// arrived waits until a message has reached a status on the phone, and returns it as the phone decrypted it.
func arrived(t testing.TB, phone *sandbox.Phone, id string, status phones.Status) phones.Message {
	t.Helper()
	message, err := phone.WaitMessage(apptest.Bounded(t), func(m phones.Message) bool { return m.ID == id && m.Status == status })
	if err != nil {
		t.Fatalf("message %s did not come to be %s: %v", id, status, err)
	}
	return message
}

func received(phone *sandbox.Phone) (texts []string) {
	for _, m := range phone.Messages() {
		if !m.FromMe {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

func TestATextArrivesDecryptedAndAKeySendsItOnce(t *testing.T) {
	h := newHouse(t)
	h.Send(1, "34600111222", "x").Is(409).With("code", "SESSION_NOT_READY", "message", "WhatsApp session not ready. Current state: NOT_INITIALIZED")
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	const text = "¡Hola, Bruno! ✓ 50 % \"quoted\""
	first := h.Send(1, bruno.Number(), text).Is(200).With("ok", true).Text("message_id")
	if got := arrived(t, bruno, first, phones.StatusRead); got.Text != text || got.Copies != 1 {
		t.Fatalf("the phone read %q, %d times", got.Text, got.Copies)
	}
	h.Send(1, bruno.Number()+"@c.us", "second").Is(200)

	key := []string{"Idempotency-Key", "order-4711"}
	once := h.Send(1, bruno.Number(), "once", key...).Is(200).Text("message_id")
	if again := h.Send(1, bruno.Number(), "once", key...).Is(200).Text("message_id"); again != once {
		t.Fatalf("the same key was answered %s and %s", once, again)
	}
	h.Send(1, bruno.Number(), "other", key...).Is(422).With("error", true, "code", "IDEMPOTENCY_REUSE")

	h = h.reopen()
	h.ready(1)
	if again := h.Send(1, bruno.Number(), "once", key...).Is(200).Text("message_id"); again != once {
		t.Fatalf("after a restart the same key was answered %s, not %s", again, once)
	}
	h.Send(1, bruno.Number(), "other", key...).Is(422)
	last := h.Send(1, bruno.Number(), "after the restart").Is(200).Text("message_id")
	arrived(t, bruno, last, phones.StatusRead)
	if got := arrived(t, bruno, once, phones.StatusRead); got.Copies != 1 {
		t.Errorf("the phone got %d copies", got.Copies)
	}
	want := []string{text, "second", "once", "after the restart"}
	got := received(bruno)
	if len(got) != len(want) {
		t.Fatalf("the phone read %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("the phone read %q, want %q", got, want)
		}
	}
}

func TestManyCallersWithOneKeySendOneMessage(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	const callers = 20
	answers := make(chan apptest.Answer, callers)
	for range callers {
		go func() {
			body := `{"to":"` + bruno.Number() + `","message":"once"}`
			a, err := h.Try(context.Background(), http.MethodPost, "/send", 1, body, []string{"Idempotency-Key", "k"})
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	id := (<-answers).Is(200).Text("message_id")
	for range callers - 1 {
		(<-answers).Is(200).With("message_id", id)
	}
	if got := arrived(t, bruno, id, phones.StatusRead); got.Copies != 1 || len(received(bruno)) != 1 {
		t.Fatalf("%d copies of %d messages", got.Copies, len(received(bruno)))
	}
}

func TestAMissingAckFailsTheSendAndReconnectsTheSession(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) { cfg.Send.Timeout = 10 * time.Second })
	ana := h.linked(1)
	carla := h.phone(phones.ScriptSilent) // a receipt would count as an acknowledgement
	h.Send(1, carla.Number(), "warm").Is(200)
	// All acknowledgements are withheld until the request is answered: that of the next attempt could come before the
	// answer, and the request would rightly succeed.
	h.fault(faults.Fault{Kind: faults.WithholdAck, Account: ana.Number()})
	key := []string{"Idempotency-Key", "k"}
	h.Send(1, carla.Number(), "lost ack", key...).Is(500).With("error", true, "code", "SEND_FAILED")
	h.server.ClearFaults()
	h.comes(1, session.DisconnectedRecoverable, session.CauseAckOverdue)
	trouble{h, 1, ana}.backByItself()
	// An attempt that began before the fault was cleared fails too.
	apptest.Until(t, "it is acknowledged", func() bool { return h.Send(1, carla.Number(), "lost ack", key...).Status == 200 })
	// The message was sent at least twice under one id, by which the phone knows that it is one message.
	apptest.Until(t, "the phone has both", func() bool { return len(received(carla)) >= 2 })
	if got := received(carla); len(got) != 2 {
		t.Fatalf("the phone shows %q", got)
	}
}

func TestAReceiptStandsInForAMissingAck(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) { cfg.Send.Timeout = apptest.Patience })
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	h.fault(faults.Fault{Kind: faults.WithholdAck, Account: ana.Number(), Count: 1})
	id := h.Send(1, bruno.Number(), "read all the same").Is(200).Text("message_id")
	arrived(t, bruno, id, phones.StatusRead)
}

func TestARefusedMessageFailsAndLeavesTheSessionReady(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	for _, code := range []int{479, 400, 463} {
		h.fault(faults.Fault{Kind: faults.RefuseAck, Account: ana.Number(), Code: code, Count: 1})
		a := h.Send(1, bruno.Number(), "refused").Is(500).With("error", true, "code", "SEND_FAILED")
		if a.Text("message") == "" {
			t.Errorf("%d: no reason", code)
		}
		h.Get("/status", 1).Is(200).With("state", "READY", "can_send_messages", true)
		if restricted := !h.status(1).Restricted.IsZero(); restricted != (code == 463) {
			t.Errorf("%d: restricted %t", code, restricted)
		}
	}
	accepted := h.Send(1, bruno.Number(), "accepted").Is(200).Text("message_id")
	arrived(t, bruno, accepted, phones.StatusRead)
	if got := received(bruno); len(got) != 1 || got[0] != "accepted" {
		t.Errorf("the phone read %q", got)
	}
}

package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/session"
)

// queue posts a message without waiting for its delivery, and returns its id.
func (h *house) queue(to *sandbox.Phone, text string, rest ...string) string {
	h.t.Helper()
	return h.message("", posted(to, text, rest...)).Is(202).Text("id")
}

func posted(to *sandbox.Phone, text string, rest ...string) string {
	return `{"to":"` + to.Number() + `","text":"` + text + `"` + strings.Join(rest, "") + `}`
}

// comesTo waits until a message of session 1 has reached a state, and returns the message.
func (h *house) comesTo(id, state string) (a apptest.Answer) {
	h.t.Helper()
	apptest.Until(h.t, "message "+id+" is "+state, func() bool {
		a = h.v1("GET", "/1/messages/"+id, "").Is(200)
		return a.Fields["state"] == state
	})
	return a
}

// wantReceived checks that the phone has received exactly these texts, in this order and each once. It waits for the
// last one: WhatsApp acknowledges a message before the phone has it.
func wantReceived(t testing.TB, phone *sandbox.Phone, want []string) {
	t.Helper()
	apptest.Until(t, "the phone has the last message", func() bool { return slices.Contains(received(phone), want[len(want)-1]) })
	if got := received(phone); !slices.Equal(got, want) {
		t.Errorf("the phone has\n%q, want\n%q", got, want)
	}
}

func wantClean(t testing.TB, server *sandbox.Server) {
	t.Helper()
	if c := server.Counters(); c.KeyReuses != 0 {
		t.Errorf("%d message keys were used twice", c.KeyReuses)
	}
}

func TestWhatIsQueuedLeavesInOrderAfterARestartOfTheProcess(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	h.v1("POST", "/1/stop", "").Is(200)
	var want []string
	last := ""
	for n := range 40 { // more than one page
		want = append(want, fmt.Sprint("text ", n))
		last = h.queue(bruno, want[n])
	}
	never := h.queue(bruno, "never")
	h.v1("POST", "/1/messages/"+never+"/cancel", "").Is(200).With("state", "cancelled")
	h = h.reopen()
	if metrics := string(h.Get("/metrics", 1).Is(200).Body); !strings.Contains(metrics, "\nwasup_outbox_messages 40\n") {
		t.Error("the backlog is not in the metrics")
	}
	h.comesTo(last, "queued")
	h.v1("POST", "/1/start", "").Is(200)
	arrived(t, bruno, last, phones.StatusRead)
	wantReceived(t, bruno, want)
	h.comesTo(never, "cancelled")
	wantClean(t, h.server)
}

func TestNothingThatWasAcceptedIsLostDoubledOrOvertakenByKill9(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	h := open(t, server, cfg, fewPrekeys(t, cfg.Store.DSN))
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	h.close()
	var accepted []string // texts, in the order in which they were accepted
	n := 0
	for range 6 {
		dead, call := apptest.ServeChild(t, cfg)
		posts := make(chan struct{}, 1<<16) // a value for each accepted message; closed after the last one
		go func() {
			defer close(posts)
			for { // one after the other, so that their order is known, until the process ends
				text := fmt.Sprint("text ", n)
				a, err := call.Try(context.Background(), http.MethodPost, "/v1/sessions/1/messages", 1, posted(bruno, text),
					[]string{"Idempotency-Key", fmt.Sprint(n)})
				if err != nil {
					return // the message may have been accepted: the next process gets the same key
				}
				if a.Status != http.StatusAccepted && a.Status != http.StatusOK {
					t.Errorf("%d %s", a.Status, a.Body)
					return
				}
				accepted = append(accepted, text)
				n++
				posts <- struct{}{}
			}
		}()
		for range rand.IntN(30) {
			<-posts
		}
		moment := time.NewTimer(rand.N(300 * time.Millisecond))
		<-moment.C
		dead.Kill()
		for range posts { //nolint:revive // until it is closed
		}
	}
	h = open(t, server, cfg, seams{})
	// Only the last message, which may have been accepted without an answer, is posted again.
	last := h.message("", posted(bruno, fmt.Sprint("text ", n)), "Idempotency-Key", fmt.Sprint(n)).Text("id")
	accepted = append(accepted, fmt.Sprint("text ", n))
	arrived(t, bruno, last, phones.StatusRead)
	wantReceived(t, bruno, accepted)
	wantClean(t, server)
	t.Logf("%d messages over 6 kills", len(accepted))
}

func TestAMessageWhoseAckIsLostIsSentAgainByItself(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) { cfg.Send.Timeout = 10 * time.Second })
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	h.Send(1, bruno.Number(), "warm").Is(200)
	h.fault(faults.Fault{Kind: faults.WithholdAck, Account: ana.Number(), Count: 1})
	// The phone is silent, because a receipt would count as an acknowledgement.
	carla := h.phone(phones.ScriptSilent)
	id := h.queue(carla, "once")
	h.queue(bruno, "behind it")
	h.comes(1, session.DisconnectedRecoverable, session.CauseAckOverdue)
	h.ready(1)
	h.comesTo(id, "server_ack")
	apptest.Until(t, "the phone has it", func() bool { return len(received(carla)) == 1 })
	apptest.Until(t, "the other phone has both", func() bool { return len(received(bruno)) == 2 })
	wantReceived(t, carla, []string{"once"})
	wantReceived(t, bruno, []string{"warm", "behind it"})
}

func TestAReceiptStandsInForAnAckThatNeverComes(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	h.Send(1, bruno.Number(), "warm").Is(200)
	h.fault(faults.Fault{Kind: faults.WithholdAck, Account: ana.Number()})
	var want []string
	last := ""
	for n := range 5 {
		want = append(want, fmt.Sprint("text ", n))
		last = h.queue(bruno, want[n])
	}
	h.comesTo(last, "read")
	h.Send(1, bruno.Number(), "waited for").Is(200)
	wantReceived(t, bruno, append(append([]string{"warm"}, want...), "waited for"))
	// A session that had waited for an acknowledgement would have ended the connection.
	if n := h.seen.count(session.NumericID(1), session.DisconnectedRecoverable); n != 0 {
		t.Errorf("the session reconnected %d times", n)
	}
	wantClean(t, h.server)
}

func TestWhatWhatsAppRefusedIsQueuedAgainByAPersonOnly(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	for _, code := range []int{479, 463, 400} {
		h.fault(faults.Fault{Kind: faults.RefuseAck, Account: ana.Number(), Code: code, Count: 1})
		id := h.queue(bruno, fmt.Sprint("refused with ", code))
		cause := map[bool]string{true: "restricted", false: "send_failed"}[code == 463]
		h.comesTo(id, "failed").With("cause", cause, "can_requeue", true)
		h.v1("POST", "/1/messages/"+id+"/requeue", "").Is(200)
		arrived(t, bruno, id, phones.StatusRead)
		h.comesTo(id, "read")
		h.v1("POST", "/1/messages/"+id+"/requeue", "").Is(409).With("code", "wrong_state")
	}
	wantReceived(t, bruno, []string{"refused with 479", "refused with 463", "refused with 400"})
}

func TestAMessageForLaterIsPassedAndOneThatRanOutIsNeverSent(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	inAnHour := time.Now().Add(time.Hour).Format(time.RFC3339)
	h.queue(bruno, "in an hour", `,"send_at":"`, inAnHour, `"`)
	first := h.queue(bruno, "first")
	arrived(t, bruno, first, phones.StatusRead)
	h.v1("POST", "/1/stop", "").Is(200)
	expired := h.queue(bruno, "expired", `,"expires_in":1`)
	soon := time.Now().Add(time.Second)
	later := h.queue(bruno, "later", `,"send_at":"`, soon.Format(time.RFC3339Nano), `"`)
	h.comesTo(expired, "failed").With("cause", "expired")
	h.v1("POST", "/1/start", "").Is(200)
	arrived(t, bruno, later, phones.StatusRead)
	if time.Now().Before(soon) {
		t.Error("it was sent too early")
	}
	wantReceived(t, bruno, []string{"first", "later"})
}

func TestALockedDatabaseRefusesMessagesAndLosesNone(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	h.v1("POST", "/1/stop", "").Is(200)
	var want []string
	last := ""
	for n := range 5 {
		want = append(want, fmt.Sprint("text ", n))
		last = h.queue(bruno, want[n])
	}
	db := connect(t, h.cfg.Store.DSN)
	tx, err := db.BeginTx(apptest.Bounded(t), nil) // another program holds the file
	if err != nil {
		t.Fatal(err)
	}
	refused := posted(bruno, "refused")
	h.message("", refused, "Idempotency-Key", "k").Is(503).With("code", "store_locked")
	h.message("", refused, "Idempotency-Key", "k").Is(503)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	h.v1("POST", "/1/start", "").Is(200)
	arrived(t, bruno, last, phones.StatusRead)
	wantReceived(t, bruno, want)
	retried := h.message("", refused, "Idempotency-Key", "k").Is(202).Text("id")
	arrived(t, bruno, retried, phones.StatusRead)
	wantReceived(t, bruno, append(want, "refused"))
	wantClean(t, h.server)
}

func TestADaysCapHoldsOverARestartForItsSessionAlone(t *testing.T) {
	day := func() int { return time.Now().UTC().YearDay() }
	began := day()
	h := newHouse(t, func(cfg *configs.Config) { cfg.Send.DailyCap = 2 })
	h.linked(1)
	bruno := h.phone(phones.ScriptRead)
	first, second := h.queue(bruno, "one"), h.queue(bruno, "two")
	third := h.queue(bruno, "three")
	arrived(t, bruno, first, phones.StatusRead)
	arrived(t, bruno, second, phones.StatusRead)
	h = h.reopen()
	h.ready(1)
	h.linked(2) // another session has its own daily cap; its send takes longer than the first session's lane needs to check
	h.Send(2, bruno.Number(), "of another").Is(200)
	if state := h.v1("GET", "/1/messages/"+third, "").Is(200).Fields["state"]; state != "queued" && day() == began {
		t.Errorf("beyond the cap a message is %v", state)
	}
	h.cfg.Send.DailyCap = 0
	h = h.reopen()
	arrived(t, bruno, third, phones.StatusRead)
	if day() == began {
		wantReceived(t, bruno, []string{"one", "two", "of another", "three"})
	}
	wantClean(t, h.server)
}

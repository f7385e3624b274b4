package app

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"

	"wasup/internal/app/apptest"

	"wasup/configs"
	"wasup/internal/sandbox"
	"wasup/internal/session"
)

// headerMessage is the header in which a /send that failed names its message.
const headerMessage = "X-Message-Id"

// patient lets requests wait for a session for as long as the tests wait for anything.
func patient(cfg *configs.Config) { cfg.Session.ReadyWait = apptest.Patience }

// untimely lets attempts go on for as long as the tests wait for anything: on a busy machine none ends by itself too early.
func untimely(cfg *configs.Config) { cfg.Send.Timeout = apptest.Patience }

// ask sends a text through /send in the background.
func (h *house) ask(query string, to *sandbox.Phone, text string) <-chan apptest.Answer {
	answered := make(chan apptest.Answer, 1)
	go func() {
		body := `{"to":"` + to.Number() + `","message":"` + text + `"}`
		a, err := h.Try(context.Background(), http.MethodPost, "/send"+query, 1, body, nil)
		if err != nil {
			h.t.Error(err)
		}
		answered <- a
	}()
	return answered
}

// silentContact adds a phone that sends no receipts, because a receipt counts as an acknowledgement, and lets it get a
// first message.
func (h *house) silentContact() *sandbox.Phone {
	h.t.Helper()
	carla := h.phone(phones.ScriptSilent)
	h.Send(1, carla.Number(), "warm").Is(200)
	return carla
}

// leaves waits until a phone has a text that WhatsApp's server has not acknowledged.
func leaves(t testing.TB, phone *sandbox.Phone, text string) {
	t.Helper()
	if _, err := phone.WaitMessage(apptest.Bounded(t), func(m phones.Message) bool { return m.Text == text }); err != nil {
		t.Fatal(err)
	}
}

// messageOf returns what a phone has received with a text.
func messageOf(phone *sandbox.Phone, text string) (phones.Message, bool) {
	for _, m := range phone.Messages() {
		if !m.FromMe && m.Text == text {
			return m, true
		}
	}
	return phones.Message{}, false
}

// copiesOf returns how often a phone has received a text, under any id.
func copiesOf(phone *sandbox.Phone, text string) (n int) {
	for _, m := range phone.Messages() {
		if !m.FromMe && m.Text == text {
			n += m.Copies
		}
	}
	return n
}

func TestALinkThatBreaksDuringASendIsWaitedFor(t *testing.T) {
	for name, cut := range map[string]func(x trouble){
		"TCP is cut":       func(x trouble) { x.server.DropTCP(x.only()) },
		"the stream ends":  func(x trouble) { x.server.EndStream(x.only()) },
		"stream error 515": func(x trouble) { x.server.StreamError(x.only(), 515, "", true) },
		"stream error 503": func(x trouble) { x.server.StreamError(x.only(), 503, "", true) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, patient)
			x := trouble{h, 1, h.linked(1)}
			carla := h.silentContact()
			// After the bytes and before the acknowledgement.
			h.fault(faults.Fault{Kind: faults.WithholdAck, Account: x.linked.Number(), Count: 1})
			answered := h.ask("", carla, "after the bytes")
			leaves(t, carla, "after the bytes")
			cut(x)
			id := (<-answered).Is(200).With("ok", true).Text("message_id")
			if got, known := messageOf(carla, "after the bytes"); !known || got.ID != id {
				t.Errorf("the phone has %+v, want the id %s", got, id)
			}
			// Before the bytes: while the request waits, the session has no link.
			x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 503})
			apptest.Until(t, "the link is lost", func() bool { return !h.status(1).CanSend() })
			before := h.server.Counters().LoginsRefused
			answered = h.ask("", carla, "before the bytes")
			apptest.Until(t, "it tries in vain", func() bool { return h.server.Counters().LoginsRefused >= before+2 })
			h.server.ClearFaults()
			(<-answered).Is(200)
			wantReceived(t, carla, []string{"warm", "after the bytes", "before the bytes"})
			if n := copiesOf(carla, "before the bytes"); n != 1 {
				t.Errorf("what had not left arrived %d times", n)
			}
			wantClean(t, h.server)
		})
	}
}

func TestWhatSendAnsweredAsFailedDoesNotArriveAfterwards(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) { cfg.Session.ReadyWait = 50 * time.Millisecond })
	x := trouble{h, 1, h.linked(1)}
	carla := h.silentContact()
	x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 503})
	apptest.Until(t, "the link is lost", func() bool { return !h.status(1).CanSend() })
	a := (<-h.ask("", carla, "refused")).Is(409).With("error", true, "code", "SESSION_NOT_READY")
	if id := a.Header.Get(headerMessage); id != "" {
		t.Errorf("a message that was never accepted has the id %s", id)
	}
	h.server.ClearFaults()
	h.ready(1)
	h.Send(1, carla.Number(), "the next").Is(200)
	wantReceived(t, carla, []string{"warm", "the next"})
}

// The message is accepted, but another one is before it.
func TestWhatWaitedBehindAnotherWhenTheSessionStoppedDoesNotArriveAfterwards(t *testing.T) {
	h := newHouse(t, untimely, patient)
	ana := h.linked(1)
	carla := h.silentContact()
	h.fault(faults.Fault{Kind: faults.WithholdAck, Account: ana.Number()})
	first := h.ask("", carla, "perhaps")
	leaves(t, carla, "perhaps")
	behind := h.ask("", carla, "behind it")
	apptest.Until(t, "both are accepted", func() bool { return h.app.outbox.Stats().Open == 2 })
	h.v1("POST", "/1/stop", "").Is(200)
	(<-behind).Is(409).With("error", true, "code", "SESSION_NOT_READY")
	(<-first).Is(500).With("error", true, "code", "SEND_FAILED")
	h.server.ClearFaults()
	h.v1("POST", "/1/start", "").Is(200)
	h.ready(1)
	h.Send(1, carla.Number(), "the next").Is(200)
	wantReceived(t, carla, []string{"warm", "perhaps", "the next"})
}

func TestWhatMayHaveLeftIsNamedAndNotSentAgain(t *testing.T) {
	start := func(h *house, _ *sandbox.Phone) {
		h.v1("POST", "/1/start", "").Is(200)
		h.ready(1)
	}
	for name, c := range map[string]struct {
		wait      string
		end, back func(h *house, phone *sandbox.Phone)
	}{
		"the time is over": {"?wait=10s", func(*house, *sandbox.Phone) {}, func(h *house, _ *sandbox.Phone) {
			h.ready(1)
		}},
		"a person stops the session": {"", func(h *house, _ *sandbox.Phone) {
			h.v1("POST", "/1/stop", "").Is(200)
		}, start},
		"the phone unlinks the device": {"", func(h *house, phone *sandbox.Phone) {
			if err := phone.Unlink(apptest.Bounded(h.t), phone.Devices()[0].JID); err != nil {
				h.t.Fatal(err)
			}
		}, func(h *house, phone *sandbox.Phone) {
			h.comes(1, session.DisconnectedLogout, session.CauseLoggedOut)
			h.pair(1, phone)
		}},
		"another connection replaces it": {"", func(h *house, phone *sandbox.Phone) {
			h.server.StreamError(faults.Select{Account: phone.Number()}, 0, "replaced", true)
		}, start},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, untimely, patient)
			ana := h.linked(1)
			carla := h.silentContact()
			h.fault(faults.Fault{Kind: faults.WithholdAck, Account: ana.Number()})
			answered := h.ask(c.wait, carla, "perhaps")
			leaves(t, carla, "perhaps")
			c.end(h, ana)
			a := (<-answered).Is(500).With("error", true, "code", "SEND_FAILED")
			id := a.Header.Get(headerMessage)
			if id == "" || !strings.Contains(a.Text("message"), id) {
				t.Errorf("the answer does not name the message: %v, %q", a.Fields, id)
			}
			h.server.DropTCP(faults.Select{Account: ana.Number()}) // if the attempt goes on, it ends now
			h.comesTo(id, "failed").With("cause", "outcome_unknown", "can_requeue", true)
			h.server.ClearFaults()
			c.back(h, ana)
			h.Send(1, carla.Number(), "the next").Is(200)
			leaves(t, carla, "the next")
			if n := copiesOf(carla, "perhaps"); n != 1 {
				t.Errorf("it arrived %d times", n)
			}
			wantClean(t, h.server)
		})
	}
}

func TestADeletedSessionAnswersASendAsPerhapsSent(t *testing.T) {
	h := newHouse(t)
	ana := h.linked(1)
	carla := h.silentContact()
	h.fault(faults.Fault{Kind: faults.WithholdAck, Account: ana.Number()})
	answered := h.ask("", carla, "perhaps")
	leaves(t, carla, "perhaps")
	h.v1("DELETE", "/1", "")
	a := (<-answered).Is(500).With("code", "SEND_FAILED")
	if a.Header.Get(headerMessage) == "" {
		t.Errorf("the answer names no message: %v", a.Fields)
	}
}

func TestAProcessThatStopsDuringASendSaysWhatIsKnown(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	untimely(&cfg)
	h := open(t, server, cfg, seams{})
	ana := h.linked(1)
	carla := h.silentContact()
	h.fault(faults.Fault{Kind: faults.WithholdAck, Account: ana.Number()})
	first := h.ask("", carla, "perhaps")
	leaves(t, carla, "perhaps")
	behind := h.ask("", carla, "behind it")
	apptest.Until(t, "both are accepted", func() bool { return h.app.outbox.Stats().Open == 2 })
	var closing sync.WaitGroup
	closing.Go(h.close)
	(<-behind).Is(503).With("error", true, "code", "SHUTTING_DOWN")
	server.DropTCP(faults.Select{Account: ana.Number()}) // the attempt ends without an answer
	closing.Wait()
	a := (<-first).Is(500).With("error", true, "code", "SEND_FAILED")
	if a.Header.Get(headerMessage) == "" {
		t.Errorf("the answer names no message: %v", a.Fields)
	}
	server.ClearFaults()
	h = open(t, server, cfg, seams{})
	h.ready(1)
	h.Send(1, carla.Number(), "the next").Is(200)
	leaves(t, carla, "the next")
	wantReceived(t, carla, []string{"warm", "perhaps", "the next"})
	if n := copiesOf(carla, "perhaps"); n != 1 {
		t.Errorf("it arrived %d times", n)
	}
}

// An attempt that WhatsApp never answers outlasts the time that the shutdown has for requests.
func TestAProcessThatStopsAnswersSendsThatDoNotEnd(t *testing.T) {
	server := apptest.NewSandbox(t, sandbox.Config{})
	cfg := apptest.Quick(server, apptest.NewDSN(t))
	untimely(&cfg)
	cfg.Shutdown.Timeout = configs.Default().Shutdown.Timeout
	h := open(t, server, cfg, seams{})
	ana, bruno := h.linked(1), h.linked(2)
	carla := h.silentContact()
	for _, phone := range []*sandbox.Phone{ana, bruno} {
		h.fault(faults.Fault{Kind: faults.WithholdAck, Account: phone.Number()})
	}
	sent := h.ask("", carla, "perhaps")
	leaves(t, carla, "perhaps")
	posted := h.Ask("POST", "/v1/sessions/2/messages?wait=server_ack&timeout=60s", 2, posted(carla, "later"))
	leaves(t, carla, "later")
	if err := h.app.Shutdown(t.Context()); err == nil {
		t.Error("a shutdown that cut two attempts off says nothing")
	}
	a := (<-sent).Is(500).With("error", true, "code", "SEND_FAILED")
	id := a.Header.Get(headerMessage)
	if id == "" || !strings.Contains(a.Text("message"), id) {
		t.Errorf("the answer does not name the message: %v, %q", a.Fields, id)
	}
	(<-posted).Is(202).With("state", "sending")
	if strings.Contains(h.log.String(), `"a part did not stop" part=http`) {
		t.Error("the log says that HTTP did not stop")
	}
	server.ClearFaults()
	h = open(t, server, cfg, seams{})
	h.comesTo(id, "failed").With("cause", "outcome_unknown")
	h.ready(2)
	apptest.Until(t, "the other one is acknowledged", func() bool { return h.app.outbox.Stats().Open == 0 })
	wantReceived(t, carla, []string{"warm", "perhaps", "later"})
}

func TestVerbsWaitForASessionThatIsJustConnectingAgain(t *testing.T) {
	h := newHouse(t, patient)
	x := trouble{h, 1, h.linked(1)}
	bruno := h.phone(phones.ScriptRead)
	x.refuse(faults.Fault{Kind: faults.LoginFailure, Code: 503})
	apptest.Until(t, "the link is lost", func() bool { return !h.status(1).CanSend() })
	before := h.server.Counters().LoginsRefused
	typing := h.Ask("POST", "/v1/sessions/1/chats/"+bruno.Number()+"/presence", 1, `{"state":"typing"}`)
	queued := h.Ask("POST", "/v1/sessions/1/messages?wait=server_ack&timeout=60s", 1, posted(bruno, "queued"))
	apptest.Until(t, "it tries in vain", func() bool { return h.server.Counters().LoginsRefused >= before+2 })
	h.server.ClearFaults()
	if a := <-typing; a.Status >= 300 {
		t.Errorf("it was refused: %d %s", a.Status, a.Body)
	}
	(<-queued).Is(200)
	h.v1("POST", "/1/stop", "").Is(200)
	h.v1("POST", "/1/chats/"+bruno.Number()+"/presence", `{"state":"typing"}`).Is(409).With("code", "session_not_ready")
}

// WhatsApp does not say which devices a recipient has, so no attempt can have brought the message to it.
func TestARecipientWhoCannotBeLookedUpGetsNothingAndThatIsSaid(t *testing.T) {
	h := newHouse(t, func(cfg *configs.Config) { cfg.Send.Timeout = time.Second })
	own := h.linked(1)
	carla := h.phone(phones.ScriptSilent)
	h.fault(faults.Fault{Kind: faults.WithholdIQ, Match: "usync", Account: own.Number()})
	a := <-h.ask("", carla, "never left")
	id := a.Header.Get(headerMessage)
	switch found := h.v1("GET", "/1/messages/"+id, ""); {
	case a.Status < http.StatusBadRequest:
		t.Errorf("it was answered %d", a.Status)
	case found.Status == http.StatusNotFound: // no attempt was running
		if strings.Contains(string(a.Body), "may have") {
			t.Errorf("it was answered %s", a.Body)
		}
	default:
		h.comesTo(id, "failed").With("cause", "expired").With("attempts", 0)
	}
	h.server.ClearFaults()
	h.ready(1)
	h.sent(posted(carla, "left"))
	wantReceived(t, carla, []string{"left"})
}

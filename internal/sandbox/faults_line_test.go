package sandbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
)

func TestRefusalsThatClientsDoNotKnow(t *testing.T) {
	for name, code := range map[string]int{"400": 400, "an unknown one": 499} {
		t.Run(name, func(t *testing.T) {
			server, client := away(t)
			feed, stop := server.Subscribe()
			defer stop()
			setFault(t, server, faults.Fault{Kind: faults.LoginFailure, Code: code})
			if err := client.cli.Connect(); err != nil {
				t.Fatal(err)
			}
			waitDisconnected(t, feed)
			if failure := wait[*events.ConnectFailure](client, 0, nil); int(failure.Reason) != code {
				t.Errorf("reason %v", failure.Reason)
			}
			expect(t, client, 0, "ConnectFailure")
		})
	}
	t.Run("500", func(t *testing.T) {
		server, client := away(t)
		setFault(t, server, faults.Fault{Kind: faults.LoginFailure, Code: 500, Count: 1})
		if err := client.cli.Connect(); err != nil {
			t.Fatal(err)
		}
		wait[*events.Connected](client, 0, nil)
		wait[*events.Disconnected](client, 0, nil)
	})
}

func TestAStreamErrorOfAnyCodeIsTold(t *testing.T) {
	server, _, client, _ := linked(t, "")
	from := client.mark()
	if n := server.StreamError(faults.Select{}, 777, "", true); n != 1 {
		t.Fatalf("%d connections reached", n)
	}
	if told := wait[*events.StreamError](client, from, nil); told.Code != "777" {
		t.Errorf("code %q", told.Code)
	}
	wait[*events.Disconnected](client, from, nil)
	wait[*events.Connected](client, from, nil)
}

func TestAHalfOpenConnectionIsNoticedByItsSilence(t *testing.T) {
	server, own, client, peer := linked(t, "")
	from := client.mark()
	if n := server.HalfOpen(faults.Select{Account: own.Number()}); n != 1 {
		t.Fatalf("%d connections left half open", n)
	}
	if n := server.HalfOpen(faults.Select{}); n != 0 {
		t.Errorf("%d connections left half open twice", n)
	}
	peerSends(t, peer, own, "while nobody listens")
	wait[*events.KeepAliveTimeout](client, from, nil)
	if !client.cli.IsConnected() || server.Counters().ConnectionsOpen != 1 {
		t.Error("the connection was closed")
	}
	expect(t, client, from, "KeepAliveTimeout")
	if n := server.DropTCP(faults.Select{}); n != 1 {
		t.Fatalf("%d connections dropped", n)
	}
	wait[*events.Connected](client, from, nil)
	wait(client, from, func(m *events.Message) bool { return m.Message.GetConversation() == "while nobody listens" })
}

func TestAConnectionCanGoSilentAtItsNextWord(t *testing.T) {
	server, _, client, _ := linked(t, "")
	feed, stop := server.Subscribe()
	defer stop()
	from := client.mark()
	setFault(t, server, faults.Fault{Kind: faults.HalfOpen, Count: 1})
	struck := until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventFault })
	if struck.Conn == 0 || struck.Account == "" {
		t.Errorf("event %+v", struck)
	}
	wait[*events.KeepAliveTimeout](client, from, nil)
	// The fault applies to one connection by its number, with any account.
	if n := server.DropTCP(faults.Select{Conn: struck.Conn + 1}); n != 0 {
		t.Errorf("%d connections of another number", n)
	}
	if n := server.DropTCP(faults.Select{Conn: struck.Conn}); n != 1 {
		t.Errorf("%d connections dropped", n)
	}
	wait[*events.Connected](client, from, nil)
}

func TestAMessageCanBeAcknowledgedTwice(t *testing.T) {
	server, _, client, peer := linked(t, "")
	setFault(t, server, faults.Fault{Kind: faults.DuplicateAck})
	for _, text := range []string{"one", "two", "three"} {
		client.sendText(peer.JID(), text)
		waitText(t, peer, text)
	}
	if messages := peer.Messages(); len(messages) != 3 {
		t.Errorf("the phone has %+v", messages)
	}
	if n := server.Counters().Faults["duplicate_ack"]; n != 3 {
		t.Errorf("the fault struck %d times", n)
	}
}

func TestSendsAreRefusedWithTheCodesOfWhatsApp(t *testing.T) {
	for _, code := range []int{400, 463, 479} {
		server, _, client, peer := linked(t, "")
		setFault(t, server, faults.Fault{Kind: faults.RefuseAck, Code: code, Count: 1})
		_, err := trySend(testContext(t), client, peer, "refused")
		if !errors.Is(err, whatsmeow.ErrServerReturnedError) || !strings.HasSuffix(err.Error(), " "+itoa(code)) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestAnswersToQueriesAreLateWithheldOrRefusedByName(t *testing.T) {
	server, _, client, _ := linked(t, "")
	ask := func(ctx context.Context) error {
		_, err := client.cli.TryFetchPrivacySettings(ctx, true)
		return err
	}
	setFault(t, server, faults.Fault{Kind: faults.RefuseIQ, Match: "encrypt", Code: 500})
	if err := ask(testContext(t)); err != nil {
		t.Fatalf("a fault of other queries struck: %v", err)
	}
	refuse := setFault(t, server, faults.Fault{Kind: faults.RefuseIQ, Match: "privacy/privacy", Code: 503})
	if err := ask(testContext(t)); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("refused: %v", err)
	}
	server.ClearFault(refuse)
	const delay = 300 * time.Millisecond
	setFault(t, server, faults.Fault{Kind: faults.DelayIQ, Match: "privacy", Delay: delay, Count: 1})
	began := time.Now()
	if err := ask(testContext(t)); err != nil || time.Since(began) < delay {
		t.Errorf("late: %v after %s", err, time.Since(began))
	}
	feed, stop := server.Subscribe()
	defer stop()
	setFault(t, server, faults.Fault{Kind: faults.WithholdIQ, Match: "privacy", Count: 1})
	ctx, cancel := context.WithCancel(testContext(t))
	asked := make(chan error, 1)
	go func() { asked <- ask(ctx) }()
	until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventFault })
	cancel()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("withheld: %v", err)
	}
}

func TestALoginIsCompleteOnlyAfterItsLateAnswer(t *testing.T) {
	server, client := away(t)
	setFault(t, server, faults.Fault{Kind: faults.DelayIQ, Match: "passive/active", Delay: 300 * time.Millisecond, Count: 1})
	client.connect()
	if n := server.Counters().Faults["delay_iq"]; n != 1 {
		t.Errorf("the fault struck %d times", n)
	}
}

func TestAFinalStanzaFollowedByAnImmediateCloseMayBeLost(t *testing.T) {
	server, _, client, _ := linked(t, "")
	feed, stop := server.Subscribe()
	defer stop()
	setFault(t, server, faults.Fault{Kind: faults.CloseAtOnce, Count: 1})
	client.cli.EnableAutoReconnect = false
	if n := server.StreamError(faults.Select{}, 503, "", true); n != 1 {
		t.Fatalf("%d connections reached", n)
	}
	waitDisconnected(t, feed)
	wait[*events.Disconnected](client, 0, nil)
	if n := server.Counters().Faults["close_at_once"]; n != 1 {
		t.Errorf("the fault struck %d times", n)
	}
}

func TestEveryKindOfBadCertificateIsRefused(t *testing.T) {
	for _, variant := range []string{faults.VariantWrongRoot, faults.VariantExpired, faults.VariantWrongKey} {
		t.Run(variant, func(t *testing.T) {
			server := newServer(t, sandbox.Config{})
			setFault(t, server, faults.Fault{Kind: faults.BadCertificate, Variant: variant, Count: 1})
			client := newDevice(t, server)
			if err := client.cli.Connect(); err == nil || !strings.Contains(err.Error(), "cert") {
				t.Fatalf("connect: %v", err)
			}
			client.code()
		})
	}
}

func TestAMalformedFrameIsOneStanzaLost(t *testing.T) {
	for _, variant := range []string{faults.VariantGarbage, faults.VariantNode, faults.VariantZlibBomb} {
		t.Run(variant, func(t *testing.T) {
			server, own, client, peer := linked(t, "")
			feed, stop := server.Subscribe()
			defer stop()
			from := client.mark()
			setFault(t, server, faults.Fault{Kind: faults.MalformedFrame, Variant: variant, Count: 1})
			peerSends(t, peer, own, "lost on the way")
			until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventFault })
			peerSends(t, peer, own, "next")
			wait(client, from, func(m *events.Message) bool { return m.Message.GetConversation() == "next" })
			if !client.cli.IsConnected() {
				t.Error("the connection ended")
			}
			// The message is not lost: it was not acknowledged, so it comes again.
			client.cli.ResetConnection()
			wait(client, from, func(m *events.Message) bool { return m.Message.GetConversation() == "lost on the way" })
		})
	}
}

func TestAFrameOfTheWrongLengthMakesTheConnectionUseless(t *testing.T) {
	server, _, client, _ := linked(t, "")
	from := client.mark()
	setFault(t, server, faults.Fault{Kind: faults.MalformedFrame, Variant: faults.VariantLength, Count: 1})
	wait[*events.KeepAliveTimeout](client, from, nil)
	server.DropTCP(faults.Select{})
	wait[*events.Connected](client, from, nil)
}

func TestAFaultWithAProbabilityStrikesTheSameWayEachTime(t *testing.T) {
	rounds := func() string {
		server, _, client, _ := linked(t, "")
		setFault(t, server, faults.Fault{Kind: faults.RefuseIQ, Match: "privacy", Code: 500, Probability: 0.5, Seed: 7})
		var struck strings.Builder
		for range 16 {
			if _, err := client.cli.TryFetchPrivacySettings(testContext(t), true); err != nil {
				struck.WriteByte('x')
			} else {
				struck.WriteByte('.')
			}
		}
		return struck.String()
	}
	first := rounds()
	if second := rounds(); first != second || !strings.Contains(first, "x") || !strings.Contains(first, ".") {
		t.Errorf("first %s, then %s", first, second)
	}
}

func TestWhatNarrowsAFaultIsChecked(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	for field, fault := range map[string]faults.Fault{
		"conn":        {Kind: faults.WithholdQR, Conn: 3},
		"probability": {Kind: faults.NoPong, Probability: 1.5},
		"seed":        {Kind: faults.NoPong, Seed: 1},
		"match":       {Kind: faults.NoPong, Match: "w:p"},
		"variant":     {Kind: faults.MalformedFrame, Variant: "pretty"},
		"code":        {Kind: faults.RefuseIQ},
		"delay":       {Kind: faults.DelayIQ},
	} {
		_, err := server.SetFault(fault)
		var bad *faults.Error
		if !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%+v: %v, expected an error about %s", fault, err, field)
		}
	}
	if _, err := server.SetFault(faults.Fault{Kind: faults.NoPong, Variant: "pretty"}); err == nil {
		t.Error("a variant of what has none")
	}
}

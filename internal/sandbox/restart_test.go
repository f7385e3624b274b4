package sandbox_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
)

func itoa(n int) string { return strconv.Itoa(n) }

func peerSends(t *testing.T, from, to *sandbox.Phone, text string) {
	t.Helper()
	if _, err := from.SendText(testContext(t), to.Number(), text); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatComesBackKnowsWhatItKnew(t *testing.T) {
	server, own, client, peer := linked(t, phones.ScriptEcho)
	from, url := client.mark(), server.URL()
	feed, stop := server.Subscribe()
	defer stop()
	done := make(chan error, 1)
	go func() { done <- server.Restart(testContext(t), 300*time.Millisecond, true) }()
	until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventServerDown })
	if err := server.Restart(testContext(t), 0, true); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("restarted while restarting: %v", err)
	}
	peerSends(t, peer, own, "while the server is away")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if server.URL() != url {
		t.Errorf("it was at %s and is at %s", url, server.URL())
	}
	wait[*events.Disconnected](client, from, nil)
	wait[*events.Connected](client, from, nil)
	wait(client, from, func(m *events.Message) bool { return m.Message.GetConversation() == "while the server is away" })
	client.sendText(peer.JID(), "and back")
	wait(client, from, func(m *events.Message) bool { return m.Message.GetConversation() == "and back" && !m.Info.IsFromMe })
}

func TestAServerThatForgotKnowsNoDevice(t *testing.T) {
	server, own, client, _ := linked(t, "")
	if err := server.Restart(testContext(t), 0, false); err != nil {
		t.Fatal(err)
	}
	if out := wait[*events.LoggedOut](client, 0, nil); !out.OnConnect || out.Reason != events.ConnectFailureLoggedOut {
		t.Errorf("logged out with %+v", out)
	}
	if devices := own.Devices(); len(devices) != 0 {
		t.Errorf("the phone lists %+v", devices)
	}
	next := newDevice(t, server)
	next.pair(own)
}

func TestARestartThatIsCutShortComesBackAtOnce(t *testing.T) {
	server := newServer(t, sandbox.Config{TLS: true})
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := server.Restart(ctx, time.Hour, true); !errors.Is(err, context.Canceled) {
		t.Errorf("restart: %v", err)
	}
	newDevice(t, server).code()
}

func TestAServerThatIsClosedInItsRestartStaysClosed(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	feed, stop := server.Subscribe()
	defer stop()
	done := make(chan error, 1)
	go func() { done <- server.Restart(testContext(t), time.Hour, true) }()
	until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventServerDown })
	if err := server.Close(testContext(t)); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("restart: %v", err)
	}
	if err := server.Restart(testContext(t), 0, true); !errors.Is(err, sandbox.ErrNotRunning) {
		t.Errorf("after the close: %v", err)
	}
}

package sandbox_test

import (
	"errors"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
)

func TestADroppedClientComesBack(t *testing.T) {
	server, own, client, peer := linked(t, "")
	from := client.mark()
	if n := server.DropTCP(faults.Select{Account: peer.Number()}); n != 0 {
		t.Fatalf("%d connections of a phone without any", n)
	}
	if n := server.DropTCP(faults.Select{Account: own.Number()}); n != 1 {
		t.Fatalf("%d connections dropped", n)
	}
	wait[*events.Disconnected](client, from, nil)
	wait[*events.Connected](client, from, nil)
}

func TestAClosedConnectionAndAnEndedStreamAreComeBackFrom(t *testing.T) {
	for name, act := range map[string]func(*sandbox.Server) int{
		"close":        func(s *sandbox.Server) int { return s.CloseConnections(faults.Select{}) },
		"xmlstreamend": func(s *sandbox.Server) int { return s.EndStream(faults.Select{}) },
	} {
		t.Run(name, func(t *testing.T) {
			server, _, client, _ := linked(t, "")
			from := client.mark()
			if n := act(server); n != 1 {
				t.Fatalf("%d connections", n)
			}
			wait[*events.Disconnected](client, from, nil)
			client.settled(from)
			expect(t, client, from, "Disconnected", "Connected", "OfflineSyncCompleted")
		})
	}
}

func TestStreamErrors(t *testing.T) {
	for _, c := range []struct {
		name     string
		code     int
		conflict string
		want     []string
	}{
		{"restart", 515, "", []string{"Connected", "OfflineSyncCompleted"}},
		{"unavailable", 503, "", []string{"Disconnected", "Connected", "OfflineSyncCompleted"}},
		{"unknown", 516, "", []string{"StreamError", "Disconnected", "Connected", "OfflineSyncCompleted"}},
		{"401 without a conflict", 401, "", []string{"StreamError", "Disconnected", "Connected", "OfflineSyncCompleted"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, _, client, _ := linked(t, "")
			from := client.mark()
			if n := server.StreamError(faults.Select{Device: client.cli.Store.GetJID().String()}, c.code, c.conflict, true); n != 1 {
				t.Fatalf("%d connections", n)
			}
			client.settled(from)
			expect(t, client, from, c.want...)
		})
	}
}

func TestAConflictReplacesTheClient(t *testing.T) {
	server, _, client, _ := linked(t, "")
	feed, stop := server.Subscribe()
	defer stop()
	from := client.mark()
	server.StreamError(faults.Select{}, 0, "replaced", true)
	wait[*events.StreamReplaced](client, from, nil)
	waitDisconnected(t, feed)
	expect(t, client, from, "StreamReplaced")
}

func TestAStreamErrorWithoutACloseLeavesTheConnection(t *testing.T) {
	server, _, client, _ := linked(t, "")
	from := client.mark()
	server.StreamError(faults.Select{}, 516, "", false)
	wait[*events.StreamError](client, from, nil)
	expect(t, client, from, "StreamError")
	if !client.cli.IsConnected() || client.cli.IsLoggedIn() {
		t.Errorf("connected %t, logged in %t", client.cli.IsConnected(), client.cli.IsLoggedIn())
	}
}

func TestALiveClientCanBeBanned(t *testing.T) {
	server, _, client, _ := linked(t, "")
	from := client.mark()
	if n := server.Failure(faults.Select{}, 402, time.Minute, 0, true); n != 1 {
		t.Fatalf("%d connections", n)
	}
	if ban := wait[*events.TemporaryBan](client, from, nil); ban.Code != 101 || ban.Expire != time.Minute {
		t.Errorf("ban %+v", ban)
	}
}

func TestASecondLoginReplacesTheFirst(t *testing.T) {
	server, own, first, peer := linked(t, "")
	second := openDevice(t, server, first.dsn)
	from := first.mark()
	second.connect()
	wait[*events.StreamReplaced](first, from, nil)
	// What is sent from now on goes to the second.
	if _, err := peer.SendText(testContext(t), own.Number(), "who gets this?"); err != nil {
		t.Fatal(err)
	}
	wait(second, 0, hasText("who gets this?"))
	for _, event := range first.seen(from) {
		switch event.(type) {
		case *events.Message, *events.Connected:
			t.Errorf("the first got a %T", event)
		}
	}
	if replaced := server.Counters().Replaced; replaced != 1 {
		t.Errorf("%d replaced", replaced)
	}
}

func TestARemovedDeviceIsLoggedOut(t *testing.T) {
	_, own, client, _ := linked(t, "")
	jid := own.Devices()[0].JID
	if err := own.Unlink(testContext(t), jid); err != nil {
		t.Fatal(err)
	}
	if out := wait[*events.LoggedOut](client, 0, nil); out.OnConnect {
		t.Errorf("logged out with %+v", out)
	}
	if err := own.Unlink(testContext(t), jid); !errors.Is(err, accounts.ErrUnknownDevice) {
		t.Errorf("removed twice: %v", err)
	}
	if err := own.Unlink(testContext(t), types.NewJID("1", types.DefaultUserServer)); !errors.Is(err, accounts.ErrUnknownDevice) {
		t.Errorf("a device of nobody: %v", err)
	}
}

func TestADeviceRemovedWhileAwayLearnsItAtItsNextLogin(t *testing.T) {
	_, own, client, _ := linked(t, "")
	back := client.reopen()
	if err := own.Unlink(testContext(t), own.Devices()[0].JID); err != nil {
		t.Fatal(err)
	}
	if err := back.cli.Connect(); err != nil {
		t.Fatal(err)
	}
	if out := wait[*events.LoggedOut](back, 0, nil); !out.OnConnect || out.Reason != events.ConnectFailureLoggedOut {
		t.Errorf("logged out with %+v", out)
	}
}

func TestAClientThatLogsOutIsUnlinkedAndCanPairAgain(t *testing.T) {
	server, own, client, _ := linked(t, "")
	if err := client.cli.Logout(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if devices := own.Devices(); len(devices) != 0 {
		t.Fatalf("still linked: %+v", devices)
	}
	again := newDevice(t, server)
	if jid := again.pair(own); jid.Device != 2 {
		t.Errorf("paired again as %s", jid)
	}
	noUnknownQueries(t, server)
}

func TestRemovingAPhoneLogsItsDevicesOut(t *testing.T) {
	server, own, client, peer := linked(t, "")
	if err := server.RemovePhone(own.Number()); err != nil {
		t.Fatal(err)
	}
	wait[*events.LoggedOut](client, 0, nil)
	if _, ok := server.Phone(own.Number()); ok || len(server.Phones()) != 1 {
		t.Error("the phone is still there")
	}
	if _, err := peer.SendText(testContext(t), own.Number(), "anybody?"); !errors.Is(err, accounts.ErrUnknownContact) {
		t.Errorf("sending to a removed phone: %v", err)
	}
	if _, err := own.WaitMessage(testContext(t), func(phones.Message) bool { return false }); !errors.Is(err, phones.ErrRemoved) {
		t.Errorf("waiting on a removed phone: %v", err)
	}
}

package sandbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/devicetest"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
)

func setFault(t *testing.T, server *sandbox.Server, fault faults.Fault) string {
	t.Helper()
	id, err := server.SetFault(fault)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// expect checks the names of all events after a position, in any order and without repetitions.
func expect(t *testing.T, d *device, from int, want ...string) {
	t.Helper()
	var got []string
	for _, event := range d.seen(from) {
		name := describe([]any{event})
		if !slices.Contains(got, name) && (!late(event) || slices.Contains(want, strings.Trim(name, "[]"))) {
			got = append(got, name)
		}
	}
	for i := range want {
		want[i] = "[" + want[i] + "]"
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the client told %v, expected %v", got, want)
	}
}

// late reports whether an event may come from a slow machine, whatever the server does.
func late(event any) bool {
	switch event.(type) {
	case *events.KeepAliveTimeout, *events.KeepAliveRestored:
		return true
	}
	return false
}

// away returns a linked client that is disconnected and about to log in.
func away(t *testing.T) (*sandbox.Server, *device) {
	t.Helper()
	server, _, client, _ := linked(t, "")
	back := client.reopen()
	return server, back
}

func waitDisconnected(t *testing.T, feed <-chan observe.Event) {
	t.Helper()
	until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventDisconnected })
}

func TestRefusedLogins(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault faults.Fault
		check func(*testing.T, *device)
	}{
		{"401", faults.Fault{Code: 401}, loggedOut(events.ConnectFailureLoggedOut)},
		{"403", faults.Fault{Code: 403}, loggedOut(events.ConnectFailureMainDeviceGone)},
		{"406", faults.Fault{Code: 406}, loggedOut(events.ConnectFailureUnknownLogout)},
		{"402", faults.Fault{Code: 402, Expire: time.Hour, BanCode: 104}, func(t *testing.T, d *device) {
			ban := wait[*events.TemporaryBan](d, 0, nil)
			if ban.Code != 104 || ban.Expire != time.Hour {
				t.Errorf("ban %+v", ban)
			}
			expect(t, d, 0, "TemporaryBan")
		}},
		{"405", faults.Fault{Code: 405}, func(t *testing.T, d *device) {
			wait[*events.ClientOutdated](d, 0, nil)
			expect(t, d, 0, "ClientOutdated")
		}},
		{"409", faults.Fault{Code: 409}, func(t *testing.T, d *device) {
			if failure := wait[*events.ConnectFailure](d, 0, nil); failure.Reason != 409 {
				t.Errorf("reason %v", failure.Reason)
			}
			expect(t, d, 0, "ConnectFailure")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, client := away(t)
			feed, stop := server.Subscribe()
			defer stop()
			c.fault.Kind = faults.LoginFailure
			setFault(t, server, c.fault)
			if err := client.cli.Connect(); err != nil {
				t.Fatal(err)
			}
			waitDisconnected(t, feed)
			c.check(t, client)
			if refused := server.Counters().LoginsRefused; refused != 1 {
				t.Errorf("%d logins refused", refused)
			}
		})
	}
}

func loggedOut(reason events.ConnectFailureReason) func(*testing.T, *device) {
	return func(t *testing.T, d *device) {
		t.Helper()
		if out := wait[*events.LoggedOut](d, 0, nil); !out.OnConnect || out.Reason != reason {
			t.Errorf("logged out with %+v", out)
		}
		expect(t, d, 0, "LoggedOut")
	}
}

func TestALoginRefusedWith503IsTriedAgain(t *testing.T) {
	server, client := away(t)
	setFault(t, server, faults.Fault{Kind: faults.LoginFailure, Code: 503, Count: 1})
	if err := client.cli.Connect(); err != nil {
		t.Fatal(err)
	}
	wait[*events.Connected](client, 0, nil)
	wait[*events.Disconnected](client, 0, nil)
	if faults := server.Faults(); len(faults) != 0 {
		t.Errorf("a fault for one time is still on: %+v", faults)
	}
}

func TestARefusalWithoutACloseLeavesTheClientConnected(t *testing.T) {
	server, client := away(t)
	setFault(t, server, faults.Fault{Kind: faults.LoginFailure, Code: 405, KeepOpen: true})
	if err := client.cli.Connect(); err != nil {
		t.Fatal(err)
	}
	wait[*events.ClientOutdated](client, 0, nil)
	// The previous connection may still be counted for a moment. This one must stay.
	eventually(t, func() bool { return server.Counters().ConnectionsOpen == 1 })
	if !client.cli.IsConnected() {
		t.Error("the connection was closed")
	}
	client.cli.Disconnect()
}

func TestASilentLoginTellsTheClientNothing(t *testing.T) {
	server, client := away(t)
	feed, stop := server.Subscribe()
	defer stop()
	setFault(t, server, faults.Fault{Kind: faults.SilentLogin})
	if err := client.cli.Connect(); err != nil {
		t.Fatal(err)
	}
	until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventFault })
	if got := client.seen(0); len(got) != 0 || !client.cli.IsConnected() {
		t.Errorf("the client told %s", describe(got))
	}
}

func TestAQRCanBeWithheldOrLate(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	feed, stop := server.Subscribe()
	defer stop()
	setFault(t, server, faults.Fault{Kind: faults.WithholdQR, Count: 1})
	client := newDevice(t, server)
	if err := client.cli.Connect(); err != nil {
		t.Fatal(err)
	}
	until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventFault })
	client.cli.Disconnect()
	waitDisconnected(t, feed)
	if got := client.seen(0); len(got) != 0 {
		t.Errorf("the client told %s", describe(got))
	}
	const delay = 300 * time.Millisecond
	setFault(t, server, faults.Fault{Kind: faults.DelayQR, Delay: delay, Count: 1})
	if err := client.cli.Connect(); err != nil {
		t.Fatal(err)
	}
	began := until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventFault })
	sent := until(t, feed, func(e observe.Event) bool { return e.Kind == observe.EventPairDeviceSent })
	if took := sent.Time.Sub(began.Time); took < delay {
		t.Errorf("the QR came after %s", took)
	}
	wait[*events.QR](client, 0, nil)
}

func TestAClientRefusesASpoiltConfirmation(t *testing.T) {
	for kind, reason := range map[faults.Kind]string{
		faults.BadPairHMAC:      "hmac-mismatch",
		faults.BadPairSignature: "signature-mismatch",
	} {
		t.Run(string(kind), func(t *testing.T) {
			server := newServer(t, sandbox.Config{})
			phone := newPhone(t, server, "")
			client := newDevice(t, server)
			setFault(t, server, faults.Fault{Kind: kind, Account: phone.Number()})
			_, err := phone.Scan(testContext(t), client.code())
			if !errors.Is(err, sandbox.ErrPairRefused) || !strings.Contains(err.Error(), reason) {
				t.Fatalf("scan: %v", err)
			}
			wait[*events.PairError](client, 0, nil)
			expect(t, client, 0, "QR", "PairError")
			if len(phone.Devices()) != 0 || server.Counters().PairingsRefused != 1 {
				t.Errorf("the phone lists %+v", phone.Devices())
			}
		})
	}
}

func TestAPairingWithout515StaysWhereItIs(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone := newPhone(t, server, "")
	client := newDevice(t, server)
	setFault(t, server, faults.Fault{Kind: faults.No515})
	if _, err := phone.Scan(testContext(t), client.code()); err != nil {
		t.Fatal(err)
	}
	wait[*events.PairSuccess](client, 0, nil)
	expect(t, client, 0, "QR", "PairSuccess")
	if server.Counters().Logins != 0 || server.Counters().ConnectionsOpen != 1 {
		t.Errorf("counters %+v", server.Counters())
	}
}

func TestA515FollowedByAnImmediateCloseNeedsAtMostOneConnect(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	phone := newPhone(t, server, "")
	client := newDevice(t, server)
	// The client's reconnect after the 515 would race with its reconnect after the close.
	client.cli.DisableLoginAutoReconnect = true
	setFault(t, server, faults.Fault{Kind: faults.CloseAfter515})
	if _, err := phone.Scan(testContext(t), client.code()); err != nil {
		t.Fatal(err)
	}
	wait[*events.PairSuccess](client, 0, nil)
	devicetest.Gone(t, client.cli)
	// The client may have lost the 515 with the connection. Then it waits for ever, unless the test connects it.
	client.connect()
	if logins := server.Counters().Logins; logins != 1 {
		t.Errorf("%d logins", logins)
	}
}

func TestAnUpgradeAnsweredWithAStatusFailsToConnect(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	setFault(t, server, faults.Fault{Kind: faults.HTTPStatus, Code: 503, Count: 1})
	client := newDevice(t, server)
	if err := client.cli.Connect(); err == nil || !strings.Contains(err.Error(), "503") {
		t.Fatalf("connect: %v", err)
	}
	if len(client.seen(0)) != 0 {
		t.Errorf("the client told %s", describe(client.seen(0)))
	}
	client.code()
}

func TestACertificateOfAnotherRootIsRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	setFault(t, server, faults.Fault{Kind: faults.BadCertificate, Count: 1})
	client := newDevice(t, server)
	if err := client.cli.Connect(); err == nil || !strings.Contains(err.Error(), "cert") {
		t.Fatalf("connect: %v", err)
	}
	client.code()
	eventually(t, func() bool { return server.Counters().HandshakeFailures == 1 })
}

// eventually waits for a counter that the server changes on another goroutine.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("not within %s", patience)
		}
	}
}

func TestALateHandshakeIsWaitedFor(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	setFault(t, server, faults.Fault{Kind: faults.DelayHandshake, Delay: 200 * time.Millisecond})
	newDevice(t, server).code()
	if n := server.Counters().Faults["delay_handshake"]; n != 1 {
		t.Errorf("the fault struck %d times", n)
	}
}

func trySend(ctx context.Context, d *device, to *sandbox.Phone, text string) (string, error) {
	response, err := d.cli.SendMessage(ctx, to.JID(), &waE2E.Message{Conversation: proto.String(text)}, whatsmeow.SendRequestExtra{Timeout: patience})
	return response.ID, err
}

func TestARefusedMessageReachesNobody(t *testing.T) {
	server, own, client, peer := linked(t, "")
	setFault(t, server, faults.Fault{Kind: faults.RefuseAck, Code: 463, Account: own.Number(), Count: 1})
	_, err := trySend(testContext(t), client, peer, "refused")
	if !errors.Is(err, whatsmeow.ErrServerReturnedError) || !strings.Contains(err.Error(), "463") {
		t.Fatalf("send: %v", err)
	}
	client.sendText(peer.JID(), "accepted")
	waitText(t, peer, "accepted")
	if messages := peer.Messages(); len(messages) != 1 {
		t.Errorf("the phone has %+v", messages)
	}
}

func TestAWithheldAckDoesNotKeepTheMessageBack(t *testing.T) {
	server, _, client, peer := linked(t, "")
	device := client.cli.Store.GetJID().String()
	setFault(t, server, faults.Fault{Kind: faults.WithholdAck, Device: device})
	ctx, cancel := context.WithCancel(testContext(t))
	sent := make(chan error, 1)
	go func() {
		_, err := trySend(ctx, client, peer, "delivered anyway")
		sent <- err
	}()
	waitText(t, peer, "delivered anyway")
	cancel()
	if err := <-sent; !errors.Is(err, context.Canceled) {
		t.Fatalf("the client learned of the message: %v", err)
	}
}

func TestALateAckIsWaitedFor(t *testing.T) {
	server, _, client, peer := linked(t, "")
	const delay = 300 * time.Millisecond
	setFault(t, server, faults.Fault{Kind: faults.DelayAck, Delay: delay})
	began := time.Now()
	if _, err := trySend(testContext(t), client, peer, "slow"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < delay {
		t.Errorf("the ack came after %s", took)
	}
}

func TestUnansweredPingsAreNoticed(t *testing.T) {
	server, _, client, _ := linked(t, "")
	id := setFault(t, server, faults.Fault{Kind: faults.NoPong})
	wait[*events.KeepAliveTimeout](client, 0, nil)
	if !server.ClearFault(id) || server.ClearFault(id) {
		t.Error("the fault was not cleared once")
	}
	wait[*events.KeepAliveRestored](client, 0, nil)
}

func TestFaultsThatMakeNoSenseAreRefused(t *testing.T) {
	server := newServer(t, sandbox.Config{})
	for field, fault := range map[string]faults.Fault{
		"kind":      {Kind: "rain"},
		"scope":     {Kind: faults.WithholdQR, Account: "491700000001"},
		"device":    {Kind: faults.No515, Device: "491700000001:1@s.whatsapp.net"},
		"count":     {Kind: faults.NoPong, Count: -1},
		"delay":     {Kind: faults.DelayAck},
		"code":      {Kind: faults.LoginFailure, Code: 200},
		"expire":    {Kind: faults.LoginFailure, Code: 401, Expire: time.Hour},
		"keep_open": {Kind: faults.NoPong, KeepOpen: true},
	} {
		_, err := server.SetFault(fault)
		var bad *faults.Error
		if !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%+v: %v, expected an error about %s", fault, err, field)
		}
	}
	if faults := server.Faults(); len(faults) != 0 {
		t.Errorf("set anyway: %+v", faults)
	}
}

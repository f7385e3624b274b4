package whatsapp_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/session"
	"wasup/internal/whatsapp"
)

func TestCancellingEndsTheRunAtAnyTime(t *testing.T) {
	t.Run("during the handshake", func(t *testing.T) {
		h := newHouse(t, sandbox.Config{})
		h.fault(faults.Fault{Kind: faults.DelayHandshake, Delay: time.Hour})
		feed, stop := h.server.Subscribe()
		defer stop()
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			until(t, feed, observe.EventFault)
			cancel()
		}()
		_, err := h.begin(ctx, "a")
		if session.CodeOf(err) != session.CodeConnectFailed || !strings.Contains(err.Error(), "the run was ended while it connected") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("before", func(t *testing.T) {
		h := newHouse(t, sandbox.Config{})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := h.begin(ctx, "a"); err == nil {
			t.Error("it opened")
		}
	})
	t.Run("while it is up", func(t *testing.T) {
		h := newHouse(t, sandbox.Config{})
		h.link("a", h.phone())
		feed, stop := h.server.Subscribe()
		defer stop()
		ctx, cancel := context.WithCancel(context.Background())
		l, err := h.begin(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		l.expect(session.SocketUp)
		cancel()
		until(t, feed, observe.EventDisconnected)
		l.nothingMore()
	})
}

func TestClosingIsIdempotentAndSilentWhateverTheServerDoes(t *testing.T) {
	h := newHouse(t, sandbox.Config{CloseDelay: -1})
	phone, friend := h.phone(), h.phone()
	device := h.link("a", phone)
	everybody := faults.Select{}
	ends := []func(){
		func() {},
		func() { h.server.DropTCP(everybody) },
		func() { h.server.CloseConnections(everybody) },
		func() { h.server.StreamError(everybody, 503, "", true) },
		func() { h.server.StreamError(everybody, 515, "", true) },
		func() { // stanzas in flight
			for range 20 {
				_, _ = friend.SendText(context.Background(), phone.Number(), "hello")
			}
		},
	}
	for round := range 5 * len(ends) {
		var (
			mu     sync.Mutex
			closed bool
		)
		up := make(chan struct{}, 1)
		client, err := h.dialer.Open(context.Background(), session.Run{Session: "a", Incarnation: 1, Post: func(in session.Input) {
			mu.Lock()
			defer mu.Unlock()
			if closed {
				t.Errorf("%s was posted after Close", in.Kind)
			}
			if in.Kind == session.SocketUp {
				up <- struct{}{}
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		<-up
		var work sync.WaitGroup
		work.Go(ends[round%len(ends)])
		for range 3 {
			work.Go(func() {
				client.Close()
				mu.Lock()
				defer mu.Unlock()
				closed = true
			})
		}
		work.Wait()
		client.Close()
	}
	if got := h.bound("a"); got != device.String() {
		t.Errorf("bound to %q", got)
	}
}

func TestNewRefusesASecondRootKeyInOneProcess(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	for name, change := range map[string]func(*whatsapp.Config){
		"RootPublicKey differs, and whatsmeow": func(c *whatsapp.Config) { c.RootPublicKey = [32]byte{} }, // WhatsApp's own
		"RootPublicKey":                        func(c *whatsapp.Config) { c.RootPublicKey = [32]byte{1} },
		"DeviceName":                           func(c *whatsapp.Config) { c.DeviceName = "another" },
	} {
		cfg := whatsapp.Config{
			WebsocketURL: h.server.URL(), RootPublicKey: testAuthority.RootPublicKey(),
			DB: h.store.DB(), Devices: h.store.Sessions(),
		}
		change(&cfg)
		if _, err := whatsapp.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

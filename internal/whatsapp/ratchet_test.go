package whatsapp_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// wantHealthy fails if a message was requested again, a key was used twice, or a handler panicked. It waits until the
// device has acknowledged everything.
func (h *house) wantHealthy(phone *sandbox.Phone, device types.JID) {
	h.t.Helper()
	h.drained(phone, device)
	if n := h.server.Counters(); n.KeyReuses != 0 || n.Retries != 0 || n.Panics != 0 {
		h.t.Errorf("%d keys were used twice, %d messages asked for again, %d panics", n.KeyReuses, n.Retries, n.Panics)
	}
}

// drained waits until the device has acknowledged everything.
func (h *house) drained(phone *sandbox.Phone, device types.JID) {
	h.t.Helper()
	ctx := testContext(h.t)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		for _, d := range phone.Devices() {
			if d.JID == device && d.Queued == 0 {
				return
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			h.t.Fatalf("device %s has not acknowledged everything: %+v", device, phone.Devices())
		}
	}
}

func TestSendsAndReceivesInOneChatDoNotDisturbEachOther(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	const chats, rounds = 3, 100
	own := h.phone()
	device := h.link("a", own)
	l := h.open("a")
	l.expect(session.SocketUp)
	friends := make([]*sandbox.Phone, chats)
	for i := range friends {
		friends[i] = h.phone()
		if err := friends[i].SetScript(phones.ScriptEcho); err != nil {
			t.Fatal(err)
		}
	}
	// Both sides begin at the same moment, so each chat has two Signal sessions that are used in turn.
	var all sync.WaitGroup
	for i, friend := range friends {
		all.Go(func() {
			for n := range rounds {
				if _, err := l.client.Send(testContext(t), text(fmt.Sprintf("3EB0%04d%08d", i, n), friend.LID().String())); err != nil {
					t.Error(err)
					return
				}
			}
		})
		all.Go(func() {
			for n := range rounds {
				if _, err := friend.SendText(testContext(t), own.Number(), fmt.Sprintf("from friend %d: %d", i, n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for i, friend := range friends {
		last := fmt.Sprintf("3EB0%04d%08d", i, rounds-1)
		if _, err := friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == last }); err != nil {
			t.Fatal(err)
		}
	}
	h.wantHealthy(own, device)
	l.nothingMore()
}

func TestSendsAndReceivesInOneGroupDoNotDisturbEachOther(t *testing.T) {
	h := newHouse(t, sandbox.Config{})
	const rounds = 25
	own := h.phone()
	device := h.link("a", own)
	l := h.open("a")
	l.expect(session.SocketUp)
	friends := []*sandbox.Phone{h.phone(), h.phone()}
	group, err := own.CreateGroup(testContext(t), phones.NewGroup{Subject: "All", Members: []string{friends[0].Number(), friends[1].Number()}})
	if err != nil {
		t.Fatal(err)
	}
	send := func(id string) {
		if _, err := l.client.Send(testContext(t), text(id, group.String())); err != nil {
			t.Error(err)
		}
	}
	say := func(friend *sandbox.Phone, n int) {
		if _, err := friend.SendGroupText(testContext(t), group, fmt.Sprintf("%d from %s", n, friend.Name())); err != nil {
			t.Error(err)
		}
	}
	shown := func(id string) {
		t.Helper()
		for _, friend := range friends {
			if _, err := friend.WaitMessage(testContext(t), func(m phones.Message) bool { return m.ID == id }); err != nil {
				t.Fatal(err)
			}
		}
	}
	send("3EB1000000000000") // with an answer from each friend, so that every pair uses one Signal session
	shown("3EB1000000000000")
	for _, friend := range friends {
		say(friend, 0)
		h.drained(own, device)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := range rounds {
			send(fmt.Sprintf("3EB0%012d", n))
		}
	})
	for _, friend := range friends {
		all.Go(func() {
			for n := range rounds {
				say(friend, 1+n)
			}
		})
	}
	all.Wait()
	shown(fmt.Sprintf("3EB0%012d", rounds-1))
	h.wantHealthy(own, device)
	l.nothingMore()
}

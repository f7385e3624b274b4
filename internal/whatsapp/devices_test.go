package whatsapp_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/sandbox"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/session"
)

// fleet is a session "a" in READY that has written to a friend, so it knows the friend's devices.
type fleet struct {
	*house
	*life
	own, friend *sandbox.Phone
	feed        <-chan observe.Event
	left        map[string]int // how often each message left, by its id
	last        int
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	h := newHouse(t, sandbox.Config{})
	f := &fleet{house: h, own: h.phone(), friend: h.phone(), left: map[string]int{}}
	f.life = h.ready("a", f.own)
	feed, stop := h.server.Subscribe()
	t.Cleanup(stop)
	f.feed = feed
	return f
}

// people and the groups are the kinds of chats with the friend.
const people = "people"

// chats returns the chats of a kind with the friend: people (one by number, one by LID) or the addressing of a group.
func (f *fleet) chats(kind string) []message.Recipient {
	f.house.t.Helper()
	if kind == people {
		return []message.Recipient{message.Recipient(f.friend.JID().String()), message.Recipient(f.friend.LID().String())}
	}
	jid, err := f.friend.CreateGroup(testContext(f.house.t), phones.NewGroup{Subject: "Friends", Addressing: kind, Members: []string{f.own.Number()}})
	if err != nil {
		f.house.t.Fatal(err)
	}
	return []message.Recipient{message.Recipient(jid.String())}
}

// everywhere runs a test in a new fleet for each kind of chat, once if the session is told of new devices and once if
// it is not.
func everywhere(t *testing.T, test func(f *fleet, chats []message.Recipient, told bool)) {
	for _, kind := range []string{people, groups.AddressingLID, groups.AddressingPN} {
		for _, told := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, told %t", kind, told), func(t *testing.T) {
				f := newFleet(t)
				test(f, f.chats(kind), told)
			})
		}
	}
}

func (f *fleet) send(to message.Recipient) string {
	f.house.t.Helper()
	f.last++
	id := fmt.Sprintf("3EB0%018d", f.last)
	if _, err := f.client.Send(testContext(f.house.t), text(id, string(to))); err != nil {
		f.house.t.Fatalf("to %s: %v", to, err)
	}
	return id
}

// stanzas returns how often a message left. Its sender has the acknowledgement.
func (f *fleet) stanzas(id string) int {
	for {
		select {
		case e := <-f.feed:
			if e.Kind == observe.EventMessage {
				f.left[e.Detail]++
			}
		default:
			return f.left[id]
		}
	}
}

// deaf makes the server tell nobody about the devices of a phone.
func (f *fleet) deaf(phone *sandbox.Phone) {
	f.fault(faults.Fault{Kind: faults.WithholdDevices, Account: phone.Number()})
}

// told waits until the session has acknowledged every stanza, and so has read what the server told it of devices.
func (f *fleet) told() {
	f.house.t.Helper()
	ctx, look := testContext(f.house.t), time.NewTicker(5*time.Millisecond)
	defer look.Stop()
	for f.own.Devices()[0].Queued > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			f.house.t.Fatal("the session does not acknowledge what it got")
		}
	}
}

// reads waits until a session has a message, and checks that it has it once.
func (f *fleet) reads(id session.ID, messageID string) {
	f.house.t.Helper()
	ctx := testContext(f.house.t)
	for {
		found, _, err := f.store.Events().Read(ctx, events.Query{Session: id})
		if err != nil {
			f.house.t.Fatal(err)
		}
		for _, event := range found {
			var data events.MessageData
			if event.Type != events.TypeMessage || json.Unmarshal(event.Data, &data) != nil || data.ID != messageID {
				continue
			}
			if data.Content == nil || data.Content.Text != "hello from "+messageID {
				f.house.t.Errorf("session %s reads %s", id, event.Data)
			}
			return
		}
		select {
		case <-f.store.Events().Appended():
		case <-ctx.Done():
			f.house.t.Fatalf("session %s never got %s", id, messageID)
		}
	}
}

func (f *fleet) nobodyGotItTwice() {
	f.house.t.Helper()
	if n := f.server.Counters(); n.Duplicates != 0 || n.Retries != 0 || n.KeyReuses != 0 {
		f.house.t.Errorf("%d messages came twice, %d were asked for again, %d keys were used twice", n.Duplicates, n.Retries, n.KeyReuses)
	}
}

func TestAContactsNewDeviceGetsTheNextMessage(t *testing.T) {
	everywhere(t, func(f *fleet, chats []message.Recipient, told bool) {
		shows(f.house.t, f.friend, f.send(chats[0]), nil)
		if !told {
			f.deaf(f.friend)
		}
		f.ready("b", f.friend)
		f.told()
		for i, to := range chats {
			id := f.send(to)
			f.reads("b", id)
			if got := shows(f.house.t, f.friend, id, nil); got.Copies != 1 {
				f.house.t.Errorf("the phone got %d copies", got.Copies)
			}
			// A session that knows nothing notices it at the first acknowledgement.
			want := 1
			if !told && i == 0 {
				want = 2
			}
			if n := f.stanzas(id); n != want {
				f.house.t.Errorf("the message left %d times, want %d", n, want)
			}
		}
		f.nobodyGotItTwice()
		f.noSurprises()
		f.nothingMore()
	})
}

func TestTheOwnAccountsNewDeviceGetsTheNextMessage(t *testing.T) {
	everywhere(t, func(f *fleet, chats []message.Recipient, told bool) {
		shows(f.house.t, f.friend, f.send(chats[0]), nil)
		if !told {
			f.deaf(f.own)
		}
		f.ready("b", f.own)
		f.told()
		for _, to := range chats {
			id := f.send(to)
			f.reads("b", id)
			for _, phone := range []*sandbox.Phone{f.own, f.friend} {
				if got := shows(f.house.t, phone, id, nil); got.Copies != 1 {
					f.house.t.Errorf("a phone got %d copies", got.Copies)
				}
			}
		}
		f.nobodyGotItTwice()
		f.noSurprises()
		f.nothingMore()
	})
}

func TestADeviceThatIsGoneEndsNoMessage(t *testing.T) {
	everywhere(t, func(f *fleet, chats []message.Recipient, told bool) {
		b := f.ready("b", f.friend)
		f.told()
		f.reads("b", f.send(chats[0]))
		if !told {
			f.deaf(f.friend)
		}
		if err := b.client.Unlink(testContext(f.house.t)); err != nil {
			f.house.t.Fatal(err)
		}
		b.client.Close()
		f.told()
		for range 2 {
			id := f.send(chats[0])
			if got := shows(f.house.t, f.friend, id, nil); got.Copies != 1 {
				f.house.t.Errorf("the phone got %d copies", got.Copies)
			}
			if n := f.stanzas(id); n != 1 {
				f.house.t.Errorf("the message left %d times", n)
			}
		}
		f.nobodyGotItTwice()
		f.noSurprises()
		f.nothingMore()
	})
}

// newDeviceUnheard links a device with the friend after a first message, without telling the session.
func (f *fleet) newDeviceUnheard(to message.Recipient) {
	f.house.t.Helper()
	shows(f.house.t, f.friend, f.send(to), nil)
	f.deaf(f.friend)
	f.ready("b", f.friend)
}

func TestAMessageCutOffBeforeItsSecondPartIsRepeatedForAll(t *testing.T) {
	f := newFleet(t)
	to := message.Recipient(f.friend.LID().String())
	f.newDeviceUnheard(to)
	f.fault(faults.Fault{Kind: faults.WithholdIQ, Match: "usync/usync", Account: f.own.Number(), Count: 1})
	feed, stop := f.server.Subscribe()
	defer stop()
	go func() {
		until(t, feed, observe.EventFault)
		f.server.DropTCP(faults.Select{Account: f.own.Number()})
	}()
	again := text("3EB0000000000000AA", string(to))
	_, err := f.client.Send(testContext(t), again)
	wantCode(t, err, session.CodeDisconnected)
	f.client.Close()
	f.life = f.open("a")
	f.expect(session.SocketUp)
	if _, err = f.client.Send(testContext(t), again); err != nil {
		t.Fatal(err)
	}
	f.reads("b", again.ID)
	shows(t, f.friend, again.ID, func(m phones.Message) bool { return m.Copies == 2 }) // and shows it once
	f.noSurprises()
	f.nothingMore()
}

func TestAMessageWhoseSecondPartIsRefusedIsStillSent(t *testing.T) {
	f := newFleet(t)
	to := message.Recipient(f.friend.LID().String())
	f.newDeviceUnheard(to)
	f.fault(faults.Fault{Kind: faults.RefuseIQ, Match: "usync/usync", Account: f.own.Number(), Code: 429, Count: 1})
	id := f.send(to)
	if got := shows(t, f.friend, id, nil); got.Copies != 1 {
		t.Errorf("the phone got %d copies", got.Copies)
	}
	f.reads("b", f.send(to)) // the lists were dropped
	f.nobodyGotItTwice()
	f.nothingMore()
}

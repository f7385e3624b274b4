package sandbox_test

import (
	"errors"
	"testing"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/sandbox"
	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/calls"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/phones"
)

// inState waits until a call has a state on a phone.
func inState(t *testing.T, phone *sandbox.Phone, id string, state calls.State) calls.Call {
	t.Helper()
	call, err := phone.WaitCall(testContext(t), func(c calls.Call) bool { return c.ID == id && c.State == state })
	must(t, err)
	return call
}

// acknowledged waits until a device has acknowledged everything.
func acknowledged(t *testing.T, server *sandbox.Server, phone *sandbox.Phone) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		left := 0
		for _, dev := range phone.Devices() {
			left += dev.Queued
		}
		if left == 0 {
			return
		}
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("%d stanzas were not acknowledged", left)
		}
	}
}

func meta(meta types.BasicCallMeta, id string, from, caller *sandbox.Phone) bool {
	return meta.CallID == id && meta.From == from.LID() && meta.CallCreator == caller.LID() && meta.CallCreatorAlt == caller.JID() &&
		!meta.Timestamp.IsZero() && meta.GroupJID.IsEmpty()
}

func TestAClientHearsItsAccountBeingCalled(t *testing.T) {
	t.Parallel()
	server, own, client, peer := linked(t, "")
	ctx := testContext(t)

	// The phone accepts a video call. The client learns of it and stops ringing.
	id, err := peer.PlaceCall(ctx, phones.CallConfig{To: own.Number(), Video: true})
	must(t, err)
	offer := wait(client, 0, func(e *events.CallOffer) bool { return meta(e.BasicCallMeta, id, peer, peer) })
	if _, video := offer.Data.GetOptionalChildByTag("video"); !video || offer.RemotePlatform != "android" || offer.RemoteVersion == "" {
		t.Errorf("the offer is %+v", offer)
	}
	wait(client, 0, func(e *events.CallRelayLatency) bool { return meta(e.BasicCallMeta, id, peer, peer) })
	if call := inState(t, own, id, calls.Ringing); call.From != peer.JID() || call.Chat != peer.JID() || call.FromMe || !call.Video {
		t.Errorf("the phone sees %+v", call)
	}
	must(t, own.AcceptCall(ctx, id))
	wait(client, 0, func(e *events.CallAccept) bool { return meta(e.BasicCallMeta, id, own, peer) })
	wait(client, 0, func(e *events.CallTerminate) bool {
		return meta(e.BasicCallMeta, id, peer, peer) && e.Reason == "accepted_elsewhere"
	})
	if call := inState(t, peer, id, calls.Accepted); call.Chat != own.JID() || !call.FromMe {
		t.Errorf("the caller sees %+v", call)
	}
	must(t, own.EndCall(ctx, id))
	inState(t, peer, id, calls.Ended)

	// The phone rejects a voice call.
	id, err = peer.PlaceCall(ctx, phones.CallConfig{To: own.Number()})
	must(t, err)
	offer = wait(client, 0, func(e *events.CallOffer) bool { return e.CallID == id })
	if _, video := offer.Data.GetOptionalChildByTag("video"); video {
		t.Error("there is a picture in a voice call")
	}
	must(t, own.RejectCall(ctx, id))
	wait(client, 0, func(e *events.CallReject) bool { return meta(e.BasicCallMeta, id, own, peer) })
	wait(client, 0, func(e *events.CallTerminate) bool { return e.CallID == id && e.Reason == "rejected_elsewhere" })
	inState(t, peer, id, calls.Rejected)

	// The caller gives one call up, and nobody answers another.
	id, err = peer.PlaceCall(ctx, phones.CallConfig{To: own.Number()})
	must(t, err)
	must(t, peer.EndCall(ctx, id))
	wait(client, 0, func(e *events.CallTerminate) bool { return meta(e.BasicCallMeta, id, peer, peer) && e.Reason == "" })
	id, err = peer.PlaceCall(ctx, phones.CallConfig{To: own.Number(), Ring: time.Millisecond})
	must(t, err)
	wait(client, 0, func(e *events.CallTerminate) bool {
		return meta(e.BasicCallMeta, id, peer, peer) && e.Reason == "timeout"
	})
	if call := inState(t, own, id, calls.Ended); call.Reason != "timeout" {
		t.Errorf("it ended for %q", call.Reason)
	}
	acknowledged(t, server, own)
	noUnknownQueries(t, server)
	if n := server.Counters().Calls; n != 4 {
		t.Errorf("%d calls were counted", n)
	}
}

func TestAClientDoesNotTakeACall(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	own, peer := newPhone(t, server, ""), newPhone(t, server, "")
	first, second, caller := newDevice(t, server), newDevice(t, server), newDevice(t, server)
	first.pair(own)
	second.pair(own)
	caller.pair(peer)
	ctx := testContext(t)
	id, err := peer.PlaceCall(ctx, phones.CallConfig{To: own.Number()})
	must(t, err)
	wait(first, 0, func(e *events.CallOffer) bool { return e.CallID == id })
	wait(second, 0, func(e *events.CallOffer) bool { return e.CallID == id })
	must(t, first.cli.RejectCall(ctx, peer.LID(), id))
	wait(second, 0, func(e *events.CallReject) bool { return e.CallID == id && e.From == first.cli.Store.GetLID() })
	wait(second, 0, func(e *events.CallTerminate) bool { return e.CallID == id && e.Reason == "rejected_elsewhere" })
	inState(t, own, id, calls.Rejected)
	inState(t, peer, id, calls.Rejected)
	acknowledged(t, server, own)
	for _, event := range first.seen(0) {
		switch event.(type) {
		case *events.CallReject, *events.CallTerminate:
			t.Errorf("who did it is told: %+v", event)
		}
	}
	// Clients get no events of calls that their own phone places.
	for _, event := range caller.seen(0) {
		if offer, is := event.(*events.CallOffer); is {
			t.Errorf("the caller's client rings: %+v", offer)
		}
	}
	noUnknownQueries(t, server)
}

// whatsmeow places no calls by itself, but programs that use it do, with stanzas like these.
func TestAClientCalls(t *testing.T) {
	t.Parallel()
	server, own, client, peer := linked(t, "")
	other := newDevice(t, server)
	other.pair(peer)
	ctx := testContext(t)
	send := func(id, signal string, children ...waBinary.Node) {
		t.Helper()
		node := waBinary.Node{Tag: signal, Attrs: waBinary.Attrs{"call-id": id, "call-creator": client.cli.Store.GetLID()}}
		if children != nil {
			node.Content = children
		}
		must(t, client.cli.DangerousInternals().SendNode(ctx, waBinary.Node{
			Tag: "call", Attrs: waBinary.Attrs{"id": client.cli.GenerateMessageID(), "to": peer.LID()}, Content: []waBinary.Node{node},
		}))
	}
	key := func(jid types.JID, secret string) waBinary.Node {
		return waBinary.Node{Tag: "to", Attrs: waBinary.Attrs{"jid": jid}, Content: []waBinary.Node{
			{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": "pkmsg"}, Content: []byte(secret)},
		}}
	}
	send("C1", "offer", waBinary.Node{Tag: "video"}, waBinary.Node{Tag: "destination", Content: []waBinary.Node{
		key(peer.LID(), "for the phone"), key(other.cli.Store.GetLID(), "for the device"),
	}})
	if call := inState(t, peer, "C1", calls.Ringing); call.From != own.JID() || !call.Video {
		t.Errorf("the phone sees %+v", call)
	}
	offer := wait(other, 0, func(e *events.CallOffer) bool { return e.CallID == "C1" && e.CallCreator == client.cli.Store.GetLID() })
	enc := offer.Data.GetChildByTag("enc")
	if got, _ := enc.Content.([]byte); string(got) != "for the device" || len(offer.Data.GetChildrenByTag("enc")) != 1 {
		t.Errorf("the device got %v", offer.Data)
	}
	send("C1", "mute_v2")
	wait(other, 0, func(e *events.UnknownCallEvent) bool {
		children := e.Node.GetChildren()
		return len(children) == 1 && children[0].Tag == "mute_v2"
	})
	must(t, peer.AcceptCall(ctx, "C1"))
	wait(client, 0, func(e *events.CallAccept) bool { return e.CallID == "C1" && e.From == peer.LID() })
	must(t, peer.EndCall(ctx, "C1"))
	wait(client, 0, func(e *events.CallTerminate) bool { return e.CallID == "C1" && e.From == peer.LID() })

	send("C2", "offer")
	inState(t, peer, "C2", calls.Ringing)
	must(t, peer.RejectCall(ctx, "C2"))
	wait(client, 0, func(e *events.CallReject) bool { return e.CallID == "C2" })

	send("C3", "offer")
	inState(t, peer, "C3", calls.Ringing)
	send("C3", "terminate")
	inState(t, peer, "C3", calls.Ended)
	wait(other, 0, func(e *events.CallTerminate) bool { return e.CallID == "C3" })
	acknowledged(t, server, own)
	acknowledged(t, server, peer)
	noUnknownQueries(t, server)
}

func TestAGroupIsCalled(t *testing.T) {
	t.Parallel()
	server, own, client, peer := linked(t, "")
	third := newPhone(t, server, "")
	ctx := testContext(t)
	group, err := peer.CreateGroup(ctx, phones.NewGroup{Subject: "Night shift", Members: []string{own.Number(), third.Number()}})
	must(t, err)
	id, err := peer.PlaceCall(ctx, phones.CallConfig{To: group.String(), Video: true})
	must(t, err)
	notice := wait(client, 0, func(e *events.CallOfferNotice) bool { return e.CallID == id })
	if notice.GroupJID != group || notice.Media != "video" || notice.Type != "group" || notice.CallCreator != peer.LID() {
		t.Errorf("the notice is %+v", notice)
	}
	must(t, own.RejectCall(ctx, id))
	wait(client, 0, func(e *events.CallReject) bool { return e.CallID == id && e.GroupJID == group })
	// A member who rejects the call does not end it for the others.
	if call := inState(t, third, id, calls.Ringing); call.Chat != group {
		t.Errorf("the third sees %+v", call)
	}
	must(t, third.AcceptCall(ctx, id))
	inState(t, peer, id, calls.Accepted)
	must(t, third.EndCall(ctx, id))
	inState(t, third, id, calls.Ended)
	inState(t, peer, id, calls.Accepted)
	must(t, peer.EndCall(ctx, id))
	inState(t, peer, id, calls.Ended)
	inState(t, own, id, calls.Rejected)
	if _, err = newPhone(t, server, "").PlaceCall(ctx, phones.CallConfig{To: group.String()}); !errors.Is(err, groups.ErrNotInGroup) {
		t.Errorf("a stranger called the group: %v", err)
	}
}

func TestCallsWhileAwayAreToldAfterwards(t *testing.T) {
	t.Parallel()
	server, own, client, peer := linked(t, "")
	ctx := testContext(t)
	client.cli.Disconnect()
	id, err := peer.PlaceCall(ctx, phones.CallConfig{To: own.Number()})
	must(t, err)
	must(t, peer.EndCall(ctx, id))
	from := client.mark()
	client.connect()
	wait(client, from, func(e *events.CallOffer) bool { return e.CallID == id })
	wait(client, from, func(e *events.CallTerminate) bool { return e.CallID == id })
	acknowledged(t, server, own)
}

func TestWhatCannotBeDoneWithACall(t *testing.T) {
	t.Parallel()
	server := newServer(t, sandbox.Config{})
	ana, bruno, eva := newPhone(t, server, ""), newPhone(t, server, ""), newPhone(t, server, "")
	ctx := testContext(t)
	for _, c := range []struct {
		cfg  phones.CallConfig
		want error
	}{
		{phones.CallConfig{To: ana.Number()}, calls.ErrSelf},
		{phones.CallConfig{To: "4911111111111"}, accounts.ErrUnknownContact},
		{phones.CallConfig{To: bruno.Number(), Ring: -1}, calls.ErrBadRing},
		{phones.CallConfig{To: bruno.Number(), Ring: time.Hour}, calls.ErrBadRing},
	} {
		if _, err := ana.PlaceCall(ctx, c.cfg); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.cfg, err, c.want)
		}
	}
	id, err := ana.PlaceCall(ctx, phones.CallConfig{To: bruno.Number()})
	must(t, err)
	for _, step := range []struct {
		name string
		do   func() error
		want error
	}{
		{"the caller takes it", func() error { return ana.AcceptCall(ctx, id) }, calls.ErrState},
		{"who is called hangs up", func() error { return bruno.EndCall(ctx, id) }, calls.ErrState},
		{"a stranger takes it", func() error { return eva.AcceptCall(ctx, id) }, calls.ErrUnknown},
		{"one takes what is not there", func() error { return bruno.AcceptCall(ctx, "C0") }, calls.ErrUnknown},
		{"it is taken", func() error { return bruno.AcceptCall(ctx, id) }, nil},
		{"it is taken twice", func() error { return bruno.AcceptCall(ctx, id) }, calls.ErrState},
		{"it is ended", func() error { return ana.EndCall(ctx, id) }, nil},
		{"it is ended twice", func() error { return ana.EndCall(ctx, id) }, calls.ErrState},
		{"it is refused when it is over", func() error { return bruno.RejectCall(ctx, id) }, calls.ErrState},
	} {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
	}
	if calls := eva.Calls(); len(calls) != 0 {
		t.Errorf("a stranger sees %+v", calls)
	}
	bruno.SetOnline(false)
	if _, err = bruno.PlaceCall(ctx, phones.CallConfig{To: ana.Number()}); !errors.Is(err, phones.ErrOffline) {
		t.Errorf("switched off it called: %v", err)
	}
	if err = bruno.AcceptCall(ctx, id); !errors.Is(err, phones.ErrOffline) {
		t.Errorf("switched off it took a call: %v", err)
	}
}
